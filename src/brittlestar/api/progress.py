"""What a person sees while a run goes on: what is done, how far, time left, the worst conditions so far.

One ``Screen`` knows what to say; its kinds know where: a table on the terminal of someone who typed a command, one line
on that of a script, a display that changes in a notebook, a line now and then where nobody may be looking.
"""

from __future__ import annotations

import contextlib
import html
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from brittlestar import measures
from brittlestar.api.run import LEVEL
from brittlestar.core import frost
from brittlestar.measures import of_many
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.shifts.conditions import Condition

LINE_EVERY = 10.0
"""Seconds between lines where the output is not a terminal."""

DISPLAY_EVERY = 0.5
"""Seconds between changes of a notebook's display: each is a message to the browser."""

WORST = 8


def interval_of(successes: int, n: int, rule: str, level: float = LEVEL) -> measures.Estimate:
    """The interval of independent outcomes that count alike, as the way the run was stopped asks for."""
    return measures.rate(successes, n, rule, level)


def clock(seconds: float | None) -> str:
    """``1:05`` or ``2:03:20``; a dash for unknown."""
    if seconds is None:
        return "–"
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


class Screen:
    """Says how far a run is on standard error, a line now and then."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.names: Sequence[str] = ()
        self.conditions: Sequence[Condition] = ()
        self.last = 0.0

    def note(self, text: str) -> None:
        """One line of what happens now."""
        # Where the output is no terminal, rich would break lines at 80 columns without soft_wrap.
        self.console.print(Text(text + " ..."), highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """What a person must know before believing any number."""
        self.console.print(Text(f"WARNING: {text}", style="bold"), highlight=False, soft_wrap=True)

    def plan(self, names: Sequence[str], conditions: Sequence[Condition], progress: Progress) -> None:
        """The plan stands; work begins."""
        self.names, self.conditions = names, conditions
        text = f"{len(names)} model{'s'[: len(names) > 1]}, {len(conditions)} conditions, "
        self.note(text + f"{progress.work_total:,.0f} forward passes to make")
        if said := frost.advice(condition.info for condition in conditions):
            self.console.print(Text(said), highlight=False, soft_wrap=True)

    def progress(self, progress: Progress) -> None:
        """A work item is done."""
        if self.due(progress, LINE_EVERY):
            self.console.print(Text(self.line(progress)), highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave everything as it was."""

    def due(self, progress: Progress, every: float) -> bool:
        """Whether it is time to say something again: after ``every`` seconds, and at the end."""
        if time.monotonic() - self.last < every and progress.work_done < progress.work_total:
            return False
        self.last = time.monotonic()
        return True

    def status(self, progress: Progress) -> str:
        """How far, and how long."""
        share = progress.work_done / max(progress.work_total, 1)
        return (
            f"{100 * share:3.0f} %  images {progress.block[0]:,}-{progress.block[1]:,}  "
            f"{clock(progress.elapsed)} gone, about {clock(progress.remaining)} left"
        )

    def line(self, progress: Progress) -> str:
        """How far, and the worst condition so far."""
        worst = self.worst(progress)[:1]
        tail = f"; worst so far {worst[0][3]}: {worst[0][4]}, interval for all conditions together" if worst else ""
        return self.status(progress) + tail

    def worst(self, progress: Progress) -> list[tuple[float, str, str, str, str]]:
        """Error, model, condition, both in words, and the error in words, worst first.

        The worst are chosen of many, so their intervals are those that hold for all of them together.
        """
        shown = {k: v for k, v in progress.tallies.items() if self.conditions[k[1]].info.kind != "fourier"}
        each = of_many(max(len(shown), 1))
        errors = []
        for (model, place), (n, wrong) in shown.items():
            info = self.conditions[place].info
            interval = interval_of(wrong, n, "anytime", each)  # whoever watches looks all the time
            text = f"{100 * interval.value:.1f} % error [{100 * interval.low:.1f}, {100 * interval.high:.1f}], n = {n}"
            text += "" if progress.even else ", not weighted by class"
            text += ", images that depend on each other taken for independent" if progress.grouped else ""
            errors.append((interval.value, self.names[model], info.id, f"{self.names[model]} under {info.id}", text))
        return sorted(errors, reverse=True)


class _Redrawn(Screen):
    """Draws on a terminal, over and over in one place."""

    live: Live | None = None

    def plan(self, names: Sequence[str], conditions: Sequence[Condition], progress: Progress) -> None:
        """The plan stands; work begins."""
        super().plan(names, conditions, progress)
        if progress.work_total > 0:
            self.live = Live(console=self.console, refresh_per_second=4, transient=True)
            self.live.start()

    def progress(self, progress: Progress) -> None:
        """A work item is done."""
        if self.live is not None:
            self.live.update(self.drawing(progress))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def drawing(self, progress: Progress) -> Any:
        """One line, as wide as the terminal allows."""
        return Text(self.line(progress), no_wrap=True, overflow="ellipsis")


class OneLine(_Redrawn):
    """One line that changes: for a script on a terminal."""


class Board(_Redrawn):
    """A bar, the time and a table of the worst conditions: for a command on a terminal."""

    def drawing(self, progress: Progress) -> Any:
        """Bar, time and table."""
        table = Table(box=None, pad_edge=False, title="worst conditions so far", title_justify="left")
        for column in ("model", "condition", "error and interval (95 % for all conditions together)"):
            table.add_column(column)
        for _, name, condition, _, text in self.worst(progress)[:WORST]:
            table.add_row(Text(name), Text(condition), Text(text))
        bar = ProgressBar(total=max(progress.work_total, 1), completed=progress.work_done, width=60)
        return Group(bar, Text(self.status(progress)), table)


class NotebookCell(Screen):
    """A display under a notebook's cell that changes, and warnings that stay."""

    def __init__(self) -> None:
        super().__init__()
        self.handle: Any = None

    def show(self, text: str, share: float | None = None) -> None:
        """Put a text, and a bar, in the display's place."""
        from IPython.display import HTML, display

        bar = "" if share is None else f'<progress value="{share:.3f}" max="1" style="width:20em"></progress><br>'
        content = HTML(f"<div>{bar}<small>{html.escape(text)}</small></div>")
        if self.handle is None:
            self.handle = display(content, display_id=True)
        else:
            self.handle.update(content)

    def note(self, text: str) -> None:
        """One line of what happens now."""
        self.show(text + " ...")

    def warn(self, text: str) -> None:
        """What a person must know before believing any number: a display of its own."""
        from IPython.display import HTML, display

        display(HTML(f"<div><b>WARNING: {html.escape(text)}</b></div>"))

    def progress(self, progress: Progress) -> None:
        """A work item is done."""
        if self.due(progress, DISPLAY_EVERY):
            self.show(self.line(progress), progress.work_done / max(progress.work_total, 1))


def in_a_notebook() -> bool:
    """Whether this process answers a notebook's cells. IPython is asked only where it runs already."""
    running = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(running, "kernel", None) is not None


@contextlib.contextmanager
def drawn_by(screen: Screen) -> Iterator[Watch]:
    """Callbacks that a screen answers."""
    try:
        yield Watch(note=screen.note, warn=screen.warn, plan=screen.plan, progress=screen.progress)
    finally:
        screen.close()
        sys.stderr.flush()


def watched() -> contextlib.AbstractContextManager[Watch]:
    """For a command: a board on a terminal, a line now and then elsewhere."""
    return drawn_by(Board() if Console(stderr=True).is_terminal else Screen())


def shown(progress: bool | None = None) -> contextlib.AbstractContextManager[Watch]:
    """For Python: a notebook's display, one line on a terminal, a line now and then elsewhere; ``False`` for none."""
    if progress is False:
        return contextlib.nullcontext(Watch(warn=lambda text: warnings.warn(text, UserWarning, stacklevel=2)))
    if in_a_notebook():
        return drawn_by(NotebookCell())
    return drawn_by(OneLine() if Console(stderr=True).is_terminal else Screen())

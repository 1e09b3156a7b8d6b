"""What a person sees while a run goes on: what is done, how far, time left, the worst conditions so far.

One ``Screen`` knows what to say; its kinds know where: a table on the terminal of someone who typed a command, one line
on that of a script, a display that changes in a notebook, a line now and then where nobody may be looking.
"""

from __future__ import annotations

import contextlib
import html
import sys
import threading
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
from brittlestar.core.text import readable
from brittlestar.measures import of_many
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.shifts.conditions import Condition

LINE_EVERY = 9.0
"""Seconds between lines where the output is not a terminal: never more than ten without a sign of life."""

LOOK_EVERY = 0.5
"""Seconds between looks at whether a line is due."""

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


def _text(text: str, **how: Any) -> Text:
    """What is printed: names from data neither move the cursor nor turn the text around them."""
    return Text(readable(text), **how)


class Screen:
    """Says how far a run is on standard error, a line now and then."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.names: Sequence[str] = ()
        self.conditions: Sequence[Condition] = ()
        self.told = 0.0
        self.last = time.monotonic()
        self.doing, self.since = "starting", self.last
        self.far: Progress | None = None
        self.over = threading.Event()
        self.watcher: threading.Thread | None = None

    def open(self) -> None:
        """Begin to give signs of life, whatever the work is at."""
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def _watch(self) -> None:
        while not self.over.wait(LOOK_EVERY):
            self.tick()

    def tick(self) -> None:
        """Say what is being done, if nothing was said for long."""
        if time.monotonic() - self.last >= LINE_EVERY:
            self.say(f"  {self.life()}")

    def life(self) -> str:
        """What is being done, and for how long."""
        if self.far is not None:
            return self.status(self.far)
        return f"{self.doing}: {clock(time.monotonic() - self.since)}"

    def say(self, text: str) -> None:
        """Print a line."""
        self.last = time.monotonic()
        # Where the output is no terminal, rich would break lines at 80 columns without soft_wrap.
        self.console.print(_text(text), highlight=False, soft_wrap=True)

    def phase(self, text: str) -> None:
        """What is being done now."""
        self.doing, self.since, self.far = text, time.monotonic(), None

    def note(self, text: str) -> None:
        """One line of what happens now."""
        self.phase(text)
        self.say(text + " ...")

    def warn(self, text: str) -> None:
        """What a person must know before believing any number."""
        self.last = time.monotonic()
        self.console.print(_text(f"WARNING: {text}", style="bold"), highlight=False, soft_wrap=True)

    def plan(self, names: Sequence[str], conditions: Sequence[Condition], progress: Progress) -> None:
        """The plan stands; work begins."""
        self.names, self.conditions = names, conditions
        text = f"{len(names)} model{'s'[: len(names) > 1]}, {len(conditions)} conditions, "
        self.note(text + f"{progress.work_total:,.0f} forward passes to make")
        if said := frost.advice(condition.info for condition in conditions):
            self.console.print(_text(said), highlight=False, soft_wrap=True)

    def progress(self, progress: Progress) -> None:
        """A work item is done."""
        self.far = progress
        if self.due(progress, LINE_EVERY):
            self.say(self.line(progress))

    def close(self) -> None:
        """Leave everything as it was."""
        self.over.set()
        if self.watcher is not None:
            self.watcher.join()
            self.watcher = None

    def due(self, progress: Progress, every: float) -> bool:
        """Whether it is time to say something again: after ``every`` seconds, and at the end."""
        if time.monotonic() - self.told < every and progress.work_done < progress.work_total:
            return False
        self.told = time.monotonic()
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
        return self.status(progress) + self.tail(progress)

    def tail(self, progress: Progress) -> str:
        """The worst condition so far."""
        worst = self.worst(progress)[:1]
        return f"; worst so far {worst[0][3]}: {worst[0][4]}, interval for all conditions together" if worst else ""

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
    drawn: Any = None

    def open(self) -> None:
        """Begin to draw; the time goes on in it whatever the work is at."""
        self.live = Live(get_renderable=self.whole, console=self.console, refresh_per_second=4, transient=True)
        self.live.start()

    def whole(self) -> Any:
        """What stands there now."""
        life = _text(self.life(), no_wrap=True, overflow="ellipsis")
        return life if self.far is None or self.drawn is None else self.drawing(life, self.drawn)

    def progress(self, progress: Progress) -> None:
        """A work item is done."""
        # Made here and not whenever it is drawn, as the drawing thread must not read tallies while they change.
        self.drawn = self.made(progress)
        self.far = progress

    def close(self) -> None:
        """Leave the terminal as it was."""
        super().close()
        if self.live is not None:
            self.live.stop()
            self.live = None

    def made(self, progress: Progress) -> Any:
        """What changes only when something is done."""
        return self.tail(progress)

    def drawing(self, life: Text, made: Any) -> Any:
        """One line, as wide as the terminal allows."""
        return life.append(made)


class OneLine(_Redrawn):
    """One line that changes: for a script on a terminal."""


class Board(_Redrawn):
    """A bar, the time and a table of the worst conditions: for a command on a terminal."""

    def made(self, progress: Progress) -> Any:
        """Bar and table."""
        table = Table(box=None, pad_edge=False, title="worst conditions so far", title_justify="left")
        for column in ("model", "condition", "error and interval (95 % for all conditions together)"):
            table.add_column(column)
        for _, name, condition, _, text in self.worst(progress)[:WORST]:
            table.add_row(_text(name), _text(condition), _text(text))
        return ProgressBar(total=max(progress.work_total, 1), completed=progress.work_done, width=60), table

    def drawing(self, life: Text, made: Any) -> Any:
        """Bar, time and table."""
        bar, table = made
        return Group(bar, life, table)


class NotebookCell(Screen):
    """A display under a notebook's cell that changes, and warnings that stay."""

    def __init__(self) -> None:
        super().__init__()
        self.handle: Any = None

    def show(self, text: str, share: float | None = None) -> None:
        """Put a text, and a bar, in the display's place."""
        from IPython.display import HTML, display

        bar = "" if share is None else f'<progress value="{share:.3f}" max="1" style="width:20em"></progress><br>'
        content = HTML(f"<div>{bar}<small>{html.escape(readable(text))}</small></div>")
        if self.handle is None:
            self.handle = display(content, display_id=True)
        else:
            self.handle.update(content)

    def say(self, text: str) -> None:
        """One line."""
        self.last = time.monotonic()
        self.show(text)

    def warn(self, text: str) -> None:
        """What a person must know before believing any number: a display of its own."""
        from IPython.display import HTML, display

        display(HTML(f"<div><b>WARNING: {html.escape(readable(text))}</b></div>"))

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
    screen.open()
    try:
        yield Watch(note=screen.note, phase=screen.phase, warn=screen.warn, plan=screen.plan, progress=screen.progress)
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

"""What a person sees while a run goes on: what is done, how far, time left, the worst conditions so far."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from brittlestar.api import interval_of
from brittlestar.core import frost
from brittlestar.measures import of_many
from brittlestar.runs.runner import Progress
from brittlestar.runs.session import Watch
from brittlestar.shifts.conditions import Condition

LINE_EVERY = 10.0
"""Seconds between lines where the output is not a terminal."""

WORST = 8


def clock(seconds: float | None) -> str:
    """``1:05`` or ``2:03:20``; a dash for unknown."""
    if seconds is None:
        return "–"
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


class Screen:
    """Draws a run's progress; a live table on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.names: Sequence[str] = ()
        self.conditions: Sequence[Condition] = ()
        self.live: Live | None = None
        self.last_line = 0.0

    def note(self, text: str) -> None:
        """One line of what happens now."""
        self.console.print(Text(text + " ..."), highlight=False)

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
        if self.console.is_terminal and progress.work_total > 0:
            self.live = Live(console=self.console, refresh_per_second=4, transient=True)
            self.live.start()

    def progress(self, progress: Progress) -> None:
        """A work item is done."""
        if self.live is not None:
            self.live.update(self._drawing(progress))
        elif time.monotonic() - self.last_line >= LINE_EVERY or progress.work_done >= progress.work_total:
            self.last_line = time.monotonic()
            worst = self._worst(progress)[:1]
            tail = f"; worst so far {worst[0][3]}: {worst[0][4]}, interval for all conditions together" if worst else ""
            self.console.print(Text(self._status(progress) + tail), highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _status(self, progress: Progress) -> str:
        share = progress.work_done / max(progress.work_total, 1)
        return (
            f"{100 * share:3.0f} %  images {progress.block[0]:,}-{progress.block[1]:,}  "
            f"{clock(progress.elapsed)} gone, about {clock(progress.remaining)} left"
        )

    def _worst(self, progress: Progress) -> list[tuple[float, str, str, str, str]]:
        """The worst are chosen of many, so their intervals are those that hold for all of them together."""
        shown = {k: v for k, v in progress.tallies.items() if self.conditions[k[1]].info.kind != "fourier"}
        each = of_many(max(len(shown), 1))
        found = []
        for (model, place), (n, errors) in shown.items():
            info = self.conditions[place].info
            interval = interval_of(errors, n, "anytime", each)  # whoever watches looks all the time
            text = f"{100 * interval.value:.1f} % error [{100 * interval.low:.1f}, {100 * interval.high:.1f}], n = {n}"
            text += "" if progress.even else ", not weighted by class"
            text += ", images that depend on each other taken for independent" if progress.grouped else ""
            found.append((interval.value, self.names[model], info.id, f"{self.names[model]} under {info.id}", text))
        return sorted(found, reverse=True)

    def _drawing(self, progress: Progress) -> Group:
        table = Table(box=None, pad_edge=False, title="worst conditions so far", title_justify="left")
        for column in ("model", "condition", "error and interval (95 % for all conditions together)"):
            table.add_column(column)
        for _, name, condition, _, text in self._worst(progress)[:WORST]:
            table.add_row(Text(name), Text(condition), Text(text))
        bar = ProgressBar(total=max(progress.work_total, 1), completed=progress.work_done, width=60)
        return Group(bar, Text(self._status(progress)), table)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Callbacks that draw on standard error."""
    screen = Screen()
    try:
        yield Watch(note=screen.note, warn=screen.warn, plan=screen.plan, progress=screen.progress)
    finally:
        screen.close()
        sys.stderr.flush()

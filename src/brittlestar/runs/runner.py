"""The runner: takes the plan through an engine, block-major, until it is done or a stop rule says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from brittlestar.runs.bench import Done
from brittlestar.runs.plan import WorkItem
from brittlestar.runs.workers import Engine


@dataclass
class Progress:
    """How far a run is. Handed to callbacks; not to be written to by them.

    Fields:
        tallies: (model, condition) -> [samples, errors], earlier sessions included.
        work_done, work_total: Forward passes of this session (attacks count theirs).
        block: The block being worked on, ``(start, stop)``.
        images: Shifted images evaluated in this session.
        began: ``time.monotonic()`` at the start.
        warm: Seconds and forward passes when the first item was done.
        even: Whether classes are of about one size: else the tallies of a part do not speak of the whole set.
        grouped: Whether some images depend on each other, which tallies do not know.
    """

    tallies: dict[tuple[int, int], list[int]]
    work_total: float
    work_done: float = 0.0
    block: tuple[int, int] = (0, 0)
    images: int = 0
    began: float = field(default_factory=time.monotonic)
    warm: tuple[float, float] | None = None
    even: bool = True
    grouped: bool = False

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @property
    def pace(self) -> float | None:
        """Seconds a forward pass since the first finished item (which waits for processes to start)."""
        if self.warm is None or self.work_done <= self.warm[1]:
            return None
        return (self.elapsed - self.warm[0]) / (self.work_done - self.warm[1])

    @property
    def remaining(self) -> float | None:
        """Estimated seconds left for the whole plan; ``None`` before there is a pace."""
        return None if self.pace is None else self.pace * (self.work_total - self.work_done)


def run(
    items: Sequence[WorkItem],
    engine: Engine,
    progress: Progress,
    *,
    deadline: float | None = None,
    enough: Callable[[Progress], bool] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> str:
    """Do the items in order.

    Args:
        items: In block-major order.
        engine: Where they are done.
        progress: Is brought up to date after every item.
        deadline: ``time.monotonic()``; no item begins that would end later, judged by the pace so far.
        enough: Asked after every finished block; ``True`` stops the run.
        on_progress: Called after every item.
        on_interrupt: Called at Ctrl-C, before the items in hand are finished.

    Returns:
        Why it ended: ``complete``, ``budget``, ``precision`` or ``interrupted`` (Ctrl-C: items in hand are finished
        and written first).
    """
    left: dict[int, int] = {}
    for item in items:
        left[item.stop] = left.get(item.stop, 0) + 1
    pending = iter(items)
    in_hand = 0.0
    upcoming = next(pending, None)
    reason = "complete"
    try:
        while upcoming is not None or engine.waiting:
            while upcoming is not None and engine.free > 0:
                if deadline is not None and _too_late(progress, in_hand + upcoming.work, deadline):
                    upcoming, reason = None, "budget"
                    break
                engine.submit(upcoming)
                in_hand += upcoming.work
                upcoming = next(pending, None)
            for done in engine.collect() if engine.waiting else ():
                assert isinstance(done.item, WorkItem)
                _count(progress, done, done.item)
                in_hand -= done.item.work
                left[done.item.stop] -= 1
                on_progress(progress)
                if left[done.item.stop] == 0 and upcoming is not None and enough is not None and enough(progress):
                    upcoming, reason = None, "precision"
    except KeyboardInterrupt:
        reason = "interrupted"
        on_interrupt()
        engine.close()
    return reason


def _too_late(progress: Progress, work: float, deadline: float) -> bool:
    """Whether so much work would end after the deadline, at the pace so far (once there is one)."""
    return time.monotonic() + work * (progress.pace or 0.0) >= deadline


def _count(progress: Progress, done: Done, item: WorkItem) -> None:
    progress.work_done += item.work
    if progress.warm is None:
        progress.warm = (progress.elapsed, progress.work_done)
    progress.block = (item.start, item.stop)
    for model, condition, samples, errors in done.tallies:
        tally = progress.tallies.setdefault((model, condition), [0, 0])
        tally[0] += samples
        tally[1] += errors
        progress.images += samples

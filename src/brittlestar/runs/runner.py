"""The runner: takes tasks through an executor, block-major, until it is done or a stop rule says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from brittlestar.runs.executors import Executor
from brittlestar.runs.fill_task import FillTask
from brittlestar.runs.pace import Pace
from brittlestar.runs.plan import Backlog
from brittlestar.runs.task import Done, Task
from brittlestar.store.skipped import Skipped


@dataclass
class Progress:
    """How far a run is. Handed to callbacks; not to be written to by them.

    Fields:
        tallies: (model, condition) -> [samples, errors], earlier sessions included.
        work_done, work_total: Forward passes of this session (attacks count theirs).
        block: The block being worked on, ``(start, stop)``.
        images: Shifted images evaluated in this session.
        began: ``time.monotonic()`` at the start.
        warm: Seconds and forward passes when the first task was done.
        even: Whether classes are of about one size: else the tallies of a part do not speak of the whole set.
        grouped: Whether some images depend on each other, which tallies do not know.
        unread: Samples that tasks could not read, so that nothing of these tasks is stored.
        deadline: ``time.monotonic()`` when a budget will have been spent, whatever is left; ``None`` without one.
    """

    tallies: dict[tuple[int, int], list[int]]
    work_total: float
    work_done: float = 0.0
    block: tuple[int, int] = (0, 0)
    images: int = 0
    began: float = field(default_factory=lambda: time.monotonic())
    warm: tuple[float, float] | None = None
    even: bool = True
    grouped: bool = False
    unread: list[Skipped] = field(default_factory=list)
    deadline: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @property
    def pace(self) -> float | None:
        """Seconds a forward pass since the first finished task (which waits for processes to start)."""
        if self.warm is None or self.work_done <= self.warm[1]:
            return None
        return (self.elapsed - self.warm[0]) / (self.work_done - self.warm[1])

    @property
    def remaining(self) -> float | None:
        """Estimated seconds left, of the whole plan or of the budget, whichever ends first; ``None`` if unknown."""
        ends = [] if self.pace is None else [self.pace * (self.work_total - self.work_done)]
        ends += [] if self.deadline is None else [max(self.deadline - time.monotonic(), 0.0)]
        return min(ends, default=None)


def through(
    executor: Executor, tasks: Iterable[Task], wanted: Callable[[Task, float], bool] = lambda *_: True
) -> Iterator[Done]:
    """Have tasks run in order; give each when it is done.

    Args:
        executor: Where they are run.
        tasks: In order; each is asked for when there is room for it.
        wanted: Asked before a task begins, with the forward passes in hand; from the first ``False`` on none begins.
    """
    pending = iter(tasks)
    in_hand, over = 0.0, False
    while True:
        while not over and executor.free > 0:
            task = next(pending, None)
            if task is None or not wanted(task, in_hand):
                over = True
                break
            executor.submit(task)
            in_hand += task.work
        if not executor.waiting:
            return
        for done in executor.collect():
            in_hand -= done.task.work
            yield done


SHORTEST, LONGEST, PART = 3.0, 10.0, 0.02
"""Seconds that a task is to take: the shortest at first, and ``PART`` of the time so far more, up to the longest. Short
ones let a person, a budget or a precision stop the run soon; longer ones keep the files of a long run few."""


def run(
    backlog: Backlog,
    executor: Executor,
    progress: Progress,
    *,
    pace: Pace | None = None,
    deadline: float | None = None,
    enough: Callable[[Progress], bool] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> str:
    """Run what is left, in order.

    Args:
        backlog: What is left; emptied by what is claimed of it.
        executor: Where tasks are run.
        progress: Is brought up to date after every task.
        pace: What is known of how long tasks take; is brought up to date.
        deadline: ``time.monotonic()``; no task begins that would end later, judged by the pace so far.
        enough: Asked after every finished block; ``True`` stops the run.
        on_progress: Called after every task.
        on_interrupt: Called at Ctrl-C, before the executor is closed.

    Returns:
        Why it ended: ``complete``, ``budget``, ``precision`` or ``interrupted`` (Ctrl-C: an executor finishes the tasks
        in hand, or drops them, as its ``stopping`` says).
    """
    pace = Pace() if pace is None else pace
    # An executor takes about two tasks for each that it runs at once.
    workers = max(executor.free // 2, 1)
    in_hand: dict[int, int] = {}
    reason = "complete"

    def fits(task: FillTask) -> bool:
        most = min(LONGEST, SHORTEST + PART * progress.elapsed)
        if deadline is not None:
            most = min(most, deadline - time.monotonic())
        seconds = pace.seconds(task)
        return seconds is not None and seconds <= most

    def claimed() -> Iterator[Task]:
        while backlog:
            yield backlog.claim(fits)

    def wanted(task: Task, work: float) -> bool:
        nonlocal reason
        # Without a single row there would be nothing to report, however late it is.
        nothing = not progress.tallies and not in_hand
        if reason == "complete" and deadline is not None and not nothing:
            # What is in hand is worked at by all, the task itself by one.
            seconds = (pace.seconds(task) or 0.0) + work * (pace.a_pass or 0.0) / workers
            reason = "budget" if time.monotonic() + seconds >= deadline else reason
        if reason == "complete":
            in_hand[task.stop] = in_hand.get(task.stop, 0) + 1
        return reason == "complete"

    try:
        for done in through(executor, claimed(), wanted):
            # Without a tally nothing was asked: the samples could not be read, or are all left out.
            if done.tallies:
                pace.learn(done)
            _count(progress, done)
            in_hand[done.task.stop] -= 1
            on_progress(progress)
            # With the last task begun there is nothing to stop: the run is complete, not cut short by its precision.
            whole = not in_hand[done.task.stop] and not backlog.holds(done.task.stop)
            if whole and reason == "complete" and backlog and enough is not None and enough(progress):
                reason = "precision"
    except KeyboardInterrupt:
        reason = "interrupted"
        on_interrupt()
        executor.close()
    return reason


def _count(progress: Progress, done: Done) -> None:
    progress.unread += done.unread
    if done.unread:
        return
    progress.work_done += done.task.work
    if progress.warm is None:
        progress.warm = (progress.elapsed, progress.work_done)
    progress.block = (done.task.start, done.task.stop)
    for model, condition, samples, errors in done.tallies:
        tally = progress.tallies.setdefault((model, condition), [0, 0])
        tally[0] += samples
        tally[1] += errors
        progress.images += samples

"""The runner: takes tasks through an executor, block-major, until it is done or a stop rule says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from brittlestar.runs.executors import Executor
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
    unread: list[Skipped] = field(default_factory=list)

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
        """Estimated seconds left for the whole plan; ``None`` before there is a pace."""
        return None if self.pace is None else self.pace * (self.work_total - self.work_done)


def through(
    executor: Executor, tasks: Iterable[Task], wanted: Callable[[Task, float], bool] = lambda *_: True
) -> Iterator[Done]:
    """Have tasks run in order; give each when it is done.

    Args:
        executor: Where they are run.
        tasks: In order.
        wanted: Asked before a task begins, with the forward passes in hand; from the first ``False`` on none begins.
    """
    pending = iter(tasks)
    in_hand = 0.0
    upcoming = next(pending, None)
    while upcoming is not None or executor.waiting:
        while upcoming is not None and executor.free > 0:
            if not wanted(upcoming, in_hand):
                upcoming = None
                break
            executor.submit(upcoming)
            in_hand += upcoming.work
            upcoming = next(pending, None)
        for done in executor.collect() if executor.waiting else ():
            in_hand -= done.task.work
            yield done


def run(
    tasks: Sequence[Task],
    executor: Executor,
    progress: Progress,
    *,
    deadline: float | None = None,
    enough: Callable[[Progress], bool] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> str:
    """Run the tasks in order.

    Args:
        tasks: In block-major order.
        executor: Where they are run.
        progress: Is brought up to date after every task.
        deadline: ``time.monotonic()``; no task begins that would end later, judged by the pace so far.
        enough: Asked after every finished block; ``True`` stops the run.
        on_progress: Called after every task.
        on_interrupt: Called at Ctrl-C, before the executor is closed.

    Returns:
        Why it ended: ``complete``, ``budget``, ``precision`` or ``interrupted`` (Ctrl-C: an executor finishes the tasks
        in hand, or drops them, as its ``stopping`` says).
    """
    left: dict[int, int] = {}
    for task in tasks:
        left[task.stop] = left.get(task.stop, 0) + 1
    begun = 0
    reason = "complete"

    def wanted(task: Task, in_hand: float) -> bool:
        nonlocal begun, reason
        if reason == "complete" and deadline is not None and _too_late(progress, in_hand + task.work, deadline):
            reason = "budget"
        begun += reason == "complete"
        return reason == "complete"

    try:
        for done in through(executor, tasks, wanted):
            _count(progress, done)
            left[done.task.stop] -= 1
            on_progress(progress)
            # With the last task begun there is nothing to stop: the run is complete, not cut short by its precision.
            goes_on = reason == "complete" and begun < len(tasks)
            if left[done.task.stop] == 0 and goes_on and enough is not None and enough(progress):
                reason = "precision"
    except KeyboardInterrupt:
        reason = "interrupted"
        on_interrupt()
        executor.close()
    return reason


def _too_late(progress: Progress, work: float, deadline: float) -> bool:
    """Whether so much work would end after the deadline, at the pace so far (once there is one)."""
    return time.monotonic() + work * (progress.pace or 0.0) >= deadline


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

"""What is left to compute, in block-major order. Pure; knows no model and no pixels."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from brittlestar.runs.fill_task import FillTask

FIRST_BLOCK = 4
"""The first block is small, so that every condition soon has a number, even of a model that takes a second an image."""

BLOCK = 256
"""Every later block, once the first ones have doubled up to it."""

GROUP_COST = 64.0
"""Cells are grouped until they cost about as many forward passes as this many plain conditions."""

GROUP_SAMPLES = 64
"""Groups of smaller blocks hold as many more conditions: so many small files would cost more than what is in them."""

FinishedGroup = tuple[int, int, tuple[str, ...]]
"""(start, stop, condition fingerprints) of one stored file."""


def block_bounds(count: int, cuts: Iterable[int] = ()) -> list[int]:
    """Ends of the blocks of the first ``count`` samples: 4, 8, 16, ..., 256, 512, 768, ... and every cut below it."""
    # The same ends whatever the count: a later run with more samples computes nothing twice.
    ends = {*range(BLOCK, count, BLOCK), *cuts}
    end = FIRST_BLOCK
    while end < BLOCK:
        ends.add(end)
        end *= 2
    return [*sorted(end for end in ends if 0 < end < count), count]


class Backlog:
    """The tasks that are missing, in the order they are to be done; whoever takes one says how large it may be.

    How cells are put together decides into which files they go, and nothing else.

    Args:
        tasks: Each as large as it may ever be.
        costs: Per model, per condition: forward passes a sample.
    """

    def __init__(self, tasks: Iterable[FillTask], costs: Sequence[Sequence[float | None]]) -> None:
        self._tasks = deque(tasks)
        self._costs = costs

    def __bool__(self) -> bool:
        """Whether something is left."""
        return bool(self._tasks)

    @property
    def tasks(self) -> tuple[FillTask, ...]:
        """All that is left, each task as large as it may be."""
        return tuple(self._tasks)

    @property
    def work(self) -> float:
        """Forward passes that are left."""
        return sum(task.work for task in self._tasks)

    def holds(self, stop: int) -> bool:
        """Whether some of the block that ends at ``stop`` is left."""
        return bool(self._tasks) and self._tasks[0].stop <= stop

    def claim(self, fits: Callable[[FillTask], bool]) -> FillTask:
        """Take the first task, or as much of it as ``fits``: at the least one condition of one block."""
        task = self._tasks.popleft()
        places = sorted({c for _, conditions in task.groups for c in conditions})
        if len(places) == 1 or fits(task):
            return task
        # Runs of 1, 2, 4, ... conditions that begin at multiples of their length: whatever the pace, the groups are
        # few, and those of different blocks are the same.
        first, last = places[0], places[-1]
        length = 1 << (last - first).bit_length()
        while length > 1 and (first % length or not fits(self._part(task, range(first, first + length)))):
            length //= 2
        self._tasks.appendleft(self._part(task, range(first + length, last + 1)))
        return self._part(task, range(first, first + length))

    def _part(self, task: FillTask, places: range) -> FillTask:
        """The cells of some conditions."""
        chosen = [(model, tuple(c for c in conditions if c in places)) for model, conditions in task.groups]
        groups = tuple((model, conditions) for model, conditions in chosen if conditions)
        cost = sum(self._costs[model][c] or 0.0 for model, conditions in groups for c in conditions)
        return FillTask(task.start, task.stop, groups, cost)


def plan(
    costs: Sequence[Sequence[float | None]],
    fingerprints: Sequence[str],
    count: int,
    finished: Sequence[Sequence[FinishedGroup]],
    skipped: Collection[int] = (),
) -> Backlog:
    """What is missing.

    Args:
        costs: Per model, per condition: forward passes a sample, or ``None`` where the model cannot take it.
        fingerprints: Of the conditions.
        count: How many samples of the seeded order are wanted.
        finished: Per model, what the store has.
        skipped: Positions that are left out; of a block without any other there is nothing to store.
    """
    # Stored files end where blocks end, so that each block is either done or not.
    cuts = {edge for groups in finished for start, stop, _ in groups for edge in (start, stop)}
    ends = block_bounds(count, cuts)
    starts = [0, *ends[:-1]]
    done = [_done_by_block(groups, starts, ends) for groups in finished]
    chunks: dict[float, list[list[int]]] = {}
    tasks: list[FillTask] = []
    for block, (start, stop) in enumerate(zip(starts, ends, strict=True)):
        if skipped and all(position in skipped for position in range(start, stop)):
            continue
        most = GROUP_COST * max(1, GROUP_SAMPLES // (stop - start))
        if most not in chunks:
            chunks[most] = _chunks(costs, most)
        for chunk in chunks[most]:
            groups, total = [], 0.0
            for model, model_costs in enumerate(costs):
                have = done[model].get(block, set())
                lacking = tuple(c for c in chunk if model_costs[c] is not None and fingerprints[c] not in have)
                if lacking:
                    groups.append((model, lacking))
                    total += sum(model_costs[c] or 0.0 for c in lacking)
            if groups:
                tasks.append(FillTask(start, stop, tuple(groups), total))
    return Backlog(tasks, costs)


def _done_by_block(groups: Sequence[FinishedGroup], starts: list[int], ends: list[int]) -> Mapping[int, set[str]]:
    done: dict[int, set[str]] = {}
    for start, stop, conditions in groups:
        first = bisect.bisect_left(starts, start)
        for block in range(first, len(starts)):
            if ends[block] > stop:
                break
            done.setdefault(block, set()).update(conditions)
    return done


def _chunks(costs: Sequence[Sequence[float | None]], most: float) -> list[list[int]]:
    """Neighbouring conditions, cut where a chunk would cost more than ``most``; the first stands alone."""
    chunks: list[list[int]] = []
    size = 0.0
    for place in range(len(costs[0]) if costs else 0):
        cost = max((c[place] or 0.0 for c in costs), default=0.0)
        if not chunks or place == 1 or size + cost > most:
            chunks.append([])
            size = 0.0
        chunks[-1].append(place)
        size += cost
    return chunks

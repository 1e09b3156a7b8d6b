"""What is left to compute, in block-major order. Pure; knows no model and no pixels."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence

from brittlestar.runs.fill_task import FillTask

FIRST_BLOCK = 50
"""The first block is small, so that every condition soon has a number."""

BLOCK = 250
"""Every later block, once the first ones have grown."""

GROUP_COST = 64.0
"""Cells are grouped until they cost about as many forward passes as this many plain conditions."""

FinishedGroup = tuple[int, int, tuple[str, ...]]
"""(start, stop, condition fingerprints) of one stored file."""


def block_bounds(count: int, cuts: Iterable[int] = ()) -> list[int]:
    """Ends of the blocks of the first ``count`` samples: 50, 100, 250, 500, ... and every cut below ``count``."""
    # Multiples of a fixed size whatever the count: a later run with more samples computes nothing twice.
    ends = {FIRST_BLOCK, 2 * FIRST_BLOCK, *range(BLOCK, count, BLOCK), *cuts}
    return [*sorted(end for end in ends if 0 < end < count), count]


def plan(
    costs: Sequence[Sequence[float | None]],
    fingerprints: Sequence[str],
    count: int,
    finished: Sequence[Sequence[FinishedGroup]],
) -> list[FillTask]:
    """The tasks that are missing, in the order they are to be done.

    Args:
        costs: Per model, per condition: forward passes a sample, or ``None`` where the model cannot take it.
        fingerprints: Of the conditions.
        count: How many samples of the seeded order are wanted.
        finished: Per model, what the store has.
    """
    # Stored files end where blocks end, so that each block is either done or not.
    cuts = {edge for groups in finished for start, stop, _ in groups for edge in (start, stop)}
    ends = block_bounds(count, cuts)
    starts = [0, *ends[:-1]]
    done = [_done_by_block(groups, starts, ends) for groups in finished]
    chunks = _chunks(costs)
    tasks: list[FillTask] = []
    for block, (start, stop) in enumerate(zip(starts, ends, strict=True)):
        for chunk in chunks:
            groups, total = [], 0.0
            for model, model_costs in enumerate(costs):
                have = done[model].get(block, set())
                lacking = tuple(c for c in chunk if model_costs[c] is not None and fingerprints[c] not in have)
                if lacking:
                    groups.append((model, lacking))
                    total += sum(model_costs[c] or 0.0 for c in lacking)
            if groups:
                tasks.append(FillTask(start, stop, tuple(groups), total))
    return tasks


def _done_by_block(groups: Sequence[FinishedGroup], starts: list[int], ends: list[int]) -> Mapping[int, set[str]]:
    done: dict[int, set[str]] = {}
    for start, stop, conditions in groups:
        first = bisect.bisect_left(starts, start)
        for block in range(first, len(starts)):
            if ends[block] > stop:
                break
            done.setdefault(block, set()).update(conditions)
    return done


def _chunks(costs: Sequence[Sequence[float | None]]) -> list[list[int]]:
    """Neighbouring conditions, cut where a chunk would cost more than ``GROUP_COST``; the first stands alone."""
    chunks: list[list[int]] = []
    size = 0.0
    for place in range(len(costs[0]) if costs else 0):
        cost = max((c[place] or 0.0 for c in costs), default=0.0)
        if not chunks or place == 1 or size + cost > GROUP_COST:
            chunks.append([])
            size = 0.0
        chunks[-1].append(place)
        size += cost
    return chunks

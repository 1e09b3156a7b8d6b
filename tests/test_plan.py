"""The plan: block-major, complete, nothing twice, fast for a million cells."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from brittlestar.runs.fill_task import FillTask
from brittlestar.runs.plan import block_bounds, plan


def cells_of(items: list[FillTask]) -> list[tuple[int, int, int]]:
    """Every (model, condition, sample) of the items."""
    return [(m, c, s) for i in items for m, conditions in i.groups for c in conditions for s in range(i.start, i.stop)]


def test_blocks_start_small_and_end_at_the_count() -> None:
    assert block_bounds(1000) == [50, 100, 250, 500, 750, 1000]
    assert block_bounds(30) == [30]
    assert block_bounds(300, cuts=[120, 900]) == [50, 100, 120, 250, 300]


def test_the_first_block_covers_every_condition_before_the_second_begins() -> None:
    items = plan([[1.0] * 200], [str(i) for i in range(200)], 150, [[]])
    starts = [item.start for item in items]
    assert starts == sorted(starts)
    assert {c for i in items if i.start == 0 for _, cs in i.groups for c in cs} == set(range(200))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_resumed_plan_does_exactly_what_is_missing(data: st.DataObject) -> None:
    """Stop after any number of items, with any earlier sample count: nothing twice, nothing left."""
    conditions = data.draw(st.integers(1, 90))
    costs = [[data.draw(st.sampled_from([1.0, 1.0, 31.0, None])) for _ in range(conditions)] for _ in range(2)]
    names = [f"c{i}" for i in range(conditions)]
    finished: list[list[tuple[int, int, tuple[str, ...]]]] = [[], []]
    seen: list[tuple[int, int, int]] = []
    for count in [*data.draw(st.lists(st.integers(1, 420), min_size=1, max_size=3)), 420]:
        items = plan(costs, names, count, finished)
        stop = len(items) if count == 420 else data.draw(st.integers(0, len(items)))
        for item in items[:stop]:
            for model, done in item.groups:
                finished[model].append((item.start, item.stop, tuple(names[c] for c in done)))
        seen += cells_of(items[:stop])
    wanted = {(m, c, s) for m in range(2) for c in range(conditions) if costs[m][c] is not None for s in range(420)}
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted


def test_a_million_cells_are_planned_in_seconds() -> None:
    conditions = [f"{i:016x}" for i in range(10_000)]
    ends = block_bounds(100 * 250 - 500)
    groups = [
        (start, stop, tuple(conditions[i : i + 64]))
        for start, stop in zip([0, *ends], ends, strict=False)
        for i in range(0, 5_000, 64)
    ]
    began = time.perf_counter()
    items = plan([[1.0] * 10_000], conditions, ends[-1], [groups])
    assert len(ends) >= 100
    assert time.perf_counter() - began < 5
    assert sum(item.work for item in items) < 10_000 * ends[-1]

"""The plan: block-major, complete, nothing twice, claimed by pace, fast for a million cells."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from brittlestar.runs.fill_task import FillTask
from brittlestar.runs.pace import Pace
from brittlestar.runs.plan import GROUP_COST, GROUP_SAMPLES, Backlog, block_bounds, plan
from brittlestar.runs.task import Done
from counting import lines_run


def cells_of(items: list[FillTask]) -> list[tuple[int, int, int]]:
    """Every (model, condition, sample) of the items."""
    return [(m, c, s) for i in items for m, conditions in i.groups for c in conditions for s in range(i.start, i.stop)]


def claims(backlog: Backlog, most: float) -> list[FillTask]:
    """All tasks, of at most so many forward passes where that is possible."""
    claimed = []
    while backlog:
        claimed.append(backlog.claim(lambda task: task.work <= most))
    return claimed


def test_blocks_double_and_end_at_the_count() -> None:
    assert block_bounds(1000) == [4, 8, 16, 32, 64, 128, 256, 512, 768, 1000]
    assert block_bounds(30) == [4, 8, 16, 30]
    assert block_bounds(4) == [4] and block_bounds(1) == [1]
    assert block_bounds(300, cuts=[120, 900]) == [4, 8, 16, 32, 64, 120, 128, 256, 300]


def test_the_first_block_covers_every_condition_before_the_second_begins() -> None:
    items = plan([[1.0] * 200], [str(i) for i in range(200)], 150, [[]]).tasks
    starts = [item.start for item in items]
    assert starts == sorted(starts)
    assert {c for i in items if i.start == 0 for _, cs in i.groups for c in cs} == set(range(200))


def test_the_very_first_task_is_the_clean_condition_on_four_images() -> None:
    first = plan([[1.0] * 200], [str(i) for i in range(200)], 5000, [[]]).claim(lambda task: True)
    assert (first.start, first.stop, first.groups) == (0, 4, ((0, (0,)),))


def test_a_slow_model_is_asked_for_one_condition_at_a_time_and_a_fast_one_for_many() -> None:
    def planned() -> Backlog:
        return plan([[1.0] * 300], [str(i) for i in range(300)], 512, [[]])

    slow, fast = claims(planned(), 0), claims(planned(), float("inf"))
    assert all(len(task.groups[0][1]) == 1 for task in slow)
    assert sorted(cells_of(slow)) == sorted(cells_of(fast))
    assert all(task.cost <= GROUP_COST * max(1, GROUP_SAMPLES // (task.stop - task.start)) for task in fast)
    assert len(fast) <= 6 * len(block_bounds(512)) / 1.5, "small blocks have fewer files"


def test_groups_are_few_whatever_the_pace() -> None:
    backlog = plan([[1.0] * 300], [str(i) for i in range(300)], 4096, [[]])
    groups, pace = set(), [700.0, 90.0, 5000.0, 1300.0, 20.0, 2500.0]
    while backlog:
        most = pace[len(groups) % len(pace)]
        groups.add(backlog.claim(lambda task, most=most: task.work <= most).groups[0][1])  # type: ignore[misc]
    assert len(groups) < 2.5 * 300


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_resumed_plan_does_exactly_what_is_missing(data: st.DataObject) -> None:
    """Stop after any number of items, claimed at any pace, with any earlier sample count: nothing twice, nothing left;
    and the cells are the same pieces whatever the pace."""
    conditions = data.draw(st.integers(1, 90))
    costs = [[data.draw(st.sampled_from([1.0, 1.0, 31.0, None])) for _ in range(conditions)] for _ in range(2)]
    names = [f"c{i}" for i in range(conditions)]
    # As a folder of the time of other blocks has them.
    old: list[tuple[int, int, tuple[str, ...]]] = [(0, 50, tuple(names[: data.draw(st.integers(1, conditions))]))]
    finished = [[g for g in old if data.draw(st.booleans())], []]
    seen = [(0, names.index(c), s) for start, stop, cs in finished[0] for c in cs for s in range(start, stop)]
    seen = [cell for cell in seen if costs[0][cell[1]] is not None]
    for count in [*data.draw(st.lists(st.integers(50, 420), min_size=1, max_size=3)), 420]:
        backlog = plan(costs, names, count, finished)
        most = data.draw(st.sampled_from([0.0, 100.0, 2000.0, float("inf")]))
        assert backlog.work == sum(task.work for task in backlog.tasks)
        items = claims(backlog, most)
        assert all(task.stop in block_bounds(count, [50, *(g[1] for own in finished for g in own)]) for task in items)
        stop = len(items) if count == 420 else data.draw(st.integers(0, len(items)))
        for item in items[:stop]:
            for model, done in item.groups:
                finished[model].append((item.start, item.stop, tuple(names[c] for c in done)))
        seen += cells_of(items[:stop])
    wanted = {(m, c, s) for m in range(2) for c in range(conditions) if costs[m][c] is not None for s in range(420)}
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted


def test_planning_takes_steps_in_proportion_to_the_cells() -> None:
    def steps(conditions: int, blocks: int) -> int:
        names = [f"{i:016x}" for i in range(conditions)]
        ends = block_bounds(blocks * 256 - 500)
        groups = [
            (start, stop, tuple(names[i : i + 64]))
            for start, stop in zip([0, *ends], ends, strict=False)
            for i in range(0, conditions // 2, 64)
        ]
        planned: list[float] = []
        count = lines_run(lambda: planned.append(plan([[1.0] * conditions], names, ends[-1], [groups]).work))
        assert planned[0] < conditions * ends[-1]
        return count

    # Twice as many conditions or blocks: twice the steps, where comparing all with all would take four times as many.
    assert steps(4000, 40) < 2.4 * steps(2000, 40)
    assert steps(2000, 80) < 2.4 * steps(2000, 40)


def test_the_pace_is_that_of_the_conditions_themselves_once_they_were_done() -> None:
    pace = Pace(0.5)
    cheap, dear = FillTask(0, 4, ((0, (0, 1)),), 2.0), FillTask(0, 4, ((0, (2,)),), 1.0)
    assert pace.seconds(cheap) == 0.5 * 8
    pace.learn(Done(cheap, (), 0.8))
    pace.learn(Done(dear, (), 40.0))
    assert pace.seconds(FillTask(4, 8, ((0, (0, 1)),), 2.0)) == 0.8
    assert pace.seconds(FillTask(4, 8, ((0, (2,)),), 1.0)) == 40.0
    assert Pace().seconds(cheap) is None

"""Contexts against the rest: what is said of them holds, and nothing is said of groups made at random."""

from __future__ import annotations

import numpy as np
import pytest

from brittlestar.core.rows import Rows
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.contexts import (
    FEWEST,
    Grouped,
    against_rest,
    corrected,
    gap,
    lowest_cell,
    lowest_context,
)
from brittlestar.measures.means import rate


def rows_of(
    right: np.ndarray[tuple[int], np.dtype[np.bool_]],
    label: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
    group: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
) -> Rows:
    n = len(right)
    y = np.zeros(n, np.int32) if label is None else label.astype(np.int32)
    zeros = np.zeros(n, np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=y,
        prediction=np.where(right, y, y + 1).astype(np.int32),
        label_logit=zeros,
        top_logit=zeros,
        log_sum_exp=zeros,
        group=group,
    )


def named(codes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array([f"c{code}" for code in codes.tolist()])


def test_exact_values() -> None:
    """20 of "a" with 15 right, 40 of "b" with 36 right, 5 of "c", 3 of nothing."""
    context = np.array(["a"] * 20 + ["b"] * 40 + ["c"] * 5 + [""] * 3)
    right = np.array([True] * 15 + [False] * 5 + [True] * 36 + [False] * 4 + [True] * 8)
    found = Grouped.of([rows_of(right)], context)
    assert found.unknown == 3 and found.counts == {"a": (20, 20), "b": (40, 40), "c": (5, 5)}
    assert found.told == ["a", "b"] and found.accuracy("a") == rate(15, 20)
    apart = against_rest(found, "a")
    assert apart.raw.value == pytest.approx(15 / 20 - 41 / 45) and apart.raw.n == 20
    name, lowest = lowest_context(found)
    assert name == "a" and lowest.value == 0.75 and lowest.low <= rate(15, 20).low and lowest.high > rate(15, 20).high
    best, worst, between = gap(found) or ("", "", None)
    assert (best, worst) == ("b", "a") and between is not None and between.value == pytest.approx(0.15)
    assert between.low == 0 and between.high > 0.3
    with pytest.raises(NoSamplesError):
        found.accuracy("nowhere")
    with pytest.raises(NoSamplesError):
        Grouped.of([rows_of(right)], np.array([""] * len(right)))
    with pytest.raises(NoSamplesError):
        against_rest(Grouped.of([rows_of(right)], np.array(["a"] * len(right))), "a")


def test_a_context_of_hard_classes_is_not_called_worse() -> None:
    """Class 1 is hard everywhere, and context 0 holds more of it: raw it is far below, class by class it is not."""
    chance = np.random.default_rng(0)
    context = np.repeat([0, 1], 600)
    label = np.where(chance.random(1200) < np.where(context == 0, 0.8, 0.2), 1, 0)
    right = chance.random(1200) < np.where(label == 1, 0.4, 0.95)
    apart = against_rest(Grouped.of([rows_of(right, label)], named(context)), "c0")
    assert apart.raw.high < -0.2
    assert apart.alike is not None and apart.alike.low < 0 < apart.alike.high
    assert corrected([apart])[0].state == ""
    # No class in common: nothing can be said.
    alone = against_rest(Grouped.of([rows_of(right, context)], named(context)), "c0")
    assert alone.alike is None and alone.p == 1.0


def test_what_is_really_worse_is_told() -> None:
    chance = np.random.default_rng(1)
    context, label = np.arange(1500) % 10, np.arange(1500) // 10 % 3
    clean = chance.random(1500) < np.where(context == 4, 0.7, 0.9)
    fog = clean & (chance.random(1500) < np.where(context == 7, 0.3, 0.8))
    found = Grouped.of([rows_of(clean, label)], named(context))
    states = {a.name: a.state for a in corrected([against_rest(found, name) for name in found.told])}
    assert states["c4"] == "below" and sum(s == "below" for s in states.values()) == 1
    shifted = Grouped.of([rows_of(fog, label)], named(context))
    added = corrected([against_rest(shifted, name, clean=clean) for name in shifted.told])
    assert {a.name for a in added if a.state == "below"} == {"c7"}
    (label_of, value), of, worst = lowest_cell(shifted) or ((0, ""), 0, None)
    assert value == "c7" and of == 30 and worst is not None and worst.value < 0.4 and label_of in (0, 1, 2)


@pytest.mark.parametrize("films", [False, True])
def test_groups_at_random_give_no_claim(films: bool) -> None:
    """200 sets with contexts at random; with films, all frames are alike and lie in one context."""
    chance = np.random.default_rng(2)
    claims, misses, n = 0, 0, 400
    for _ in range(200):
        of = np.arange(n) // 4 if films else np.arange(n)
        hard = chance.random(of[-1] + 1)
        label = np.arange(of[-1] + 1)[of] % 2
        context = chance.integers(0, 6, of[-1] + 1)[of]
        clean, fog = ((hard < level)[of] for level in (0.85, 0.5))
        parts = [rows_of(right, label, of if films else None) for right in (clean, fog)]
        one, two = (Grouped.of([part], named(context)) for part in parts)
        asked = [against_rest(one, name) for name in one.told]
        misses += sum(not a.raw.low <= 0 <= a.raw.high for a in asked)
        asked += [against_rest(two, name, clean=clean) for name in two.told]
        claims += any(a.state for a in corrected(asked))
        assert all(np.isfinite(a.raw.low) for a in asked)
    # 5 % of 200 are 10; 17 lie two standard errors above. Intervals: 5 % of 1,200 and two standard errors.
    assert claims <= 17
    assert misses <= 0.05 * 1200 + 2 * np.sqrt(0.05 * 0.95 * 1200)


def test_frames_count_once() -> None:
    """Ten films of 30 equal frames are ten samples; three are too few."""
    of = np.arange(390) // 30
    context = np.where(of < 10, "many", "few")
    found = Grouped.of([rows_of(of % 2 == 0, group=of)], context)
    assert found.counts == {"few": (90, 3), "many": (300, 10)} and found.told == ["many"] and FEWEST == 10
    alone = Grouped.of([rows_of(of % 2 == 0)], context)
    assert found.accuracy("many").low < alone.accuracy("many").low - 0.1
    assert against_rest(found, "few").raw.high - against_rest(found, "few").raw.low > 1

"""Accuracy kept, and overconfidence: values by hand, what they refuse, an independent bootstrap, and coverage."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmark_tools import benchmark
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures import NoSamplesError, accuracy, accuracy_kept, measurable, overconfidence

worlds = benchmark("coverage_kept")
CHANCE = 0.1


def right(count: int, n: int = 1000) -> Rows:
    """Rows of which the first ``count`` are right."""
    found: Rows = worlds.rows_of(np.arange(n) < count)
    return found


def test_values_are_those_of_the_formula() -> None:
    clean = right(900)
    found = accuracy_kept([[right(500)]], clean, CHANCE)
    assert found is not None and found.value == pytest.approx((0.5 - 0.1) / (0.9 - 0.1)) and found.n == 1000
    curves = accuracy_kept([[right(900), right(700), right(500)], [right(100)]], clean, CHANCE)
    assert curves is not None and curves.value == pytest.approx((0.75 + 0.0) / 2), "curves weigh alike"
    below = accuracy_kept([[right(0)]], clean, CHANCE)
    assert below is not None and below.value == pytest.approx(-0.125), "never cut at guessing"
    above = accuracy_kept([[right(950)]], clean, CHANCE)
    assert above is not None and above.value == pytest.approx(1.0625) and above.high > above.value > above.low
    assert found.low < 0.5 < found.high


def test_what_cannot_be_told() -> None:
    assert accuracy_kept([[right(100)]], right(105), CHANCE) is None, "not shown to be above guessing"
    assert not measurable(accuracy(right(140)), CHANCE) and measurable(accuracy(right(300)), CHANCE)
    with pytest.raises(NoSamplesError, match="no condition"):
        accuracy_kept([[]], right(900), CHANCE)
    with pytest.raises(UsageError, match="chance lies in"):
        accuracy_kept([[right(5)]], right(900), 1.5)


def test_it_agrees_with_an_independent_bootstrap() -> None:
    rng = np.random.default_rng(3)
    hard = rng.random(800)
    clean, shifted = hard < 0.9, np.where(rng.random(800) < 0.7, hard, rng.random(800)) < 0.5
    found = accuracy_kept([[worlds.rows_of(shifted)]], worlds.rows_of(clean), CHANCE)
    assert found is not None

    def share(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray((a.mean(axis) - CHANCE) / (b.mean(axis) - CHANCE))

    drawn = stats.bootstrap((shifted, clean), share, paired=True, n_resamples=4000, method="percentile", rng=rng)
    width = found.high - found.low
    assert found.low == pytest.approx(drawn.confidence_interval.low, abs=0.08 * width)
    assert found.high == pytest.approx(drawn.confidence_interval.high, abs=0.08 * width)


def test_the_design_is_heeded() -> None:
    clean, shifted = np.arange(200) < 180, np.arange(200) < 90
    alone = accuracy_kept([[worlds.rows_of(shifted)]], worlds.rows_of(clean), CHANCE)
    group = np.repeat(np.arange(200), 5)
    copies = [worlds.rows_of(np.repeat(x, 5), group=group) for x in (shifted, clean)]
    together = accuracy_kept([[copies[0]]], copies[1], CHANCE)
    assert alone is not None and together is not None and "clustered" in together.method
    assert together.value == alone.value
    assert together.high - together.low > 0.9 * (alone.high - alone.low), "copies are no further images"
    weight = np.where(np.arange(200) < 90, 2.0, 0.2)
    weighed = [dataclasses.replace(worlds.rows_of(x), weight=weight / weight.mean()) for x in (shifted, clean)]
    heavy = accuracy_kept([[weighed[0]]], weighed[1], CHANCE)
    assert heavy is not None and heavy.value > alone.value + 0.2 and "weighted" in heavy.method
    some = [dataclasses.replace(rows, unseen=0.1) for rows in weighed]
    roomy = accuracy_kept([[some[0]]], some[1], CHANCE)
    assert roomy is not None and roomy.low < heavy.low - 0.05 and roomy.high > heavy.high + 0.05
    anytime = accuracy_kept([[worlds.rows_of(shifted)]], worlds.rows_of(clean), CHANCE, rule="anytime")
    assert anytime is not None and anytime.high - anytime.low > alone.high - alone.low


def test_overconfidence_has_a_sign() -> None:
    sure = overconfidence(worlds.rows_of(np.arange(1000) < 100, 0.9))
    assert sure.value == pytest.approx(0.8, abs=1e-6) and sure.low > 0.7
    shy = overconfidence(worlds.rows_of(np.arange(1000) < 900, 0.5))
    assert shy.value == pytest.approx(-0.4, abs=1e-6) and shy.high < -0.3


@pytest.mark.parametrize("world", list(worlds.WORLDS))
def test_the_interval_covers_near_its_ends_too(world: str) -> None:
    for n in (50, 400):
        hits, shown = worlds.covers(world, n, 1, 300)
        assert shown == 0 or hits / shown > 0.94 - 4.3 * np.sqrt(0.94 * 0.06 / shown), (n, hits, shown)


@pytest.mark.parametrize("world", list(worlds.SURE))
def test_the_interval_of_overconfidence_covers(world: str) -> None:
    hits, total = worlds.sure(world, 200, 400)
    assert hits / total > 0.94 - 4.3 * np.sqrt(0.94 * 0.06 / total)

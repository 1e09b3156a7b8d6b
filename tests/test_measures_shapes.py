"""Numbers that were chosen of many, divided, joined or rare: values by hand, and that their intervals hold.

The worlds are those of ``benchmarks/coverage_shapes.py``, here with few repetitions; ``--slow`` runs more.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark_tools import benchmark
from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.effective import exact_limits
from test_measures_coverage import rows_of

shapes = benchmark("coverage_shapes")


def enough(case: tuple, repetitions: int) -> bool:
    place, asked, _, new = case
    hits, total = new(repetitions)
    if "over 4 shifts" in place:
        return total == 0  # too few shifts have no interval
    return total > 0 and hits >= stats.binom.ppf(1e-6, total, asked)


@pytest.mark.parametrize("case", shapes.CASES, ids=lambda c: c[0])
def test_coverage(case: tuple) -> None:
    assert enough(case, 30)


@pytest.mark.slow
@pytest.mark.parametrize("case", shapes.CASES, ids=lambda c: c[0])
def test_coverage_with_many_repetitions(case: tuple) -> None:
    assert enough(case, 400)


@pytest.mark.parametrize(
    ("beginning", "most"),
    [("worst of 95 equal conditions, n = 250, independent", 0.5), ("mean ECE over 20 shifts, opposed", 0.5),
     ("simultaneous, 514 waves, error 0.01%, n = 250", 0.5), ("breaking point with a plateau, 41", 0.7)],
)  # fmt: skip
def test_the_worlds_are_hard(beginning: str, most: float) -> None:
    """The methods before fail in them."""
    old = next(c[2] for c in shapes.CASES if c[0].startswith(beginning))
    hits, total = old(30)
    assert hits <= most * total


def test_the_lowest_of_three_by_hand() -> None:
    counts = {"a": 60, "b": 40, "c": 45}
    candidates = {k: lambda level, k=k: measures.wilson(counts[k], 100, level) for k in counts}
    name, found = measures.lowest(candidates)
    strict = measures.wilson(40, 100, 1 - 0.05 / 3)
    assert name == "b" and found.value == 0.4 and found.n == 100 and found.method == "Wilson, lowest of 3"
    assert found.low == measures.wilson(40, 100).low and found.high == strict.high
    name, found = measures.highest(candidates)
    assert (name, found.value, found.high) == ("a", 0.6, measures.wilson(60, 100).high)
    assert found.low == measures.wilson(60, 100, 1 - 0.05 / 3).low
    alone = measures.lowest({"a": candidates["a"]})[1]
    assert alone == measures.wilson(60, 100), "one that was not chosen has its own interval"
    with pytest.raises(NoSamplesError):
        measures.lowest({})
    with pytest.raises(UsageError):
        measures.of_many(0)


def test_few_samples_of_another_candidate_may_be_lower() -> None:
    """The lower end is the least of all, whoever was chosen."""
    candidates = {
        "few": lambda level: measures.wilson(5, 10, level),
        "many": lambda level: measures.wilson(450, 1000, level),
    }
    name, found = measures.lowest(candidates)
    assert name == "many" and found.low == measures.wilson(5, 10).low


def test_a_mean_of_calibration_errors_is_their_mean_and_not_the_pooled_one() -> None:
    """One shift too sure by .2, one too unsure by .2: together they look calibrated."""
    n = 400
    sure = np.full(n, 0.5)
    over, under = (rows_of(np.arange(n) < share * n, sure) for share in (0.3, 0.7))
    found = measures.mean_ece([over, under])
    assert measures.ece(over).value == pytest.approx(0.2, abs=1e-6)
    assert found.value == pytest.approx(0.2, abs=1e-6) and found.low > 0.1 and found.n == n
    both = Rows.concatenate([over, under])
    assert measures.ece(both).value == pytest.approx(0, abs=1e-6)
    clean = rows_of(np.arange(n) < 0.5 * n, sure)
    more = measures.mean_ece_increase([over, under], clean)
    assert more.value == pytest.approx(0.2, abs=1e-6) and more.low > 0
    less = measures.mean_ece_increase([clean, clean], over)
    assert less.value == pytest.approx(-0.2, abs=1e-6) and less.high < 0
    alone = measures.mean_ece([over])
    assert (alone.value, alone.low, alone.high) == (
        measures.ece(over).value, measures.ece(over).low, measures.ece(over).high
    )  # fmt: skip


def test_means_are_over_the_samples_that_all_conditions_hold() -> None:
    g = np.random.default_rng(0)
    first, second = (rows_of(g.random(90) < 0.5, g.uniform(0.2, 1, 90)) for _ in range(2))
    cut = second.take(second.position >= 30)
    found = measures.mean_ece([first, cut])
    kept = first.take(first.position >= 30)
    assert found.n == 60
    assert found.value == pytest.approx((measures.ece(kept).value + measures.ece(cut).value) / 2)
    with pytest.raises(NoSamplesError):
        measures.mean_ece([first.take(first.position < 30), cut])


def test_a_breaking_point_has_limits_for_all_strengths() -> None:
    rows = [rows_of(np.arange(200) < right) for right in (190, 104, 104, 104, 40)]
    found = measures.breaking_point(list(enumerate(rows)), 0.5)
    assert found.low < 1 <= found.value and found.value == pytest.approx(3 + 4 / 64)
    single = [measures.accuracy(r).high for r in rows]
    assert found.high > 3 + (single[3] - 0.5) / (single[3] - single[4]), "wider than each strength by itself"


def test_exact_limits_are_clopper_and_pearsons() -> None:
    low, high = exact_limits([0, 3, 10], 10)
    for k, place in ((0, 0), (3, 1), (10, 2)):
        alone = stats.binomtest(k, 10).proportion_ci(0.95, "exact")
        assert (low[place], high[place]) == pytest.approx((alone.low, alone.high))
    assert np.isnan(exact_limits([0], [0])).all()
    with pytest.raises(UsageError):
        exact_limits([3], [2])


def test_an_increase_of_exactly_nothing_is_no_denominator() -> None:
    """The normaliser errs under fog as often as clean, on other samples: sums of a fifth leave 1e-17."""
    n = 30
    for seed in range(40):
        g = np.random.default_rng(seed)
        few = int((g.random(n) < 0.1).sum())
        clean = rows_of(~(np.arange(n) < few))
        base = {("fog", s): rows_of(~(g.permutation(n) < few)) for s in range(1, 6)}
        own = {("fog", s): rows_of(g.random(n) > 0.1 * s / 2) for s in range(1, 6)}
        run = measures.RunErrors(name="b", conditions=base, clean=clean)
        part = measures.relative_corruption_errors(own, rows_of(g.random(n) > 0.1), run, table="cifar-c").parts["fog"]
        assert part.estimate is None and "b is not shown to rise: 0 points" in part.undefined


def test_no_published_denominator_of_zero_divides() -> None:
    own = {("fog", 1): rows_of(np.arange(100) >= 30), ("snow", 1): rows_of(np.arange(100) >= 30)}
    table = measures.PublishedErrors(
        name="flat", table="imagenet-c", clean=0.2, errors=dict.fromkeys(("fog", "snow"), (0.2, 0.2, 0.2, 0.2, 0.2))
    )
    found = measures.relative_corruption_errors(own, rows_of(np.arange(100) >= 10), table)
    assert found.mean.estimate is None and "flat has 0 points to divide by" in found.parts["fog"].undefined
    with pytest.raises(UsageError, match="nothing to divide by"):
        measures.mean_ce_of({("fog", 1): 0.5}, table, clean=0.1)

"""Confidence sequences: coverage over whole paths, against an independent computation of the same wealth, and widths.

``python tests/test_measures_sequences.py`` prints the tables of docs/measures.md.
"""

from __future__ import annotations

import math
import sys

import numpy as np
import numpy.typing as npt
import pytest
from scipy import integrate, stats

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.measures.base import NoSamplesError

Floats = npt.NDArray[np.float64]
LOOKS = 1000


def share_paths_held(p: float, paths: int, looks: int = LOOKS, seed: int = 1) -> tuple[int, int]:
    """Paths of Bernoulli outcomes on which the sequence, and Wilson's interval, hold p at every look."""
    k = np.random.default_rng([seed, int(p * 1e4)]).binomial(1, p, (paths, looks)).cumsum(1)
    n = np.arange(1, looks + 1)
    held = []
    for many in (measures.confidence_sequence_many, measures.wilson_many):
        low, high = many(k, n)
        held.append(int(((low <= p) & (p <= high)).all(1).sum()))
    return held[0], held[1]


@pytest.mark.parametrize("p", [0.01, 0.1, 0.3, 0.5, 0.8, 0.98])
def test_shares_are_held_over_whole_paths(p: float) -> None:
    sequence, wilson = share_paths_held(p, 200, 500)
    assert sequence >= stats.binom.ppf(1e-5, 200, 0.95)
    assert wilson < 180, "ordinary intervals should fail here, or the simulation has no teeth"


def refuted(scores: Floats, mean: float, lowest: float, level: float = 0.95) -> npt.NDArray[np.bool_]:
    """(paths, looks): whether a bettor, played step by step, has reached 1 / alpha against ``mean``.

    Independent of the product: a running product of stakes, not a function of counts.
    """
    stakes = 1 / (1 + np.exp(-np.linspace(math.log(1e-3 / 0.999), math.log(0.995 / 0.005), 48)))
    x, m = (scores - lowest) / (1 - lowest), (mean - lowest) / (1 - lowest)
    wealth = np.zeros_like(x)
    for stake in stakes:
        for side, at in ((x, m), (1 - x, 1 - m)):
            wealth += np.exp(np.log1p(stake * (side / at - 1)).cumsum(1)) / (2 * len(stakes))
    return np.asarray(wealth >= 1 / (1 - level))


def pair_scores(b: float, c: float, paths: int, looks: int = LOOKS, seed: int = 2) -> Floats:
    u = np.random.default_rng([seed, int(b * 1e4), int(c * 1e4)]).random((paths, looks))
    return (u < b).astype(float) - (u > 1 - c)


PAIRS = [(0.02, 0.02), (0.1, 0.05), (0.3, 0.3), (0.5, 0.1), (0.05, 0.0)]


@pytest.mark.parametrize(("b", "c"), PAIRS)
def test_pairs_are_held_over_whole_paths(b: float, c: float) -> None:
    d = pair_scores(b, c, 400)
    out = refuted(d, b - c, -1.0)
    assert (~out.any(1)).sum() >= stats.binom.ppf(1e-5, 400, 0.95)
    generator = np.random.default_rng(3)
    for path, look in zip(generator.integers(0, 400, 12), generator.integers(10, LOOKS, 12), strict=True):
        seen = d[path, : look + 1]
        found = measures.paired_sequence(int((seen == 1).sum()), int((seen == -1).sum()), len(seen))
        assert (found.low <= b - c <= found.high) == (not out[path, look])


def test_the_end_is_where_the_wealth_reaches_the_limit() -> None:
    d = pair_scores(0.2, 0.05, 1, 300)[0]
    found = measures.paired_sequence(int((d == 1).sum()), int((d == -1).sum()), 300)
    for end, outwards in ((found.low, -1), (found.high, 1)):
        assert refuted(d[None], end + outwards * 1e-6, -1.0)[0, -1]
        assert not refuted(d[None], end - outwards * 1e-6, -1.0)[0, -1]


@pytest.mark.parametrize("kind", ["few", "even", "skew"])
def test_bounded_means_are_held_over_whole_paths(kind: str) -> None:
    g = np.random.default_rng(4)
    scores, mean = {
        "few": lambda: (g.binomial(5, 0.1, (400, LOOKS)) / 5, 0.1),
        "even": lambda: (g.random((400, LOOKS)), 0.5),
        "skew": lambda: (g.beta(0.05, 0.95, (400, LOOKS)), 0.05),
    }[kind]()
    out = refuted(scores, mean, 0.0)
    assert (~out.any(1)).sum() >= stats.binom.ppf(1e-5, 400, 0.95)
    for path in range(3):
        found = measures.bounded_sequence(scores[path])
        assert (found.low <= mean <= found.high) == (not out[path, -1])


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 10), (50, 1000), (990, 1000)])
def test_shares_against_numerical_integration(k: int, n: int) -> None:
    """The mixture likelihood by quadrature (x = sin^2) and the ends by looking where the ratio crosses."""
    found = measures.confidence_sequence(k, n)
    mixture = integrate.quad(
        lambda t: 2 / math.pi * stats.binom.pmf(k, n, math.sin(t) ** 2), 0, math.pi / 2, limit=500, points=[0.01, 0.3]
    )[0]

    def ratio(p: float) -> float:
        return float(mixture / stats.binom.pmf(k, n, p))

    for end, sign in ((found.low, -1), (found.high, 1)):
        if 0 < end < 1:
            assert ratio(end + sign * 1e-6) > 20 > ratio(end - sign * 1e-5)
    low, high = measures.confidence_sequence_many([k, 0], [n, 0])
    assert low[0] == pytest.approx(found.low, abs=2e-9) and high[0] == pytest.approx(found.high, abs=2e-9)
    assert np.isnan(low[1]) and np.isnan(high[1])


def test_not_absurdly_wide() -> None:
    """At most twice (shares: 2.1 times) the ordinary interval up to n = 10,000, and shrinking."""
    for n in (100, 1000, 10_000):
        for p in (0.05, 0.3, 0.5):
            k = round(n * p)
            w, s = measures.wilson(k, n), measures.confidence_sequence(k, n)
            assert s.low < w.low < w.high < s.high and s.high - s.low < 2.1 * (w.high - w.low)
            b = measures.bounded_sequence(np.repeat([0.0, 1.0], [n - k, k]))
            assert b.high - b.low < 2.1 * (w.high - w.low)
            f, q = measures.paired_rates(k, k // 2, n), measures.paired_sequence(k, k // 2, n)
            assert q.high - q.low < 2 * (f.high - f.low)


def test_averaged_scores_are_narrower_than_shares() -> None:
    scores = np.random.default_rng(5).binomial(20, 0.3, 500) / 20
    bounded = measures.bounded_sequence(scores)
    whole = measures.confidence_sequence(float(scores.sum()), 500)
    assert bounded.high - bounded.low < 0.5 * (whole.high - whole.low)


def test_extremes_are_closed_and_open() -> None:
    for sequence in (measures.confidence_sequence(0, 50), measures.bounded_sequence(np.zeros(50))):
        assert sequence.value == sequence.low == 0 and 0.05 < sequence.high < 0.2
    for sequence in (measures.confidence_sequence(50, 50), measures.bounded_sequence(np.ones(50))):
        assert sequence.value == sequence.high == 1 and 0.8 < sequence.low < 0.95
    same = measures.paired_sequence(0, 0, 1000)
    assert same.value == 0 and same.low == pytest.approx(-same.high) and 0 < same.high < 0.01
    assert measures.paired_sequence(7, 0, 7).high == 1


def test_symmetry() -> None:
    a, b = measures.paired_sequence(30, 10, 200), measures.paired_sequence(10, 30, 200)
    assert (a.low, a.value, a.high) == pytest.approx((-b.high, -b.value, -b.low), abs=1e-8)
    c, d = measures.confidence_sequence(30, 200), measures.confidence_sequence(170, 200)
    assert (c.low, c.high) == pytest.approx((1 - d.high, 1 - d.low), abs=1e-8)


def test_anytime_p_agrees_with_the_interval_and_is_never_early() -> None:
    for b, c, n in [(30, 10, 200), (45, 12, 200), (12, 45, 200), (5, 5, 200)]:
        p, found = measures.anytime_p(b, c, n), measures.paired_sequence(b, c, n)
        assert (p < 0.05) == (not found.low <= 0 <= found.high)
        assert p >= measures.mcnemar_counts(b, c)
    assert measures.anytime_p(0, 0, 10) == 1


def test_refusals() -> None:
    for call in (measures.confidence_sequence, lambda k, n: measures.paired_sequence(k, 0, n)):
        with pytest.raises(NoSamplesError):
            call(0, 0)
        with pytest.raises(UsageError, match="k of n"):
            call(3, 2)
    with pytest.raises(NoSamplesError):
        measures.bounded_sequence([])
    with pytest.raises(UsageError, match="finite and in"):
        measures.bounded_sequence([0.5, math.nan])
    with pytest.raises(UsageError, match="discordant"):
        measures.paired_sequence(-1, 3, 10)
    with pytest.raises(UsageError, match="confidence level"):
        measures.confidence_sequence(1, 2, 95)


def main(paths: int) -> None:
    print("| share p | held at every n up to 1,000 | Wilson at every n |\n|---|---|---|")
    for p in (0.01, 0.1, 0.3, 0.5, 0.8, 0.98):
        s, w = share_paths_held(p, paths)
        print(f"| {p} | {s / paths:.3f} | {w / paths:.3f} |")
    print("\n| paired b, c | held at every n up to 1,000 |\n|---|---|")
    for b, c in PAIRS:
        held = (~refuted(pair_scores(b, c, paths), b - c, -1.0).any(1)).mean()
        print(f"| {b}, {c} | {held:.3f} |")
    print("\n| n | p | sequence / Wilson | bounded / Wilson | paired sequence / Bonett-Price |\n|---|---|---|---|---|")
    for n in (100, 1000, 10_000):
        for p in (0.05, 0.3, 0.5):
            k = round(n * p)
            pairs = [
                (measures.confidence_sequence(k, n), measures.wilson(k, n)),
                (measures.bounded_sequence(np.repeat([0.0, 1.0], [n - k, k])), measures.wilson(k, n)),
                (measures.paired_sequence(k, k // 2, n), measures.paired_rates(k, k // 2, n)),
            ]
            ratios = " | ".join(f"{(s.high - s.low) / (o.high - o.low):.2f}" for s, o in pairs)
            print(f"| {n} | {p} | {ratios} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)

"""How often the intervals of the measures hold the truth, by seeded simulation.

``pytest`` runs each case a few hundred times and fails when its coverage is below what is required by more than chance
explains. ``python tests/test_measures_coverage.py`` runs them longer and prints the table of docs/measures.md.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy import optimize, special, stats

from brittlestar import measures
from brittlestar.core.rows import Rows

Draw = Callable[[np.random.Generator], measures.Estimate | measures.BreakingPoint | measures.Ratio | None]
Floats = npt.NDArray[np.float64]


def rows_of(correct: npt.NDArray[np.bool_], confidence: Floats | None = None, position: Floats | None = None) -> Rows:
    """Rows with given outcomes; label 0."""
    n = len(correct)
    zeros = np.zeros(n, dtype=np.int32)
    logit = np.zeros(n, np.float32) if confidence is None else np.log(np.maximum(confidence, 1e-30)).astype(np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32) if position is None else np.asarray(position, dtype=np.int32),
        frame=zeros.astype(np.int16),
        label=zeros,
        prediction=np.where(correct, 0, 1).astype(np.int32),
        label_logit=logit,
        top_logit=logit,
        log_sum_exp=np.zeros(n, np.float32),
    )


@dataclass(frozen=True)
class Case:
    """A measure, a world and the truth in it; ``required`` is the least long-run coverage that is accepted."""

    name: str
    world: str
    truth: float
    draw: Draw
    required: float = 0.94
    quick: int = 300


# ------------------------------------------------------------------ worlds: samples of shared difficulty


def outcomes(g: np.random.Generator, n: int, means: Floats, spread: float) -> npt.NDArray[np.bool_]:
    """(n, conditions) errors with the given rates; ``spread`` is the weight of each sample's own difficulty."""
    difficulty = g.standard_normal((n, 1))
    level = special.ndtri(means) * math.sqrt(1 + spread**2)
    return np.asarray(g.standard_normal((n, len(means))) < level + spread * difficulty)


def mean_case(n: int, m: int, p: float, kind: str) -> Case:
    def draw(g: np.random.Generator) -> measures.Estimate:
        share = {
            "independent": lambda: np.full(n, p),
            "correlated": lambda: g.beta(p, 1 - p, n),
            "all alike": lambda: (g.random(n) < p).astype(float),
            "rare and total": lambda: np.where(g.random(n) < p / 2, 1.0, p / 2 / (1 - p / 2)),
        }[kind]()
        return measures.mean_interval(g.binomial(m, share) / m, cap=m)

    return Case("mean_interval", f"n = {n}, {m} outcomes a sample, {kind}, mean {p:g}", p, draw)


def signed_case(n: int, m: int, a: float, b: float, spread: float) -> Case:
    def draw(g: np.random.Generator) -> measures.Estimate:
        wrong = outcomes(g, n, np.repeat([a, b], m), spread).astype(float)
        scores = wrong[:, :m] - wrong[:, m:]
        return measures.signed_mean_interval(scores.mean(1), cap=m, discordance=float(np.abs(scores).mean()))

    world = f"n = {n}, {m} pairs a sample, {a:g} against {b:g}, spread {spread:g}"
    return Case("signed_mean_interval", world, a - b, draw, 0.93)


def area_case(n: int, spread: float) -> Case:
    errors = np.array([0.05, 0.1, 0.25, 0.5, 0.8])
    strengths = np.array([0.0, 0.1, 0.2, 0.4, 0.8])

    def draw(g: np.random.Generator) -> measures.Estimate:
        wrong = outcomes(g, n, errors, spread)
        return measures.severity_area([(s, rows_of(~w)) for s, w in zip(strengths, wrong.T, strict=True)])

    truth = float(np.trapezoid(1 - errors, strengths) / np.ptp(strengths))
    return Case("severity_area", f"n = {n}, 5 strengths, spread {spread:g}", truth, draw)


def breaking_case(n: int, errors: Floats, what: str, truth: float, rule: str = "fixed") -> Case:
    def draw(g: np.random.Generator) -> measures.BreakingPoint:
        wrong = outcomes(g, n, errors, 1.0)
        curve = [(float(s), rows_of(~w)) for s, w in enumerate(wrong.T)]
        return measures.breaking_point(curve, 0.5, rule)

    return Case("breaking_point", f"n = {n}, {what}", truth, draw, 0.93)


def ratio_case(n: int, low: float, high: float, clean: float) -> Case:
    frequencies = [(0, c) for c in range(1, 9)] + [(r, 0) for r in range(1, 9)]
    means = np.array([low if max(r, c) <= 2 else high if max(r, c) > 4 else (low + high) / 2 for r, c in frequencies])

    def draw(g: np.random.Generator) -> measures.Ratio | None:
        wrong = outcomes(g, n, np.append(means, clean), 1.5)
        maps = measures.fourier_map({f: rows_of(~wrong[:, i]) for i, f in enumerate(frequencies)}, 16, 16)
        found = measures.high_low_ratio(maps, rows_of(~wrong[:, -1]))
        return found if found.defined else None

    world = f"n = {n}, increases {low - clean:g} and {high - clean:g}, where defined"
    return Case("high_low_ratio", world, (high - clean) / (low - clean), draw, 0.93, 200)


# ------------------------------------------------------------------ worlds: confidence and accuracy

WORLDS: dict[str, tuple[Callable[[np.random.Generator, int], Floats], Callable[[Floats], Floats]]] = {
    "calibrated": (lambda g, n: g.beta(4, 1, n), lambda c: c),
    "overconfident": (lambda g, n: g.beta(8, 1, n), lambda c: c**3),
    "accurate": (lambda g, n: 1 - g.beta(0.3, 6, n), lambda c: np.clip(c - 0.02, 0, 1)),
    "one bad bin": (lambda g, n: g.beta(4, 1, n), lambda c: np.where((c > 0.5) & (c < 0.6), c - 0.4, c)),
}


def calibration_case(measure: str, world: str, n: int) -> Case:
    sample, accuracy = WORLDS[world]
    sure = np.sort(sample(np.random.default_rng(0), 1_000_000))
    gap = sure - accuracy(sure)
    if measure == "ece":
        place = np.clip(np.ceil(sure * 15).astype(int) - 1, 0, 14)
        truth = float(np.abs(np.bincount(place, gap, 15)).sum() / len(sure))
    else:
        parts = np.array_split(gap, max(1, n // 100))
        truth = math.sqrt(sum(p.mean() ** 2 * len(p) for p in parts) / len(gap))

    def draw(g: np.random.Generator) -> measures.Estimate:
        confidence = sample(g, n)
        rows = rows_of(g.random(n) < accuracy(confidence), confidence)
        return measures.ece(rows) if measure == "ece" else measures.rms_calibration(rows)

    return Case(measure, f"n = {n}, {world}", truth, draw, 0.92, 120)


def pooled_ece_case(n: int, m: int) -> Case:
    """Every sample under m conditions with nearly the same outcome: rows are far from independent."""

    def draw(g: np.random.Generator) -> measures.Estimate:
        confidence = np.repeat(g.beta(4, 1, n), m)
        correct = np.repeat(g.random(n), m) < confidence - 0.1 * (confidence > 0.3)
        return measures.ece(rows_of(correct, confidence, np.repeat(np.arange(n), m)))

    sure = np.random.default_rng(0).beta(4, 1, 1_000_000)
    place = np.clip(np.ceil(sure * 15).astype(int) - 1, 0, 14)
    truth = float(np.abs(np.bincount(place, 0.1 * (sure > 0.3), 15)).sum() / len(sure))
    return Case("ece", f"{n} samples, each in {m} conditions alike", truth, draw, 0.92, 120)


FALLING = np.array([0.1, 0.2, 0.35, 0.6, 0.8])
PLATEAU = np.array([0.1, 0.45, 0.46, 0.45, 0.46, 0.7])
CASES: list[Case] = [
    *(mean_case(n, m, p, k) for n, m, p in ((30, 20, 0.2), (300, 20, 0.02), (300, 80, 0.3)) for k in
      ("independent", "correlated", "all alike", "rare and total")),
    *(signed_case(n, m, a, b, s) for n, m, a, b in ((30, 10, 0.3, 0.2), (300, 40, 0.1, 0.1), (1000, 40, 0.5, 0.4))
      for s in (0.0, 2.0)),
    *(area_case(n, s) for n in (50, 1000) for s in (0.0, 2.0)),
    *(breaking_case(n, FALLING, "falling curve", 2 + 0.15 / 0.25) for n in (50, 1000)),
    breaking_case(1000, PLATEAU, "long plateau just above the level", 4 + 0.04 / 0.24),
    *(calibration_case(m, w, n) for m in ("ece", "rms_calibration") for w in WORLDS for n in (200, 1000)),
    pooled_ece_case(300, 6),
    *(ratio_case(n, *v) for n in (200, 1000) for v in ((0.2, 0.5, 0.1), (0.15, 0.2, 0.1))),
]  # fmt: skip


def simulate(case: Case, repeats: int) -> tuple[int, int, float]:
    """How often the truth was held, among how many defined intervals, and the mean width of the finite ones."""
    generator = np.random.default_rng([len(case.world), *case.world.encode()[-8:]])
    held, tried, widths = 0, 0, []
    for _ in range(repeats):
        found = case.draw(generator)
        if found is not None:
            assert found.low <= found.value <= found.high
            held += found.low <= case.truth + 1e-12 and case.truth - 1e-12 <= found.high
            tried += 1
            widths.append(found.high - found.low)
    return held, tried, float(np.mean([w for w in widths if math.isfinite(w)]))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}: {c.world}")
def test_coverage(case: Case) -> None:
    """Not lower than required by more than chance explains (one false alarm in 100,000)."""
    held, tried, width = simulate(case, case.quick)
    assert width > 0
    assert held >= stats.binom.ppf(1e-5, tried, case.required), f"held {held} of {tried}, needed {case.required:.1%}"


def plain_bootstrap(rows: Rows, g: np.random.Generator) -> measures.Estimate:
    """The percentile bootstrap of ECE, an alternative to the test inversion (and reflected, another)."""
    n, resampled = len(rows), []
    for _ in range(200):
        index = g.integers(0, n, n)
        place = np.clip(np.ceil(rows.confidence[index] * 15).astype(int) - 1, 0, 14)
        resampled.append(np.abs(np.bincount(place, rows.confidence[index] - rows.correct[index], 15)).sum() / n)
    low, high = np.quantile(resampled, [0.025, 0.975])
    value = measures.ece(rows).value
    return measures.Estimate(value=value, low=float(low), high=float(high), n=n, method="percentile")


def alternatives(repeats: int) -> None:
    """What the plain percentile bootstrap, and its reflection about the value, would have covered for ECE."""
    for world, (sample, accuracy) in WORLDS.items():
        g, held = np.random.default_rng(9), np.zeros(2)
        truth = calibration_case("ece", world, 1000).truth
        for _ in range(repeats):
            confidence = sample(g, 1000)
            e = plain_bootstrap(rows_of(g.random(1000) < accuracy(confidence), confidence), g)
            held += e.low <= truth <= e.high, max(0, 2 * e.value - e.high) <= truth <= 2 * e.value - e.low
        print(f"| (ece, percentile bootstrap) | n = 1000, {world} | {held[0] / repeats:.3f} | |")
        print(f"| (ece, reflected bootstrap) | n = 1000, {world} | {held[1] / repeats:.3f} | |", flush=True)


# ------------------------------------------------------------------ exact coverage, by summing over all outcomes


def shares_coverage(interval: Callable[[int, int], measures.Estimate], n: int) -> Floats:
    """Coverage of an interval for a share at 97 values of p, exactly."""
    found = [interval(k, n) for k in range(n + 1)]
    low, high = np.array([e.low for e in found]), np.array([e.high for e in found])
    p = np.linspace(0.02, 0.98, 97)[:, None]
    return np.asarray((stats.binom.pmf(np.arange(n + 1), n, p) * ((low <= p) & (p <= high))).sum(1))


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_shares_cover_exactly(n: int) -> None:
    wilson, exact = shares_coverage(measures.wilson, n), shares_coverage(measures.clopper_pearson, n)
    assert exact.min() >= 0.95
    assert 0.945 < wilson.mean() < 0.965 and wilson.min() > 0.83


def tango(b: int, c: int, n: int) -> tuple[float, float]:
    """Tango's score interval (1998), an alternative to ``paired_rates``."""

    def score(d: float) -> float:
        linear = (2 * n - b + c) * d - b - c
        q = (math.sqrt(max(linear**2 + 8 * n * c * d * (1 - d), 0)) - linear) / (4 * n)
        return (b - c - n * d) / math.sqrt(max(n * (2 * q + d * (1 - d)), 1e-300))

    z, edge, at = stats.norm.ppf(0.975), 1 - 1e-9, (b - c) / n
    low = -1.0 if score(-edge) < z else optimize.brentq(lambda d: score(d) - z, -edge, min(at, edge))
    high = 1.0 if score(edge) > -z else optimize.brentq(lambda d: score(d) + z, max(at, -edge), edge)
    return float(low), float(high)


def wald(b: int, c: int, n: int) -> tuple[float, float]:
    half = 1.959964 * math.sqrt(b + c - (b - c) ** 2 / n) / n
    return (b - c) / n - half, (b - c) / n + half


def bonett_price(b: int, c: int, n: int) -> tuple[float, float]:
    found = measures.paired_rates(b, c, n)
    return found.low, found.high


def pairs_coverage(n: int, interval: Callable[[int, int, int], tuple[float, float]] = bonett_price) -> Floats:
    """Coverage (first row) and mean width over discordant shares and their balance, exactly."""
    b, c = (x.ravel() for x in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    b, c = b[b + c <= n], c[b + c <= n]
    low, high = np.array([interval(int(x), int(y), n) for x, y in zip(b, c, strict=True)]).T
    coverage = []
    for discordant in (0.02, 0.05, 0.1, 0.2, 0.4, 0.6):
        for balance in (0.5, 0.6, 0.75, 0.9, 1.0):
            p, q = discordant * balance, discordant * (1 - balance)
            weight = stats.multinomial.pmf(np.stack([b, c, n - b - c], 1), n, [p, q, 1 - p - q])
            held = weight[(low <= p - q + 1e-12) & (p - q - 1e-12 <= high)].sum()
            coverage.append((held, weight @ (high - low)))
    return np.array(coverage).T


@pytest.mark.parametrize("n", [10, 20, 40])
def test_pairs_cover_exactly(n: int) -> None:
    coverage = pairs_coverage(n)[0]
    assert coverage.min() > 0.925 and coverage.mean() > 0.95
    assert pairs_coverage(n, wald)[0].min() < 0.6, "the plain interval should fail here"


def main(repeats: int) -> None:
    print("| measure | world | coverage | mean width |\n|---|---|---|---|")
    for n in (10, 100, 1000):
        for name, interval in (("wilson", measures.wilson), ("clopper_pearson", measures.clopper_pearson)):
            c = shares_coverage(interval, n)
            print(f"| {name} | n = {n}, p from 0.02 to 0.98, exact | mean {c.mean():.3f}, least {c.min():.3f} | |")
    for n in (10, 20, 40):
        for name, pair in (("paired_rates", bonett_price), ("(Tango)", tango), ("(Wald)", wald)):
            c, w = pairs_coverage(n, pair)
            print(f"| {name} | n = {n}, 30 worlds, exact | mean {c.mean():.3f}, least {c.min():.3f} | {w.mean():.4f} |")
    for case in CASES:
        held, tried, width = simulate(case, repeats)
        few = "" if tried == repeats else f" ({tried} of {repeats} defined)"
        print(f"| {case.name} | {case.world} | {held / tried:.3f}{few} | {width:.4f} |", flush=True)
    alternatives(max(100, repeats // 4))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)

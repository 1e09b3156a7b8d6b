"""Cases for `./dev bench interval_coverage`: intervals where much is chosen, divided, joined or rare.

Each case is (place, asked coverage, the method before, the method now); a method takes a number of repetitions and
gives (intervals that held, intervals); 400 take two minutes of one core in all. Methods that were replaced are written
out here in a few lines each.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from scipy import special

from brittlestar import measures
from brittlestar.analyses.sampling.estimate import Rates, Stage, rates
from brittlestar.core.rows import Rows
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.effective import effective_limits, exact_limits
from brittlestar.measures.frequency_ratio import fieller
from brittlestar.measures.ratios import over_scores
from brittlestar.measures.severity import crossing
from brittlestar.measures.spectra import correlation
from coverage_worlds import SHIFTED, Floats, binned, both_signs, errors, pairs, rows_of, shifted, shifted_truth

Count = tuple[int, int]
Method = Callable[[int], Count]
Case = tuple[str, float, Method | None, Method]
Holds = Callable[[np.random.Generator], bool | None]
"""One repetition; ``None`` where nothing was shown that could hold or fail."""

WAVES = 514


def repeated(holds: Holds, seed: int, share: float = 1.0) -> Method:
    """``share`` of the repetitions, for cases that take long."""

    def method(repetitions: int) -> Count:
        found = [holds(np.random.default_rng([seed, r])) for r in range(max(1, round(repetitions * share)))]
        shown = [f for f in found if f is not None]
        return sum(shown), len(shown)

    return method


def wilson(k: Floats, n: Floats | float, z: Floats | float) -> tuple[Floats, Floats]:
    p, scale = k / n, 1 + z * z / n
    centre, half = (p + z * z / (2 * n)) / scale, z / scale * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = np.where(k <= 0, 0.0, centre - half), np.where(k >= n, 1.0, centre + half)
    return np.minimum(np.maximum(low, 0), p), np.maximum(np.minimum(high, 1), p)


# ------------------------------------------------------------------ maps of 514 waves


def whole_map(p: float, n: int, exact: bool) -> Holds:
    each = 1 - 0.05 / WAVES

    def holds(g: np.random.Generator) -> bool:
        wrong = g.binomial(n, p, WAVES).astype(np.float64)
        low, high = exact_limits(wrong, n, each) if exact else wilson(wrong, float(n), special.ndtri(0.5 + each / 2))
        return bool(np.all((low <= p) & (p <= high)))

    return holds


def looked_at(g: np.random.Generator, p: float, n: int, waves: int, sure: float) -> Rates:
    """Two stages of looking at some cells: a pilot, then where guesses are unsure; with ``sure`` they know more."""
    level = special.ndtri(p) * np.sqrt(1 + sure * sure)
    chance = special.ndtr(level + sure * g.standard_normal((waves, n), dtype=np.float32))
    wrong = g.random((waves, n), dtype=np.float32) < chance
    guess = np.clip(chance, 0.004, 0.996).astype(np.float32)
    open_, stages, seen = np.ones((waves, n), np.bool_), [], []
    for each in (35, 70):
        size = np.sqrt(guess * (1 - guess)) if stages else np.ones_like(guess)
        size = np.where(open_, np.maximum(size, 0.4 * size.mean(1, keepdims=True)), 0)
        asked = np.minimum(each * size / size.sum(1, keepdims=True), 1.0).astype(np.float64)
        spread = guess * (1 - guess) if stages else np.full_like(guess, 0.16)
        f, i = np.nonzero(open_ & (g.random((waves, n), dtype=np.float32) < asked))
        rest = np.where(open_, (1 / np.maximum(asked, 1e-12) - 1) * spread, 0).sum(1)
        stages.append(Stage(f, i, asked[f, i], rest / n**2))
        seen.append(wrong[f, i].astype(np.float64))
        open_[f, i] = False
    return rates(stages, seen, guess)


def sampled_map(p: float, simultaneous: bool, exact: bool, waves: int = 100, n: int = 1000) -> Holds:
    each = 1 - 0.05 / waves if simultaneous else 0.95

    def holds(g: np.random.Generator) -> bool:
        r = looked_at(g, p, n, waves, 1.0)
        if exact:
            low, high = effective_limits(r.value, r.typical, r.variance, r.freedom, each)
        else:
            count = r.typical * (1 - r.typical) / np.maximum(r.variance, 1e-12)
            low, high = wilson(r.value * count, count, special.stdtrit(r.freedom, 0.5 + each / 2))
        inside = (low <= p) & (p <= high)
        return bool(inside.all()) if simultaneous else bool(inside[g.integers(waves)])

    return holds


# ------------------------------------------------------------------ the worst of many


def worst_of(count: int, n: int, spread: float, chosen: bool) -> Holds:
    def holds(g: np.random.Generator) -> bool:
        right = (~errors(g, n, np.full(count, 0.3), spread)).sum(0)
        if not chosen:
            low, high = wilson(np.array([right.min()], np.float64), float(n), 1.959964)
            return bool(low[0] <= 0.7 <= high[0])
        candidates = {c: lambda level, k=int(k): measures.clopper_pearson(k, n, level) for c, k in enumerate(right)}
        found = measures.lowest(candidates)[1]
        return found.low <= 0.7 <= found.high

    return holds


# ------------------------------------------------------------------ curves over strengths


def plateau(strengths: int, n: int, together: bool) -> Holds:
    """Accuracy a hair above the level for most of the way, then under it."""
    means = np.full(strengths, 0.4995)
    means[0], means[-1] = 0.1, 0.7
    places = list(range(strengths))
    truth = crossing(places, list(1 - means), 0.5)

    def holds(g: np.random.Generator) -> bool:
        right = (~errors(g, n, means, 0.0)).T
        if together:
            found = measures.breaking_point([(s, rows_of(r)) for s, r in enumerate(right)], 0.5)
            return found.low <= truth <= found.high
        low, high = wilson(right.sum(1).astype(np.float64), float(n), 1.959964)
        return crossing(places, list(low), 0.5) <= truth <= crossing(places, list(high), 0.5)

    return holds


# ------------------------------------------------------------------ correlations and ratios


def over_shifts(kind: str, shifts: int, cases: int, new: bool) -> Holds:
    truth = float(np.corrcoef(*(v.ravel() for v in pairs(np.random.default_rng(1), kind, 300_000, cases)))[0, 1])
    names = [str(i // cases) for i in range(shifts * cases)]

    def holds(g: np.random.Generator) -> bool | None:
        x, y = pairs(g, kind, shifts, cases)
        if new:
            try:
                found = correlation(x.ravel(), y.ravel(), names)
            except NoSamplesError:
                return None
            return found.low <= truth <= found.high
        drawn = g.integers(0, shifts, (300, shifts))
        a, b = x[drawn].reshape(300, -1), y[drawn].reshape(300, -1)
        a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
        r = (a * b).sum(1) / np.maximum(np.sqrt((a * a).sum(1) * (b * b).sum(1)), 1e-12)
        low, high = np.quantile(r, [0.025, 0.975])
        return bool(low <= truth <= high)

    return holds


def high_low(n: int, low: float, high: float, new: bool) -> Holds:
    """Increases over a clean error of .1; only ratios that are shown count."""
    waves = [(0, c) for c in range(1, 9)] + [(r, 0) for r in range(1, 9)]
    means = np.array([0.1 + (low if max(w) <= 2 else high if max(w) > 4 else (low + high) / 2) for w in waves])

    def holds(g: np.random.Generator) -> bool | None:
        wrong = errors(g, n, np.append(means, 0.1), 1.5)
        if new:
            outcomes = np.ascontiguousarray(wrong[:, :-1].T, dtype=np.float32)
            found = measures.FourierMap(16, 16, tuple(waves), outcomes, np.arange(n, dtype=np.int32))
            ratio = measures.high_low_ratio(found, rows_of(~wrong[:, -1]))
            return ratio.low <= high / low <= ratio.high if ratio.defined else None
        weight = np.array([2.0 if max(w) < 8 else 1.0 for w in waves])
        near = np.array([max(w) <= 2 for w in waves]) * weight, np.array([max(w) > 4 for w in waves]) * weight
        bottom, top = (wrong[:, :-1] @ (w / w.sum()) - wrong[:, -1] for w in near)
        covariance = np.cov(np.stack([top, bottom])) / n
        if bottom.mean() <= 1.96 * np.sqrt(covariance[1, 1]):
            return None
        ends = fieller(float(top.mean()), float(bottom.mean()), covariance, 1.96)
        return bool(ends[0] <= high / low <= ends[1])

    return holds


def of_nothing(kind: str, new: bool) -> Holds:
    """A normaliser that shows exactly nothing to divide by: anything but "undefined" fails."""

    def holds(g: np.random.Generator) -> bool:
        n, severities = 30, 5
        few = int((g.random(n) < 0.1).sum())
        clean = np.arange(n) < few
        if kind == "an increase of 0":
            below = np.mean([g.permutation(n) < few for _ in range(severities)], axis=0) - clean
        else:
            below = np.zeros(n)
        above = (g.random((n, severities)) < 0.2).mean(1)
        if not new:
            return not below.mean() > 0
        return over_scores(above[:, None], below[:, None], -1.0, 1.0).parts[0] is None

    return holds


# ------------------------------------------------------------------ calibration


def signs(size: float, n: int, new: bool) -> Holds:
    sure = np.random.default_rng(0).uniform(0.1, 1, 1_000_000)
    truth = binned(sure - both_signs(size, sure), sure)

    def holds(g: np.random.Generator) -> bool:
        confidence = g.uniform(0.1, 1, n)
        right = g.random(n) < both_signs(size, confidence)
        if new:
            found = measures.ece(rows_of(right, confidence))
            return found.low <= truth <= found.high
        low, high = inverted(right, confidence, g)
        return low <= truth <= high

    return holds


def inverted(right: np.ndarray, confidence: Floats, g: np.random.Generator) -> tuple[float, float]:
    """The test inversion that the upper end of the calibration error had: scaled copies of the measured gaps."""
    place = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    count = np.bincount(place, minlength=15)
    kept = count > 0
    gap = np.bincount(place, confidence - right, 15)[kept] / count[kept]
    share = (np.bincount(place, right, 15)[kept] + 1) / (count[kept] + 2)
    error, weight = np.sqrt(share * (1 - share) / count[kept]), count[kept] / len(right)
    noise = g.standard_normal((999, len(gap))) * error
    value, most = float(weight @ np.abs(gap)), float((np.abs(gap) / error).max())

    def furthest(tail: float) -> float:
        below, above = 0.0, 4.0
        for _ in range(16):
            middle = (below + above) / 2
            shrunk = np.sign(gap) * np.maximum(np.abs(gap) - (1 - middle) * most * error, 0)
            tried = middle * gap if middle >= 1 else shrunk
            low_enough = np.mean(np.abs(tried + noise) @ weight >= value) <= tail
            below, above = (middle, above) if low_enough else (below, middle)
            norm = float(weight @ np.abs(tried))
        return norm

    return min(furthest(0.025), value), max(furthest(0.975), value)


def mean_of_shifts(kind: str, n: int, shifts: int, new: bool) -> Holds:
    truth = shifted_truth(kind, shifts)

    def holds(g: np.random.Generator) -> bool:
        parts = shifted(g, kind, n, shifts)
        if new:
            found = measures.mean_ece(parts)
        else:
            pooled = Rows.concatenate(parts)
            found = measures.ece(pooled)  # what was called the mean
        return found.low <= truth <= found.high

    return holds


def case(place: str, asked: float, make: Callable[[bool], Holds], share: float = 1.0) -> Case:
    seed = zlib.crc32(place.encode())
    return place, asked, repeated(make(False), seed, share), repeated(make(True), seed, share)


CASES: list[Case] = [
    *(
        case(f"simultaneous, {WAVES} waves, error {p:.2%}, n = {n:,}", 0.94, lambda new, p=p, n=n: whole_map(p, n, new))
        for p in (0.0001, 0.005) for n in (250, 1000)
    ),
    *(
        case(f"map of chosen cells, error {p:.1%}, {'simultaneous' if all_ else 'single'}", 0.94,
             lambda new, p=p, all_=all_: sampled_map(p, all_, new), 0.3 if all_ else 0.5)
        for p in (0.002, 0.02) for all_ in (False, True)
    ),
    *(
        case(f"worst of 95 equal conditions, n = 250, {words}", 0.94, lambda new, s=s: worst_of(95, 250, s, new), 0.5)
        for s, words in ((0.0, "independent"), (2.0, "of shared difficulty"))
    ),
    *(
        case(f"breaking point with a plateau, {k} strengths", 0.93, lambda new, k=k: plateau(k, 1000, new), 0.5)
        for k in (6, 20, 41)
    ),
    *(
        case(f"r over {k} shifts, {kind}, {c} a shift", 0.93,
             lambda new, k=k, c=c, kind=kind: over_shifts(kind, k, c, new))
        for kind, c in (("normal", 1), ("t with 3 degrees", 5), ("lognormal", 1)) for k in (4, 8, 10, 19)
    ),
    *(
        case(f"ratio high / low, increases {a:g} and {b:g}, n = {n:,}", 0.93,
             lambda new, n=n, a=a, b=b: high_low(n, a, b, new))
        for n, a, b in ((1000, 0.01, 0.02), (1000, 0.015, 0.05), (200, 0.05, 0.1))
    ),
    *(
        case(f"relative CE over {kind}", 1.0, lambda new, kind=kind: of_nothing(kind, new), 0.3)
        for kind in ("an increase of 0", "a model without errors")
    ),
    *(
        case(f"ECE, gaps of both signs, {size:g}, n = {n:,}", 0.93, lambda new, s=size, n=n: signs(s, n, new))
        for size, n in ((0.08, 1000), (0.03, 5000), (0.1, 200))
    ),
    *(
        case(f"mean ECE over 20 shifts, {kind}, n = 500", 0.93,
             lambda new, k=kind: mean_of_shifts(k, 500, 20, new), 0.5)
        for kind in SHIFTED
    ),
]  # fmt: skip
"""(place, asked coverage, method before, method now)."""


if __name__ == "__main__":
    import sys

    for place, asked, old, new in CASES:
        shown = [f"{hits / total:.3f} ({hits} of {total})" if total else "not shown" for hits, total in
                 (m(int(sys.argv[1]) if len(sys.argv) > 1 else 400) for m in (old, new) if m is not None)]  # fmt: skip
        print(f"| {place} | {asked:.2f} | {' | '.join(shown)} |", flush=True)

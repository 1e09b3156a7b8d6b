"""Confidence sequences: intervals that hold at every number of samples together.

A run that stops when its intervals are narrow enough has looked at them many times; ordinary intervals then cover less
often than they say. Each interval here is the set of means that a bettor, who starts with 1 and stakes without
knowing what comes, has not yet refuted by multiplying the stake to ``1 / alpha``. By Ville's inequality the truth is
refuted at any n with probability at most alpha, so stopping whenever one likes is allowed.

They depend on the counts only, not on the order. Coverage and widths: docs/measures.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import (
    LEVEL,
    Estimate,
    Scores,
    check_counts,
    check_level,
    checked_scores,
    checked_weights,
    enclosing,
)

METHOD = "confidence sequence"


@functools.cache
def _stakes() -> npt.NDArray[np.float64]:
    """Shares of the wealth that are staked, each by one 48th of the bettors: about evenly spaced on a log scale."""
    shares: npt.NDArray[np.float64] = special.expit(np.linspace(special.logit(1e-3), special.logit(0.995), 48))
    return shares


@functools.lru_cache(maxsize=65536)
def confidence_sequence(k: float, n: int, level: float = LEVEL) -> Estimate:
    """The share k / n in [0, 1] with an interval that holds at every n together.

    The set of p with ``B(k + 1/2, n - k + 1/2) / B(1/2, 1/2) < p^k (1 - p)^(n - k) / alpha``: the mixture of all
    Bernoulli likelihoods under Jeffreys' prior against that of p. k may also be a sum of scores in [0, 1] (the
    likelihood ratio is convex in the outcome, so it stays valid); ``bounded_sequence`` is then narrower.

    Raises:
        NoSamplesError: n is 0.
        UsageError: k is not in [0, n].

    Reference:
        Robbins 1970, https://doi.org/10.1214/aoms/1177696786; Howard et al. 2021, https://doi.org/10.1214/20-AOS1991
    """
    check_counts(k, n)
    check_level(level)
    goal = _mixture(k, n) + math.log(1 - level)

    def excess(p: float) -> float:
        # 0 log 0 is 0 here.
        return goal - (k * math.log(p) if k else 0.0) - ((n - k) * math.log1p(-p) if n > k else 0.0)

    value = k / n
    low = 0.0 if k == 0 else _root(excess, value, 0.0)
    high = 1.0 if k == n else _root(excess, value, 1.0)
    return enclosing(value, low, high, n, level, METHOD)


def _mixture(k: float, n: int) -> float:
    """log of the Jeffreys mixture of likelihoods, ``B(k + 1/2, n - k + 1/2) / pi``."""
    return math.lgamma(k + 0.5) + math.lgamma(n - k + 0.5) - math.lgamma(n + 1) - math.log(math.pi)


def _root(excess: Callable[[float], float], inside: float, end: float) -> float:
    """Where a convex function, negative at ``inside``, turns positive on the way to ``end``; errs outwards by 1e-9."""
    # Just inside the ends, where logs are infinite.
    outside = end + (1e-12 if end < inside else -1e-12)
    inside = min(max(inside, 1e-13), 1 - 1e-13)
    if not min(inside, end) < outside < max(inside, end) or excess(outside) <= 0:
        return end
    step = 1e-9 if end > inside else -1e-9
    found = float(optimize.brentq(excess, inside, outside, xtol=1e-10)) + step
    return min(max(found, 0.0), 1.0)


def confidence_sequence_many(k: npt.ArrayLike, n: npt.ArrayLike, level: float = LEVEL) -> tuple[Scores, Scores]:
    """``confidence_sequence`` for arrays of counts: ``(low, high)``; NaN where n is 0.

    Raises:
        UsageError: A k is not in [0, n].
    """
    check_level(level)
    count, total = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    require(bool(np.all((count >= 0) & (count <= total))), "k of n needs 0 <= k <= n everywhere", UsageError)
    goal = special.betaln(count + 0.5, total - count + 0.5) - math.log(math.pi) + math.log(1 - level)
    with np.errstate(invalid="ignore"):
        value = count / total
    ends = []
    for end in (0.0, 1.0):
        inside, outside = value.copy(), np.full_like(value, end)
        # Past the last digit of a float. The outer end of the bracket is kept, so that rounding errs outwards.
        for _ in range(60):
            middle = (inside + outside) / 2
            likelihood = special.xlogy(count, middle) + special.xlog1py(total - count, -middle)
            keep = goal < likelihood
            inside, outside = np.where(keep, middle, inside), np.where(keep, outside, middle)
        outside[value == end] = end
        outside[total == 0] = np.nan
        ends.append(outside)
    return ends[0], ends[1]


def bounded_sequence(
    scores: npt.ArrayLike,
    lowest: float = 0.0,
    highest: float = 1.0,
    level: float = LEVEL,
    weights: npt.ArrayLike | None = None,
    steps: int = 0,
) -> Estimate:
    """The mean of per-sample scores in [lowest, highest] with an interval that holds at every n together.

    A hedged capital process: half the wealth bets that the mean is larger than m, half that it is smaller, each spread
    over 48 fixed shares of the wealth. For scores x scaled to [0, 1] a bettor with share c holds after n samples
    ``prod(1 - c + c x / m)`` or ``prod(1 - c + c (1 - x) / (1 - m))``; the wealth is convex in m, so what is not
    refuted is an interval.

    With weights the stake on a sample is its weight over the largest, ``c w``; the mean is the weighted one. This is
    how groups of samples that depend on each other enter: one score a group, with the group's weight.

    The time grows with the number of different scores. ``steps`` bounds it: a score between two of so many even steps
    is shared out to both, in parts that leave its value. The wealth's logarithm is concave in the score, so no bettor
    wins more by that and the interval still holds; with 200 steps it is wider by less than a thousandth.

    Raises:
        NoSamplesError: No scores.
        UsageError: Scores that are not finite or outside [lowest, highest], or weights that are none.

    Reference:
        Waudby-Smith and Ramdas 2024, https://doi.org/10.1093/jrsssb/qkad009
    """
    check_level(level)
    values, counts, stakes = _distinct(checked_scores(scores, lowest, highest), weights)
    if steps:
        values, counts, stakes = _on_steps(values, counts, stakes, lowest, highest, steps)
    return _bounded(values, counts, stakes, lowest, highest, level)


def bounded_p(
    scores: npt.ArrayLike, middle: float = 0.0, reach: float = 1.0, weights: npt.ArrayLike | None = None
) -> float:
    """A p-value that may be read at every n of "the mean of scores within ``reach`` of ``middle`` is ``middle``".

    One over the wealth that ``bounded_sequence`` wins against it, at most 1. Errors as there.
    """
    values, counts, stakes = _distinct(checked_scores(scores, middle - reach, middle + reach), weights)
    return math.exp(min(0.0, -_log_wealth((values - middle + reach) / (2 * reach), counts, 0.5, stakes)))


def _distinct(values: Scores, weights: npt.ArrayLike | None) -> tuple[Scores, Scores, Scores]:
    """The different pairs of score and weight: scores, how often each, weights over the largest."""
    if weights is None:
        found, counts = np.unique(values, return_counts=True)
        return found, counts.astype(np.float64), np.ones(len(found))
    share = checked_weights(weights, len(values))
    order = np.lexsort((share, values))
    values, stakes = values[order], share[order] / share.max()
    first = np.flatnonzero(np.concatenate([[True], (np.diff(values) != 0) | (np.diff(stakes) != 0)]))
    return values[first], np.diff(first, append=len(values)).astype(np.float64), stakes[first]


def _on_steps(
    values: Scores, counts: Scores, stakes: Scores, lowest: float, highest: float, steps: int
) -> tuple[Scores, Scores, Scores]:
    """Scores shared out to the two of ``steps + 1`` even values that they lie between; as they are where so many."""
    distinct, which = np.unique(stakes, return_inverse=True)
    size = len(distinct) * (steps + 1)
    # Sharing out would not make them fewer.
    if len(values) <= size:
        return values, counts, stakes
    scaled = (values - lowest) / (highest - lowest) * steps
    # The highest score is the upper end of the last step; it has none above.
    below = np.minimum(np.floor(scaled).astype(np.int64), steps - 1)
    above, place = scaled - below, which * (steps + 1) + below
    mass = np.bincount(place, counts * (1 - above), size) + np.bincount(place + 1, counts * above, size)
    kept = np.flatnonzero(mass > 0)
    shared_out = np.asarray(lowest + (highest - lowest) * (kept % (steps + 1)) / steps, np.float64)
    return shared_out, np.asarray(mass[kept], np.float64), distinct[kept // (steps + 1)]


def _bounded(values: Scores, counts: Scores, stakes: Scores, lowest: float, highest: float, level: float) -> Estimate:
    span = highest - lowest
    scaled = (values - lowest) / span
    n = float(counts.sum())
    mean = min(max(float(scaled @ (counts * stakes)) / float(counts @ stakes), 0.0), 1.0)
    goal = -math.log(1 - level)

    def excess(m: float) -> float:
        return _log_wealth(scaled, counts, m, stakes) - goal

    low = 0.0 if mean == 0 else _root(excess, mean, 0.0)
    high = 1.0 if mean == 1 else _root(excess, mean, 1.0)
    return enclosing(lowest + span * mean, lowest + span * low, lowest + span * high, round(n), level, METHOD)


def _log_wealth(scaled: Scores, counts: Scores, m: float, stakes: Scores) -> float:
    """log of the hedged wealth against mean m for scores in [0, 1], each staked with a share in [0, 1] of the stake."""
    ratios = np.stack([scaled / m, (1 - scaled) / (1 - m)])
    growth = np.log1p(_stakes()[None, :, None] * (stakes * (ratios - 1))[:, None, :]) @ counts
    # Wealth itself may overflow: the largest exponent is taken out of the sum.
    top = float(growth.max())
    return top + math.log(float(np.exp(growth - top).mean()))


@functools.lru_cache(maxsize=65536)
def paired_sequence(b: int, c: int, n: int, level: float = LEVEL) -> Estimate:
    """The difference of two shares on the same samples, ``(b - c) / n`` in [-1, 1], for every n together.

    ``bounded_sequence`` of the differences -1 (c times), 0 and 1 (b times).

    Raises:
        NoSamplesError: n is 0.
        UsageError: b + c is more than n, or one is negative.
    """
    _check_pair(b, c, n)
    check_level(level)
    counts = np.array([c, n - b - c, b], dtype=np.float64)
    return _bounded(np.array([-1.0, 0.0, 1.0]), counts, np.ones(3), -1.0, 1.0, level)


def anytime_p(b: int, c: int, n: int) -> float:
    """A p-value of "no difference" that may be read at every n: one over the wealth won against it, at most 1.

    Raises:
        NoSamplesError: n is 0.
        UsageError: b + c is more than n, or one is negative.
    """
    _check_pair(b, c, n)
    counts = np.array([c, n - b - c, b], dtype=np.float64)
    # Differences -1, 0 and 1 moved to [0, 1], where no difference is 0.5.
    wealth = _log_wealth(np.array([0.0, 0.5, 1.0]), counts, 0.5, np.ones(3))
    return math.exp(min(0.0, -wealth))


def _check_pair(b: int, c: int, n: int) -> None:
    check_counts(b + c, n)
    require(b >= 0 and c >= 0, f"discordant counts are at least 0, got {b} and {c}", UsageError)

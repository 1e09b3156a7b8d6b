"""Ordinary intervals, for a number of samples that was fixed in advance.

* ``wilson``, ``clopper_pearson``: a share k of n.
* ``mean_interval``: the mean of per-sample scores that average correlated 0/1 outcomes.
* ``paired_rates``: a difference of two shares on the same samples.
* ``signed_mean_interval``: the mean of per-sample differences of averaged outcomes.

``sequences`` has those that hold at every n together. Coverage: docs/measures.md.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import (
    LEVEL,
    Estimate,
    Scores,
    check_counts,
    check_level,
    checked_scores,
    enclosing,
)

PRIOR_SAMPLES = 2.0
"""Weight, in samples that answer alike under all conditions, of the belief that outcomes of one sample agree."""


@functools.lru_cache(maxsize=256)
def quantile(level: float) -> float:
    """The two-sided standard normal quantile, 1.96 for 0.95."""
    check_level(level)
    return float(special.ndtri(0.5 + level / 2))


def wilson(k: float, n: float, level: float = LEVEL) -> Estimate:
    """The share k / n in [0, 1] with Wilson's score interval.

    Args:
        k: Successes; fractions are allowed (effective counts).
        n: Samples.
        level: Confidence level.

    Raises:
        NoSamplesError: n is 0.
        UsageError: k is not in [0, n].

    Reference:
        Wilson 1927; Brown, Cai and DasGupta 2001, https://doi.org/10.1214/ss/1009213286
    """
    check_counts(k, n)
    z = quantile(level)
    low, high = _wilson_ends(k / n, n, z)
    return enclosing(k / n, low, high, round(n), level, "Wilson")


def _wilson_ends(p: float, n: float, z: float) -> tuple[float, float]:
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (0.0 if p <= 0 else max(centre - half, 0.0)), (1.0 if p >= 1 else min(centre + half, 1.0))


def wilson_many(k: npt.ArrayLike, n: npt.ArrayLike, level: float = LEVEL) -> tuple[Scores, Scores]:
    """Wilson's intervals for arrays of counts: ``(low, high)``, each of the broadcast shape.

    NaN where n is 0 (undefined, never 0).

    Raises:
        UsageError: A k is not in [0, n].
    """
    z = quantile(level)
    count, total = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    require(bool(np.all((count >= 0) & (count <= total))), "k of n needs 0 <= k <= n everywhere", UsageError)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = count / total
        scale = 1 + z * z / total
        centre = (p + z * z / (2 * total)) / scale
        half = z / scale * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
        low = np.where(p <= 0, 0.0, np.maximum(centre - half, 0.0))
        high = np.where(p >= 1, 1.0, np.minimum(centre + half, 1.0))
    undefined = total == 0
    low[undefined] = high[undefined] = np.nan
    return np.minimum(low, p), np.maximum(high, p)


def clopper_pearson(k: int, n: int, level: float = LEVEL) -> Estimate:
    """The share k / n in [0, 1] with the exact (conservative) interval of Clopper and Pearson.

    Raises:
        NoSamplesError: n is 0.
        UsageError: k is not in [0, n].

    Reference:
        Clopper and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404
    """
    check_counts(k, n)
    check_level(level)
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return enclosing(k / n, low, high, n, level, "Clopper-Pearson")


def mean_interval(scores: npt.ArrayLike, level: float = LEVEL, cap: float = 1) -> Estimate:
    """The mean of per-sample scores in [0, 1], each the average of ``cap`` correlated 0/1 outcomes.

    Wilson's interval for the number of independent outcomes that would give the same variance, ``n / r``. The ratio r
    of the observed variance to that of 0/1 scores of the same mean lies between ``1 / cap`` (independent) and 1
    (all outcomes of a sample agree); it is drawn towards 1 with the weight of ``PRIOR_SAMPLES`` samples, so that the
    interval never has zero width and, where nothing but successes (or failures) was seen, is Wilson's for n samples.
    Where r is small the variance is estimated and not implied by the mean, so the quantile moves from the normal's to
    Student's. With ``cap=1`` and 0/1 scores it is exactly ``wilson``.

    Args:
        scores: (n,) in [0, 1].
        level: Confidence level.
        cap: How many outcomes each score averages (for unequal weights, ``1 / sum(w ** 2)``); at least 1.

    Raises:
        NoSamplesError: No scores.
        UsageError: Scores that are not finite or outside [0, 1].
    """
    values = checked_scores(scores, 0.0, 1.0)
    require(cap >= 1, f"a score averages at least 1 outcome, got {cap}", UsageError)
    n, mean = len(values), float(values.mean())
    squares = float(np.square(values - mean).sum())
    ratio = _variance_ratio(squares, n * mean * (1 - mean), n, cap)
    low, high = _wilson_ends(mean, n / ratio, _quantile(level, ratio, n))
    return enclosing(mean, low, high, n, level, "Wilson" if ratio == 1 else "Wilson, effective n")


def _variance_ratio(squares: float, greatest: float, n: int, cap: float) -> float:
    """Observed sum of squares over the greatest possible, drawn towards 1, in [1 / cap, 1]."""
    if n < 2:
        return 1.0
    ratio = (squares * n / (n - 1) + PRIOR_SAMPLES) / (max(greatest, 0.0) + PRIOR_SAMPLES)
    return min(max(ratio, 1 / cap), 1.0)


def _quantile(level: float, ratio: float, n: int) -> float:
    """Between the normal's (ratio 1) and Student's (ratio 0) two-sided quantile."""
    z = quantile(level)
    if ratio == 1 or n < 2:
        return z
    return ratio * z + (1 - ratio) * float(special.stdtrit(n - 1, 0.5 + level / 2))


def paired_rates(b: float, c: float, n: float, level: float = LEVEL) -> Estimate:
    """The difference of two shares on the same samples, ``(b - c) / n`` in [-1, 1].

    Wald's interval after adding one sample of each discordant kind: covers like Tango's score interval and is narrower
    (docs/measures.md).

    Args:
        b: Samples where only the first outcome is 1.
        c: Samples where only the second is.
        n: All samples.
        level: Confidence level.

    Raises:
        NoSamplesError: n is 0.
        UsageError: b + c is more than n, or one is negative.

    Reference:
        Bonett and Price 2012, https://doi.org/10.3102/1076998611411915
    """
    check_counts(b + c, n)
    require(b >= 0 and c >= 0, f"discordant counts are at least 0, got {b} and {c}", UsageError)
    low, high = _bonett_price(b, c, n, quantile(level))
    return enclosing((b - c) / n, low, high, round(n), level, "Bonett-Price")


def _bonett_price(b: float, c: float, n: float, z: float) -> tuple[float, float]:
    first, second = (b + 1) / (n + 2), (c + 1) / (n + 2)
    centre = first - second
    half = z * math.sqrt(max(first + second - centre * centre, 0.0) / (n + 2))
    return max(centre - half, -1.0), min(centre + half, 1.0)


def signed_mean_interval(
    scores: npt.ArrayLike, level: float = LEVEL, cap: float = 1, discordance: float | None = None
) -> Estimate:
    """The mean of per-sample differences in [-1, 1], each the average of ``cap`` differences of 0/1 outcomes.

    ``paired_rates`` for the effective number of samples of ``mean_interval``; equal to it for single outcomes.

    Args:
        scores: (n,) in [-1, 1].
        level: Confidence level.
        cap: How many differences each score averages; at least 1.
        discordance: Mean over samples and outcomes of the absolute difference, in [0, 1], if known; without it the
            mean absolute score is used, which is never larger and makes the interval wider.

    Raises:
        NoSamplesError: No scores.
        UsageError: Scores that are not finite or outside [-1, 1].
    """
    values = checked_scores(scores, -1.0, 1.0)
    require(cap >= 1, f"a score averages at least 1 outcome, got {cap}", UsageError)
    n, mean = len(values), float(values.mean())
    least = float(np.abs(values).mean())
    mass = n * (least if discordance is None else min(max(discordance, least), 1.0))
    total = float(values.sum())
    squares = float(np.square(values - mean).sum())
    ratio = _variance_ratio(squares, mass - total * total / n, n, cap)
    z = _quantile(level, ratio, n)
    low, high = _bonett_price((mass + total) / 2 / ratio, (mass - total) / 2 / ratio, n / ratio, z)
    return enclosing(mean, low, high, n, level, "Bonett-Price" if ratio == 1 else "Bonett-Price, effective n")

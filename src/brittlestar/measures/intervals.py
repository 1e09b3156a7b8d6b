"""Ordinary intervals, for a number of samples that was fixed in advance.

* ``clopper_pearson``: a share k of n; every share that is shown has it. ``wilson`` is narrower, and covers as little as
  .84 near 0 and 1 at any n.
* ``mean_interval``: the mean of per-sample scores that average correlated 0/1 outcomes.
* ``paired_rates``: a difference of two shares on the same samples.
* ``signed_mean_interval``: the mean of per-sample differences of averaged outcomes.

``sequences`` has those that hold at every n together. Coverage: docs/measures.md.
"""

from __future__ import annotations

import dataclasses
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
    checked_weights,
    enclosing,
)

EXACT = "Clopper-Pearson"

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
    # At 0 and 1 the formula gives these very ends, but for rounding.
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


# A report asks for the same few counts many times over.
@functools.lru_cache(maxsize=65536)
def clopper_pearson(k: float, n: float, level: float = LEVEL) -> Estimate:
    """The share k / n in [0, 1] with the exact (conservative) interval of Clopper and Pearson.

    Args:
        k: Successes; fractions are allowed (effective counts), the ends being beta quantiles.
        n: Samples.
        level: Confidence level.

    Raises:
        NoSamplesError: n is 0.
        UsageError: k is not in [0, n].

    Reference:
        Clopper and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404
    """
    check_counts(k, n)
    check_level(level)
    low, high = _exact_ends(k, n, level)
    return enclosing(k / n, low, high, round(n), level, EXACT)


def _exact_ends(k: float, n: float, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low = 0.0 if k <= 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k >= n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def mean_interval(
    scores: npt.ArrayLike, level: float = LEVEL, cap: float = 1, weights: npt.ArrayLike | None = None
) -> Estimate:
    """The mean of per-sample scores in [0, 1], each the average of ``cap`` correlated 0/1 outcomes.

    Clopper and Pearson's interval for the number of independent outcomes that would give the same variance, ``n / r``.
    The ratio r of the observed variance to that of 0/1 scores of the same mean lies between ``1 / cap`` (independent)
    and 1 (all outcomes of a sample agree); it is drawn towards 1 with the weight of ``PRIOR_SAMPLES`` samples, so that
    the interval never has zero width and, where nothing but successes (or failures) was seen, is the exact one for n
    samples. Where r is small the variance is estimated and not implied by the mean, so the quantile moves from the
    normal's to Student's, and n / r is made smaller accordingly (Korn and Graubard). With ``cap=1`` and 0/1 scores it
    is exactly ``clopper_pearson``.

    With weights, n is the number of equally weighted samples of the same variance, ``sum(w) ** 2 / sum(w ** 2)``
    (Kish), and r may exceed 1: heavy samples may vary more than light ones.

    Args:
        scores: (n,) in [0, 1].
        level: Confidence level.
        cap: How many outcomes each score averages (for unequal weights, ``1 / sum(w ** 2)``); at least 1.
        weights: (n,) at least 0, not all 0; equal without.

    Raises:
        NoSamplesError: No scores.
        UsageError: Scores that are not finite or outside [0, 1], or weights that are none.

    Reference:
        Korn and Graubard 1998, Survey Methodology 24, 193-201
    """
    values = checked_scores(scores, 0.0, 1.0)
    require(cap >= 1, f"a score averages at least 1 outcome, got {cap}", UsageError)
    spread = _Spread.of(values, weights)
    size, mean = spread.size, spread.mean
    ratio = spread.ratio(size * mean * (1 - mean), cap)
    # Fewer samples by (z / t)^2 make the exact interval as wide as Student's quantile asks (Korn and Graubard).
    effective = size / ratio * (quantile(level) / spread.quantile(level, ratio)) ** 2
    low, high = _exact_ends(mean * effective, effective, level)
    return enclosing(mean, low, high, len(values), level, EXACT if ratio == 1 else f"{EXACT}, effective n")


@dataclasses.dataclass(frozen=True)
class _Spread:
    """Mean and spread of scores.

    Fields:
        mean: Weighted.
        size: Equally weighted scores that would have a mean as uncertain, in [1, n].
        squares: The sum of squares about the mean that so many would have, ``size ** 2`` times the mean's variance.
        weighted: Whether weights differ.
    """

    mean: float
    size: float
    squares: float
    weighted: bool

    @classmethod
    def of(cls, values: Scores, weights: npt.ArrayLike | None) -> _Spread:
        n = len(values)
        if weights is None:
            mean = float(values.mean())
            return cls(mean, float(n), float(np.square(values - mean).sum()) * n / max(n - 1, 1), False)
        share = checked_weights(weights, n)
        mean, size = float(share @ values), 1 / float(np.square(share).sum())
        squares = float(np.square(size * share * (values - mean)).sum())
        # A weighted mean may leave the range of its scores by rounding, and counts under 0 have no limits.
        return cls(min(max(mean, float(values.min())), float(values.max())), size, squares * n / max(n - 1, 1), True)

    def ratio(self, greatest: float, cap: float) -> float:
        """The sum of squares over the greatest possible of equal weights, drawn towards 1; at least 1 / cap."""
        # One score tells nothing of its variance and is taken for an outcome.
        if self.size < 2 and not self.weighted:
            return 1.0
        ratio = (self.squares + PRIOR_SAMPLES) / (max(greatest, 0.0) + PRIOR_SAMPLES)
        return max(ratio, 1 / cap) if self.weighted else min(max(ratio, 1 / cap), 1.0)

    def quantile(self, level: float, ratio: float) -> float:
        """Two-sided: the normal's where the mean implies the variance, Student's where it is estimated."""
        check_level(level)
        return -self.tail_quantile((1 - level) / 2, ratio)

    def tail_quantile(self, tail: float, ratio: float) -> float:
        """As ``quantile``, from the probability of one tail, under 1/2; negative."""
        z = float(special.ndtri(tail))
        if not self.weighted and (ratio == 1 or self.size < 2):
            return z
        # Weights may leave under two effective samples; Student's t needs a degree of freedom.
        t = float(special.stdtrit(max(self.size - 1, 1.0), tail))
        return t if self.weighted else ratio * z + (1 - ratio) * t


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
    scores: npt.ArrayLike,
    level: float = LEVEL,
    cap: float = 1,
    discordance: float | None = None,
    weights: npt.ArrayLike | None = None,
) -> Estimate:
    """The mean of per-sample differences in [-1, 1], each the average of ``cap`` differences of 0/1 outcomes.

    ``paired_rates`` for the effective number of samples of ``mean_interval``; equal to it for single outcomes.

    Args:
        scores: (n,) in [-1, 1].
        level: Confidence level.
        cap: How many differences each score averages; at least 1.
        discordance: Mean over samples and outcomes of the absolute difference, in [0, 1], if known; without it the
            mean absolute score is used, which is never larger and makes the interval wider.
        weights: (n,) at least 0, not all 0; equal without.

    Raises:
        NoSamplesError: No scores.
        UsageError: Scores that are not finite or outside [-1, 1], or weights that are none.
    """
    values, spread, ratio, (b, c, n) = _discordant(scores, cap, discordance, weights)
    low, high = _bonett_price(b, c, n, spread.quantile(level, ratio))
    method = "Bonett-Price" if ratio == 1 else "Bonett-Price, effective n"
    return enclosing(spread.mean, low, high, len(values), level, method)


def signed_mean_p(
    scores: npt.ArrayLike,
    cap: float = 1,
    discordance: float | None = None,
    weights: npt.ArrayLike | None = None,
    margin: float = 0.0,
) -> float:
    """One minus the highest level at which ``signed_mean_interval`` does not hold 0, or anything up to ``margin``.

    The two-sided p-value of "no difference" that belongs to that interval. Arguments and errors as there.
    """
    _, spread, ratio, (b, c, n) = _discordant(scores, cap, discordance, weights)
    first, second = (b + 1) / (n + 2), (c + 1) / (n + 2)
    centre = first - second
    error = math.sqrt(max(first + second - centre * centre, 1e-300) / (n + 2))
    reached = (abs(centre) - margin) / error
    if reached <= 0:
        return 1.0
    # The quantile mixes the normal's and Student's, so its inverse is searched for; on the log of the tail, since
    # p-values may be tiny: exp(-690) is near the least float.
    below, above = -690.0, math.log(0.5)
    for _ in range(60):
        middle = (below + above) / 2
        below, above = (middle, above) if -spread.tail_quantile(math.exp(middle), ratio) > reached else (below, middle)
    return min(2 * math.exp(above), 1.0)


def _discordant(
    scores: npt.ArrayLike, cap: float, discordance: float | None, weights: npt.ArrayLike | None
) -> tuple[Scores, _Spread, float, tuple[float, float, float]]:
    """The scores, their spread, the variance ratio, and the effective discordant counts with their n."""
    values = checked_scores(scores, -1.0, 1.0)
    require(cap >= 1, f"a score averages at least 1 outcome, got {cap}", UsageError)
    spread = _Spread.of(values, weights)
    size = spread.size
    least = (
        float(np.abs(values).mean()) if weights is None else float(checked_weights(weights, len(values)) @ abs(values))
    )
    mass = size * (least if discordance is None else min(max(discordance, least), 1.0))
    total = size * spread.mean
    ratio = spread.ratio(mass - total * total / size, cap)
    return values, spread, ratio, ((mass + total) / 2 / ratio, (mass - total) / 2 / ratio, size / ratio)

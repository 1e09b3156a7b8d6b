"""Intervals for rates and for means of bounded scores; ordinary ones and ones that survive optional stopping."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from brittlestar.measures.base import Estimate, NoSamplesError

Array = npt.NDArray[np.float64]


def _counted(k: float, n: float) -> None:
    if n <= 0:
        raise NoSamplesError("no samples: the measure is undefined")
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a count")


def quantile(level: float) -> float:
    """The two-sided standard normal quantile: 1.96 for 0.95."""
    return float(special.ndtri((1 + level) / 2))


def wilson(k: float, n: float, level: float = 0.95) -> Estimate:
    """Rate ``k / n`` with Wilson's score interval (JASA 1927)."""
    _counted(k, n)
    low, high = wilson_many(np.array([k], float), np.array([n], float), level)
    return Estimate(value=k / n, low=float(low[0]), high=float(high[0]), n=round(n), level=level, method="Wilson")


def wilson_many(k: npt.ArrayLike, n: npt.ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Wilson's interval for arrays of counts; NaN where ``n`` is 0."""
    successes, trials = np.asarray(k, float), np.asarray(n, float)
    z = quantile(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = successes / trials
        centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
        half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    low = np.where(successes == 0, 0.0, np.clip(centre - half, 0, rate))
    high = np.where(successes == trials, 1.0, np.clip(centre + half, rate, 1))
    undefined = trials <= 0
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Estimate:
    """Rate with the exact (conservative) Clopper-Pearson interval (Biometrika 1934)."""
    _counted(k, n)
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return Estimate(value=k / n, low=low, high=high, n=n, level=level, method="Clopper-Pearson")


def confidence_sequence(k: float, n: int, level: float = 0.95) -> Estimate:
    """Rate with an interval that holds at every sample size at once, so stopping may depend on the results.

    ``k`` may also be a sum of scores in [0, 1]: what is a martingale for 0/1 outcomes is a supermartingale for scores
    with the same mean, since the likelihood ratio is convex in the outcome.

    For each candidate rate p the ratio of the uniform mixture's likelihood to that of p,
    ``B(k + 1, n - k + 1) / (p^k (1 - p)^(n - k))``, is a non-negative martingale that starts at 1; by Ville's
    inequality it ever exceeds ``1 / (1 - level)`` with probability at most ``1 - level``. The interval holds the
    rates where it does not (Robbins, Ann. Math. Stat. 1970).
    """
    _counted(k, n)
    limit = special.betaln(k + 1, n - k + 1) + math.log(1 - level)
    rate = k / n

    def excess(p: float) -> float:
        return float(special.xlogy(k, p)) + float(special.xlog1py(n - k, -p)) - float(limit)

    low = 0.0 if k <= 0 else float(optimize.brentq(excess, 1e-15, rate)) if excess(rate) > 0 else rate
    high = 1.0 if k >= n else float(optimize.brentq(excess, rate, 1 - 1e-15)) if excess(rate) > 0 else rate
    return Estimate(value=rate, low=low, high=high, n=n, level=level, method="confidence sequence")


def paired_sequence(b: int, c: int, n: int, level: float = 0.95) -> Estimate:
    """Mean of ``n`` differences in {-1, 0, 1} (``b`` are +1, ``c`` are -1), valid at every sample size at once.

    The share of +1 and the share of -1 each get a confidence sequence at half the error; their difference is bounded
    by the ends (a union bound: valid, somewhat wide).
    """
    _counted(b + c, n)
    half = 1 - (1 - level) / 2
    up, down = confidence_sequence(b, n, half), confidence_sequence(c, n, half)
    return Estimate(
        value=(b - c) / n,
        low=up.low - down.high,
        high=up.high - down.low,
        n=n,
        level=level,
        method="confidence sequence (paired)",
    )


def paired_rates(b: int, c: int, n: int, level: float = 0.95) -> Estimate:
    """Mean of ``n`` differences in {-1, 0, 1} (``b`` are +1, ``c`` are -1) with the adjusted Wald interval of Bonett
    and Price (J. Educ. Behav. Stat. 2012): one is added to ``b`` and to ``c``, two to ``n``.
    """
    _counted(b + c, n)
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = quantile(level) * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    value = (b - c) / n
    low, high = max(-1.0, min(value, p - q - half)), min(1.0, max(value, p - q + half))
    return Estimate(value=value, low=low, high=high, n=n, level=level, method="Bonett-Price (paired)")


def mean_interval(scores: npt.ArrayLike, level: float = 0.95, cap: float = 1.0) -> Estimate:
    """Mean of per-sample scores in [0, 1], each the average of up to ``cap`` 0/1 outcomes.

    Wilson's interval with the sample size that a plain rate of the same variance would have,
    ``n m (1 - m) / var``, at most ``n cap``: never of zero width, and ordinary Wilson for 0/1 scores.
    """
    values = np.asarray(scores, float)
    if not len(values):
        raise NoSamplesError("no samples: the mean is undefined")
    mean, n = float(values.mean()), len(values)
    spread = mean * (1 - mean)
    variance = float(values.var(ddof=1)) if n > 1 else spread
    # The variance itself is estimated; two pseudo-samples of a plain rate's variance keep small samples honest.
    variance = (variance * max(n - 1, 0) + 2 * spread / cap) / (n + 1)
    effective = n * cap if variance <= 0 else min(max(n * spread / variance, 1.0), n * cap)
    low, high = wilson_many([mean * effective], [effective], level)
    return Estimate(
        value=mean,
        low=min(mean, float(low[0])),
        high=max(mean, float(high[0])),
        n=n,
        level=level,
        method="Wilson, effective sample size",
    )


def signed_mean_interval(scores: npt.ArrayLike, level: float = 0.95, cap: float = 1.0) -> Estimate:
    """Mean of per-sample scores in [-1, 1] (paired differences of averages of up to ``cap`` outcomes).

    Student's interval with two pseudo-differences of +1/cap and -1/cap, so that no width is zero (for 0/1 outcomes it
    is close to ``paired_rates``).
    """
    values = np.asarray(scores, float)
    if not len(values):
        raise NoSamplesError("no samples: the mean is undefined")
    n, mean = len(values), float(values.mean())
    padded = np.concatenate([values, [1 / cap**0.5, -1 / cap**0.5]])
    half = float(stats.t.ppf((1 + level) / 2, len(padded) - 1)) * float(padded.std(ddof=1)) / math.sqrt(len(padded))
    centre = float(padded.mean())
    low, high = max(-1.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))
    return Estimate(value=mean, low=low, high=high, n=n, level=level, method="Student (paired, padded)")

"""How many times more error high frequencies add than low ones do, from a Fourier map."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import special

from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores
from brittlestar.measures.fourier import FourierMap, band_named, band_scores, band_weights, effective_number
from brittlestar.measures.samples import Samples, units_of

CLEAR = 5.0
"""Standard errors beyond which an increase was not chosen by chance to be divided by."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio that may be undefined.

    Fields:
        defined: Whether the denominator is shown to be above 0 at the confidence level.
        reason: Why it is not, in words; empty where it is.
        value, low, high: The ratio and its interval; NaN where undefined.
        above, below: Numerator and denominator with their intervals.
        n: Samples.
        level: Confidence level.
        method: How the interval was made.
    """

    defined: bool
    reason: str
    value: float
    low: float
    high: float
    above: Estimate
    below: Estimate
    n: int
    level: float = LEVEL
    method: str = "Fieller"


def high_low_ratio(found: FourierMap, clean: Rows, level: float = LEVEL) -> Ratio:
    """How many times more error high frequencies add to the clean error than low ones do (``BANDS``).

    Fieller's interval over per-sample increases. It is undefined, and says so, unless the increase at low frequencies
    is shown to be above 0 at a tenth of the error allowed (99.5 % for 95 %). Small increases pass that where they came
    out large by chance, which makes the ratio come out small; so the interval is at that stricter level too, unless the
    increase is more than ``CLEAR`` standard errors. Among the ratios that are shown at least 93 % then hold, wherever
    more than one in thirty is shown (docs/measures.md).

    Groups of samples that depend on each other are one draw each, and classes have their weights. Where a share of the
    set was not seen the increases' intervals leave room for it and are divided end by end, each at half the error.

    Args:
        found: The map.
        clean: Rows of the unchanged images; the samples of both are used.
        level: Confidence level.

    Raises:
        NoSamplesError: No sample in common with ``clean``, or no measured frequency in one of the bands.

    Reference:
        Fieller 1954, https://doi.org/10.1111/j.2517-6161.1954.tb00159.x
    """
    shared, in_map, in_clean = np.intersect1d(found.positions, clean.position, return_indices=True)
    if len(shared) == 0:
        raise NoSamplesError("the map and the clean rows share no samples")
    wrong = ~clean.correct[in_clean]
    weights = [band_weights(found, *band_named(name)) for name in ("high", "low")]
    scores = np.stack([band_scores(found, *band_named(name))[in_map] - wrong for name in ("high", "low")])
    caps = [effective_number(w) for w in weights]
    samples = found.drawn.cut(in_map) if found.samples <= len(clean) else Samples.of(clean).cut(in_clean)
    samples = dataclasses.replace(samples, unseen=max(samples.unseen, found.drawn.unseen, clean.unseen))

    def increases(at: float) -> tuple[Estimate, Estimate]:
        high, low = (found.apart(s, cap, "fixed", at, of=samples) for s, cap in zip(scores, caps, strict=True))
        return high, low

    above, below = increases(level)
    n = len(shared)
    defined, reason, ends = False, "", (math.nan, math.nan)
    strict = 1 - (1 - level) / 10
    spread, freedom = _spread(samples, scores, caps)
    if n < 2 or freedom <= 0 or increases(strict)[1].low <= 0:
        reason = "low frequencies are not shown to add error, so nothing can be divided by it"
    else:
        asked = level if below.value > CLEAR * math.sqrt(spread[1, 1]) else strict
        if samples.unseen == 0:
            ends = fieller(above.value, below.value, spread, float(special.stdtrit(freedom, 0.5 + asked / 2)))
        else:
            # Both limits must hold together: half the error each.
            ends = _corners(*increases(1 - (1 - asked) / 2))
        defined = math.isfinite(ends[0])
        reason = "" if defined else "the increase at low frequencies is too uncertain to divide by"
    value = above.value / below.value if defined else math.nan
    return Ratio(
        defined=defined,
        reason=reason,
        value=value,
        low=ends[0],
        high=ends[1],
        above=above,
        below=below,
        n=n,
        level=level,
        method=samples.words("Fieller" if samples.unseen == 0 else "limits divided"),
    )


def _spread(samples: Samples, scores: Scores, caps: list[float]) -> tuple[Scores, float]:
    """(2, 2) covariance of the two mean scores, and its degrees of freedom.

    Two samples of opposite sign are added to each variance, which keeps it above 0 (as in Bonett-Price).
    """
    n = scores.shape[1]
    made_up = np.diag([2 / cap for cap in caps])
    if samples.plain:
        return (np.cov(scores, bias=True) * n + made_up) / max(n - 1, 1) / n, n - 1
    units = [units_of(samples, row) for row in scores]
    values, count = np.stack([u.scores for u in units]), len(units[0].scores)
    share = np.full(count, 1 / count) if units[0].weights is None else units[0].weights / units[0].weights.sum()
    size = 1 / float(np.square(share).sum())
    left = (values - (values @ share)[:, None]) * share * size
    grown = count / max(count - 1, 1)
    return (left @ left.T + made_up) * grown / size**2, size - 1


def _corners(above: Estimate, below: Estimate) -> tuple[float, float]:
    """The least and the largest ratio of two numbers within their limits; NaN where there is none."""
    if below.low <= 0:
        return math.nan, math.nan
    # Over a positive denominator a ratio is monotone in each number, so its extremes lie in the corners.
    found = [a / b for a in (above.low, above.high) for b in (below.low, below.high)]
    return min(found), max(found)


def fieller(top: float, bottom: float, covariance: Scores, quantile: float) -> tuple[float, float]:
    """Ends of Fieller's set for ``top / bottom``: the ratios r with ``|top - r bottom| <= quantile * its error``.

    NaN where the set is not a finite interval (``bottom`` is not significantly different from 0).
    """
    square = quantile * quantile
    a = bottom * bottom - square * float(covariance[1, 1])
    b = top * bottom - square * float(covariance[0, 1])
    c = top * top - square * float(covariance[0, 0])
    if a <= 0:
        return math.nan, math.nan
    # top / bottom itself is in the set, so this is at least 0 but for rounding.
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a

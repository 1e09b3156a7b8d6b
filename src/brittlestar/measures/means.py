"""Means of per-sample scores and their paired differences, for outcomes, for bounded and for unbounded scores.

* Outcomes (0 or 1): Clopper-Pearson and Bonett-Price, or confidence sequences (``intervals``, ``sequences``).
* Scores in [lowest, highest]: the same for the number of outcomes that would vary as much (``mean_interval``).
* Scores without a highest value: Student's interval, with two made-up samples that lie ``reach`` away from the mean, so
  that an answer nobody has seen yet has its place in the interval. A rare and dear mistake that the samples happen not
  to hold is the one thing that a mean of losses cannot show: without them 200 samples of a model that errs on one image
  in 200 have an interval that holds the truth in 40 cases of 100 (docs/measures.md). For ``anytime`` an asymptotic
  confidence sequence.

How samples were drawn (groups, weights, what was not seen) is heeded throughout (``samples``).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Outcomes, Scores, check_rule
from brittlestar.measures.effects import mean_effect
from brittlestar.measures.intervals import clopper_pearson, paired_rates
from brittlestar.measures.samples import Samples, mean_difference_of, mean_of, repeated, units_of
from brittlestar.measures.sequences import confidence_sequence, paired_sequence

_ANY_SPREAD = 1e9
"""Outcomes that a bounded score averages, for ``mean_interval``: so many that its variance may be as small as seen."""

_STEPS = 200
"""Of ``bounded_sequence``: 10,000 different scores would take it a fifth of a second."""


def rate(k: int, n: int, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """``k / n`` of independent samples: Clopper-Pearson for ``fixed``, a confidence sequence for ``anytime``.

    Raises:
        NoSamplesError: n is 0.
        UsageError: k is not in [0, n], or an unknown rule.
    """
    check_rule(rule)
    return clopper_pearson(k, n, level) if rule == "fixed" else confidence_sequence(k, n, level)


def share(samples: Samples, hits: Outcomes, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """The share of (n,) outcomes that are true; in [0, 1].

    Raises:
        NoSamplesError: No samples.
    """
    if len(hits) == 0:
        raise NoSamplesError("no samples: a share of nothing is undefined")
    if not samples.plain or repeated(samples.position):
        return mean_of(samples, hits.astype(np.float64), rule, level)
    return rate(int(np.count_nonzero(hits)), len(hits), rule, level)


def share_difference(
    samples: Samples, first: Outcomes, second: Outcomes, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """The share of the first outcomes less that of the second, (n,) each and paired by sample; in [-1, 1]."""
    check_rule(rule)
    if not samples.plain or repeated(samples.position):
        scores = first.astype(np.float64) - second
        apart = float(np.average(np.abs(scores), weights=samples.weight))
        return mean_difference_of(samples, scores, rule, level, discordance=apart)
    only_first, only_second = int(np.count_nonzero(first & ~second)), int(np.count_nonzero(~first & second))
    interval = paired_rates if rule == "fixed" else paired_sequence
    return interval(only_first, only_second, len(first), level)


def bounded_mean(
    samples: Samples, scores: Scores, lowest: float, highest: float, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """The mean of (n,) scores in [lowest, highest], which need not be averages of outcomes.

    Raises:
        NoSamplesError: No samples.
        UsageError: Scores outside the range.
    """
    span = highest - lowest
    part = mean_of(samples, (scores - lowest) / span, rule, level, cap=_ANY_SPREAD, steps=_STEPS)
    return _moved(part, span, lowest)


def bounded_difference(
    samples: Samples, scores: Scores, reach: float, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """The mean of (n,) paired differences in [-reach, reach]. Errors as ``bounded_mean``."""
    found = mean_difference_of(samples, scores / reach, rule, level, cap=_ANY_SPREAD, steps=_STEPS)
    return _moved(found, reach, 0.0)


def unbounded_mean(
    samples: Samples,
    scores: Scores,
    reach: float,
    rule: str = "fixed",
    level: float = LEVEL,
    lowest: float = -math.inf,
) -> Estimate:
    """The mean of (n,) scores that have no highest value.

    Args:
        samples: How they were drawn.
        scores: Finite.
        reach: How far from the mean a sample may plausibly lie that was not seen; where one that was seen lies farther,
            that counts.
        rule: ``fixed`` (Student's t) or ``anytime`` (asymptotic confidence sequence).
        level: Confidence level.
        lowest: No score is lower; no limit is either.

    Returns:
        With infinite limits where a single sample (or group) was seen, or a share of the set that none stands for.

    Raises:
        NoSamplesError: No samples.
        UsageError: Scores that are not finite.
    """
    if len(scores) == 0:
        raise NoSamplesError("no samples: a mean of nothing is undefined")
    require(bool(np.isfinite(scores).all()), "scores are finite numbers, and some are not", UsageError)
    units = units_of(samples, scores)
    effect = mean_effect(units.scores, units.weights)
    farthest = max(reach, float(np.abs(units.scores - effect.value).max()))
    # The made-up samples weigh as those seen do on a root mean square, which is how weights enter a variance.
    heavy = 1.0 if units.weights is None else float(np.sqrt(np.mean(np.square(units.weights / units.weights.mean()))))
    found = dataclasses.replace(effect, reach=farthest * heavy).estimate(level, rule)
    value = found.value if units.mean is None else units.mean
    low, high = (
        (found.low, found.high) if samples.unseen == 0 else (_mixed(found.low, lowest, samples.unseen), math.inf)
    )
    # A mean is linear already.
    method = samples.words(found.method.removeprefix("linearised, "))
    return dataclasses.replace(
        found, value=value, low=min(max(low, lowest), value), high=max(high, value), n=units.samples, method=method
    )


def _mixed(seen: float, elsewhere: float, unseen: float) -> float:
    return (1 - unseen) * seen + unseen * elsewhere


def _moved(estimate: Estimate, span: float, start: float) -> Estimate:
    """The estimate of ``start + span * quantity``, span above 0."""
    ends = {name: start + span * getattr(estimate, name) for name in ("value", "low", "high")}
    return dataclasses.replace(estimate, **ends)

"""What a shift leaves of a model: the share of its accuracy above guessing that is kept, and how sure it stays.

0 is guessing and 1 the model's own clean accuracy, so that total collapse is 0 with 2 classes as with 1,000, and models
of unequal worth stand on one scale. The number is never cut: below guessing it is negative, and a model that is better
under the shift than without keeps more than 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores
from brittlestar.measures.effects import Effect, kept_effect, mean_effect
from brittlestar.measures.samples import Samples, mean_difference_of, mean_of, together
from brittlestar.measures.selection import of_many
from brittlestar.measures.unseen import kept_with_room

ABOVE_GUESSING = 0.05
"""So far above guessing clean accuracy must be shown to lie: nearer, the share kept says more of the noise than of the
shift. It guards a scale, and is not ``chance_limit``, which says whether a model knows anything."""


def measurable(clean: Estimate, chance: float) -> bool:
    """Whether clean accuracy is shown to lie far enough above guessing for a share of it to mean something."""
    return clean.low >= chance + ABOVE_GUESSING


def accuracy_kept(
    curves: Sequence[Sequence[Rows]], clean: Rows, chance: float, rule: str = "fixed", level: float = LEVEL
) -> Estimate | None:
    """The share of the accuracy above guessing that is kept, averaged over curves, and in each over its conditions.

    ``(accuracy - chance) / (clean accuracy - chance)``, a ratio of means on the same samples: linearised, with
    Student's interval, or for ``anytime`` an asymptotic confidence sequence. A curve of six strengths weighs as much as
    one of three.

    Args:
        curves: The rows of each curve's conditions; one curve of one condition is a single condition.
        clean: Rows on unchanged images.
        chance: Accuracy of guessing, in [0, 1] (``measures.chance``).
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.

    Returns:
        The share, on the samples that all rows hold; ``None`` where clean accuracy is not shown to be above guessing:
        there is nothing that could be kept.

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: An impossible chance.
    """
    require(0 <= chance <= 1, f"chance lies in [0, 1], got {chance}", UsageError)
    weights = _weights(curves)
    samples, correct = together([clean, *(rows for curve in curves for rows in curve)])
    above = mean_effect(correct[:, 0], samples.weight)
    kept = kept_effect(mean_effect(correct[:, 1:] @ weights, samples.weight), above, chance)
    if kept is None:
        return None
    if samples.unseen == 0:
        return _told(kept, samples, rule, level)
    above = dataclasses.replace(above, value=above.value - chance)
    both = of_many(2, level)  # the interval with room holds where those of the share and of clean accuracy do
    found = kept_with_room(_told(kept, samples, rule, both), _told(above, samples, rule, both), chance, samples.unseen)
    return None if found is None else dataclasses.replace(found, level=level)


def mean_accuracy(curves: Sequence[Sequence[Rows]], rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Accuracy averaged over curves, and in each over its conditions, in [0, 1]; arguments as ``accuracy_kept``.

    Raises:
        NoSamplesError: No condition, or no sample in common.
    """
    weights = _weights(curves)
    samples, correct = together([rows for curve in curves for rows in curve])
    return mean_of(samples, correct @ weights, rule, level, float(1 / np.square(weights).sum()))


def _weights(curves: Sequence[Sequence[Rows]]) -> Scores:
    """Of each condition: curves weigh alike, and the conditions of each."""
    if not curves or not all(curves):
        raise NoSamplesError("nothing to measure: a curve has no condition")
    return np.concatenate([np.full(len(curve), 1 / len(curve) / len(curves)) for curve in curves])


def _told(effect: Effect, samples: Samples, rule: str, level: float) -> Estimate:
    found = effect.estimate(level, rule, samples.group)
    weighted = "" if samples.weight is None else ", weighted by class"
    return dataclasses.replace(found, method=found.method + weighted)


def overconfidence(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Mean confidence minus accuracy, in [-1, 1]: above 0, the model is surer than it is right.

    Unlike the calibration error it has a sign, and no bins.

    Args:
        rows: One row a sample.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.

    Raises:
        NoSamplesError: No rows.
    """
    gaps = np.asarray(rows.confidence, np.float64) - rows.correct
    return mean_difference_of(Samples.of(rows), gaps, rule, level)

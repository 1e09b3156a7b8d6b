"""Effective and relative robustness: accuracy beyond what clean accuracy predicts, and beyond that of another model.

* effective robustness of a model: ``acc2 - line(acc1)``, the line being fitted to standard models alone;
* relative robustness: ``acc2(model) - acc2(model without the intervention)``;
* beyond dilution: ``acc2 - c2 - R (acc1 - c1)``, R being the share of accuracy above chance (c) that standard models
  keep on average. A model some of whose answers are replaced by guesses lies *above* a line on the logit scale and
  shows effective robustness that nothing but its low accuracy made; it lies at 0 here, whereas a model that is merely
  worse, on the line, lies below 0. A verdict on a type of models needs both.

Means over a type's models have Student's intervals over models, or over families of which each counts once, with the
line's own uncertainty; the binomial noise of the accuracies is a part of their spread. Coverage: docs/measures.md.

Reference:
    Taori et al., NeurIPS 2020, https://arxiv.org/abs/2007.00644
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level, enclosing
from brittlestar.measures.intervals import clopper_pearson
from brittlestar.measures.lines import FittedLine


@dataclass(frozen=True, kw_only=True)
class TypeEffect:
    """A mean over a type's models, and how often chance alone gives one as far from 0.

    Fields:
        estimate: Its n counts models, or families.
        p: Two-sided, that the mean is 0; it belongs to the estimate's interval.
    """

    estimate: Estimate
    p: float


def effective_robustness(
    x: float, y: float, line: FittedLine, n_x: float, n_y: float, level: float = LEVEL
) -> Estimate:
    """Accuracy y less what the line predicts of accuracy x, in [-1, 1]; n of the estimate is ``n_y``.

    The interval combines Clopper and Pearson's limits of both accuracies, the first through the line, with the line's
    bootstrap (square-and-add). Both accuracies count as independent: where the images are the same, it is too wide.

    Args:
        x, y: Accuracies in [0, 1] on the first and the second set.
        line: Of standard models.
        n_x, n_y: Images behind the accuracies.
        level: Confidence level.
    """
    own, other = _share(y, n_y, level), _share(x, n_x, level)
    predicted = float(line.predict(x))
    ends = sorted((float(line.predict(other.low)), float(line.predict(other.high))))
    low, high = (float(limits[0]) for limits in line.band(x, level))
    below = math.hypot(own.value - own.low, ends[1] - predicted, high - predicted)
    above = math.hypot(own.high - own.value, predicted - ends[0], predicted - low)
    return enclosing(y - predicted, y - predicted - below, y - predicted + above, round(n_y), level, "square-and-add")


def relative_robustness(y: float, base: float, n_y: float, n_base: float, level: float = LEVEL) -> Estimate:
    """Accuracy less that of the model without the intervention on the same set, in [-1, 1].

    Square-and-add of two exact intervals: too wide where both answered the same images, as nothing is known of pairs.
    """
    own, other = _share(y, n_y, level), _share(base, n_base, level)
    value = y - base
    below = math.hypot(own.value - own.low, other.high - other.value)
    above = math.hypot(own.high - own.value, other.value - other.low)
    return enclosing(value, value - below, value + above, round(n_y), level, "square-and-add")


def _share(value: float, n: float, level: float) -> Estimate:
    require(0 <= value <= 1, f"an accuracy lies in [0, 1], got {value}; divide percent by 100", UsageError)
    return clopper_pearson(value * n, n, level)


def mean_effective_robustness(
    x: npt.ArrayLike, y: npt.ArrayLike, line: FittedLine, *, groups: Sequence[str] | None = None, level: float = LEVEL
) -> TypeEffect:
    """Mean over a type's models of the effective robustness, in [-1, 1].

    Args:
        x, y: (models,) accuracies in [0, 1] of the type, at least two models.
        line: Of standard models; with groups, resampled by families too.
        groups: (models,) families, of which each then counts once.
        level: Confidence level.

    Raises:
        NoSamplesError: Fewer than two models, or families.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    beyond = _by_group(second - line.predict(first), groups)
    lines = np.mean(_by_group(line.predictions(first).T, groups), axis=0)
    return _mean(beyond, float(np.var(lines, ddof=1)), line.models - 2, level)


def mean_beyond_dilution(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    standard_x: npt.ArrayLike,
    standard_y: npt.ArrayLike,
    *,
    chances: tuple[float, float] = (0.0, 0.0),
    groups: Sequence[str] | None = None,
    standard_groups: Sequence[str] | None = None,
    level: float = LEVEL,
) -> TypeEffect:
    """Mean over a type's models of the accuracy beyond what diluted standard models have, in [-1, 1].

    Args:
        x, y: (models,) accuracies of the type.
        standard_x, standard_y: (models,) accuracies of standard models.
        chances: Accuracy of guessing on the first and the second set.
        groups, standard_groups: Families, of which each then counts once.
        level: Confidence level.

    Raises:
        NoSamplesError: Fewer than two models, or families, on either side.
        UsageError: A model without accuracy above chance on the first set.
    """
    above, theirs = (np.asarray(v, dtype=np.float64) - chances[0] for v in (x, standard_x))
    require(bool(np.all(theirs > 0)), "standard models are above chance on the first set", UsageError)
    kept = _by_group((np.asarray(standard_y, dtype=np.float64) - chances[1]) / theirs, standard_groups)
    if len(kept) < 2:
        raise NoSamplesError(f"a mean needs at least 2 standard models, or families, got {len(kept)}")
    beyond = _by_group(np.asarray(y, dtype=np.float64) - chances[1] - above * kept.mean(), groups)
    reach = float(np.mean(_by_group(above, groups)))
    return _mean(beyond, reach**2 * float(np.var(kept, ddof=1)) / len(kept), len(kept) - 1, level)


def mean_against(
    y: npt.ArrayLike,
    standard_y: npt.ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    standard_groups: Sequence[str] | None = None,
    level: float = LEVEL,
) -> TypeEffect:
    """Mean accuracy of a type's models less that of standard models, in [-1, 1] (Welch's interval).

    Arguments and errors as of ``mean_beyond_dilution``.
    """
    theirs = _by_group(np.asarray(standard_y, dtype=np.float64), standard_groups)
    if len(theirs) < 2:
        raise NoSamplesError(f"a mean needs at least 2 standard models, or families, got {len(theirs)}")
    apart = _by_group(np.asarray(y, dtype=np.float64), groups) - theirs.mean()
    return _mean(apart, float(np.var(theirs, ddof=1)) / len(theirs), len(theirs) - 1, level)


def mean_paired(differences: npt.ArrayLike, level: float = LEVEL) -> TypeEffect:
    """Mean of differences between models and their own bases, in [-1, 1] (Student's interval).

    Raises:
        NoSamplesError: Fewer than two.
    """
    return _mean(np.asarray(differences, dtype=np.float64), 0.0, 1, level)


def _by_group(values: Scores, groups: Sequence[str] | None) -> Scores:
    """Means by group along the first axis; the values themselves without groups."""
    if groups is None:
        return values
    names, of = np.unique(np.asarray(groups), return_inverse=True)
    return np.stack([values[of == place].mean(axis=0) for place in range(len(names))])


def _mean(values: Scores, more: float, more_freedom: float, level: float) -> TypeEffect:
    """Student's interval of a mean to which an independent error of variance ``more`` is added (Satterthwaite)."""
    check_level(level)
    n = len(values)
    if n < 2:
        raise NoSamplesError(f"a mean over models needs at least 2 of them, or 2 families, got {n}")
    mean, own = float(values.mean()), float(np.var(values, ddof=1)) / n
    variance = own + more
    if variance <= 0:
        raise NoSamplesError("the models do not differ at all: no interval can be had of their mean")
    freedom = variance**2 / (own**2 / (n - 1) + more**2 / max(more_freedom, 1))
    error = math.sqrt(variance)
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * error
    p = 2 * float(special.stdtr(freedom, -abs(mean) / error))
    return TypeEffect(estimate=enclosing(mean, mean - half, mean + half, n, level, "Student's t over models"), p=p)

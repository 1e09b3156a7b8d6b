"""What guessing gets, and whether a model does more than guess.

``chance`` is the one definition that every part of the product uses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Outcomes, check_level, enclosing

TIMES = 2.0
"""Up to so many times chance is near it, where classes are many ..."""

WAY = 0.1
"""... and up to this part of the way from chance to no error, where they are few."""

Labels = npt.NDArray[np.integer]


def chance(labels: npt.ArrayLike) -> float:
    """The accuracy of the best guess that looks at no image: the largest class's share of the labels, in (0, 1].

    Classes that a model could answer and that the data lack do not count, and classes of unequal size count as they
    are: always answering "normal" is right in 90 % of a set that is 90 % normal.

    Args:
        labels: (n,) whole numbers from 0, of the whole data set.

    Raises:
        NoSamplesError: There are none.
    """
    values = np.asarray(labels)
    if values.size == 0:
        raise NoSamplesError("no labels: the accuracy of guessing is undefined")
    return float(np.unique(values, return_counts=True)[1].max() / values.size)


def chance_limit(guess: float) -> float:
    """The accuracy under which a model is near chance: twice chance, or a tenth of the way from there to no error.

    The smaller of both; it lies above chance wherever chance is under 1.

    Args:
        guess: Chance, in (0, 1].
    """
    require(0 < guess <= 1, f"chance lies above 0 and is at most 1, got {guess}", UsageError)
    return min(TIMES * guess, guess + (1 - guess) * WAY)


def near_chance(accuracy: Estimate, guess: float) -> bool:
    """Whether the interval's upper end lies under ``chance_limit``: the model has not been seen to know anything.

    Never with images of a single class, on which every answer but one is an error and none is a guess.

    Args:
        accuracy: On unchanged images, of the mix of classes that ``guess`` is about.
        guess: See ``chance``.
    """
    return guess < 1 and accuracy.high < chance_limit(guess)


def accuracy_in_mix(right: Outcomes, label: Labels, labels: npt.ArrayLike, level: float = LEVEL) -> Estimate:
    """The accuracy on a data set, from answers to some of its images that hold its classes in other shares.

    Each class's accuracy weighs as much as the class does in the data; the interval is Clopper and Pearson's for the
    number of images that would give the same variance. With equal shares it is Clopper and Pearson's.

    Args:
        right: (n,) whether each answer is right.
        label: (n,) the labels of the images answered.
        labels: Those of the whole data set. Classes of which no image was answered are left out.
        level: Confidence level.

    Raises:
        NoSamplesError: No answers.

    Reference:
        Korn and Graubard 1998, for the effective number.
    """
    check_level(level)
    if len(right) == 0:
        raise NoSamplesError("no samples: a share of nothing is undefined")
    classes = int(max(np.max(label), np.max(np.asarray(labels)))) + 1
    answered = np.bincount(label, minlength=classes)
    weight = np.where(answered > 0, np.bincount(np.asarray(labels), minlength=classes), 0)
    seen = (answered > 0) & (weight > 0)
    share = weight[seen] / weight[seen].sum()
    value = float(np.sum(share * np.bincount(label, right, classes)[seen] / answered[seen]))
    # By Cauchy-Schwarz never more than the number of images, but for rounding.
    effective = min(1 / float(np.sum(share**2 / answered[seen])), len(right))
    method = "Clopper-Pearson" if np.isclose(effective, len(right)) else "Clopper-Pearson, effective n"
    tail, k = (1 - level) / 2, value * effective
    low = 0.0 if value <= 0 else float(special.betaincinv(k, effective - k + 1, tail))
    high = 1.0 if value >= 1 else float(special.betaincinv(k + 1, effective - k, 1 - tail))
    return enclosing(value, low, high, len(right), level, method)

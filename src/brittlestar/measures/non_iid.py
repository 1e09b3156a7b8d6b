"""The Non-I.I.D. index: how far the features of training and test images of one class lie apart.

For a class, ``|| (mean of training features - mean of test features) / standard deviation ||``, feature by feature, the
standard deviation of training and test together. It is never 0 for samples: without any shift its square is on average
``features (1/n_train + 1/n_test) n / (n - 1)`` for n images of both, exactly so over all ways to divide them, and so it
is shown beside what dividing the same images at random gives. Values compare only within one set of features.

Reference:
    He, Shen and Cui, Pattern Recognition 2021, https://arxiv.org/abs/1906.02899
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError
from brittlestar.measures.intervals import quantile

Features = npt.NDArray[np.float64]

FEWEST = 5
"""A class with fewer images in either part is not told: the spread of so few says nothing."""

_FLAT = 1e-9
"""A feature whose standard deviation is no more than this part of its size does not vary."""


@dataclass(frozen=True, kw_only=True)
class NonIid:
    """The index of a class, or the mean over classes.

    Fields:
        index: With an interval for what samples of these sizes give on average.
        null: What it is on average where there is no shift, by the formula.
        at_random: Its highest values among random divisions of the same images: 95 % of these are lower.
        p: Share of random divisions with an index at least as high.
        beyond: What is left of it beyond the null value: ``sqrt(index^2 - null^2)``, at least 0.
        train, test: Images.
        features: How many vary, of how many.
    """

    index: Estimate
    null: float
    at_random: float
    p: float
    train: int
    test: int
    features: tuple[int, int]

    @property
    def beyond(self) -> float:
        """See the class."""
        return math.sqrt(max(self.index.value**2 - self.null**2, 0.0))


def index_of(train: Features, test: Features, ddof: int = 0) -> float:
    """The index of one class's (n, features) and (m, features); ``ddof`` 0 is the population's standard deviation.

    Raises:
        NoSamplesError: A part is empty.
        UsageError: Unequal numbers of features, values that are not finite, or no feature that varies.
    """
    z, n = _scaled(train, test, ddof)
    return float(np.linalg.norm(z[:n].mean(axis=0) - z[n:].mean(axis=0)))


def _scaled(train: Features, test: Features, ddof: int = 0) -> tuple[Features, int]:
    """Both parts over the features' standard deviations; those that do not vary are dropped."""
    require(
        train.ndim == test.ndim == 2 and train.shape[1] == test.shape[1],
        f"features are (images, features) with equal numbers of features, got {train.shape} and {test.shape}",
        UsageError,
    )
    if not len(train) or not len(test):
        raise NoSamplesError("no images of this class in one part: its index is undefined")
    both = np.concatenate([train, test]).astype(np.float64)
    require(bool(np.isfinite(both).all()), "features are not all finite numbers", UsageError)
    spread = both.std(axis=0, ddof=ddof)
    varies = spread > _FLAT * np.maximum(np.abs(both).max(axis=0), 1e-300)
    require(bool(varies.any()), "no feature varies: the index is undefined", UsageError)
    return np.asarray(both[:, varies] / spread[varies]), len(train)


def non_iid(
    train: tuple[Features, npt.NDArray[np.integer]],
    test: tuple[Features, npt.NDArray[np.integer]],
    seed: int = 0,
    permutations: int = 200,
    level: float = LEVEL,
) -> tuple[Mapping[int, NonIid], NonIid]:
    """By class, and the mean over classes.

    Args:
        train, test: (n, features) and (n,) labels.
        seed: Of the random divisions.
        permutations: How many; at least 19.
        level: Confidence level.

    Raises:
        NoSamplesError: No class has ``FEWEST`` images in both parts.
    """
    require(permutations >= 19, f"at least 19 random divisions, got {permutations}", UsageError)
    labels = [k for k in np.unique(train[1]).tolist() if _enough(train[1], k) and _enough(test[1], k)]
    if not labels:
        raise NoSamplesError(f"no class has {FEWEST} images in both parts: the index is undefined")
    found: dict[int, NonIid] = {}
    draws, halves = [], []
    for k in labels:
        one, drawn, half = _of_class(train[0][train[1] == k], test[0][test[1] == k], [seed, k], permutations, level)
        found[k] = one
        draws.append(drawn)
        halves.append(half)
    every = list(found.values())
    mean = float(np.mean([one.index.value for one in every]))
    half = math.hypot(*halves) / len(every)
    n = sum(one.train + one.test for one in every)
    together = _judged(mean, max(mean - half, 0.0), mean + half, n, level, np.mean(draws, axis=0))
    null = float(np.mean([one.null for one in every]))
    sizes = sum(one.train for one in every), sum(one.test for one in every)
    features = min(one.features[0] for one in every), every[0].features[1]
    estimate, at_random, p = together
    whole = NonIid(
        index=estimate, null=null, at_random=at_random, p=p, train=sizes[0], test=sizes[1], features=features
    )
    return found, whole


def _enough(labels: npt.NDArray[np.integer], label: int) -> bool:
    return int((labels == label).sum()) >= FEWEST


def _of_class(
    train: Features, test: Features, key: Sequence[int], permutations: int, level: float
) -> tuple[NonIid, Features, float]:
    """The index of a class, those of random divisions, and half the width of the first's interval, for the mean."""
    z, n = _scaled(train, test)
    m, width = len(z) - n, z.shape[1]
    apart = z[:n].mean(axis=0) - z[n:].mean(axis=0)
    index = float(np.linalg.norm(apart))
    spread = np.atleast_2d(np.cov(z[:n].T, ddof=1)) / n + np.atleast_2d(np.cov(z[n:].T, ddof=1)) / m
    # Of the square, for normal means: once from where the means lie, once from how they scatter.
    of_square = 4 * float(apart @ spread @ apart) - 2 * float(np.square(spread).sum())
    of_square = max(of_square, 2 * float(np.square(spread).sum()))
    half = quantile(level) * math.sqrt(of_square)
    low, high = math.sqrt(max(index**2 - half, 0.0)), math.sqrt(index**2 + half)
    chance = np.random.Generator(np.random.PCG64([*(k % 2**32 for k in key), 17]))
    total = z.sum(axis=0)
    drawn = np.empty(permutations)
    for place in range(permutations):
        first = z[chance.permutation(len(z))[:n]].sum(axis=0)
        drawn[place] = np.linalg.norm(first / n - (total - first) / m)
    null = math.sqrt(width * (1 / n + 1 / m) * len(z) / (len(z) - 1))
    estimate, at_random, p = _judged(index, low, high, n + m, level, drawn)
    found = NonIid(
        index=estimate, null=null, at_random=at_random, p=p, train=n, test=m, features=(width, train.shape[1])
    )
    # Of the root, by its derivative, which is without bounds near 0: the class's own interval is one there.
    return found, drawn, min(half / (2 * max(index, 1e-12)), max(high - index, index - low))


def _judged(
    value: float, low: float, high: float, n: int, level: float, drawn: Features
) -> tuple[Estimate, float, float]:
    """The estimate, what random divisions reach, and the share of them that reach the value, itself among them."""
    estimate = Estimate(value=value, low=low, high=high, n=n, level=level, method="normal means, delta method")
    p = (1 + int((drawn >= value - 1e-12).sum())) / (1 + len(drawn))
    return estimate, float(np.quantile(drawn, level)), p

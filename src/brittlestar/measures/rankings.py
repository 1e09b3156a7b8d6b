"""How far apart two rankings of the classes are: top-5 distance and Zipf distance.

With rank_i the rank, in the second ranking, of the first ranking's i-th class (1 is the likeliest):

* top-5 distance: ``sum_{i=1..5} |i - 1 - min(rank_i - 1, 5)|``;
* Zipf distance: ``sum_i |1 / i - 1 / rank_i| / i`` over all classes.

Reference:
    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from brittlestar.measures.base import Scores

Ranking = npt.NDArray[np.integer[Any]]
"""(..., classes) class indices, the likeliest first."""

DEPTH = 5
MOST = 18.0
"""The largest top-5 distance: three of the five leave, the last two become the first two."""


def top5_between(first: Ranking, second: Ranking) -> Scores:
    """Top-5 distance of two rankings, each at least the five likeliest classes (all, if there are fewer)."""
    depth = min(DEPTH, first.shape[-1], second.shape[-1])
    a, b = first[..., :depth], second[..., :depth]
    match = a[..., :, None] == b[..., None, :]
    # The formula's min(rank - 1, 5): of a class that left, it only counts that it did. So no table of ranks is
    # needed, which the reference code has for 1,000 classes alone.
    rank = np.where(match.any(axis=-1), match.argmax(axis=-1), DEPTH)
    return np.asarray(np.abs(np.arange(depth) - rank).sum(axis=-1), dtype=np.float64)


def zipf_between(first: Ranking, second: Ranking) -> Scores:
    """Zipf distance of two rankings of all classes."""
    classes = first.shape[-1]
    rank = np.take_along_axis(np.argsort(second, axis=-1), first, axis=-1) + 1.0
    place = np.arange(1, classes + 1, dtype=np.float64)
    return np.asarray((np.abs(1 / place - 1 / rank) / place).sum(axis=-1))


@functools.cache
def largest_distance(classes: int) -> float:
    """The largest top-5 distance of two rankings of so many classes: 18 from ten classes on."""
    depth = min(DEPTH, classes)
    # Ranks past the fifth are alike and at most five classes go there, so ten ranks will do.
    ranks = np.minimum(np.arange(min(classes, 2 * DEPTH)), DEPTH)
    distance = np.abs(np.arange(depth)[:, None] - ranks[None])
    # A ranking assigns ranks to classes: the largest distance is that of the costliest assignment. With one
    # class it is 0, and scores are divided by it.
    return float(distance[optimize.linear_sum_assignment(distance, maximize=True)].sum()) or 1.0

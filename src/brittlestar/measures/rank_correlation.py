"""Rank correlation of a few units, what is left of it beyond a third quantity, and exact permutation p-values.

The correlation is Spearman's, with mean ranks for ties. Beyond a third quantity, it is Pearson's correlation of what a
straight line on the ranks of that quantity leaves of the ranks of the other two (the partial rank correlation).

Reference:
    Freedman and Lane 1983, for permuting what a line leaves
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import Scores

MOST_EXACT = 8
"""Of so many units all orders are gone through (40,320), of more a seeded draw of them."""

_DRAWS = 9_999
_LEAST = 1e-9
"""Lengths below this are rounding: nothing is left to be correlated."""


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike, beyond: npt.ArrayLike | None = None) -> float:
    """Spearman's correlation in [-1, 1] of (n,) values, partial where ``beyond`` is given.

    Returns:
        NaN where one of them is constant, or nothing is left beyond the third quantity.
    """
    a, b = _left(x, y, beyond)
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 0 else math.nan


def permutation_p(x: npt.ArrayLike, y: npt.ArrayLike, beyond: npt.ArrayLike | None = None) -> float:
    """Two-sided p-value in (0, 1] of ``rank_correlation``: how many orders of y correlate as much, either way.

    Up to ``MOST_EXACT`` units it goes through all orders. Without ``beyond`` it is then exact whatever the values'
    distribution; with it, what the line leaves is permuted (Freedman and Lane), which is exact only nearly. 1 where the
    correlation is undefined.
    """
    a, b = _left(x, y, beyond)
    n = len(a)
    if min(np.linalg.norm(a), np.linalg.norm(b)) == 0:
        return 1.0
    residual = _residual_maker(n, beyond)
    if n <= MOST_EXACT:
        orders = np.array(list(itertools.permutations(range(n))))
    else:
        draws = np.random.default_rng(n)
        orders = np.stack([np.arange(n), *(draws.permutation(n) for _ in range(_DRAWS))])
    shuffled = b[orders] @ residual
    length = np.linalg.norm(shuffled, axis=1)
    # An order of which the line leaves nothing has no correlation.
    found = np.where(length > _LEAST, shuffled @ a / np.maximum(length, _LEAST), 0.0) / np.linalg.norm(a)
    # The orders hold the observed one, so the share is never 0.
    return float(np.mean(np.abs(found) >= abs(found[0]) - 1e-9))


def _left(x: npt.ArrayLike, y: npt.ArrayLike, beyond: npt.ArrayLike | None) -> tuple[Scores, Scores]:
    """Ranks of both less their means, or less what a line on the ranks of the third tells; 0 where that is rounding."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    require(a.ndim == 1 and a.shape == b.shape, f"ranks of shapes {a.shape} and {b.shape} do not fit", UsageError)
    require(len(a) >= 2, f"a rank correlation needs at least 2 units, got {len(a)}", UsageError)
    require(bool(np.isfinite(a).all() and np.isfinite(b).all()), "ranks need finite values", UsageError)
    residual = _residual_maker(len(a), beyond)
    left = [residual @ stats.rankdata(values) for values in (a, b)]
    first, second = (np.where(np.linalg.norm(v) > _LEAST, v, 0.0) for v in left)
    return first, second


def _residual_maker(n: int, beyond: npt.ArrayLike | None) -> Scores:
    """The symmetric matrix that takes a mean, or a line on the ranks of a third quantity, out of n values."""
    columns = [np.ones(n)]
    if beyond is not None:
        third = np.asarray(beyond, np.float64)
        require(third.shape == (n,) and bool(np.isfinite(third).all()), "the third quantity does not fit", UsageError)
        columns.append(stats.rankdata(third))
    design = np.stack(columns, 1)
    return np.asarray(np.eye(n) - design @ np.linalg.pinv(design))

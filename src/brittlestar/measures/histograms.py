"""How far two histograms of one score lie apart, and how a number of items is shared out by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import Scores

Counts = npt.NDArray[np.int64]


def apportioned(shares: npt.ArrayLike, total: int) -> Counts:
    """Whole numbers that add up to ``total`` in proportion to the shares (largest remainders; ties: the first).

    Args:
        shares: Numbers of at least 0, one above 0.
        total: How many are shared out, at least 0.
    """
    values = np.asarray(shares, dtype=np.float64)
    require(
        values.ndim == 1 and bool(np.all(values >= 0)) and 0 < float(values.sum()) < np.inf,
        "shares are numbers of at least 0, one of them above 0",
        UsageError,
    )
    require(total >= 0, f"what is shared out is at least 0, got {total}", UsageError)
    quotas = values / values.sum() * total
    # Products a hair under a whole number are that number.
    whole = np.floor(quotas + 1e-9).astype(np.int64)
    rest = quotas - whole
    # Rounded: remainders that are equal but for rounding are a tie.
    order = np.argsort(-np.round(rest, 9), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return np.asarray(whole, dtype=np.int64)


def total_variation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Half the sum of absolute differences of two histograms' shares, in [0, 1]."""
    a, b = (np.asarray(v, dtype=np.float64) for v in (first, second))
    require(a.shape == b.shape and a.sum() > 0 and b.sum() > 0, "histograms have the same bins, and items", UsageError)
    return float(0.5 * np.abs(a / a.sum() - b / b.sum()).sum())


def earth_mover(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """The first Wasserstein distance of two samples of a score, in the score's own unit."""
    a, b = (np.sort(np.asarray(v, dtype=np.float64)) for v in (first, second))
    require(a.size > 0 and b.size > 0, "a distance needs scores on both sides", UsageError)
    every: Scores = np.sort(np.concatenate([a, b]))
    # The area between the two distribution functions.
    gaps = np.diff(every)
    below = (np.searchsorted(v, every[:-1], side="right") / v.size for v in (a, b))
    return float(np.sum(np.abs(next(below) - next(below)) * gaps))

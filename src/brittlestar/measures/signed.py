"""Limits for a sum of absolute gaps, ``sum w |gap|``, whose plug-in value noise pushes up by an unknown amount.

With ``d`` a row's confidence less its 0/1 outcome and ``s`` a sign for its bin, the mean of ``s d`` is linear in the
gaps and so carries no push of its own.

* Above: with each bin's own sign it is the plug-in value, whose expectation is never below the sum (Jensen).
* Below: with signs that know nothing of the sample, ``E[s d] <= |gap|`` whatever the signs are. Three folds, each with
  signs of its own; a sample takes the mean of the signs of the other two.

Half-widths are those of the mean with own signs. For the lower mean that is right where signs are clear; where they are
not its spread is up to half as large again, and it then lies so far below the sum that its limit holds all the same
(simulated over gaps from 0 to 3 standard errors: 2.5 % or less above the truth). More than three folds would rest signs
of different samples on nearly the same data, and fail for gaps of 0.

Groups of samples that depend on each other lie in one fold and make one score, as heavy as its samples; weights of
classes enter the sums of every bin.

Reference:
    Chernozhukov et al. 2018 (cross-fitting), https://doi.org/10.1111/ectj.12097
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Scores
from brittlestar.measures.intervals import signed_mean_interval
from brittlestar.measures.samples import independent, repeated

SIGNS = "cross-fitted signs"
FOLDS = 3

_FREE = 1e9
"""For ``signed_mean_interval``: a score averages so many outcomes that its variance may be as small as it is seen."""


@dataclasses.dataclass(frozen=True)
class Signed:
    """A sum of absolute gaps.

    Fields:
        value: The plug-in sum.
        lower: A number whose expectation is never above the sum.
        scores: (units,) with own signs, of samples or groups of them; their (weighted) mean is the value.
        n: Samples.
        weights: (units,) how heavy each is; ``None`` where all are alike.
    """

    value: float
    lower: float
    scores: Scores
    n: int
    weights: Scores | None = None

    def half_width(self, level: float) -> float:
        """Of an interval for the mean score."""
        # Weights and groups may lift scores over 1, and the interval is for [-1, 1].
        most = max(1.0, float(np.abs(self.scores).max()))
        found = signed_mean_interval(self.scores / most, level, cap=_FREE, weights=self.weights)
        return most * (found.high - found.low) / 2


def signed(rows: Rows, place: npt.NDArray[np.int64], bins: int, times: int = 1) -> Signed:
    """The sum over bins of the absolute gap of each, weighted by its share of the rows.

    Args:
        rows: At least one.
        place: (rows,) the bin of each.
        bins: How many there are.
        times: The same samples stand so many times one after another, in one order.
    """
    apart = rows.confidence - rows.correct
    once = rows if times == 1 else rows.take(slice(len(rows) // times))
    n = len(np.unique(once.position)) if repeated(once.position) else len(once)
    # Positions are a drawn order, so their rank modulo the folds is as good as a draw and the same for all conditions.
    unit, units = independent(once)
    unit = unit if times == 1 else np.tile(unit, times)
    if rows.weight is not None:
        apart = apart * (rows.weight * (len(rows) / rows.weight.sum()))

    def folded(unit: npt.NDArray[np.int64]) -> Scores:
        flat = np.bincount(unit % FOLDS * bins + place, apart, FOLDS * bins)
        return np.asarray(flat.reshape(FOLDS, bins), np.float64)

    sums = folded(unit)
    signs, total = np.sign(sums), sums.sum(axis=0)
    if rows.group is not None:  # the same to the last digit as without groups
        total = folded(np.unique(rows.position, return_inverse=True)[1]).sum(axis=0)
    others = (signs.sum(axis=0) - signs) / (FOLDS - 1)
    own = np.asarray(np.bincount(unit, np.sign(total)[place] * apart, units) * (units / len(rows)), dtype=np.float64)
    weights = None
    if rows.group is not None or rows.weight is not None:
        weights = np.asarray(np.bincount(unit, rows.weight, units) * (units / len(rows)), np.float64)
        # Per unit of weight, so that their weighted mean is the value.
        own = own / np.where(weights > 0, weights, 1.0) * weights.mean()
    lower = float((others * sums).sum() / len(rows))
    return Signed(float(np.abs(total).sum() / len(rows)), lower, own, n, weights)

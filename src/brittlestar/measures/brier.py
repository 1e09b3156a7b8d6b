"""The Brier score: how far the probabilities of all classes lie from what was there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Scores
from brittlestar.measures.measure import MeanMeasure


@final
@dataclass(frozen=True, kw_only=True)
class BrierScore(MeanMeasure):
    """Mean over samples of ``sum_c (p_c - y_c)^2``, with p the softmax and y 1 for the label; in [0, 2].

    Brier's own sum over all classes: for two classes it is twice the score of the one probability that scikit-learn
    gives by default (``scale_by_half``). Interval: exact limits for the effective number of samples.

    Reference:
        Brier 1950, https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """

    name: ClassVar = "brier_score"
    better: ClassVar = "lower"
    text: ClassVar = "squared distance of the classes' probabilities from the label, summed over classes, 0 to 2"
    unit: ClassVar = "squared distance"
    needs: ClassVar = ("label", "logits")
    highest: ClassVar = 2.0

    def scores(self, rows: Rows) -> Scores:
        """Squared distance of each sample."""
        assert rows.logits is not None
        # Less the largest logit, so that exp cannot overflow.
        probability = np.exp(rows.logits - rows.logits.max(axis=1, keepdims=True).astype(np.float64))
        probability /= probability.sum(axis=1, keepdims=True)
        own = probability[np.arange(len(rows)), rows.label]
        # Multiplied out, which needs no table of labels; cancellation may leave it just under 0, hence the clip.
        return np.asarray(np.square(probability).sum(axis=1) - 2 * own + 1).clip(0.0, 2.0)

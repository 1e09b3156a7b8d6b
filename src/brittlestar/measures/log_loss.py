"""The log loss: how surprised the model is by the label."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Scores
from brittlestar.measures.measure import MeanMeasure
from brittlestar.measures.samples import Samples

_LEAST_DOUBT = 1e-7
"""What float32 logits leave of a doubt: a confidence nearer to 1 is not told from 1."""


@final
@dataclass(frozen=True, kw_only=True)
class LogLoss(MeanMeasure):
    """Mean over samples of ``-log p`` of the label in nats (cross-entropy, negative log-likelihood); at least 0.

    Read off the label's logit and the log-sum-exp, so that no class's logit must be stored and no probability is
    clipped. Interval: Student's t with room for a mistake that was not seen (``means``).
    """

    name: ClassVar = "log_loss"
    better: ClassVar = "lower"
    text: ClassVar = "minus the log of the label's probability in nats: cross-entropy; Student's t, room for the unseen"
    unit: ClassVar = "nats"
    needs: ClassVar = ("label_logit", "top_logit", "log_sum_exp")
    highest: ClassVar = math.inf

    def scores(self, rows: Rows) -> Scores:
        """Loss of each sample."""
        # Rounded to float32, the log-sum-exp of a sure model may lie under its label's logit.
        return np.maximum(rows.log_sum_exp.astype(np.float64) - rows.label_logit, 0.0)

    def reach(self, rows: Rows) -> float:
        """What a mistake on an average sample costs at least: minus the log of all that the prediction leaves over."""
        doubt = np.maximum(1 - rows.confidence, _LEAST_DOUBT)
        return float(Samples.of(rows).average(-np.log(doubt)))

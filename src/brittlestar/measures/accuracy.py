"""Accuracy and error, and what a shift adds to the error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.intervals import confidence_sequence, paired_rates, paired_sequence, wilson

RULES = ("fixed", "anytime")


def rate(k: int, n: int, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """``k / n``; Wilson for ``fixed``, a confidence sequence for ``anytime`` (the run stopped at a precision)."""
    if rule not in RULES:
        raise ValueError(f"rule is one of {RULES}, got {rule!r}")
    return wilson(k, n, level) if rule == "fixed" else confidence_sequence(k, n, level)


def accuracy(rows: Rows, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """Share of samples whose label has the highest logit; in [0, 1]."""
    return rate(int(rows.correct.sum()), len(rows), rule, level)


def error_rate(rows: Rows, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """Share of samples whose label does not have the highest logit; in [0, 1]."""
    return rate(int((~rows.correct).sum()), len(rows), rule, level)


def top_k_error(rows: Rows, k: int, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """Share of samples whose label is not among the ``k`` highest logits.

    Raises:
        ValueError: The rows hold fewer than ``k`` classes.
    """
    if rows.top_classes is not None and rows.top_classes.shape[1] >= k:
        hit = (rows.top_classes[:, :k] == rows.label[:, None]).any(1)
    elif rows.logits is not None and rows.logits.shape[1] >= k:
        above = (rows.logits > rows.label_logit[:, None]).sum(1)
        hit = above < k
    else:
        raise ValueError(f"the rows do not hold the {k} highest classes")
    return rate(int((~hit).sum()), len(rows), rule, level)


def paired(a: Rows, b: Rows) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Correctness of both on the samples (position, frame) that both hold, in one order."""
    key_a = a.position.astype(np.int64) * 65536 + a.frame
    key_b = b.position.astype(np.int64) * 65536 + b.frame
    _, in_a, in_b = np.intersect1d(key_a, key_b, assume_unique=True, return_indices=True)
    return a.correct[in_a], b.correct[in_b]


def difference(right_a: npt.NDArray[np.bool_], right_b: npt.NDArray[np.bool_], rule: str, level: float) -> Estimate:
    """Error of a minus error of b on the same samples."""
    worse, better = int((~right_a & right_b).sum()), int((right_a & ~right_b).sum())
    if not len(right_a):
        raise NoSamplesError("no samples in common: the difference is undefined")
    interval = paired_rates if rule == "fixed" else paired_sequence
    return interval(worse, better, len(right_a), level)


def error_increase(shifted: Rows, clean: Rows, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """Error under the shift minus clean error, on the same samples; in [-1, 1]. Interval for paired rates."""
    return difference(*paired(shifted, clean), rule, level)

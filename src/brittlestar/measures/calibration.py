"""Calibration: whether a confidence of 80 % means right in 80 % of the cases."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.intervals import wilson

Array = npt.NDArray[np.float64]

RESAMPLES = 300


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Samples of similar confidence: their mean confidence, their accuracy with its interval, their share."""

    confidence: float
    accuracy: Estimate
    share: float


def _binned(confidence: Array, correct: Array, bins: int) -> tuple[Array, Array, Array]:
    """Counts, sums of confidence and sums of correctness of equal-width bins (lower end excluded, as is usual)."""
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins).astype(float)
    sure, right = (np.bincount(place, values, bins).astype(float) for values in (confidence, correct))
    return count, sure, right


def _ece(confidence: Array, correct: Array, bins: int) -> float:
    count, sure, right = _binned(confidence, correct, bins)
    return float(np.abs(sure - right).sum() / count.sum())


def _rms(confidence: Array, correct: Array, bins: int) -> float:
    """Root of the mean squared gap over bins of equally many samples (sorted by confidence), all samples counted."""
    order = np.argsort(confidence, kind="stable")
    gaps = (confidence - correct)[order]
    edges = np.linspace(0, len(gaps), bins + 1).round().astype(int)
    total = 0.0
    for start, stop in itertools.pairwise(edges):
        if stop > start:
            total += float(gaps[start:stop].mean()) ** 2 * (stop - start)
    return float(np.sqrt(total / len(gaps)))


def _estimate(rows: Rows, bins: int, level: float, kind: str) -> Estimate:
    if not len(rows):
        raise NoSamplesError("no samples: calibration is undefined")
    confidence, correct = rows.confidence.astype(float), rows.correct.astype(float)
    function = _ece if kind == "ece" else _rms
    value = function(confidence, correct, bins)
    generator = np.random.default_rng([len(rows), int(rows.correct.sum()), bins])
    n = len(rows)
    draws = np.empty(RESAMPLES)
    for place in range(RESAMPLES):
        index = generator.integers(0, n, n)
        draws[place] = function(confidence[index], correct[index], bins)
    # Resampling adds to a sum of absolute (or squared) gaps what sampling has added before: the draws lie above the
    # estimate by about the estimate's own bias. The interval reflects the draws about the estimate and takes in both.
    tail = (1 - level) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail])
    low, high = (
        max(0.0, min(value, 2 * value - upper)),
        min(1.0, max(value, 2 * value - lower, upper - (draws.mean() - value))),
    )
    return Estimate(value=value, low=float(low), high=float(high), n=n, level=level, method="reflected bootstrap")


def ece(rows: Rows, bins: int = 15, level: float = 0.95) -> Estimate:
    """Expected calibration error: mean gap between confidence and accuracy over equal-width bins, weighted by samples.

    Reference: Guo et al., ICML 2017. The estimate is biased upwards where bins are small.
    """
    return _estimate(rows, bins, level, "ece")


def rms_calibration(rows: Rows, bins: int = 15, level: float = 0.95) -> Estimate:
    """Root mean squared calibration error over bins of equally many samples; every sample is counted.

    Reference: Hendrycks, Mazeika and Dietterich, ICLR 2019 (whose code drops the last bin).
    """
    return _estimate(rows, bins, level, "rms")


def reliability(rows: Rows, bins: int = 15, level: float = 0.95) -> tuple[ReliabilityBin, ...]:
    """The bins of the reliability diagram that hold samples, from unsure to sure."""
    if not len(rows):
        raise NoSamplesError("no samples: calibration is undefined")
    count, sure, right = _binned(rows.confidence, rows.correct.astype(float), bins)
    return tuple(
        ReliabilityBin(confidence=float(s / c), accuracy=wilson(round(r), round(c), level), share=float(c / len(rows)))
        for c, s, r in zip(count, sure, right, strict=True)
        if c
    )

"""What a ladder of strengths says: the area under the accuracy curve and the strength at which a model breaks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures.accuracy import accuracy
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.intervals import confidence_sequence, mean_interval

Curve = Sequence[tuple[float, Rows]]


def severity_area(curve: Curve, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """Mean accuracy along the strength axis: the trapezoid area under the curve over its width; in [0, 1].

    One score a sample (on the samples that all strengths share), so the interval knows that strengths share samples.
    """
    ordered = sorted(curve, key=lambda point: point[0])
    if not ordered:
        raise NoSamplesError("an empty curve has no area")
    shared = ordered[0][1].position
    for _, rows in ordered[1:]:
        shared = np.intersect1d(shared, rows.position)
    if not len(shared):
        raise NoSamplesError("the strengths share no samples")
    right = np.stack([rows.sorted().correct[np.isin(np.sort(rows.position), shared)] for _, rows in ordered]).astype(
        float
    )
    strengths = np.array([strength for strength, _ in ordered])
    width = strengths[-1] - strengths[0]
    weights = np.ones(1) if width == 0 else np.zeros(len(strengths))
    if width > 0:
        gaps = np.diff(strengths) / (2 * width)
        weights[:-1] += gaps
        weights[1:] += gaps
    scores = weights @ right[: len(weights)]
    if rule == "anytime":
        return confidence_sequence(float(scores.sum()), len(scores), level)
    return mean_interval(scores, level, cap=float(1 / (weights**2).sum()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BreakingPoint:
    """The weakest strength at which accuracy falls under a level.

    Fields:
        reached: Whether the measured curve falls under it at all.
        value: That strength, interpolated between measured ones; infinite where it is not reached.
        low: Where the curve's lower limits fall under it; infinite where they do not.
        high: Where the upper limits do; infinite where they do not.
        tested_to: The greatest strength measured.
        accuracy_level: The level.
        n: Fewest samples of any strength.
        level: Confidence of each point's limits.
    """

    reached: bool
    value: float
    low: float
    high: float
    tested_to: float
    accuracy_level: float
    n: int
    level: float


def breaking_point(curve: Curve, accuracy_level: float, rule: str = "fixed", level: float = 0.95) -> BreakingPoint:
    """The weakest strength at which accuracy falls under ``accuracy_level`` (for instance half of the clean accuracy).

    Args:
        curve: (strength, rows), clean as strength 0 if it belongs to it.
        accuracy_level: In [0, 1].
        rule: See ``accuracy``.
        level: Of the limits.
    """
    ordered = sorted(curve, key=lambda point: point[0])
    if not ordered:
        raise NoSamplesError("an empty curve has no breaking point")
    strengths = [strength for strength, _ in ordered]
    found = [accuracy(rows, rule, level) for _, rows in ordered]
    value = crossing(strengths, [e.value for e in found], accuracy_level)
    low = crossing(strengths, [e.low for e in found], accuracy_level)
    high = crossing(strengths, [e.high for e in found], accuracy_level)
    return BreakingPoint(
        reached=math.isfinite(value),
        value=value,
        low=low,
        high=high,
        tested_to=strengths[-1],
        accuracy_level=accuracy_level,
        n=min(e.n for e in found),
        level=level,
    )


def crossing(strengths: Sequence[float], values: Sequence[float], under: float) -> float:
    """The first strength at which linearly joined values fall under a level; infinite where they never do."""
    if values[0] < under:
        return float(strengths[0])
    for (s, v), (t, w) in zip(
        zip(strengths, values, strict=True), zip(strengths[1:], values[1:], strict=True), strict=False
    ):
        if w < under:
            return float(s + (t - s) * (v - under) / (v - w))
    return math.inf

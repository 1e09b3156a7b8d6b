"""What a ladder of strengths says: the area under the accuracy curve and the strength at which a model breaks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.accuracy import accuracy
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores
from brittlestar.measures.samples import mean_of, together
from brittlestar.measures.selection import of_many

Curve = Sequence[tuple[float, Rows]]
"""(strength, rows) in any order; clean as strength 0 where it belongs to the curve."""


def _ordered(curve: Curve, what: str) -> tuple[Scores, list[Rows]]:
    if not curve:
        raise NoSamplesError(f"an empty curve has no {what}")
    points = sorted(curve, key=lambda point: point[0])
    strengths = np.array([strength for strength, _ in points], dtype=np.float64)
    require(
        bool(np.all(np.isfinite(strengths)) and np.all(np.diff(strengths) > 0)),
        f"the strengths of a curve are finite and all different, got {strengths.tolist()}; "
        "split several series into one curve each",
        UsageError,
    )
    return strengths, [rows for _, rows in points]


def severity_area(curve: Curve, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Mean accuracy along the strength axis: the trapezoid area under the curve over its width; in [0, 1].

    One score a sample, on the samples that all strengths hold, so the interval knows that strengths share samples. A
    curve of a single strength has the accuracy there.

    Raises:
        NoSamplesError: An empty curve, or strengths that share no sample.
        UsageError: Equal or infinite strengths.
    """
    strengths, parts = _ordered(curve, "area")
    weights = np.ones(1)
    if len(strengths) > 1:
        weights = np.zeros(len(strengths))
        gaps = np.diff(strengths) / (2 * (strengths[-1] - strengths[0]))
        weights[:-1] += gaps
        weights[1:] += gaps
    samples, correct = together(parts)
    return mean_of(samples, correct @ weights, rule, level, cap=float(1 / np.square(weights).sum()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BreakingPoint:
    """The weakest strength at which accuracy falls under a level.

    Fields:
        reached: Whether the measured curve falls under the level at all. Where it does not, ``value`` is infinite and
            ``tested_to`` says up to where that was seen.
        value: That strength, interpolated linearly between measured ones.
        low: Where the curve's lower limits fall under the level; infinite where they do not.
        high: Where its upper limits do, which hold for all strengths together; infinite where they do not.
        tested_from, tested_to: The least and the greatest strength measured. A ``value`` equal to ``tested_from``
            means that the curve lies under the level from its start; the true point may be weaker still.
        accuracy_level: The level of accuracy.
        n: Fewest samples of any strength.
        level: Confidence level.
        method: How the limits were made.
    """

    reached: bool
    value: float
    low: float
    high: float
    tested_from: float
    tested_to: float
    accuracy_level: float
    n: int
    level: float = LEVEL
    method: str

    @property
    def from_start(self) -> bool:
        """Whether accuracy is under the level at the weakest strength already."""
        return self.reached and self.value <= self.tested_from

    @property
    def beyond(self) -> float | None:
        """The strength up to which the level was not reached; ``None`` where it was."""
        return None if self.reached else self.tested_to

    def as_json(self) -> dict[str, Any]:
        """Plain values; JSON has no infinity, so an open end is the text ``beyond``."""
        found = dataclasses.asdict(self)
        return {k: "beyond" if isinstance(v, float) and math.isinf(v) else v for k, v in found.items()}


def breaking_point(curve: Curve, accuracy_level: float, rule: str = "fixed", level: float = LEVEL) -> BreakingPoint:
    """The weakest strength at which accuracy falls under ``accuracy_level``.

    A curve that rises again later does not unbreak: the first crossing counts, for the curve and for its limits. The
    interval holds the crossing of the true accuracies joined linearly between the same strengths. Where it lies too
    late, a lower limit is above the truth at one of the two strengths around the true crossing: two tests. Where it
    lies too early, an upper limit is under the truth at any strength before, of which a plateau just above the level
    has many: these limits hold for all strengths together (Bonferroni).

    Args:
        curve: (strength, rows) pairs.
        accuracy_level: In (0, 1], for instance 0.5 or half of the clean accuracy.
        rule: ``fixed`` or ``anytime``, for the limits of each strength.
        level: Confidence level.

    Raises:
        NoSamplesError: An empty curve or a strength without rows.
        UsageError: A level outside (0, 1], equal or infinite strengths.
    """
    require(0 < accuracy_level <= 1, f"an accuracy level lies in (0, 1], got {accuracy_level}", UsageError)
    strengths, parts = _ordered(curve, "breaking point")
    found = [accuracy(rows, rule, of_many(min(len(parts), 2), level)) for rows in parts]
    together = [accuracy(rows, rule, of_many(len(parts), level)) for rows in parts]
    places = strengths.tolist()
    value = crossing(places, [e.value for e in found], accuracy_level)
    return BreakingPoint(
        reached=math.isfinite(value),
        value=value,
        low=crossing(places, [e.low for e in found], accuracy_level),
        high=crossing(places, [e.high for e in together], accuracy_level),
        tested_from=places[0],
        tested_to=places[-1],
        accuracy_level=accuracy_level,
        n=min(e.n for e in found),
        level=level,
        method=f"{found[0].method} limits for all strengths, linear between them",
    )


def crossing(strengths: Sequence[float], values: Sequence[float], under: float) -> float:
    """The first strength at which linearly joined values fall under a level; infinite where they never do."""
    if values[0] < under:
        return float(strengths[0])
    for place in range(1, len(values)):
        before, after = values[place - 1], values[place]
        if after < under:
            start, end = strengths[place - 1], strengths[place]
            return float(start + (end - start) * (before - under) / (before - after))
    return math.inf

"""Charts of curves over strength, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.measures import Estimate, ReliabilityBin
from brittlestar.report.subjects import ModelEntry

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a curve: place on the axis, its label, the estimate, the condition."""

    x: float
    label: str
    estimate: Estimate
    condition: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One model's curve; ``clean`` is its accuracy on unchanged images."""

    model: ModelEntry
    points: tuple[Point, ...]
    clean: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart of curves over strength; ``key`` names it."""

    family: str
    title: str
    axis: str
    lines: tuple[Curve, ...]
    note: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How sure and how right under one condition; intervals are those of one chosen of many where it was chosen."""

    condition: str
    title: str
    ece: Estimate
    rms: Estimate
    confidence: float
    accuracy: Estimate
    bins: tuple[ReliabilityBin, ...]

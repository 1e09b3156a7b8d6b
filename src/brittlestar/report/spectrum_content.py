"""What the Fourier section says, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.content import Line, ModelEntry

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SpectrumMap:
    """A Fourier map: error and its limits per frequency, NaN where not measured; (rows, columns) each."""

    model: ModelEntry
    value: Matrix
    low: Matrix
    high: Matrix
    samples: int


@dataclass(frozen=True, kw_only=True)
class BandRow:
    """Error in one frequency band per model, and for each later model of the same data its difference from the first.

    ``differences`` and ``sensitivities`` (the same against clean) have one entry a model; ``None`` for the reference
    itself and where it cannot be paired.
    """

    name: str
    reach: str
    frequencies: int
    errors: tuple[Estimate, ...]
    differences: tuple[Estimate | None, ...]
    sensitivities: tuple[Sensitivity | None, ...]


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The Fourier section.

    Fields:
        maps: One a model, all of one shape.
        profile: Lines over radius in cycles per image.
        bands: Errors by band; at least one.
        borders: Radii in cycles between the bands shown.
        rows, columns: Signed frequencies of the maps' rows and columns, in even steps.
        norm: What is added, in words.
        covered: How much of the plane was asked, in a sentence.
        compared: Whether the maps may be held against each other.
    """

    maps: tuple[SpectrumMap, ...]
    profile: tuple[Line, ...]
    bands: tuple[BandRow, ...]
    borders: tuple[float, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    norm: str
    covered: str
    compared: bool = True

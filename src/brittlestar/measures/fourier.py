"""The Fourier-basis sensitivity map: error by frequency, by ring, by band."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.measures.intervals import mean_interval, signed_mean_interval, wilson_many

Frequency = tuple[int, int]
Array = npt.NDArray[np.float64]

BANDS: tuple[tuple[str, float, float], ...] = (("low", 0.0, 0.25), ("mid", 0.25, 0.5), ("high", 0.5, np.inf))
"""Bands by radius relative to the Nyquist frequency: lower end excluded (the mean, radius 0, is in none)."""


@dataclasses.dataclass(frozen=True)
class FourierMap:
    """Outcomes by frequency on the samples that all frequencies share.

    Fields:
        height, width: Of the images.
        frequencies: Signed (row, column), each conjugate pair once.
        wrong: (frequencies, samples) 1.0 where the model errs.
        positions: (samples,).
    """

    height: int
    width: int
    frequencies: tuple[Frequency, ...]
    wrong: Array
    positions: npt.NDArray[np.int32]

    @property
    def samples(self) -> int:
        """How many samples each frequency was tried on."""
        return int(self.wrong.shape[1])

    @property
    def radius(self) -> Array:
        """(frequencies,) radius relative to the Nyquist frequency: 1 at the edge of the plane's shorter reach."""
        rows, columns = np.array(self.frequencies, float).reshape(-1, 2).T
        return np.hypot(rows / (self.height / 2), columns / (self.width / 2))

    @property
    def multiplicity(self) -> Array:
        """(frequencies,) places in the full plane that each stands for: 2, or 1 where it is its own conjugate."""
        own = [(2 * r) % self.height == 0 and (2 * c) % self.width == 0 for r, c in self.frequencies]
        return np.where(own, 1.0, 2.0)

    @property
    def error(self) -> Array:
        """(frequencies,) error rates."""
        return np.asarray(self.wrong.mean(1))

    def matrix(self) -> Array:
        """(height, width) error with the mean at [height // 2, width // 2]; NaN where not measured."""
        full = np.full((self.height, self.width), np.nan)
        for (row, column), error in zip(self.frequencies, self.error, strict=True):
            for r, c in ((row, column), (-row, -column)):
                full[(r + self.height // 2) % self.height, (c + self.width // 2) % self.width] = error
        return full

    def limits(self, level: float = 0.95, simultaneous: bool = False) -> tuple[Array, Array]:
        """Wilson limits by frequency; ``simultaneous`` makes them hold together (Bonferroni over frequencies)."""
        each = 1 - (1 - level) / len(self.frequencies) if simultaneous else level
        return wilson_many(self.wrong.sum(1), np.full(len(self.frequencies), self.samples), each)

    def half_width(self, level: float = 0.95) -> float:
        """The widest simultaneous half-width of any frequency."""
        low, high = self.limits(level, simultaneous=True)
        return float((high - low).max() / 2)


def fourier_map(rows: Mapping[Frequency, Rows], height: int, width: int) -> FourierMap:
    """A map from rows by frequency.

    Raises:
        NoSamplesError: No frequency, or no sample that all of them share.
    """
    if not rows:
        raise NoSamplesError("no frequency was measured")
    frequencies = tuple(sorted(rows, key=lambda f: (f[0] ** 2 + f[1] ** 2, f)))
    shared = next(iter(rows.values())).position
    for found in rows.values():
        if len(found) != len(shared) or (found.position != shared).any():
            shared = np.intersect1d(shared, found.position)
    if not len(shared):
        raise NoSamplesError("the frequencies share no samples")
    wrong = np.empty((len(frequencies), len(shared)))
    for place, frequency in enumerate(frequencies):
        found = rows[frequency]
        wrong[place] = ~found.correct[np.isin(found.position, shared)] if len(found) != len(shared) else ~found.correct
    return FourierMap(height, width, frequencies, wrong, np.asarray(shared, np.int32))


def _weights(found: FourierMap, low: float, high: float) -> Array:
    inside = (found.radius > low) & (found.radius <= high)
    weights = found.multiplicity * inside
    total = weights.sum()
    if total == 0:
        raise NoSamplesError(f"no frequency has a radius in ({low:g}, {high:g}]")
    return np.asarray(weights / total)


def band_error(found: FourierMap, low: float, high: float, level: float = 0.95) -> Estimate:
    """Mean error over the frequencies with radius in (low, high], relative to Nyquist; each place in the plane once."""
    weights = _weights(found, low, high)
    return mean_interval(weights @ found.wrong, level, cap=float(1 / (weights**2).sum()))


def band_difference(a: FourierMap, b: FourierMap, low: float, high: float, level: float = 0.95) -> Estimate:
    """Band error of ``a`` minus that of ``b`` on the samples and frequencies that both have."""
    a, b = common(a, b)
    weights = _weights(a, low, high)
    return signed_mean_interval(weights @ (a.wrong - b.wrong), level, cap=float(1 / (weights**2).sum()))


def band_contrast(found: FourierMap, level: float = 0.95) -> Estimate:
    """Error in the high band minus error in the low band (``BANDS``), on the same samples."""
    low, high = (_weights(found, *next(b[1:] for b in BANDS if b[0] == name)) for name in ("low", "high"))
    weights = high - low
    return signed_mean_interval(weights @ found.wrong, level, cap=float(1 / (weights**2).sum()))


def common(a: FourierMap, b: FourierMap) -> tuple[FourierMap, FourierMap]:
    """Both maps cut to the frequencies and samples that both have."""
    if a.frequencies == b.frequencies and np.array_equal(a.positions, b.positions):
        return a, b
    both = tuple(f for f in a.frequencies if f in set(b.frequencies))
    shared = np.intersect1d(a.positions, b.positions)
    if not both or not len(shared):
        raise NoSamplesError("the two maps share nothing")

    def cut(found: FourierMap) -> FourierMap:
        rows = [found.frequencies.index(f) for f in both]
        wrong = found.wrong[rows][:, np.isin(found.positions, shared)]
        return FourierMap(found.height, found.width, both, wrong, np.asarray(shared, np.int32))

    return cut(a), cut(b)


@dataclasses.dataclass(frozen=True)
class Ring:
    """Mean error over the frequencies of a ring; ``radius`` is their mean radius relative to Nyquist."""

    radius: float
    frequencies: int
    estimate: Estimate


def radial_profile(found: FourierMap, rings: int | None = None, level: float = 0.95) -> Sequence[Ring]:
    """Error by radius: rings of one cycle's width (or ``rings`` equal ones), the mean at radius 0 by itself."""
    radius = found.radius
    number = rings or max(2, min(found.height, found.width) // 2)
    edges = (
        np.linspace(0, float(radius.max()), number + 1)
        if rings
        else np.arange(0, radius.max() + 1 / number, 1 / number)
    )
    profile = []
    spans = [(-1.0, 0.0), *itertools.pairwise(edges)]
    for low, high in spans:
        inside = (radius > low + (1e-9 if low >= 0 else 0)) & (radius <= high + 1e-9)
        if inside.any():
            weights = found.multiplicity * inside
            weights = weights / weights.sum()
            estimate = mean_interval(weights @ found.wrong, level, cap=float(1 / (weights**2).sum()))
            profile.append(Ring(float(weights @ radius), int(inside.sum()), estimate))
    return profile

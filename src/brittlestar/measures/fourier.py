"""The Fourier-basis sensitivity map: error by frequency, by ring, by band.

A frequency is a signed pair (row, column) in cycles per image height and width. A pair and its conjugate (-row,
-column) are one perturbation: measured once, drawn twice, and counted twice in every mean over the plane (once where
they coincide). Radii are relative to the Nyquist frequency: 1 is half a cycle a pixel along either axis, so images
need not be square.

Reference:
    Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level, check_rule
from brittlestar.measures.effective import exact_limits
from brittlestar.measures.samples import Positions, Samples, mean_difference_of, mean_of, repeated, together
from brittlestar.measures.sequences import confidence_sequence_many

Frequency = tuple[int, int]
Wrong = npt.NDArray[np.float32]

BANDS: tuple[tuple[str, float, float], ...] = (("low", 0.0, 0.25), ("mid", 0.25, 0.5), ("high", 0.5, math.inf))
"""Bands by radius relative to Nyquist, lower end excluded (the mean, radius 0, is in none): for n x n images up to
n / 8 cycles, up to n / 4, and above."""

# Radii are rounded: which band a frequency on an edge falls into must not hang on the last digit.
_EDGE = 1e-9


@dataclasses.dataclass(frozen=True)
class FourierMap:
    """Outcomes by frequency on the samples that all frequencies share.

    Fields:
        height, width: Of the images.
        frequencies: Signed (row, column), each conjugate pair once.
        wrong: (frequencies, samples) 1.0 where the model errs.
        positions: (samples,), ascending.
        design: How the samples were drawn; ``None`` where they are independent and count alike.
    """

    height: int
    width: int
    frequencies: tuple[Frequency, ...]
    wrong: Wrong
    positions: Positions
    design: Samples | None = dataclasses.field(default=None, kw_only=True)

    complete: ClassVar[bool] = True
    """Whether every outcome was seen."""

    @property
    def samples(self) -> int:
        """How many samples each frequency was tried on."""
        return int(self.wrong.shape[1])

    @property
    def drawn(self) -> Samples:
        """The samples and how they were drawn."""
        return dataclasses.replace(self.design or Samples(self.positions), position=self.positions)

    @property
    def radius(self) -> Scores:
        """(frequencies,) radius relative to the Nyquist frequency."""
        row, column = np.array(self.frequencies, dtype=np.float64).reshape(-1, 2).T
        return np.hypot(row / (self.height / 2), column / (self.width / 2))

    @property
    def multiplicity(self) -> Scores:
        """(frequencies,) places in the full plane that each stands for: 2, or 1 where it is its own conjugate."""
        own = [(2 * r) % self.height == 0 and (2 * c) % self.width == 0 for r, c in self.frequencies]
        return np.where(own, 1.0, 2.0)

    @property
    def error(self) -> Scores:
        """(frequencies,) error rates, for the whole set's mix of classes."""
        if self.design is None or self.design.weight is None:
            return np.asarray(self.wrong.mean(axis=1, dtype=np.float64))
        return np.asarray(self.wrong @ (self.design.weight / self.design.weight.sum()), np.float64)

    def matrix(self, values: npt.ArrayLike | None = None) -> Scores:
        """(height, width) error, or other (frequencies,) values, with the mean at [height // 2, width // 2].

        Conjugates have the same number; NaN where not measured.
        """
        shown = self.error if values is None else np.asarray(values, dtype=np.float64)
        full = np.full((self.height, self.width), np.nan)
        places = np.array(self.frequencies).reshape(-1, 2)
        size = np.array([self.height, self.width])
        for sign in (1, -1):
            at = (sign * places + size // 2) % size
            full[at[:, 0], at[:, 1]] = shown
        return full

    def limits(self, level: float = LEVEL, simultaneous: bool = False, rule: str = "fixed") -> tuple[Scores, Scores]:
        """(low, high) by frequency; ``simultaneous`` makes all of them hold together (Bonferroni over frequencies).

        ``fixed``: exact (Clopper and Pearson), since at rare errors nothing else holds at so small a tail; for the
        effective number of samples where these depend on each other or count unequally.
        """
        check_level(level)
        check_rule(rule)
        each = 1 - (1 - level) / len(self.frequencies) if simultaneous else level
        if self.design is not None:
            known: dict[bytes, Estimate] = {}  # many frequencies err on the same samples
            for outcomes in self.wrong:
                key = outcomes.tobytes()
                if key not in known:
                    known[key] = mean_of(self.drawn, outcomes.astype(np.float64), rule, each)
            found = [known[outcomes.tobytes()] for outcomes in self.wrong]
            return np.array([e.low for e in found]), np.array([e.high for e in found])
        many = exact_limits if rule == "fixed" else confidence_sequence_many
        # The mean times n is a whole number but for rounding.
        return many(np.rint(self.error * self.samples), self.samples, each)

    def mean(self, scores: Scores, cap: float, rule: str, level: float) -> Estimate:
        """The mean of a weighted error of each sample; ``cap`` is the effective number of frequencies in it."""
        return mean_of(self.drawn, scores, rule, level, cap)

    def apart(
        self,
        scores: Scores,
        cap: float,
        rule: str,
        level: float,
        discordance: float | None = None,
        of: Samples | None = None,
    ) -> Estimate:
        """The mean of a difference of weighted errors of each sample (those of the map, or others)."""
        return mean_difference_of(self.drawn if of is None else of, scores, rule, level, cap, discordance)

    def cut(self, frequencies: tuple[Frequency, ...], samples: npt.NDArray[np.intp]) -> FourierMap:
        """Only some frequencies and samples (their places here)."""
        index = {f: place for place, f in enumerate(self.frequencies)}
        wrong = self.wrong[[index[f] for f in frequencies]][:, samples]
        design = designed(self.drawn.cut(samples))
        return FourierMap(self.height, self.width, frequencies, wrong, self.positions[samples], design=design)

    def half_width(self, level: float = LEVEL, rule: str = "fixed") -> float:
        """The widest simultaneous half-width of any frequency."""
        low, high = self.limits(level, simultaneous=True, rule=rule)
        return float((high - low).max() / 2)


def designed(samples: Samples) -> Samples | None:
    """The design of a map: ``None`` where its samples are independent and count alike."""
    return None if samples.plain else samples


def fourier_map(rows: Mapping[Frequency, Rows], height: int, width: int) -> FourierMap:
    """A map from rows by frequency, on the samples that all frequencies have.

    Args:
        rows: Keys (row, column) in cycles, ``-height / 2 <= row <= height / 2`` and likewise for columns.
        height, width: Of the images.

    Raises:
        NoSamplesError: No frequency, or no sample that all of them share.
        UsageError: A frequency outside the plane, or one together with its conjugate, or several frames a sample.
    """
    if not rows:
        raise NoSamplesError("no frequency was measured")
    frequencies = tuple(sorted(rows, key=lambda f: (f[0] ** 2 + f[1] ** 2, f)))
    seen: set[Frequency] = set()
    for row, column in frequencies:
        require(
            2 * abs(row) <= height and 2 * abs(column) <= width,
            f"frequency ({row}, {column}) is not in the plane of {height} x {width} images",
            UsageError,
        )
        require(
            # Modulo the size, since at even sizes -n / 2 and n / 2 are one frequency.
            (row % height, column % width) not in seen,
            f"frequency ({row}, {column}) is measured twice; give each conjugate pair once",
            UsageError,
        )
        seen |= {(row % height, column % width), (-row % height, -column % width)}
    samples, correct = together([rows[f] for f in frequencies])
    require(not repeated(samples.position), "a Fourier map has one frame a sample; choose a frame", UsageError)
    wrong = np.ascontiguousarray(~correct.T, dtype=np.float32)
    return FourierMap(height, width, frequencies, wrong, samples.position, design=designed(samples))


def band_weights(found: FourierMap, low: float, high: float) -> Scores:
    """(frequencies,) share of each in the mean over radii in (low, high]."""
    inside = (found.radius > low + _EDGE) & (found.radius <= high + _EDGE)
    if not inside.any():
        raise NoSamplesError(f"no measured frequency has a radius in ({low:g}, {high:g}] of Nyquist")
    weights = found.multiplicity * inside
    return np.asarray(weights / weights.sum())


def _scores(found: FourierMap, weights: Scores) -> Scores:
    used = np.flatnonzero(weights)
    return np.asarray(weights[used] @ found.wrong[used])


def effective_number(weights: Scores) -> float:
    """Of how many equally weighted frequencies a mean has the spread."""
    return float(1 / np.square(weights).sum())


def band_scores(found: FourierMap, low: float, high: float) -> Scores:
    """(samples,) mean error of each sample over the frequencies with radius in (low, high]; see ``band_error``."""
    return _scores(found, band_weights(found, low, high))


def band_error(found: FourierMap, low: float, high: float, level: float = LEVEL, rule: str = "fixed") -> Estimate:
    """Mean error over the frequencies with radius in (low, high], relative to Nyquist; each place in the plane once.

    Raises:
        NoSamplesError: No measured frequency lies there.
    """
    weights = band_weights(found, low, high)
    return found.mean(_scores(found, weights), effective_number(weights), rule, level)


def band_difference(
    a: FourierMap, b: FourierMap, low: float, high: float, level: float = LEVEL, rule: str = "fixed"
) -> Estimate:
    """Band error of ``a`` minus that of ``b`` on the samples and frequencies that both have; in [-1, 1].

    Raises:
        NoSamplesError: They share nothing there.
        UsageError: Maps of different image sizes.
    """
    a, b = common(a, b)
    weights = band_weights(a, low, high)
    used = np.flatnonzero(weights)
    apart = a.wrong[used] - b.wrong[used]
    moved = np.abs(apart)
    # By frequency, before changes of opposite sign cancel within a sample.
    discordance = float(weights[used] @ (moved.mean(axis=1) if a.design is None else a.drawn.average(moved.T)))
    # A sampled map judges if there is one: intervals of complete maps take every outcome for seen.
    judge = a if not a.complete else b
    return judge.apart(weights[used] @ apart, effective_number(weights), rule, level, discordance)


def band_contrast(found: FourierMap, level: float = LEVEL, rule: str = "fixed") -> Estimate:
    """Error in the high band minus error in the low band (``BANDS``), on the same samples; in [-1, 1].

    Raises:
        NoSamplesError: No measured frequency lies in one of the bands.
    """
    high, low = (band_weights(found, *band_named(name)) for name in ("high", "low"))
    scores = _scores(found, high) - _scores(found, low)
    # The smaller of the two, which never makes the interval narrower.
    cap = max(1.0, min(effective_number(high), effective_number(low)))
    return found.apart(scores, cap, rule, level)


def band_named(name: str) -> tuple[float, float]:
    """The radii of one of ``BANDS``."""
    return next((low, high) for known, low, high in BANDS if known == name)


def common(a: FourierMap, b: FourierMap) -> tuple[FourierMap, FourierMap]:
    """Both maps cut to the frequencies and samples that both have.

    Raises:
        NoSamplesError: They share none.
        UsageError: Maps of different image sizes.
    """
    require(
        (a.height, a.width) == (b.height, b.width),
        f"maps of {a.height} x {a.width} and {b.height} x {b.width} images cannot be compared",
        UsageError,
    )
    fewest = a if a.samples <= b.samples else b
    if a.frequencies == b.frequencies and np.array_equal(a.positions, b.positions):
        return a, b
    known = set(b.frequencies)
    both = tuple(f for f in a.frequencies if f in known)
    shared, in_a, in_b = np.intersect1d(a.positions, b.positions, return_indices=True)
    if not both or not len(shared):
        raise NoSamplesError("the two maps share no frequency or no sample")
    # Those of fewer samples stand for the set with the least adjustment.
    samples = fewest.drawn.cut(in_a if fewest is a else in_b)
    design = designed(dataclasses.replace(samples, unseen=max(samples.unseen, a.drawn.unseen, b.drawn.unseen)))
    return (
        dataclasses.replace(a.cut(both, in_a), design=design),
        dataclasses.replace(b.cut(both, in_b), design=design),
    )


@dataclasses.dataclass(frozen=True)
class Ring:
    """Mean error over the frequencies of a ring; ``radius`` is their mean radius relative to Nyquist."""

    radius: float
    frequencies: int
    estimate: Estimate


def radial_profile(
    found: FourierMap, rings: int | None = None, level: float = LEVEL, rule: str = "fixed"
) -> Sequence[Ring]:
    """Error by radius: rings of one cycle's width (or ``rings`` equal ones), the mean at radius 0 by itself.

    Args:
        found: The map.
        rings: Number of rings between radius 0 and the largest; one a cycle of the shorter side if left out.
        level: Confidence level of each ring by itself.
        rule: ``fixed`` or ``anytime``.
    """
    radius = found.radius
    largest = float(radius.max())
    width = largest / rings if rings else 1 / max(2, min(found.height, found.width) // 2)
    # A map of the mean alone, with ``rings`` given, has rings of width 0.
    place = np.where(radius <= _EDGE, 0, np.maximum(np.ceil((radius - _EDGE) / max(width, _EDGE)), 1)).astype(np.int64)
    profile = []
    for at in np.unique(place):
        weights = found.multiplicity * (place == at)
        weights = weights / weights.sum()
        estimate = found.mean(_scores(found, weights), effective_number(weights), rule, level)
        profile.append(Ring(float(weights @ radius), int(np.count_nonzero(weights)), estimate))
    return profile

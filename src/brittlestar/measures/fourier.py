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
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level, check_rule
from brittlestar.measures.effective import exact_limits
from brittlestar.measures.samples import Positions, aligned, mean_difference_of, mean_of, repeated
from brittlestar.measures.sequences import confidence_sequence_many

Frequency = tuple[int, int]
Wrong = npt.NDArray[np.float32]

BANDS: tuple[tuple[str, float, float], ...] = (("low", 0.0, 0.25), ("mid", 0.25, 0.5), ("high", 0.5, math.inf))
"""Bands by radius relative to Nyquist, lower end excluded (the mean, radius 0, is in none): for n x n images up to
n / 8 cycles, up to n / 4, and above."""

_EDGE = 1e-9

CLEAR = 5.0
"""Standard errors beyond which an increase was not chosen by chance to be divided by."""


@dataclasses.dataclass(frozen=True)
class FourierMap:
    """Outcomes by frequency on the samples that all frequencies share.

    Fields:
        height, width: Of the images.
        frequencies: Signed (row, column), each conjugate pair once.
        wrong: (frequencies, samples) 1.0 where the model errs.
        positions: (samples,), ascending.
    """

    height: int
    width: int
    frequencies: tuple[Frequency, ...]
    wrong: Wrong
    positions: Positions

    complete: ClassVar[bool] = True
    """Whether every outcome was seen."""

    @property
    def samples(self) -> int:
        """How many samples each frequency was tried on."""
        return int(self.wrong.shape[1])

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
        """(frequencies,) error rates."""
        return np.asarray(self.wrong.mean(axis=1, dtype=np.float64))

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

        ``fixed``: exact (Clopper and Pearson), since at rare errors nothing else holds at so small a tail.
        """
        check_level(level)
        check_rule(rule)
        each = 1 - (1 - level) / len(self.frequencies) if simultaneous else level
        many = exact_limits if rule == "fixed" else confidence_sequence_many
        return many(np.rint(self.error * self.samples), self.samples, each)

    def mean(self, scores: Scores, cap: float, rule: str, level: float) -> Estimate:
        """The mean of a weighted error of each sample; ``cap`` is the effective number of frequencies in it."""
        return mean_of(self.positions, scores, rule, level, cap)

    def apart(self, scores: Scores, cap: float, rule: str, level: float, discordance: float | None = None) -> Estimate:
        """The mean of a difference of weighted errors of each sample."""
        return mean_difference_of(self.positions[: len(scores)], scores, rule, level, cap, discordance)

    def cut(self, frequencies: tuple[Frequency, ...], samples: npt.NDArray[np.intp]) -> FourierMap:
        """Only some frequencies and samples (their places here)."""
        index = {f: place for place, f in enumerate(self.frequencies)}
        chosen = [index[f] for f in frequencies]
        return FourierMap(self.height, self.width, frequencies, self.wrong[chosen][:, samples], self.positions[samples])

    def half_width(self, level: float = LEVEL, rule: str = "fixed") -> float:
        """The widest simultaneous half-width of any frequency."""
        low, high = self.limits(level, simultaneous=True, rule=rule)
        return float((high - low).max() / 2)


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
            (row % height, column % width) not in seen,
            f"frequency ({row}, {column}) is measured twice; give each conjugate pair once",
            UsageError,
        )
        seen |= {(row % height, column % width), (-row % height, -column % width)}
    positions, correct = aligned([rows[f] for f in frequencies])
    require(not repeated(positions), "a Fourier map has one frame a sample; choose a frame", UsageError)
    return FourierMap(height, width, frequencies, np.ascontiguousarray(~correct.T, dtype=np.float32), positions)


def _weights(found: FourierMap, low: float, high: float) -> Scores:
    inside = (found.radius > low + _EDGE) & (found.radius <= high + _EDGE)
    if not inside.any():
        raise NoSamplesError(f"no measured frequency has a radius in ({low:g}, {high:g}] of Nyquist")
    weights = found.multiplicity * inside
    return np.asarray(weights / weights.sum())


def _scores(found: FourierMap, weights: Scores) -> Scores:
    used = np.flatnonzero(weights)
    return np.asarray(weights[used] @ found.wrong[used])


def _effective(weights: Scores) -> float:
    return float(1 / np.square(weights).sum())


def band_scores(found: FourierMap, low: float, high: float) -> Scores:
    """(samples,) mean error of each sample over the frequencies with radius in (low, high]; see ``band_error``."""
    return _scores(found, _weights(found, low, high))


def band_error(found: FourierMap, low: float, high: float, level: float = LEVEL, rule: str = "fixed") -> Estimate:
    """Mean error over the frequencies with radius in (low, high], relative to Nyquist; each place in the plane once.

    Raises:
        NoSamplesError: No measured frequency lies there.
    """
    weights = _weights(found, low, high)
    return found.mean(_scores(found, weights), _effective(weights), rule, level)


def band_difference(
    a: FourierMap, b: FourierMap, low: float, high: float, level: float = LEVEL, rule: str = "fixed"
) -> Estimate:
    """Band error of ``a`` minus that of ``b`` on the samples and frequencies that both have; in [-1, 1].

    Raises:
        NoSamplesError: They share nothing there.
        UsageError: Maps of different image sizes.
    """
    a, b = common(a, b)
    weights = _weights(a, low, high)
    used = np.flatnonzero(weights)
    apart = a.wrong[used] - b.wrong[used]
    discordance = float(weights[used] @ np.abs(apart).mean(axis=1))
    judge = a if not a.complete else b
    return judge.apart(weights[used] @ apart, _effective(weights), rule, level, discordance)


def band_contrast(found: FourierMap, level: float = LEVEL, rule: str = "fixed") -> Estimate:
    """Error in the high band minus error in the low band (``BANDS``), on the same samples; in [-1, 1].

    Raises:
        NoSamplesError: No measured frequency lies in one of the bands.
    """
    high, low = (_weights(found, *_band(name)) for name in ("high", "low"))
    scores = _scores(found, high) - _scores(found, low)
    cap = max(1.0, min(_effective(high), _effective(low)))
    return found.apart(scores, cap, rule, level)


def _band(name: str) -> tuple[float, float]:
    return next((low, high) for known, low, high in BANDS if known == name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio that may be undefined.

    Fields:
        defined: Whether the denominator is shown to be above 0 at the confidence level.
        reason: Why it is not, in words; empty where it is.
        value, low, high: The ratio and its interval; NaN where undefined.
        above, below: Numerator and denominator with their intervals.
        n: Samples.
        level: Confidence level.
        method: How the interval was made.
    """

    defined: bool
    reason: str
    value: float
    low: float
    high: float
    above: Estimate
    below: Estimate
    n: int
    level: float = LEVEL
    method: str = "Fieller"


def high_low_ratio(found: FourierMap, clean: Rows, level: float = LEVEL) -> Ratio:
    """How many times more error high frequencies add to the clean error than low ones do (``BANDS``).

    Fieller's interval over per-sample increases. It is undefined, and says so, unless the increase at low frequencies
    is shown to be above 0 at a tenth of the error allowed (99.5 % for 95 %). Small increases pass that where they came
    out large by chance, which makes the ratio come out small; so the interval is at that stricter level too, unless the
    increase is more than ``CLEAR`` standard errors. Among the ratios that are shown at least 93 % then hold, wherever
    more than one in thirty is shown (docs/measures.md).

    Args:
        found: The map.
        clean: Rows of the unchanged images; the samples of both are used.
        level: Confidence level.

    Raises:
        NoSamplesError: No sample in common with ``clean``, or no measured frequency in one of the bands.

    Reference:
        Fieller 1954, https://doi.org/10.1111/j.2517-6161.1954.tb00159.x
    """
    shared, in_map, in_clean = np.intersect1d(found.positions, clean.position, return_indices=True)
    if len(shared) == 0:
        raise NoSamplesError("the map and the clean rows share no samples")
    wrong = ~clean.correct[in_clean]
    weights = [_weights(found, *_band(name)) for name in ("high", "low")]
    scores = np.stack([_scores(found, w)[in_map] - wrong for w in weights])
    caps = [_effective(w) for w in weights]
    above, below = (found.apart(s, cap, "fixed", level) for s, cap in zip(scores, caps, strict=True))
    n = len(shared)
    defined, reason, ends = False, "", (math.nan, math.nan)
    strict = 1 - (1 - level) / 10
    if n < 2 or found.apart(scores[1], caps[1], "fixed", strict).low <= 0:
        reason = "low frequencies are not shown to add error, so nothing can be divided by it"
    else:
        # Two samples of opposite sign are added to each variance, which keeps it above 0 (as in Bonett-Price).
        spread = (np.cov(scores, bias=True) * n + np.diag([2 / cap for cap in caps])) / (n - 1) / n
        asked = level if below.value > CLEAR * math.sqrt(spread[1, 1]) else strict
        ends = fieller(above.value, below.value, spread, float(special.stdtrit(n - 1, 0.5 + asked / 2)))
        defined = math.isfinite(ends[0])
        reason = "" if defined else "the increase at low frequencies is too uncertain to divide by"
    value = above.value / below.value if defined else math.nan
    return Ratio(
        defined=defined,
        reason=reason,
        value=value,
        low=ends[0],
        high=ends[1],
        above=above,
        below=below,
        n=n,
        level=level,
    )


def fieller(top: float, bottom: float, covariance: Scores, quantile: float) -> tuple[float, float]:
    """Ends of Fieller's set for ``top / bottom``: the ratios r with ``|top - r bottom| <= quantile * its error``.

    NaN where the set is not a finite interval (``bottom`` is not significantly different from 0).
    """
    square = quantile * quantile
    a = bottom * bottom - square * float(covariance[1, 1])
    b = top * bottom - square * float(covariance[0, 1])
    c = top * top - square * float(covariance[0, 0])
    if a <= 0:
        return math.nan, math.nan
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a


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
    if a.frequencies == b.frequencies and np.array_equal(a.positions, b.positions):
        return a, b
    known = set(b.frequencies)
    both = tuple(f for f in a.frequencies if f in known)
    shared, in_a, in_b = np.intersect1d(a.positions, b.positions, return_indices=True)
    if not both or not len(shared):
        raise NoSamplesError("the two maps share no frequency or no sample")

    return a.cut(both, in_a), b.cut(both, in_b)


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
    place = np.where(radius <= _EDGE, 0, np.maximum(np.ceil((radius - _EDGE) / max(width, _EDGE)), 1)).astype(np.int64)
    profile = []
    for at in np.unique(place):
        weights = found.multiplicity * (place == at)
        weights = weights / weights.sum()
        estimate = found.mean(_scores(found, weights), _effective(weights), rule, level)
        profile.append(Ring(float(weights @ radius), int(np.count_nonzero(weights)), estimate))
    return profile

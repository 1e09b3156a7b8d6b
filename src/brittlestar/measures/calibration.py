"""Calibration: whether a confidence of 80 % means right in 80 % of the cases.

The measures are norms of the gaps between confidence and accuracy over bins, ``sum w |gap|`` and
``sqrt(sum w gap^2)``. Their values are the usual plug-in ones, which noise in the gaps always pushes up. The interval
is for the error that remains with endless samples in the same bins, and so mostly lies below the value when samples
are few.

* Lower ends, and the upper one of the RMS error, invert a test. For a strength t the gaps are taken to be t times the
  measured ones; the interval holds the errors of those t under which a simulated measurement (normal noise in the gaps,
  with the covariance of the samples) is as large, and as small, as the one made. Resampling the rows instead would add
  the upward push a second time.
* How small the push is hangs on gaps that nobody knows, and scaled copies of the measured ones have too much of it
  where signs differ and gaps are of the noise's size. The upper end of ``sum w |gap|`` therefore allows for none: with
  each bin's own sign the value is the mean of one signed score a sample, whose expectation is never below the error
  (Jensen), so the upper limit of that mean is one for the error.

Means over conditions have a bin for every condition and confidence, and samples that all conditions share are one
sample each. Coverage: docs/measures.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level
from brittlestar.measures.intervals import signed_mean_interval, wilson
from brittlestar.measures.samples import mean_of, repeated

METHOD = "bootstrap test inversion"
RESAMPLES = 999
RMS_BIN = 100
"""Samples in a bin of the RMS calibration error."""

_FREE = 1e9
"""For ``signed_mean_interval``: a score averages so many outcomes that its variance may be as small as it is seen."""

_FEWEST_BEYOND = 5
"""Draws that must lie beyond a limit for it to be found by counting."""

_CELLS = 4_000_000
"""Numbers (samples times bins) that are held at once for the covariance."""

Bins = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Samples of similar confidence: their mean confidence, their accuracy with its interval, their share."""

    confidence: float
    accuracy: Estimate
    share: float

    @property
    def count(self) -> int:
        """How many samples the bin holds."""
        return self.accuracy.n


def ece(rows: Rows, bins: int = 15, level: float = LEVEL) -> Estimate:
    """Expected calibration error in [0, 1]: mean gap between confidence and accuracy over equal-width bins.

    Bins are ``(i / bins, (i + 1) / bins]``, weighted by their share of the rows.

    Raises:
        NoSamplesError: No rows.
        UsageError: Fewer than one bin.

    Reference:
        Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599
    """
    place = _equal_width(_confidence(rows), bins)
    return _mean_gap(rows, place, np.zeros(len(rows), dtype=np.int64), bins, level)


def mean_ece(parts: Sequence[Rows], bins: int = 15, level: float = LEVEL) -> Estimate:
    """The mean over conditions of their expected calibration errors, each by itself, on the samples that all hold.

    Not the error of all answers put together: gaps of opposite sign cancel there and do not here.

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Fewer than one bin.
    """
    cut = shared(parts)
    place = [_equal_width(_confidence(rows), bins) for rows in cut]
    condition = np.repeat(np.arange(len(cut)), [len(rows) for rows in cut])
    return _mean_gap(Rows.concatenate(cut), np.concatenate(place), condition, bins, level)


def mean_ece_increase(parts: Sequence[Rows], clean: Rows, bins: int = 15, level: float = LEVEL) -> Estimate:
    """``mean_ece`` of the conditions less the ECE of the clean rows, on the samples that all hold; in [-1, 1].

    The two have intervals that hold together (Bonferroni), and the ends are subtracted. How far noise pushes either
    value up is not known, so nothing narrower is safe.

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Fewer than one bin.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    check_level(level)
    *cut, base = shared([*parts, clean])
    each = 1 - (1 - level) / 2
    after, before = mean_ece(cut, bins, each), ece(base, bins, each)
    return Estimate(
        value=after.value - before.value,
        low=after.low - before.high,
        high=after.high - before.low,
        n=after.n,
        level=level,
        method=f"{METHOD}, Bonferroni",
    )


def _mean_gap(rows: Rows, place: Bins, condition: Bins, bins: int, level: float) -> Estimate:
    """The mean over conditions, each with equally many rows, of the mean gap over its bins."""
    gaps = _Gaps.of(rows, condition * bins + place, (int(condition.max()) + 1) * bins, level)
    generator = gaps.generator("ece")
    owner = gaps.kept // bins
    weights = np.empty((RESAMPLES, len(owner)))
    for own in np.unique(owner):
        share = gaps.weights[owner == own]
        weights[:, owner == own] = generator.multinomial(gaps.n, share / share.sum(), RESAMPLES) / gaps.n * share.sum()
    noise = gaps.noise(generator, RESAMPLES)

    def norm(gap: Scores) -> float:
        return float(gaps.weights @ np.abs(gap))

    def simulated(gap: Scores) -> Scores:
        return np.asarray((np.abs(gap + noise) * weights).sum(axis=1))

    value, tail = norm(gaps.gap), (1 - level) / 2
    high = max(gaps.upper, gaps.overall_high)
    return gaps.estimate(value, gaps.furthest(norm, simulated, tail), high, level)


def rms_calibration(rows: Rows, bins: int | None = None, level: float = LEVEL) -> Estimate:
    """Root mean squared calibration error in [0, 1] over bins of equally many rows, sorted by confidence.

    Without ``bins`` there is one bin for every 100 rows, the last taking the rest (one bin under 200 rows). All bins
    count: the reference code leaves the most confident one out.

    Raises:
        NoSamplesError: No rows.
        UsageError: Fewer than one bin.

    Reference:
        Hendrycks, Mazeika and Dietterich, ICLR 2019, https://arxiv.org/abs/1812.04606
    """
    confidence = _confidence(rows)
    count = max(1, len(rows) // RMS_BIN) if bins is None else min(bins, len(rows))
    require(count >= 1, f"calibration needs at least one bin, got {bins}", UsageError)
    rank = np.empty(len(rows), dtype=np.int64)
    rank[np.lexsort((rows.frame, rows.position, confidence))] = np.arange(len(rows))
    place = np.minimum(rank // RMS_BIN, count - 1) if bins is None else rank * count // len(rows)
    gaps = _Gaps.of(rows, place, count, level)
    noise = gaps.noise(gaps.generator("rms"), RESAMPLES if count <= 100 else 399)
    spread = np.square(noise) @ gaps.weights

    def norm(gap: Scores) -> float:
        return float(np.sqrt(gaps.weights @ np.square(gap)))

    def simulated(gap: Scores) -> Scores:
        return np.sqrt(np.maximum(norm(gap) ** 2 + 2 * noise @ (gaps.weights * gap) + spread, 0.0))

    value, tail = norm(gaps.gap), (1 - level) / 2
    low, high = (gaps.furthest(norm, simulated, share) for share in (tail, 1 - tail))
    return gaps.estimate(value, low, max(high, gaps.overall_high), level)


def shared(parts: Sequence[Rows]) -> list[Rows]:
    """The rows of the samples (position, frame) that all parts hold, in one order.

    Raises:
        NoSamplesError: No part, or no sample in common.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    keys = [rows.position.astype(np.int64) * 65536 + rows.frame for rows in parts]
    if all(np.array_equal(keys[0], key) for key in keys[1:]):
        return list(parts)
    common = keys[0]
    for key in keys[1:]:
        common = np.intersect1d(common, key)
    if len(common) == 0:
        raise NoSamplesError("no samples in common: what is compared must share samples")
    return [rows.take(np.isin(key, common)).sorted() for rows, key in zip(parts, keys, strict=True)]


def reliability(rows: Rows, bins: int = 15, level: float = LEVEL) -> tuple[ReliabilityBin, ...]:
    """The bins of the reliability diagram (those of ``ece``) that hold samples, from unsure to sure.

    Raises:
        NoSamplesError: No rows.
        UsageError: Fewer than one bin.
    """
    confidence = _confidence(rows)
    place = _equal_width(confidence, bins)
    correct = rows.correct
    twice = repeated(rows.position)
    found = []
    for at in np.unique(place):
        inside = place == at
        right, count = int(np.count_nonzero(correct[inside])), int(np.count_nonzero(inside))
        if twice:
            accuracy = mean_of(rows.position[inside], correct[inside].astype(np.float64), "fixed", level)
        else:
            accuracy = wilson(right, count, level)
        mean = float(confidence[inside].mean())
        found.append(ReliabilityBin(confidence=mean, accuracy=accuracy, share=count / len(rows)))
    return tuple(found)


def _confidence(rows: Rows) -> Scores:
    if len(rows) == 0:
        raise NoSamplesError("no samples: calibration is undefined")
    return rows.confidence


def _equal_width(confidence: Scores, bins: int) -> Bins:
    require(bins >= 1, f"calibration needs at least one bin, got {bins}", UsageError)
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


@dataclasses.dataclass(frozen=True)
class _Gaps:
    """Mean confidence minus accuracy of the bins that hold rows, with the covariance of these means.

    Fields:
        gap, weights: (bins,).
        kept: (bins,) their numbers among all bins.
        scale: (bins, bins) lower triangle whose square is the covariance, or (bins,) standard errors.
        upper: Upper limit of the mean gap, from scores with each bin's own sign.
        overall_high: No norm is smaller than the gap between the mean confidence and the accuracy: how large that may
            be. It matters where hardly an error was seen and all gaps therefore look small.
        n: Samples.
    """

    gap: Scores
    weights: Scores
    kept: Bins
    scale: Scores
    upper: float
    overall_high: float
    n: int

    @classmethod
    def of(cls, rows: Rows, place: Bins, bins: int, level: float) -> _Gaps:
        check_level(level)
        correct, confidence = rows.correct.astype(np.float64), rows.confidence
        count = np.bincount(place, minlength=bins).astype(np.float64)
        kept = np.flatnonzero(count)
        place, count = (np.cumsum(count > 0) - 1)[place], count[kept]
        size = len(count)
        apart = confidence - correct
        gap = np.bincount(place, apart, size) / count
        # The variance of few right or wrong answers is not to be trusted: one of each is added.
        share = (np.bincount(place, correct, size) + 1) / (count + 2)
        variance = share * (1 - share) / count
        overall, mean = mean_of(rows.position, correct, "fixed", level), float(confidence.mean())
        _, sample, times = np.unique(rows.position, return_inverse=True, return_counts=True)
        n, most = len(times), float(times.max())
        scale = _covariance_root(sample, place, apart - gap[place], count, variance) if most > 1 else np.sqrt(variance)
        signed = np.bincount(sample, np.sign(gap)[place] * apart, n) / most
        upper = signed_mean_interval(signed, level, cap=_FREE).high * most * n / len(rows)
        far = max(abs(mean - overall.low), abs(mean - overall.high))
        return cls(gap, count / count.sum(), kept, scale, upper, far, n)

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers decided by the content alone, whatever the order of the rows (sums round differently)."""
        gap = np.round(self.gap, 9) + 0.0
        content = purpose.encode() + gap.tobytes() + self.weights.tobytes() + self.n.to_bytes(8, "little")
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "little"))

    def noise(self, generator: np.random.Generator, draws: int) -> Scores:
        """(draws, bins) errors of the gaps."""
        normal = generator.standard_normal((draws, len(self.gap)))
        return normal * self.scale if self.scale.ndim == 1 else normal @ self.scale.T

    def family(self, strength: float) -> Scores:
        """Gaps from none (0) over the measured ones (1) to larger ones; the smaller end keeps clear gaps longest."""
        if strength >= 1:
            return strength * self.gap
        error = self.scale if self.scale.ndim == 1 else np.sqrt(np.square(self.scale).sum(axis=1))
        size = np.abs(self.gap)
        return np.sign(self.gap) * np.maximum(size - (1 - strength) * float((size / error).max()) * error, 0.0)

    def furthest(self, norm: Callable[[Scores], float], simulated: Callable[[Scores], Scores], share: float) -> float:
        """The norm at which the share of simulated measurements above the measured one grows past ``share``."""
        value = norm(self.gap)

        def within(strength: float) -> bool:
            drawn = simulated(self.family(strength))
            if min(share, 1 - share) * len(drawn) >= _FEWEST_BEYOND:
                return bool(np.mean(drawn >= value) <= share)
            # Too far out to be counted among so many draws: the norm sums over many bins, so its tail is normal's.
            return bool(drawn.mean() - special.ndtri(share) * drawn.std() <= value)

        below, above = 0.0, 1.0
        if value == 0 or not within(below):
            return 0.0
        while within(above) and above < 1e3:
            below, above = above, above * 2
        for _ in range(24):
            middle = (below + above) / 2
            below, above = (middle, above) if within(middle) else (below, middle)
        return norm(self.family(below))

    def estimate(self, value: float, low: float, high: float, level: float) -> Estimate:
        """The value in its interval, which is widened to hold it."""
        low, high = min(low, value), min(max(high, value), 1.0)
        return Estimate(value=value, low=low, high=high, n=self.n, level=level, method=METHOD)


def _covariance_root(sample: Bins, place: Bins, left: Scores, count: Scores, variance: Scores) -> Scores:
    """Cholesky's root of the covariance of the bins' means where samples have several rows.

    Args:
        sample: (rows,) number of each row's sample, from 0.
        place: (rows,) number of its bin.
        left: (rows,) what the row differs from its bin's mean.
        count, variance: (bins,) rows and least variance of the mean.
    """
    size = len(count)
    covariance = np.zeros((size, size))
    order = np.argsort(sample, kind="stable")
    step = max(1, _CELLS // size)
    starts = np.arange(0, int(sample.max()) + 1, step)
    edges = np.append(np.searchsorted(sample[order], starts), len(sample))
    for first, start, stop in zip(starts, edges[:-1], edges[1:], strict=True):
        own = order[start:stop]
        sums = np.bincount((sample[own] - first) * size + place[own], left[own], step * size).reshape(step, size)
        covariance += sums.T @ sums
    covariance /= np.outer(count, count)
    alone = np.bincount(place, np.square(left), size) / np.square(count)
    covariance += np.diag(np.maximum(variance - alone, 0.0) + 1e-15)
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)

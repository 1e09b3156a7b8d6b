"""Calibration: whether a confidence of 80 % means right in 80 % of the cases.

Both measures are norms of the gaps between confidence and accuracy over bins, ``sum w |gap|`` and
``sqrt(sum w gap^2)``. Their values are the usual plug-in ones, which noise in the gaps always pushes up. The interval
is for the error that remains with endless samples in the same bins, and so mostly lies below the value when samples
are few: it is made by inverting a test. For a factor t the gaps are taken to be t times the measured ones; the
interval holds the errors of those t under which a simulated measurement (normal noise in the gaps, with the covariance
of the samples) is as large, and as small, as the one made. Resampling the rows instead would add the upward push a
second time. Coverage: docs/measures.md.

Rows that hold a sample several times (several conditions put together) are handled: samples, not rows, are independent.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level
from brittlestar.measures.intervals import clopper_pearson
from brittlestar.measures.samples import Samples, mean_of, repeated

METHOD = "bootstrap test inversion"
RESAMPLES = 999
RMS_BIN = 100
"""Samples in a bin of the RMS calibration error."""

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
    gaps = _Gaps.of(rows, place, bins, level)
    generator = gaps.generator("ece")
    weights = generator.multinomial(gaps.n, gaps.weights, RESAMPLES) / gaps.n
    noise = gaps.noise(generator, RESAMPLES)

    def norm(gap: Scores) -> float:
        return float(gaps.weights @ np.abs(gap))

    def simulated(gap: Scores) -> Scores:
        return np.asarray((np.abs(gap + noise) * weights).sum(axis=1))

    return gaps.invert(norm, simulated, level)


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

    return gaps.invert(norm, simulated, level)


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
        if twice or rows.group is not None:
            # As in the errors, which are sums over these bins, rows count alike; groups only widen the intervals.
            samples = dataclasses.replace(Samples.of(rows, inside), weight=None, unseen=0.0)
            accuracy = mean_of(samples, correct[inside].astype(np.float64), "fixed", level)
        else:
            accuracy = clopper_pearson(right, count, level)
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
        scale: (bins, bins) lower triangle whose square is the covariance, or (bins,) standard errors.
        overall: The accuracy of all rows and the mean confidence.
        n: Samples.
    """

    gap: Scores
    weights: Scores
    scale: Scores
    overall: tuple[Estimate, float]
    n: int

    @classmethod
    def of(cls, rows: Rows, place: Bins, bins: int, level: float) -> _Gaps:
        check_level(level)
        correct, confidence = rows.correct.astype(np.float64), rows.confidence
        count = np.bincount(place, minlength=bins).astype(np.float64)
        kept = count > 0
        place, count = (np.cumsum(kept) - 1)[place], count[kept]
        size = len(count)
        gap = np.bincount(place, confidence - correct, size) / count
        left = confidence - correct - gap[place]
        # The variance of few right or wrong answers is not to be trusted: one of each is added.
        share = (np.bincount(place, correct, size) + 1) / (count + 2)
        variance = share * (1 - share) / count
        overall = mean_of(rows.position, correct, "fixed", level)
        if repeated(rows.position):
            _, sample = np.unique(rows.position, return_inverse=True)
            n = int(sample.max()) + 1
            sums = np.bincount(sample * size + place, left, n * size).reshape(n, size) / count
            alone = np.bincount(place, np.square(left), size) / np.square(count)
            covariance = sums.T @ sums + np.diag(np.maximum(variance - alone, 0.0) + 1e-15)
            scale = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        else:
            n, scale = len(rows), np.sqrt(variance)
        return cls(gap, count / count.sum(), scale, (overall, float(confidence.mean())), n)

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

    def invert(self, norm: Callable[[Scores], float], simulated: Callable[[Scores], Scores], level: float) -> Estimate:
        """The norms of the gaps in the family under which the measured norm is neither too large nor too small."""
        value = norm(self.gap)
        tail = (1 - level) / 2

        def furthest(share: float) -> float:
            """The norm at which the share of simulated measurements above the value grows past ``share``."""

            def within(strength: float) -> bool:
                return bool(np.mean(simulated(self.family(strength)) >= value) <= share)

            below, above = 0.0, 1.0
            if value == 0 or not within(below):
                return 0.0
            while within(above) and above < 1e3:
                below, above = above, above * 2
            for _ in range(24):
                middle = (below + above) / 2
                below, above = (middle, above) if within(middle) else (below, middle)
            return norm(self.family(below))

        low, high = furthest(tail), furthest(1 - tail)
        # No calibration error is smaller than the gap between mean confidence and accuracy.
        accuracy, mean = self.overall
        high = max(high, abs(mean - accuracy.low), abs(mean - accuracy.high))
        return Estimate(
            value=value,
            low=min(low, value),
            high=min(max(high, value), 1.0),
            n=self.n,
            level=level,
            method=METHOD,
        )

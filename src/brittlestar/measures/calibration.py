"""Calibration: whether a confidence of 80 % means right in 80 % of the cases.

The measures are norms of the gaps between confidence and accuracy over bins, ``sum w |gap|`` and
``sqrt(sum w gap^2)``. Their values are the usual plug-in ones, which noise in the gaps always pushes up. The interval
is for the error that remains with endless samples in the same bins, and so mostly lies below the value when samples
are few.

* Both ends of the RMS error invert a test. For a strength t the gaps are taken to be t times the measured ones; the
  interval holds the errors of those t under which a simulated measurement (normal noise in the gaps, with the
  covariance of the samples) is as large, and as small, as the one made. Resampling the rows instead would add the
  upward push a second time.
* How far ``sum w |gap|`` is pushed hangs on gaps that nobody knows (``signed``), so each of its ends rests on a mean of
  signed scores whose bias is known to be on the safe side, whatever the gaps and their signs.

Means over conditions have a bin for every condition and confidence, and samples that all conditions share are one
sample each. Groups of samples that depend on each other are one draw; weights of classes enter every bin, so that the
error is that of the whole set's mix; what was not seen may be calibrated anyhow. Coverage: docs/measures.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level
from brittlestar.measures.intervals import clopper_pearson
from brittlestar.measures.samples import Samples, independent, mean_of, repeated, shared
from brittlestar.measures.signed import SIGNS, Signed, signed

METHOD = "bootstrap test inversion"
RESAMPLES = 999
RMS_BIN = 100
"""Samples in a bin of the RMS calibration error."""

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
    found = signed(rows, place, bins)
    return _limits(found, rows, level)


def mean_ece(parts: Sequence[Rows], bins: int = 15, level: float = LEVEL) -> Estimate:
    """The mean over conditions of their expected calibration errors, each by itself, on the samples that all hold.

    Not the error of all answers put together: gaps of opposite sign cancel there and do not here.

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Fewer than one bin.
    """
    cut = shared(parts)
    found, rows = _together(cut, bins), Rows.concatenate(cut)
    return _limits(found, rows, level)


def mean_ece_increase(parts: Sequence[Rows], clean: Rows, bins: int = 15, level: float = LEVEL) -> Estimate:
    """``mean_ece`` of the conditions less the ECE of the clean rows, paired by sample; in [-1, 1].

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Fewer than one bin.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    check_level(level)
    *cut, base = shared([*parts, clean])
    after, before = _together(cut, bins), _together([base], bins)
    value = after.value - before.value
    # Differences of scores reach 2 and the interval is for scores in [-1, 1]: halved for it, doubled back.
    half = Signed(value, value, (after.scores - before.scores) / 2, after.n, after.weights).half_width(level) * 2
    # What was not seen may move both errors, in opposite directions.
    room, seen = 2 * base.unseen, 1 - base.unseen
    # Each end takes of both errors the number whose bias is on that end's safe side.
    low = max(seen * (after.lower - before.value - half) - room, -1.0)
    high = min(seen * (after.value - before.lower + half) + room, 1.0)
    method = Samples.of(base).words(f"{SIGNS}, paired")
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=after.n, level=level, method=method)


def _together(parts: Sequence[Rows], bins: int) -> Signed:
    """Conditions on the same samples, with bins of their own."""
    place = [at * bins + _equal_width(_confidence(rows), bins) for at, rows in enumerate(parts)]
    return signed(Rows.concatenate(parts), np.concatenate(place), len(parts) * bins, len(parts))


def _overall(rows: Rows, level: float) -> float:
    """No calibration error is smaller than the gap between the mean confidence and the accuracy: how large it may be.

    It matters where hardly an error was seen and all gaps therefore look small.
    """
    # Callers leave room for what was not seen, and it must not be left twice.
    samples = dataclasses.replace(Samples.of(rows), unseen=0.0)
    accuracy = mean_of(samples, rows.correct.astype(np.float64), "fixed", level)
    mean = samples.average(rows.confidence)
    return float(max(abs(mean - accuracy.low), abs(mean - accuracy.high)))


def mean_confidence(rows: Rows) -> float:
    """Mean confidence over the set, in [0, 1].

    Raises:
        NoSamplesError: No rows.
    """
    return float(Samples.of(rows).average(_confidence(rows)))


def _limits(found: Signed, rows: Rows, level: float) -> Estimate:
    """With the interval; a share of the set that was not seen moves an error by no more than that share."""
    half, seen = found.half_width(level), 1 - rows.unseen
    low, high = seen * (found.lower - half) - rows.unseen, max(found.value + half, _overall(rows, level))
    low, high = min(max(low, 0.0), found.value), min(max(seen * high + rows.unseen, found.value), 1.0)
    method = Samples.of(rows).words(SIGNS)
    return Estimate(value=found.value, low=low, high=high, n=found.n, level=level, method=method)


def rms_calibration(rows: Rows, bins: int | None = None, level: float = LEVEL, *, reference: bool = False) -> Estimate:
    """Root mean squared calibration error in [0, 1] over bins of equally many rows, sorted by confidence.

    Without ``bins`` there is one bin for every 100 rows, the last taking the rest (one bin under 200 rows); where rows
    have weights, bins are equally heavy. All bins count; with ``reference`` the most confident one is left out and the
    others keep their shares, as the reference code has it by mistake, to compare with numbers that it gave.

    Raises:
        NoSamplesError: No rows.
        UsageError: Fewer than one bin, or under 100 rows with ``reference``.

    Reference:
        Hendrycks, Mazeika and Dietterich, ICLR 2019, https://arxiv.org/abs/1812.04606
    """
    confidence = _confidence(rows)
    count = max(1, len(rows) // RMS_BIN) if bins is None else min(bins, len(rows))
    require(count >= 1, f"calibration needs at least one bin, got {bins}", UsageError)
    enough = f"the reference code needs {RMS_BIN} samples for a bin, got {len(rows)}"
    require(not reference or len(rows) >= RMS_BIN, enough, UsageError)
    rank = _ranks(rows, confidence)
    place = np.minimum(rank // RMS_BIN, count - 1) if bins is None else rank * count // len(rows)
    gaps = _Gaps.of(rows, place, count)
    if reference:
        gaps = dataclasses.replace(gaps, weights=np.append(gaps.weights[:-1], 0.0))
    noise = gaps.noise(gaps.generator("rms"), RESAMPLES if count <= 100 else 399)
    spread = np.square(noise) @ gaps.weights

    def norm(gap: Scores) -> float:
        return float(np.sqrt(gaps.weights @ np.square(gap)))

    def simulated(gap: Scores) -> Scores:
        # The square multiplied out: noise and its spread serve all strengths. Rounding may leave it under 0.
        return np.sqrt(np.maximum(norm(gap) ** 2 + 2 * noise @ (gaps.weights * gap) + spread, 0.0))

    check_level(level)
    value, tail = norm(gaps.gap), (1 - level) / 2
    low, high = (gaps.furthest(norm, simulated, share) for share in (tail, 1 - tail))
    high, unseen = max(high, _overall(rows, level)), rows.unseen
    if unseen > 0:  # gaps lie in [-1, 1] where nothing was seen, and may cancel the others
        low, high = max((1 - unseen) * low**2 - unseen, 0.0), float(np.sqrt((1 - unseen) * high**2 + unseen))
    low, high = min(low, value), min(max(high, value), 1.0)
    return Estimate(value=value, low=low, high=high, n=gaps.n, level=level, method=Samples.of(rows).words(METHOD))


def _ranks(rows: Rows, confidence: Scores) -> Bins:
    """(rows,) places in the order of confidence, from 0; of weighted rows how heavy those before are."""
    # Equal confidences go by sample, so that bins do not depend on the order in which rows are given.
    order = np.lexsort((rows.frame, rows.position, confidence))
    rank = np.empty(len(rows), dtype=np.int64)
    if rows.weight is None:
        rank[order] = np.arange(len(rows))
        return rank
    weight = rows.weight[order] / rows.weight.sum() * len(rows)
    rank[order] = np.clip(np.cumsum(weight) - weight / 2, 0, len(rows) - 1).astype(np.int64)
    return rank


def reliability(rows: Rows, bins: int = 15, level: float = LEVEL) -> tuple[ReliabilityBin, ...]:
    """The bins of the reliability diagram (those of ``ece``) that hold samples, from unsure to sure.

    Raises:
        NoSamplesError: No rows.
        UsageError: Fewer than one bin.
    """
    confidence = _confidence(rows)
    place = _equal_width(confidence, bins)
    correct = rows.correct
    twice, samples = repeated(rows.position), Samples.of(rows)
    weight: Scores = np.ones(len(rows)) if rows.weight is None else rows.weight
    found = []
    for at in np.unique(place):
        inside = place == at
        right, count = int(np.count_nonzero(correct[inside])), int(np.count_nonzero(inside))
        share = count / len(rows) if rows.weight is None else float(weight[inside].sum() / weight.sum())
        if twice or not samples.plain:
            # All that was not seen may lie in this bin.
            unseen = rows.unseen / ((1 - rows.unseen) * share + rows.unseen) if rows.unseen else 0.0
            own = dataclasses.replace(Samples.of(rows, inside), unseen=unseen)
            accuracy = mean_of(own, correct[inside].astype(np.float64), "fixed", level)
        else:
            accuracy = clopper_pearson(right, count, level)
        mean = float(Samples.of(rows, inside).average(confidence[inside]))
        found.append(ReliabilityBin(confidence=mean, accuracy=accuracy, share=share))
    return tuple(found)


def _confidence(rows: Rows) -> Scores:
    if len(rows) == 0:
        raise NoSamplesError("no samples: calibration is undefined")
    return rows.confidence


def _equal_width(confidence: Scores, bins: int) -> Bins:
    require(bins >= 1, f"calibration needs at least one bin, got {bins}", UsageError)
    # Bins are closed above, as in Guo et al.; a confidence of 0 would lie before the first.
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


@dataclasses.dataclass(frozen=True)
class _Gaps:
    """Mean confidence minus accuracy of the bins that hold rows, with the covariance of these means.

    Fields:
        gap, weights: (bins,).
        scale: (bins, bins) lower triangle whose square is the covariance, or (bins,) standard errors.
        n: Samples.
    """

    gap: Scores
    weights: Scores
    scale: Scores
    n: int

    @classmethod
    def of(cls, rows: Rows, place: Bins, bins: int) -> _Gaps:
        if rows.group is not None or rows.weight is not None:
            return cls._of_units(rows, place, bins)
        correct, confidence = rows.correct.astype(np.float64), rows.confidence
        count = np.bincount(place, minlength=bins).astype(np.float64)
        # A bin without rows has no gap: it is left out.
        kept = count > 0
        place, count = (np.cumsum(kept) - 1)[place], count[kept]
        size = len(count)
        apart = confidence - correct
        gap = np.bincount(place, apart, size) / count
        # The variance of few right or wrong answers is not to be trusted: one of each is added.
        share = (np.bincount(place, correct, size) + 1) / (count + 2)
        variance = share * (1 - share) / count
        _, sample, times = np.unique(rows.position, return_inverse=True, return_counts=True)
        twice, left = bool(times.max() > 1), apart - gap[place]
        scale = _covariance_root(sample, place, left, count, variance) if twice else np.sqrt(variance)
        return cls(gap, count / count.sum(), scale, len(times))

    @classmethod
    def _of_units(cls, rows: Rows, place: Bins, bins: int) -> _Gaps:
        """As ``of`` where rows differ in weight or samples depend on each other."""
        unit, units = independent(rows)
        weight: Scores = np.ones(len(rows)) if rows.weight is None else rows.weight
        total: Scores = np.bincount(place, weight, bins).astype(np.float64)
        kept = total > 0
        inside = kept[place]
        unit, weight, place, total = unit[inside], weight[inside], (np.cumsum(kept) - 1)[place[inside]], total[kept]
        correct, size = rows.correct[inside].astype(np.float64), len(total)
        apart = rows.confidence[inside] - correct
        gap = np.bincount(place, weight * apart, size) / total
        # So many rows of equal weight, each by itself, would tell as much of a bin.
        held, which = np.unique(unit * size + place, return_inverse=True)
        own = np.bincount(which, weight)
        count = total**2 / np.bincount(held % size, np.square(own), size)
        share = (np.bincount(place, weight * correct, size) / total * count + 1) / (count + 2)
        scale = _covariance_root(unit, place, weight * (apart - gap[place]), total, share * (1 - share) / count, True)
        # Deviations from means that the same units gave come out too small (Bessel's correction).
        grown = math.sqrt(units / max(units - 1, 1))
        return cls(gap, total / total.sum(), scale * grown, len(np.unique(rows.position)))

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers decided by the content alone, whatever the order of the rows (sums round differently)."""
        gap = np.round(self.gap, 9) + 0.0  # -0.0 becomes 0.0: their bytes differ
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
        # In units of the clearest gap's standard errors, so that none is left at strength 0.
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
        # Noise alone, without any gap, is already too often as large as what was measured.
        if value == 0 or not within(below):
            return 0.0
        while within(above) and above < 1e3:
            below, above = above, above * 2
        # To 1e-7 of the bracket, far finer than so many draws can tell.
        for _ in range(24):
            middle = (below + above) / 2
            below, above = (middle, above) if within(middle) else (below, middle)
        return norm(self.family(below))


def _covariance_root(
    sample: Bins, place: Bins, left: Scores, count: Scores, variance: Scores, of_samples: bool = False
) -> Scores:
    """Cholesky's root of the covariance of the bins' means where samples have several rows.

    Args:
        sample: (rows,) number of each row's sample, from 0.
        place: (rows,) number of its bin.
        left: (rows,) what the row differs from its bin's mean.
        count, variance: (bins,) rows and least variance of the mean.
        of_samples: Whether that is the least variance among samples, and not among rows.
    """
    size = len(count)
    covariance = np.zeros((size, size))
    order = np.argsort(sample, kind="stable")
    samples = int(sample.max()) + 1
    step = min(samples, max(1, _CELLS // size))
    starts = np.arange(0, samples, step)
    edges = np.append(np.searchsorted(sample[order], starts), len(sample))
    for first, start, stop in zip(starts, edges[:-1], edges[1:], strict=True):
        own = order[start:stop]
        sums = np.bincount((sample[own] - first) * size + place[own], left[own], step * size).reshape(step, size)
        covariance += sums.T @ sums
    covariance /= np.outer(count, count)
    alone = np.diag(covariance) if of_samples else np.bincount(place, np.square(left), size) / np.square(count)
    # Few rows may agree by chance, so no variance is under the least one. Samples that agree in several bins
    # leave the matrix singular; 1e-15 keeps Cholesky's root.
    covariance += np.diag(np.maximum(variance - alone, 0.0) + 1e-15)
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)

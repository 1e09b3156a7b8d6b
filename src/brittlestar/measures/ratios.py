"""Numbers divided by a normaliser's: each by itself, and their mean (CE and mCE, flip rates and mFR).

* The normaliser is a published table: the denominators are constants, each number is a mean of per-sample scores, and
  so is their mean. Intervals are those of such means (``mean_interval``; ``bounded_sequence`` for ``anytime``).
* The normaliser is another run on the same samples: its sampling error belongs to the interval. Samples are resampled
  whole, numerators and denominators together. ``anytime``: every numerator and denominator gets a confidence sequence,
  all holding together (Bonferroni), and the ends are divided: honest and wide.

Where samples depend on each other whole groups are resampled; weights of classes enter every sum. Coverage:
docs/measures.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level, check_rule, enclosing
from brittlestar.measures.intervals import mean_interval, signed_mean_interval
from brittlestar.measures.samples import Samples, mean_difference_of, mean_of, units_of
from brittlestar.measures.sequences import METHOD as SEQUENCE
from brittlestar.measures.sequences import bounded_sequence

BOOTSTRAP = "paired bootstrap"
RESAMPLES = 2000
_CHUNK = 1_000_000  # draws that are held at once, however many samples there are

_LEAST = 1e-9
"""What differs from 0 by no more is a sum that rounding left there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Normalised:
    """A number with everything that must be said beside it.

    Fields:
        name: What it may be called: ``mCE`` only for all 15 corruptions over a normaliser, else for instance
            ``mean CE over 7 of 15``.
        estimate: With its interval and number of samples; ``None`` where undefined.
        undefined: Why it is not defined; empty where it is.
        table: The published set.
        normaliser: The model divided by; empty for numbers that are not normalised.
        parts: The corruptions or sequences it is made of.
        severities: The severities used, each once; empty for sets without.
        conditions: How many conditions it is made of.
    """

    name: str
    estimate: Estimate | None
    undefined: str = ""
    table: str
    normaliser: str
    parts: tuple[str, ...]
    severities: tuple[int, ...]
    conditions: int

    @property
    def samples(self) -> int:
        """Number of samples; 0 where undefined."""
        return self.estimate.n if self.estimate is not None else 0

    def basis(self) -> str:
        """What it rests on, in words: ``imagenet-c, 15 of its parts, severities 1 to 5, n = 5,000, over AlexNet``."""
        found = [self.table, f"{len(self.parts)} of its parts"]
        if self.severities:
            found.append(f"severities {', '.join(str(s) for s in self.severities)}")
        found.append(f"n = {self.samples:,}")
        found.append(f"normalised by {self.normaliser}" if self.normaliser else "not normalised")
        return ", ".join(found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NormalisedSet:
    """One number a part, and their mean."""

    parts: Mapping[str, Normalised]
    mean: Normalised


@dataclasses.dataclass(frozen=True)
class Divided:
    """Ratios and their mean, which is there only where all of them are.

    Fields:
        parts: ``None`` where undefined: the denominator is not shown to be above 0 (its interval's lower limit is not),
            or too uncertain for the ratio to have two finite limits.
        mean: ``None`` where a part is, or where it has no two finite limits itself.
        why: One a part, why it is undefined, in words that continue "the normaliser ..."; empty where it is defined.
        why_mean: The same of the mean where all parts are defined.
    """

    parts: tuple[Estimate | None, ...]
    mean: Estimate | None
    why: tuple[str, ...] = ()
    why_mean: str = ""


TOO_UNCERTAIN = "shows too little to divide by: the ratio would have no finite interval"


def mean_score(
    scores: Scores,
    lowest: float,
    highest: float,
    cap: float,
    rule: str,
    level: float,
    samples: Samples | None = None,
) -> Estimate:
    """The mean of per-sample scores in [lowest, highest], where lowest is 0 or ``-highest``.

    Args:
        scores: (n,).
        lowest, highest: The range of a score.
        cap: How many correlated outcomes each score averages (see ``mean_interval``).
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.
        samples: How the n samples were drawn; independently, counting alike, if left out.

    Raises:
        NoSamplesError: No scores.
        UsageError: Scores outside the range, or an unknown rule.
    """
    check_rule(rule)
    if samples is not None and not samples.plain:
        measure = mean_difference_of if lowest < 0 else mean_of
        return scaled(measure(samples, np.asarray(scores) / highest, rule, level, cap), highest)
    if rule == "anytime":
        return bounded_sequence(scores, lowest, highest, level)
    interval = signed_mean_interval if lowest < 0 else mean_interval
    return scaled(interval(np.asarray(scores) / highest, level, max(cap, 1.0)), highest)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """An estimate times a positive constant."""
    return dataclasses.replace(
        estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor
    )


def over_constants(
    above: Scores,
    below: Sequence[float],
    caps: Sequence[float],
    lowest: float = 0.0,
    highest: float = 1.0,
    rule: str = "fixed",
    level: float = LEVEL,
    samples: Samples | None = None,
) -> Divided:
    """Means over known constants.

    Args:
        above: (n, k) scores in [lowest, highest], lowest being 0 or ``-highest``.
        below: (k,) constants above 0.
        caps: (k,) how many outcomes a score averages.
        lowest, highest: The range of a score.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.
        samples: How the n samples were drawn; independently, counting alike, if left out.

    Raises:
        NoSamplesError: No samples.
        UsageError: A constant that is not finite.
    """
    constants = np.asarray(below, dtype=np.float64)
    require(bool(np.isfinite(constants).all()), f"denominators must be finite, got {constants.tolist()}", UsageError)
    parts = tuple(
        scaled(mean_score(column, lowest, highest, cap, rule, level, samples), float(1 / constant))
        if constant > _LEAST
        else None
        for column, constant, cap in zip(above.T, constants, caps, strict=True)
    )
    why = tuple("" if part else f"has {_shown(c)} to divide by" for part, c in zip(parts, constants, strict=True))
    if any(part is None for part in parts):
        return Divided(parts, None, why)
    # The mean of the ratios is a mean of one weighted score a sample, so that its interval knows which parts go
    # together.
    total = float(np.mean(1 / constants))
    weights = 1 / constants / len(constants) / total
    cap = float(1 / np.sum(np.square(weights) / np.asarray(caps, dtype=np.float64)))
    mean = scaled(mean_score(above @ weights, lowest, highest, cap, rule, level, samples), total)
    return Divided(parts, mean, why)


def over_scores(
    above: Scores,
    below: Scores,
    lowest: float = 0.0,
    highest: float = 1.0,
    rule: str = "fixed",
    level: float = LEVEL,
    samples: Samples | None = None,
) -> Divided:
    """Means over another model's means on the same samples, its sampling error included.

    ``fixed``: percentile bootstrap over samples, 2,000 resamples, the draws seeded by the content (same scores, same
    interval). Two made-up samples, one with the highest score throughout and one with the lowest, are in the pool, so
    that the width is never 0; each end is the farther one of that interval and the same moved to the estimate. A
    resample whose denominator is not above 0 counts against both ends. A ratio is undefined, and says why, unless the
    lower limit of its denominator is above 0 and both of its own ends are finite.

    Groups are resampled whole, as sums of weighted scores, and the made-up samples are as heavy as a group. What no
    sample stands for may have any score in numerator and denominator, and every ratio leaves room for it.

    Args:
        above, below: (n, k) scores in [lowest, highest].
        lowest, highest: The range of a score.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.
        samples: How the n samples were drawn; independently, counting alike, if left out.

    Raises:
        NoSamplesError: No samples.
        UsageError: Different shapes, an unknown rule.
    """
    check_rule(rule)
    check_level(level)
    require(above.shape == below.shape, f"paired scores differ in shape: {above.shape} and {below.shape}", UsageError)
    n, k = above.shape
    if n == 0:
        raise NoSamplesError("no samples: a ratio of nothing is undefined")
    drawn = _Drawn(lowest, highest, level, Samples(np.arange(n, dtype=np.int32)) if samples is None else samples)
    under = [mean_score(column, lowest, highest, 1.0, rule, level, samples) for column in below.T]
    why = [_why(e, lowest) for e in under]
    defined = np.array([not reason for reason in why])
    parts: list[Estimate | None] = [None] * k
    mean = None
    if defined.any():
        top, bottom = above[:, defined], below[:, defined]
        values = drawn.samples.average(top) / drawn.samples.average(bottom)
        found, mean = (drawn.by_sequences if rule == "anytime" else drawn.by_resampling)(top, bottom, values)
        for place, estimate in zip(np.flatnonzero(defined), found, strict=True):
            if math.isfinite(estimate.low) and math.isfinite(estimate.high):
                parts[place] = estimate
            else:
                why[place] = TOO_UNCERTAIN
    if any(part is None for part in parts):
        return Divided(tuple(parts), None, tuple(why))
    assert mean is not None
    finite = math.isfinite(mean.low) and math.isfinite(mean.high)
    return Divided(tuple(parts), mean if finite else None, tuple(why), "" if finite else TOO_UNCERTAIN)


def _why(denominator: Estimate, lowest: float) -> str:
    """Why nothing can be divided by it; empty where it is shown to be above 0."""
    # Sums of 0/1 outcomes may leave 1e-17 of what is exactly 0.
    if denominator.low > _LEAST:
        return ""
    if lowest >= 0:
        return "shows nothing to divide by"
    limits = f"[{100 * denominator.low:.1f}, {100 * denominator.high:.1f}]"
    return f"is not shown to rise: {_shown(denominator.value)} {limits}"


def _shown(value: float) -> str:
    """``+0.3 points``; what is 0 but for rounding is 0."""
    value = 0.0 if abs(value) <= _LEAST else value
    return f"{100 * value:+.1f} points".replace("-", "−") if value else "0 points"


Many = tuple[list[Estimate], Estimate]


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """Ratios of means of scores in [lowest, highest], on samples that were drawn somehow."""

    lowest: float
    highest: float
    level: float
    samples: Samples

    def by_sequences(self, top: Scores, bottom: Scores, values: Scores) -> Many:
        k = top.shape[1]
        # A ratio by itself needs two sequences to hold, the mean of k ratios all 2 k of them.
        ends = self._sequence_ends(top, bottom, 2 * k)
        found = []
        for j, value in enumerate(values):
            alone = self._sequence_ends(top[:, [j]], bottom[:, [j]], 2)
            found.append(self._told(float(value), float(alone[0, 0]), float(alone[1, 0]), SEQUENCE))
        mean = self._told(float(values.mean()), float(ends[0].mean()), float(ends[1].mean()), SEQUENCE)
        return found, mean

    def _told(self, value: float, low: float, high: float, method: str) -> Estimate:
        return enclosing(value, low, high, len(self.samples.position), self.level, self.samples.words(method))

    def _sequence_ends(self, top: Scores, bottom: Scores, tests: int) -> Scores:
        """(2, k) ends of the ratios when ``tests`` confidence sequences hold together."""
        each = 1 - (1 - self.level) / tests
        ends = []
        for a, b in zip(top.T, bottom.T, strict=True):
            upper, lower = (
                mean_score(x, self.lowest, self.highest, 1.0, "anytime", each, self.samples) for x in (a, b)
            )
            if lower.low <= 0:
                ends.append((0.0 if self.lowest >= 0 else -math.inf, math.inf))
            else:
                corners = [x / y for x in (upper.low, upper.high) for y in (lower.low, lower.high)]
                ends.append((min(corners), max(corners)))
        return np.array(ends, dtype=np.float64).T

    def by_resampling(self, top: Scores, bottom: Scores, values: Scores) -> Many:
        low, high, held = self._resampled(top, bottom)
        found = [self._percentiles(float(v), low[:, j], high[:, j], held[:, j]) for j, v in enumerate(values)]
        every = np.asarray(held.all(axis=1))
        return found, self._percentiles(float(values.mean()), low.mean(axis=1), high.mean(axis=1), every)

    def _resampled(self, top: Scores, bottom: Scores) -> tuple[Scores, Scores, npt.NDArray[np.bool_]]:
        """(resamples + 1, k) lowest and highest ratios, those of the whole pool last, and whether they are defined."""
        k = top.shape[1]
        scores, size = self._sums(np.concatenate([top, bottom], axis=1))
        made_up = float(np.square(size).sum() / size.sum())
        extremes = np.repeat([[self.highest], [self.lowest]], 2 * k, axis=1) * made_up
        pool, size = np.concatenate([scores, extremes]), np.append(size, [made_up, made_up])
        units = len(pool)
        # Rounded: the order of the samples changes the last digits of sums, and must not change the draws.
        content = np.round(pool.sum(axis=0), 6).tobytes() + units.to_bytes(8, "little")
        seed = int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "little")
        generator = np.random.default_rng(seed)
        sums, drawn = np.empty((RESAMPLES + 1, 2 * k)), np.empty((RESAMPLES + 1, 1))
        step = max(1, _CHUNK // units)
        for first in range(0, RESAMPLES, step):
            count = min(step, RESAMPLES - first)
            # Each resample counts in a range of its own, so that one bincount does a whole block.
            places = generator.integers(0, units, (count, units)) + np.arange(count)[:, None] * units
            times = np.bincount(places.ravel(), minlength=count * units).reshape(count, units).astype(np.float64)
            sums[first : first + count] = times @ pool
            drawn[first : first + count, 0] = times @ size
        sums[-1], drawn[-1] = pool.sum(axis=0), size.sum()
        return self._ends(sums[:, :k], sums[:, k:], drawn)

    def _sums(self, scores: Scores) -> tuple[Scores, Scores]:
        """(units, k) weighted sums over what is independent, and how heavy each is (1 for a sample of weight 1)."""
        if self.samples.group is None and self.samples.weight is None:
            return scores, np.ones(len(scores))
        units = [units_of(self.samples, column) for column in scores.T]
        weights = units[0].weights
        size = np.ones(len(units[0].scores)) if weights is None else weights
        size = np.asarray(size * (len(scores) / size.sum()), np.float64)
        return np.stack([u.scores for u in units], axis=1) * size[:, None], size

    def _ends(self, top: Scores, bottom: Scores, size: Scores) -> tuple[Scores, Scores, npt.NDArray[np.bool_]]:
        """Lowest and highest ratios of sums over so many samples, whatever is true of what was not seen."""
        unseen = self.samples.unseen
        if unseen == 0:
            held = bottom > _LEAST
            ratios = top / np.where(held, bottom, 1.0)
            return ratios, ratios, held
        ends = [unseen * end * size for end in (self.lowest, self.highest)]
        least, most = ((1 - unseen) * top + end for end in ends)
        under, over = ((1 - unseen) * bottom + end for end in ends)
        held = under > _LEAST
        under = np.where(held, under, 1.0)
        # A numerator under 0 is at its worst over the smallest denominator.
        low, high = np.where(least >= 0, least / over, least / under), np.where(most >= 0, most / under, most / over)
        return low, high, held

    def _percentiles(self, value: float, lower: Scores, upper: Scores, held: npt.NDArray[np.bool_]) -> Estimate:
        floor = 0.0 if self.lowest >= 0 else -math.inf
        good = held[:-1]
        tail = (1 - self.level) / 2
        # Rounded down, that is outwards at both ends.
        place = max(int(tail * (len(good) + 1)), 1)
        # Without errors of the normaliser a ratio of scores from 0 on is at least as if it had a single one.
        low = float(np.sort(np.where(good, lower[:-1], lower[:-1] if floor == 0 else -math.inf))[place - 1])
        high = float(np.sort(np.where(good, upper[:-1], math.inf))[-place])
        # The made-up samples move the pool's ratio away from the estimate. With room for the unseen the pool has a
        # range and no ratio to move.
        moved = [0.0, 0.0] if self.samples.unseen else [value - float(lower[-1]), value - float(upper[-1])]
        return self._told(value, max(min(low, low + moved[0]), floor), max(high, high + moved[1]), BOOTSTRAP)

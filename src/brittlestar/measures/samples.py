"""Which rows belong together: the same sample under several conditions or models, samples that depend on each other.

Means over samples honour how these were drawn. Samples of one group (copies of an image, frames of a film) are one
draw: each group's mean is one score, as heavy as its samples together, so that the value stays the mean over samples
and the interval is that of a mean over groups. Weights (classes of unequal size) make the mean that of the whole set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import (
    LEVEL,
    Estimate,
    NoSamplesError,
    Outcomes,
    Scores,
    check_rule,
    enclosing,
)
from brittlestar.measures.intervals import mean_interval, signed_mean_interval, signed_mean_p
from brittlestar.measures.sequences import bounded_p, bounded_sequence

Positions = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Samples:
    """Which samples, and how they were drawn (see ``Rows``).

    Fields:
        position: (n,).
        group, weight: (n,) or ``None``.
        unseen: Share of the whole set that none of them stands for.
        label: (n,) their classes where they have weights, else ``None``.
    """

    position: Positions
    group: npt.NDArray[np.int64] | None = None
    weight: Scores | None = None
    unseen: float = 0.0
    label: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, rows: Rows, index: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice = slice(None)) -> Samples:
        """Of all rows, or of some."""
        group = None if rows.group is None else rows.group[index]
        weight, label = (None, None) if rows.weight is None else (rows.weight[index], rows.label[index])
        return cls(rows.position[index], group, weight, rows.unseen, label)

    @classmethod
    def first_frames(cls, rows: Rows, positions: Positions) -> Samples:
        """Of rows with several frames a sample, each sample once."""
        index = np.lexsort((rows.frame, rows.position))
        _, first = np.unique(rows.position[index], return_index=True)
        first = index[first]
        samples = cls.of(rows, first)
        if len(positions) == len(first):
            return samples
        return samples.cut(np.searchsorted(samples.position, positions))

    def cut(self, chosen: npt.NDArray[np.intp]) -> Samples:
        """Some of them, weighted so that every class keeps its part of the set; a class that is lost is not seen."""
        group = None if self.group is None else self.group[chosen]
        found = Samples(self.position[chosen], group, None, self.unseen)
        if self.weight is None:
            return found
        assert self.label is not None
        weight, label = self.weight[chosen], self.label[chosen]
        # Of all samples every class has its part already: weights stay as they are, to the last digit.
        if len(chosen) in (0, len(self.position)):
            return dataclasses.replace(found, weight=weight, label=label)
        classes, place = np.unique(self.label, return_inverse=True)
        whole = np.bincount(place, self.weight) / len(self.position)
        left = np.bincount(place[chosen], weight, len(classes)) / len(chosen)
        factor = whole / np.where(left > 0, left, 1.0)
        lost = float(whole[left == 0].sum() / whole.sum()) * (1 - self.unseen)
        weight = np.asarray(weight * factor[place[chosen]], np.float64)
        return dataclasses.replace(found, weight=weight, label=label, unseen=self.unseen + lost)

    def average(self, scores: Scores) -> Scores:
        """(k,) means over the set of (n, k) scores."""
        if self.weight is None:
            return np.asarray(scores.mean(axis=0))
        return np.asarray(self.weight @ scores / self.weight.sum())

    @property
    def plain(self) -> bool:
        """Whether samples are independent and count alike."""
        return self.group is None and self.weight is None and self.unseen == 0

    def words(self, method: str) -> str:
        """The name of an interval's method with what was heeded."""
        heeded = ("clustered" * (self.group is not None), "weighted by class" * (self.weight is not None))
        return ", ".join([method.removesuffix(", effective n") if any(heeded) else method, *filter(None, heeded)])


def aligned(parts: Sequence[Rows]) -> tuple[Positions, Outcomes]:
    """``together`` without the design: positions (n,), ascending, and correctness (n, len(parts))."""
    samples, correct = together(parts)
    return samples.position, correct


def together(parts: Sequence[Rows]) -> tuple[Samples, Outcomes]:
    """Correctness of several rows on the samples that all hold.

    Returns:
        The samples, ascending, and correctness (n, len(parts)), one row a shared (position, frame). Their design is
        that of the part with the fewest rows; weights are adjusted where only some of its rows are shared.

    Raises:
        NoSamplesError: No rows, or no sample in common.
        UsageError: A sample appears twice in one of the parts.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    first = parts[0]
    fewest = min(parts, key=len)
    # Mostly nothing is missing. Strictly ascending positions also rule out a sample that appears twice.
    if _ascending(first.position) and all(_same_samples(first, other) for other in parts[1:]):
        position, correct = first.position, np.stack([rows.correct for rows in parts], axis=1)
        samples = Samples.of(first)
    else:
        # One number for (position, frame): frames are int16.
        keys = [rows.position.astype(np.int64) * 65536 + rows.frame for rows in parts]
        shared = np.unique(keys[0])
        for key in keys[1:]:
            shared = np.intersect1d(shared, key)
        columns = []
        for rows, key in zip(parts, keys, strict=True):
            order = np.argsort(key, kind="stable")
            require(
                len(key) < 2 or bool(np.all(np.diff(key[order]) > 0)),
                "a sample appears twice in one condition; pair conditions one at a time",
                UsageError,
            )
            chosen = order[np.searchsorted(key[order], shared)]
            columns.append(rows.correct[chosen])
            if rows is fewest:
                samples = Samples.of(rows).cut(chosen)
        position, correct = samples.position, np.stack(columns, axis=1)
    if len(position) == 0:
        raise NoSamplesError("no samples in common: what is compared must share samples")
    unseen = max(samples.unseen, *(rows.unseen for rows in parts))
    return samples if unseen == samples.unseen else dataclasses.replace(samples, unseen=unseen), correct


def shared(parts: Sequence[Rows]) -> list[Rows]:
    """The rows of the samples (position, frame) that all parts hold, in one order, and with one design.

    Raises:
        NoSamplesError: No part, or no sample in common.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    if all(_same_samples(parts[0], other) for other in parts[1:]):
        return list(parts)
    keys = [rows.position.astype(np.int64) * 65536 + rows.frame for rows in parts]
    common = keys[0]
    for key in keys[1:]:
        common = np.intersect1d(common, key)
    if len(common) == 0:
        raise NoSamplesError("no samples in common: what is compared must share samples")
    cut = [rows.take(np.isin(key, common)).sorted() for rows, key in zip(parts, keys, strict=True)]
    samples, _ = together(parts)
    return [
        dataclasses.replace(rows, group=samples.group, weight=samples.weight, unseen=samples.unseen) for rows in cut
    ]


def _ascending(position: Positions) -> bool:
    return bool((position[1:] > position[:-1]).all())


def _same_samples(a: Rows, b: Rows) -> bool:
    return _same(a.position, b.position) and _same(a.frame, b.frame)


def _same(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    # Rows that are read together share the arrays of equal samples, and need no look at the numbers.
    return a is b or np.array_equal(a, b)


def repeated(position: Positions) -> bool:
    """Whether a position appears more than once (frames, or several conditions put together)."""
    return not _ascending(position) and len(np.unique(position)) < len(position)


def independent(rows: Rows) -> tuple[npt.NDArray[np.int64], int]:
    """(rows,) number of what each row belongs to that is independent of the rest, by first position; and how many."""
    if rows.group is None and _ascending(rows.position):
        return np.arange(len(rows)), len(rows)
    found, unit = np.unique(rows.position if rows.group is None else rows.group, return_inverse=True)
    if rows.group is not None:
        # Numbered in the drawn order, because ``signed`` deals units out to folds by these numbers.
        earliest = np.full(len(found), np.iinfo(np.int32).max)
        np.minimum.at(earliest, unit, rows.position)
        unit = np.argsort(np.argsort(earliest, kind="stable"))[unit]
    return unit, len(found)


def by_sample(position: Positions, scores: Scores) -> tuple[Scores, float]:
    """Mean score of each position, and how many scores were averaged (of the fullest position; 1 without repeats)."""
    if not repeated(position):
        return scores, 1.0
    _, place, count = np.unique(position, return_inverse=True, return_counts=True)
    return np.bincount(place, weights=scores) / count, float(count.max())


@dataclasses.dataclass(frozen=True)
class Units:
    """What is independent: samples, or groups of them.

    Fields:
        scores: One a unit.
        weights: Of the units; ``None`` where equal.
        outcomes: How many outcomes a score averages.
        samples: How many there are.
        mean: Over samples, where these count alike; groups leave it as it is, to the last digit.
    """

    scores: Scores
    weights: Scores | None
    outcomes: float
    samples: int
    mean: float | None = None


def units_of(samples: Samples, scores: Scores) -> Units:
    """What is independent of these samples, with (n,) scores of theirs."""
    values, frames = by_sample(samples.position, scores)
    n = len(values)
    if samples.group is None and samples.weight is None:
        return Units(values, None, frames, n)
    mean = float(values.mean()) if samples.weight is None else None
    first = np.unique(samples.position, return_index=True)[1] if n < len(scores) else np.arange(n)
    weights: Scores = np.ones(n) if samples.weight is None else samples.weight[first]
    if samples.group is not None:
        _, place = np.unique(samples.group[first], return_inverse=True)
        total: Scores = np.bincount(place, weights).astype(np.float64)
        values = np.asarray(np.bincount(place, weights * values) / np.where(total > 0, total, 1.0))
        frames *= float(np.square(total).sum() / np.square(weights).sum())
        weights = total
    # Weights that differ by rounding alone must not cost the interval of equal ones.
    alike = bool(np.ptp(weights) <= 1e-9 * weights.max())
    return Units(values, None if alike else weights, frames, n, mean)


def _as_samples(where: Samples | Positions) -> Samples:
    return where if isinstance(where, Samples) else Samples(where)


def _told(found: Estimate, samples: Samples, units: Units, lowest: float) -> Estimate:
    """The estimate with its method's full name, its number of samples, and room for what was not seen."""
    seen = 1 - samples.unseen
    value = found.value if units.mean is None else units.mean
    low, high = seen * found.low + samples.unseen * lowest, seen * found.high + samples.unseen
    return enclosing(value, low, high, units.samples, found.level, samples.words(found.method))


def mean_of(
    where: Samples | Positions,
    scores: Scores,
    rule: str = "fixed",
    level: float = LEVEL,
    cap: float = 1,
    steps: int = 0,
) -> Estimate:
    """The mean of scores in [0, 1] over samples, each score the average of ``cap`` outcomes (see ``mean_interval``).

    Of ``steps`` see ``bounded_sequence``, of groups and weights the head of this file; what no sample stands for may
    be anything in [0, 1].
    """
    check_rule(rule)
    samples = _as_samples(where)
    units = units_of(samples, scores)
    if rule == "anytime":
        found = bounded_sequence(units.scores, 0.0, 1.0, level, units.weights, steps)
    else:
        found = mean_interval(units.scores, level, max(cap * units.outcomes, 1.0), units.weights)
    return _told(found, samples, units, 0.0)


def mean_difference_of(
    where: Samples | Positions,
    scores: Scores,
    rule: str = "fixed",
    level: float = LEVEL,
    cap: float = 1,
    discordance: float | None = None,
    steps: int = 0,
) -> Estimate:
    """The mean of paired differences in [-1, 1] over samples (see ``signed_mean_interval``); designs as ``mean_of``."""
    check_rule(rule)
    samples = _as_samples(where)
    units = units_of(samples, scores)
    if rule == "anytime":
        found = bounded_sequence(units.scores, -1.0, 1.0, level, units.weights, steps)
    else:
        outcomes = max(cap * units.outcomes, 1.0)
        found = signed_mean_interval(units.scores, level, outcomes, discordance, units.weights)
    return _told(found, samples, units, -1.0)


def difference_p(samples: Samples, scores: Scores, rule: str = "fixed") -> float:
    """The p-value of "no difference" that belongs to ``mean_difference_of`` of single outcomes."""
    check_rule(rule)
    units = units_of(samples, scores)
    if rule == "anytime":
        return bounded_p(units.scores, weights=units.weights) if samples.unseen == 0 else 1.0
    # So large a mean could be made up for by the part that was not seen, where differences reach 1.
    margin = samples.unseen / (1 - samples.unseen)
    known = float(np.average(np.abs(scores), weights=samples.weight))
    return signed_mean_p(units.scores, max(units.outcomes, 1.0), known, units.weights, margin)

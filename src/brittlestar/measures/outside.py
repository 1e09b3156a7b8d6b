"""Does confidence tell images of other classes from the data's own? AUROC, AUPR and false positives at 95 % recall.

The score is one minus confidence, and what is to be found (positive) are the images from outside, as in ImageNet-O's
protocol. Both sides are samples: inside and outside images contribute to the variance by themselves, each with its
groups and weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, NotAvailableError, Scores
from brittlestar.measures.effects import Effect
from brittlestar.measures.means import share
from brittlestar.measures.samples import Samples, repeated

RECALL = 0.95

METHOD = "two samples, linearised, Student's t"


@dataclass(frozen=True)
class TwoSided:
    """A number made of inside and outside images, with what each side contributes to it."""

    value: float
    inside: Effect
    outside: Effect
    rows: tuple[Rows, Rows]

    def estimate(self, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """With its interval, in [0, 1]; under 30 independent images a side it is only as good as the t distribution."""
        return _interval(self, 0.0, rule, level)

    def less(self, other: TwoSided, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """This less another on the same images, paired; in [-1, 1].

        Raises:
            UsageError: They are of other images.
        """
        same = all(np.array_equal(a.position, b.position) for a, b in zip(self.rows, other.rows, strict=True))
        require(same, "models are compared on the same images inside and outside", UsageError)
        apart = TwoSided(self.value - other.value, self.inside - other.inside, self.outside - other.outside, self.rows)
        return _interval(apart, -1.0, rule, level)


def auroc(inside: Rows, outside: Rows) -> TwoSided:
    """Chance that an outside image is less sure than an inside one (half for equal confidences); 0.5 for no difference.

    Raises:
        NoSamplesError: No rows on a side.
        NotAvailableError: Labels alone.
    """
    sides = _InsideAndOutside.of(inside, outside)
    # Shares of the other side below each score, and half of those that are equal.
    of_outside = (
        _mass(sides.inside, sides.inside_weight, sides.outside, "left")
        + _mass(sides.inside, sides.inside_weight, sides.outside, "right")
    ) / 2
    of_inside = (
        1
        - (
            _mass(sides.outside, sides.outside_weight, sides.inside, "left")
            + _mass(sides.outside, sides.outside_weight, sides.inside, "right")
        )
        / 2
    )
    value = float(np.average(of_outside, weights=sides.outside_weight))
    return sides.number(value, of_inside, of_outside)


def aupr(inside: Rows, outside: Rows) -> TwoSided:
    """Average precision of finding outside images by low confidence, as scikit-learn's ``average_precision_score``.

    Its level without any skill is the share of outside images among all (``base_rate``). Errors as ``auroc``.
    """
    sides = _InsideAndOutside.of(inside, outside)
    positive = base_rate(inside, outside)
    order = np.argsort(sides.outside, kind="stable")
    scores, weight = sides.outside[order], sides.outside_weight[order]
    # At each outside image's score: shares of both sides that score at least so much.
    recall = 1 - _mass(sides.outside, sides.outside_weight, scores, "left")
    false = 1 - _mass(sides.inside, sides.inside_weight, scores, "left")
    found = positive * recall + (1 - positive) * false
    precision = positive * recall / found
    value = float(np.average(precision, weights=weight))
    slope = positive * (1 - positive) / np.square(found)
    by_recall, by_false = slope * false, -slope * recall
    # A sample moves the precision at every threshold up to its own score.
    moved = {
        side: _below(scores, weight * slopes, own) - float(np.average(slopes * level, weights=weight))
        for side, slopes, level, own in (
            ("outside", by_recall, recall, sides.outside),
            ("inside", by_false, false, sides.inside),
        )
    }
    own_precision = np.empty(len(order))
    own_precision[order] = precision
    return sides.number(value, moved["inside"], own_precision + moved["outside"])


def base_rate(inside: Rows, outside: Rows) -> float:
    """Share of outside images among all: the average precision of no skill."""
    return len(outside) / (len(inside) + len(outside))


def false_positives(inside: Rows, outside: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of inside images that are taken for outside ones at the threshold where 95 % of the outside ones are found.

    The recall nearest to 95 % that a threshold gives is taken, the higher of two equally near ones. The interval holds
    whatever the distributions: limits of the threshold (where the recall may be 95 %) at half the risk, and at each of
    them the limit of the share at the other half. Errors as ``auroc``.
    """
    sides = _InsideAndOutside.of(inside, outside)
    thresholds = np.unique(sides.outside)[::-1]
    recall = 1 - _mass(sides.outside, sides.outside_weight, thresholds, "left")
    apart = np.abs(recall - RECALL)
    # Thresholds fall, so recalls rise: the last of those that are equally near has the higher one.
    best = int(np.flatnonzero(apart <= apart.min() + 1e-12)[-1])
    each = 1 - (1 - level) / 2
    own, other = Samples.of(inside), Samples.of(outside)

    def recalled(at: int) -> Estimate:
        return share(other, sides.outside >= thresholds[at], rule, each)

    value = share(own, sides.inside >= thresholds[best], rule, each)
    # Of rising recalls the first whose upper limit reaches 95 %, and the last whose lower one does not pass it.
    strict = _first(len(thresholds), lambda at: recalled(at).high >= RECALL)
    loose = _first(len(thresholds), lambda at: recalled(at).low > RECALL)
    low = share(own, sides.inside >= thresholds[min(strict, best)], rule, each).low
    # A threshold under all scores that were seen finds everything.
    high = (
        1.0 if loose >= len(thresholds) else share(own, sides.inside >= thresholds[max(loose, best)], rule, each).high
    )
    low, high = min(low, value.value), max(high, value.value)
    return dataclasses.replace(value, low=low, high=high, level=level, method="limits of threshold and share")


@dataclass(frozen=True)
class _InsideAndOutside:
    """Scores (one minus confidence) and weights of both sides; weights have mean 1."""

    rows: tuple[Rows, Rows]
    inside: Scores
    outside: Scores
    inside_weight: Scores
    outside_weight: Scores

    @classmethod
    def of(cls, inside: Rows, outside: Rows) -> _InsideAndOutside:
        for name, rows in (("inside", inside), ("outside", outside)):
            if len(rows) == 0:
                raise NoSamplesError(f"no {name} images: nothing to tell apart")
            if rows.labels_only:
                raise NotAvailableError("telling inside from outside needs confidences, and only labels were given")
            require(not repeated(rows.position), "one row an image: frames cannot be told apart", UsageError)
        scores = [1 - rows.confidence for rows in (inside, outside)]
        weights = [
            np.ones(len(rows)) if rows.weight is None else rows.weight / rows.weight.mean()
            for rows in (inside, outside)
        ]
        return cls((inside, outside), *scores, *weights)

    def number(self, value: float, of_inside: Scores, of_outside: Scores) -> TwoSided:
        """With contributions centred on each side; made-up samples are groups where samples have any."""
        effects = []
        parts = zip(self.rows, (of_inside, of_outside), (self.inside_weight, self.outside_weight), strict=True)
        for rows, own, weight in parts:
            size = 1.0 if rows.group is None else len(rows) / len(np.unique(rows.group))
            effects.append(Effect(value, weight * (own - np.average(own, weights=weight)), size))
        return TwoSided(value, effects[0], effects[1], self.rows)


def _interval(number: TwoSided, lowest: float, rule: str, level: float) -> Estimate:
    halves, units = [], []
    for effect, rows in zip((number.inside, number.outside), number.rows, strict=True):
        found = effect.estimate(level, rule, rows.group)
        halves.append((found.high - found.low) / 2)
        units.append(len(rows) if rows.group is None else len(np.unique(rows.group)))
    # Each half is its side's error times the same kind of quantile; the larger of the two quantiles for both.
    if rule == "fixed":
        widest = float(special.stdtrit(max(min(units) - 1, 1), 0.5 + level / 2))
        errors = [
            half / float(special.stdtrit(max(n - 1, 1), 0.5 + level / 2)) for half, n in zip(halves, units, strict=True)
        ]
        half = widest * math.hypot(*errors)
    else:
        # Sides may be looked at together at any time: their sequences hold at half the risk each, and add up.
        each = 1 - (1 - level) / 2
        parts = zip((number.inside, number.outside), number.rows, strict=True)
        half = sum((f.high - f.low) / 2 for f in (e.estimate(each, rule, rows.group) for e, rows in parts))
    half += sum(rows.unseen for rows in number.rows)
    grouped = any(rows.group is not None for rows in number.rows)
    low, high = max(number.value - half, lowest), min(number.value + half, 1.0)
    return Estimate(
        value=number.value,
        low=min(low, number.value),
        high=max(high, number.value),
        n=sum(map(len, number.rows)),
        level=level,
        method=(METHOD if rule == "fixed" else "two samples, asymptotic confidence sequences")
        + ", clustered" * grouped,
    )


def _mass(values: Scores, weight: Scores, at: Scores, side: str) -> Scores:
    """Share of the values below each point (``left``), or at most as large (``right``)."""
    order = np.argsort(values, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    place = np.searchsorted(values[order], at, side="left" if side == "left" else "right")
    return np.asarray(total[place] / total[-1], np.float64)


def _below(scores: Scores, slopes: Scores, at: Scores) -> Scores:
    """Mean over ascending scores of the slopes of those that are at most as large as each point."""
    total = np.concatenate([[0.0], np.cumsum(slopes)])
    return np.asarray(total[np.searchsorted(scores, at, side="right")] / len(scores), np.float64)


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The first number for which a monotone condition holds; ``count`` for none."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low

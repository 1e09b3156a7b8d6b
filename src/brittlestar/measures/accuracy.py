"""Accuracy and error, and what shifts add to the error.

``rule`` says how the number of samples came about: ``fixed`` in advance (Clopper-Pearson, Bonett-Price) or ``anytime``,
when it may have depended on results (confidence sequences). Rows with several frames of a sample are averaged over the
frames first; n counts samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, NotAvailableError, Outcomes, Scores
from brittlestar.measures.measure import SINGLE_IMAGES, MeanMeasure
from brittlestar.measures.samples import Samples, aligned, mean_difference_of, mean_of, together


@final
@dataclass(frozen=True, kw_only=True)
class Accuracy(MeanMeasure):
    """Share of samples whose label has the highest logit; in [0, 1].

    Clopper and Pearson's interval, a confidence sequence for ``anytime``.
    """

    name: ClassVar = "accuracy"
    better: ClassVar = "higher"
    text: ClassVar = "share of images classified as labelled; Clopper-Pearson or confidence sequence"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction")
    kinds: ClassVar = (*SINGLE_IMAGES, "fourier")
    outcome: ClassVar = True

    def scores(self, rows: Rows) -> Scores:
        """1 where right."""
        return rows.correct.astype(np.float64)

    @property
    def paired_as(self) -> str:
        """Differences are listed of the error."""
        return ""


@final
@dataclass(frozen=True, kw_only=True)
class ErrorRate(MeanMeasure):
    """Share of samples whose label does not have the highest logit; in [0, 1]. Intervals as of ``Accuracy``."""

    name: ClassVar = "error_rate"
    better: ClassVar = "lower"
    text: ClassVar = "share of images not classified as labelled"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction")
    outcome: ClassVar = True

    def scores(self, rows: Rows) -> Scores:
        """1 where wrong."""
        return (~rows.correct).astype(np.float64)

    @property
    def paired_as(self) -> str:
        """``error_increase``, ``error_minus_MODEL``."""
        return "error"


@final
@dataclass(frozen=True, kw_only=True)
class TopKError(MeanMeasure):
    """Share of samples whose label is not among the ``k`` highest logits; in [0, 1].

    Among equal logits the lower class index comes first, as for the prediction. Intervals as of ``Accuracy``.

    Fields:
        k: At least 1, and fewer than there are classes.
    """

    name: ClassVar = "top_k_error"
    better: ClassVar = "lower"
    text: ClassVar = "share of images whose label is not among the k (5) highest classes"
    unit: ClassVar = "share"
    needs: ClassVar = ("top_classes or logits",)
    outcome: ClassVar = True

    k: int = 5

    def __post_init__(self) -> None:
        require(self.k >= 1, f"k is at least 1, got {self.k}", UsageError)

    @property
    def key(self) -> str:
        """``top_5_error``."""
        return f"top_{self.k}_error"

    def scores(self, rows: Rows) -> Scores:
        """1 where the label is not among the k."""
        if rows.logits is not None:
            # With no more classes than k the error would be 0 whatever the model does.
            self._enough(rows.logits.shape[1] > self.k, "more classes than that; these rows hold", rows.logits.shape[1])
            own = rows.logits[np.arange(len(rows)), rows.label][:, None]
            above, equal = (rows.logits > own).sum(axis=1), rows.logits == own
            # Equal logits rank by class index, as for the prediction; only rows with ties are looked at again.
            tied = np.flatnonzero(equal.sum(axis=1) > 1)
            earlier = np.arange(rows.logits.shape[1])[None] < rows.label[tied][:, None]
            above[tied] += (equal[tied] & earlier).sum(axis=1)
            return np.asarray(above >= self.k, np.float64)
        assert rows.top_classes is not None
        held = rows.top_classes.shape[1]
        self._enough(held >= self.k, f"the {self.k} highest classes; these rows hold", held)
        return np.asarray((rows.top_classes[:, : self.k] != rows.label[:, None]).all(axis=1), np.float64)

    def _enough(self, enough: bool, what: str, held: int) -> None:
        require(enough, f"top-{self.k} error needs {what} {held}", NotAvailableError)


def accuracy(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """``Accuracy`` with its interval. Errors as ``Measure.estimate``."""
    return Accuracy().estimate(rows, rule, level)


def error_rate(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """``ErrorRate`` with its interval. Errors as ``Measure.estimate``."""
    return ErrorRate().estimate(rows, rule, level)


def error_increase(shifted: Rows, clean: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Error under the shift minus clean error on the samples that both hold; in [-1, 1].

    Errors as ``MeanMeasure.difference``.
    """
    return ErrorRate().difference(shifted, clean, rule, level)


def paired(a: Rows, b: Rows) -> tuple[Outcomes, Outcomes]:
    """Correctness of both on the samples (position, frame) that both hold, in one order.

    Raises:
        NoSamplesError: They share none.
        UsageError: A sample appears twice in one of them.
    """
    _, correct = aligned([a, b])
    return correct[:, 0], correct[:, 1]


def _discordance(samples: Samples, apart: npt.NDArray[np.float64]) -> float:
    """Mean over the set of how often two outcomes of a sample differ."""
    return float(np.average(apart, weights=samples.weight))


def mean_error(parts: Sequence[Rows], rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Mean error over several conditions, on the samples that all hold; in [0, 1].

    The interval is that of a mean over samples, the conditions being the ones that were chosen.

    Raises:
        NoSamplesError: No condition, or no sample in common.
    """
    samples, correct = together(parts)
    return mean_of(samples, 1 - correct.mean(axis=1), rule, level, cap=correct.shape[1])


def mean_error_increase(parts: Sequence[Rows], clean: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Mean over several conditions of the error minus the clean error, on the samples that all hold; in [-1, 1].

    Raises:
        NoSamplesError: No condition, or no sample in common.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    return mean_error_difference(parts, [clean] * len(parts), rule, level)


def mean_error_difference(
    first: Sequence[Rows], second: Sequence[Rows], rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Mean over pairs of conditions of the error of the first minus that of the second; in [-1, 1].

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Unequal numbers of conditions.
    """
    require(
        len(first) == len(second),
        f"conditions are compared in pairs, got {len(first)} and {len(second)}; give the same conditions twice",
        UsageError,
    )
    # By identity: against clean the same rows come once a condition and need aligning only once.
    distinct = {id(rows): rows for rows in (*first, *second)}
    samples, correct = together(list(distinct.values()))
    column = {key: place for place, key in enumerate(distinct)}
    a = correct[:, [column[id(rows)] for rows in first]]
    b = correct[:, [column[id(rows)] for rows in second]]
    # Of correctness, so the order is reversed: this is the error of the first less that of the second.
    scores = b.mean(axis=1) - a.mean(axis=1)
    # Before averaging over conditions, where a sample's changes of opposite sign would cancel.
    apart = _discordance(samples, np.mean(a != b, axis=1))
    return mean_difference_of(samples, scores, rule, level, cap=a.shape[1], discordance=apart)

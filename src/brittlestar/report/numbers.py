"""The estimates a report asks for, by subject and condition: a thin, remembering layer over the measures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import (
    Accuracy,
    CalibrationError,
    ErrorRate,
    Estimate,
    MeanMeasure,
    Measure,
    NoSamplesError,
    RmsCalibrationError,
    Scored,
)
from brittlestar.report.subjects import CLEAN, Subject

T = TypeVar("T")

SCORES_KEPT = 24
"""Of measures and conditions: those of all conditions would be as large as the rows."""

LEVEL = 0.95
BINS = CalibrationError().bins


class Numbers:
    """Estimates with the interval rule of the runs; each is computed once.

    Fields:
        rule: ``fixed`` or ``anytime`` (see ``brittlestar.measures.rate``).
        level: Of all intervals.
    """

    def __init__(self, rule: str = "fixed", level: float = LEVEL) -> None:
        self.rule, self.level = rule, level
        self._known: dict[tuple[Any, ...], Any] = {}
        self._scored: dict[tuple[Any, ...], Scored] = {}

    def measured(
        self, measure: Measure, subject: Subject, condition: str, level: float | None = None
    ) -> Mapping[int | None, Estimate]:
        """A measure's estimates by class, or its one under ``None``; at a level of its own where it is one of many.

        Raises:
            NotAvailableError: The run's rows lack what the measure needs.
        """
        at = self.level if level is None else level
        key = ("measured", measure, subject.entry.key, condition, repr(at))
        if isinstance(measure, MeanMeasure):
            return self._once(
                key, lambda: {None: measure.mean(self._scores(measure, subject, condition), self.rule, at)}
            )
        return self._once(key, lambda: measure.estimates(subject.rows[condition], self.rule, at))

    def apart(
        self, measure: MeanMeasure, subject: Subject, condition: str, other: Subject, against: str
    ) -> Estimate | None:
        """A measure of one subject and condition less that of another, paired; ``None`` where they share no images.

        Raises:
            NotAvailableError: The runs' rows lack what the measure needs.
        """
        if condition not in subject.rows or against not in other.rows:
            return None
        key = ("apart", measure, subject.entry.key, condition, other.entry.key, against)
        try:
            return self._once(key, lambda: self._apart(measure, subject, condition, other, against))
        except NoSamplesError:
            return None

    def _apart(self, measure: MeanMeasure, subject: Subject, condition: str, other: Subject, against: str) -> Estimate:
        first, second = subject.rows[condition], other.rows[against]
        # Identity is asked first: it costs nothing, and conditions that were read together often share the array.
        if first.position is not second.position and not np.array_equal(first.position, second.position):
            return measure.difference(first, second, self.rule, self.level)
        one, two = self._scores(measure, subject, condition), self._scores(measure, other, against)
        return measure.apart(one, two, self.rule, self.level)

    def _scores(self, measure: MeanMeasure, subject: Subject, condition: str) -> Scored:
        """Scores, the last of which are kept: conditions are taken one after another, each against clean."""
        key = (measure, subject.entry.key, condition)
        # Taken out and put in again at the end: the first key is then the one that was not used for longest.
        scored = self._scored.pop(key, None) or measure.scored(subject.rows[condition])
        self._scored[key] = scored
        if len(self._scored) > SCORES_KEPT:
            del self._scored[next(iter(self._scored))]
        return scored

    def accuracy(self, subject: Subject, condition: str, level: float | None = None) -> Estimate:
        """Share of right answers; at a level of its own where it is one of many (``measures.selection``)."""
        return self.measured(Accuracy(), subject, condition, level)[None]

    def error(self, subject: Subject, condition: str) -> Estimate:
        """Share of wrong answers."""
        return self.measured(ErrorRate(), subject, condition)[None]

    def lowest_accuracy(self, subject: Subject, conditions: Sequence[str]) -> tuple[str, Estimate]:
        """The condition with the lowest accuracy of these, in an interval for the lowest of them all."""
        candidates = {c: functools.partial(self.accuracy, subject, c) for c in conditions}
        return measures.lowest(candidates, self.level)

    def highest_ece(self, subject: Subject, conditions: Sequence[str]) -> tuple[str, Estimate]:
        """The condition with the largest calibration error, in an interval for the largest of them all."""
        return measures.highest({c: functools.partial(self.ece, subject, c) for c in conditions}, self.level)

    def highest_mean_error(self, subject: Subject, groups: Mapping[str, Sequence[str]]) -> tuple[str, Estimate]:
        """The group of conditions with the largest mean error, in an interval for the largest of them all."""
        candidates = {name: functools.partial(self.mean_error, subject, group) for name, group in groups.items()}
        return measures.highest(candidates, self.level)

    def drop(self, subject: Subject, condition: str) -> Estimate:
        """Accuracy lost against clean, on the same images."""
        found = self.apart(ErrorRate(), subject, condition, subject, CLEAN)
        if found is None:
            raise NoSamplesError(f"{subject.entry.name} has no image both under {condition} and clean")
        return found

    def mean_error(self, subject: Subject, conditions: Sequence[str], level: float | None = None) -> Estimate:
        """Error averaged over conditions with equal weight, on the images that all of them share."""
        at = self.level if level is None else level
        key = ("mean_error", subject.entry.key, repr(at), *conditions)
        return self._once(key, lambda: measures.mean_error([subject.rows[c] for c in conditions], self.rule, at))

    def mean_drop(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        """Accuracy lost against clean, averaged over conditions."""
        key = ("mean_drop", subject.entry.key, *conditions)
        shifted = [subject.rows[c] for c in conditions]
        return self._once(
            key, lambda: measures.mean_error_increase(shifted, subject.rows[CLEAN], self.rule, self.level)
        )

    def difference(self, a: Subject, b: Subject, condition: str) -> tuple[Estimate, float] | None:
        """Error of ``a`` minus error of ``b`` and the p value of its test; ``None`` where they share no images."""
        key = ("difference", a.entry.key, b.entry.key, condition)
        return self._once(key, lambda: self._difference(a, b, condition))

    def _difference(self, a: Subject, b: Subject, condition: str) -> tuple[Estimate, float] | None:
        if condition not in a.rows or condition not in b.rows:
            return None
        try:
            found = measures.compare(a.rows[condition], b.rows[condition], self.rule, self.level)
        except NoSamplesError:
            return None
        return found.estimate, found.p

    def mean_difference(self, a: Subject, b: Subject, conditions: Sequence[str]) -> Estimate | None:
        """Error of ``a`` minus error of ``b``, averaged over conditions that both have."""
        key = ("mean_difference", a.entry.key, b.entry.key, *conditions)
        return self._once(key, lambda: self._mean_difference(a, b, conditions))

    def _mean_difference(self, a: Subject, b: Subject, conditions: Sequence[str]) -> Estimate | None:
        have = [c for c in conditions if c in a.rows and c in b.rows]
        if not have:
            return None
        try:
            return measures.mean_error_difference(
                [a.rows[c] for c in have], [b.rows[c] for c in have], self.rule, self.level
            )
        except NoSamplesError:
            return None

    def sensitivity(self, a: Subject, b: Subject, conditions: Sequence[str]) -> measures.Sensitivity | None:
        """What conditions (averaged) do to ``a`` against ``b``, beyond clean; ``None`` where that cannot be paired."""
        key = ("sensitivity", a.entry.key, b.entry.key, *conditions)
        return self._once(key, lambda: self._sensitivity(a, b, conditions))

    def _sensitivity(self, a: Subject, b: Subject, conditions: Sequence[str]) -> measures.Sensitivity | None:
        have = [c for c in conditions if c in a.rows and c in b.rows]
        if not have or a.clean is None or b.clean is None:
            return None
        try:
            return measures.row_sensitivity(
                [a.rows[c] for c in have],
                [b.rows[c] for c in have],
                a.clean,
                b.clean,
                a.chance,
                self.rule,
                self.level,
            )
        except NoSamplesError:
            return None

    def holm(self, pvalues: Sequence[float]) -> list[float]:
        """Holm's correction."""
        return [float(p) for p in measures.holm(pvalues)]

    def breaking_point(self, curve: Sequence[tuple[float, Rows]], accuracy_level: float) -> measures.BreakingPoint:
        """Where accuracy falls under a level."""
        return measures.breaking_point(curve, accuracy_level, self.rule, self.level)

    def area(self, curve: Sequence[tuple[float, Rows]]) -> Estimate:
        """Mean accuracy along the strength axis."""
        return measures.severity_area(curve, self.rule, self.level)

    def ece(self, subject: Subject, condition: str, level: float | None = None) -> Estimate:
        """Expected calibration error."""
        return self.measured(CalibrationError(), subject, condition, level)[None]

    def rms(self, subject: Subject, condition: str, level: float | None = None) -> Estimate:
        """Root mean squared calibration error."""
        return self.measured(RmsCalibrationError(), subject, condition, level)[None]

    def bins(self, subject: Subject, condition: str) -> tuple[measures.ReliabilityBin, ...]:
        """The bins of the reliability diagram."""
        key = ("bins", subject.entry.key, condition)
        return self._once(key, lambda: measures.reliability(subject.rows[condition], level=self.level))

    def mean_ece(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        """The mean of the conditions' calibration errors, on the images that all of them share."""
        key = ("mean_ece", subject.entry.key, *conditions)
        return self._once(key, lambda: measures.mean_ece([subject.rows[c] for c in conditions], BINS, self.level))

    def mean_ece_increase(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        """The same less the calibration error on clean images."""
        key = ("mean_ece_increase", subject.entry.key, *conditions)
        shifted = [subject.rows[c] for c in conditions]
        return self._once(key, lambda: measures.mean_ece_increase(shifted, subject.rows[CLEAN], BINS, self.level))

    def _once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

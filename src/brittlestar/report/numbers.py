"""The estimates a report asks for, by subject and condition: a thin, remembering layer over the measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate, NoSamplesError
from brittlestar.report.gather import CLEAN, Subject

Floats = npt.NDArray[np.float64]
T = TypeVar("T")

LEVEL = 0.95
BINS = 15
RESAMPLES = 300


class Numbers:
    """Estimates with the interval rule of the runs; each is computed once.

    Fields:
        rule: ``fixed`` or ``anytime`` (see ``brittlestar.measures.rate``).
        level: Of all intervals.
    """

    def __init__(self, rule: str = "fixed", level: float = LEVEL) -> None:
        self.rule, self.level = rule, level
        self._known: dict[tuple[str, ...], Any] = {}

    def accuracy(self, subject: Subject, condition: str) -> Estimate:
        """Share of right answers."""
        key = ("accuracy", subject.entry.key, condition)
        return self._once(key, lambda: measures.accuracy(subject.rows[condition], self.rule, self.level))

    def error(self, subject: Subject, condition: str) -> Estimate:
        """Share of wrong answers."""
        key = ("error", subject.entry.key, condition)
        return self._once(key, lambda: measures.error_rate(subject.rows[condition], self.rule, self.level))

    def drop(self, subject: Subject, condition: str) -> Estimate:
        """Accuracy lost against clean, on the same images."""
        key = ("drop", subject.entry.key, condition)
        return self._once(
            key, lambda: measures.error_increase(subject.rows[condition], subject.rows[CLEAN], self.rule, self.level)
        )

    def mean_error(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        """Error averaged over conditions with equal weight, on the images that all of them share."""
        key = ("mean_error", subject.entry.key, *conditions)
        return self._once(key, lambda: self._mean(1 - self._scores(subject, conditions), len(conditions)))

    def mean_drop(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        """Accuracy lost against clean, averaged over conditions."""
        key = ("mean_drop", subject.entry.key, *conditions)
        return self._once(key, lambda: self._mean_drop(subject, conditions))

    def _mean_drop(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        clean, *shifted = self._shared([subject.rows[c] for c in (CLEAN, *conditions)])
        return self._signed(clean - np.mean(shifted, axis=0), len(conditions))

    def difference(self, a: Subject, b: Subject, condition: str) -> tuple[Estimate, float] | None:
        """Error of ``a`` minus error of ``b`` and the exact McNemar p value; ``None`` where they share no images."""
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
        right = self._shared([s.rows[c] for s in (a, b) for c in have])
        if not right.shape[1]:
            return None
        return self._signed(right[len(have) :].mean(0) - right[: len(have)].mean(0), len(have))

    def holm(self, pvalues: Sequence[float]) -> list[float]:
        """Holm's correction."""
        return [float(p) for p in measures.holm(pvalues)]

    def breaking_point(self, curve: Sequence[tuple[float, Rows]], accuracy_level: float) -> measures.BreakingPoint:
        """Where accuracy falls under a level."""
        return measures.breaking_point(curve, accuracy_level, self.rule, self.level)

    def area(self, curve: Sequence[tuple[float, Rows]]) -> Estimate:
        """Mean accuracy along the strength axis."""
        return measures.severity_area(curve, self.rule, self.level)

    def ece(self, subject: Subject, condition: str) -> Estimate:
        """Expected calibration error."""
        key = ("ece", subject.entry.key, condition)
        return self._once(key, lambda: measures.ece(subject.rows[condition], level=self.level))

    def rms(self, subject: Subject, condition: str) -> Estimate:
        """Root mean squared calibration error."""
        key = ("rms", subject.entry.key, condition)
        return self._once(key, lambda: measures.rms_calibration(subject.rows[condition], level=self.level))

    def bins(self, subject: Subject, condition: str) -> tuple[measures.ReliabilityBin, ...]:
        """The bins of the reliability diagram."""
        key = ("bins", subject.entry.key, condition)
        return self._once(key, lambda: measures.reliability(subject.rows[condition], level=self.level))

    def gap(self, subject: Subject, condition: str) -> float:
        """The value of ``ece`` without its interval, to find the worst condition."""
        return sum(abs(b.confidence - b.accuracy.value) * b.share for b in self.bins(subject, condition))

    def pooled_ece(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        """Expected calibration error over the answers to all conditions together; images are resampled whole."""
        key = ("pooled_ece", subject.entry.key, *conditions)
        return self._once(key, lambda: self._pooled_ece(subject, conditions))

    def _pooled_ece(self, subject: Subject, conditions: Sequence[str]) -> Estimate:
        listed = [subject.rows[c] for c in conditions]
        places = np.unique(np.concatenate([r.position for r in listed]))
        gaps = np.zeros((len(places), BINS))
        sizes = np.zeros(len(places))
        for rows in listed:
            image = np.searchsorted(places, rows.position)
            place = np.clip(np.ceil(rows.confidence * BINS).astype(int) - 1, 0, BINS - 1)
            np.add.at(gaps, (image, place), rows.confidence - rows.correct)
            np.add.at(sizes, image, 1)
        n = len(places)
        value = float(np.abs(gaps.sum(0)).sum() / sizes.sum())
        draws = np.empty(RESAMPLES)
        generator = np.random.default_rng([n, len(conditions), BINS])
        for turn in range(RESAMPLES):
            weights = np.bincount(generator.integers(0, n, n), minlength=n)
            draws[turn] = np.abs(weights @ gaps).sum() / (weights @ sizes)
        tail = (1 - self.level) / 2
        lower, upper = np.quantile(draws, [tail, 1 - tail])
        low, high = max(0.0, min(value, 2 * value - upper)), min(1.0, max(value, 2 * value - lower))
        method = "reflected bootstrap over images"
        return Estimate(value=value, low=float(low), high=float(high), n=n, level=self.level, method=method)

    def _scores(self, subject: Subject, conditions: Sequence[str]) -> Floats:
        return np.asarray(self._shared([subject.rows[c] for c in conditions]).mean(0))

    def _shared(self, listed: Sequence[Rows]) -> Floats:
        """(conditions, images) of 1.0 for right answers on the images that all of the rows have."""
        first = listed[0].position
        if all(len(r) == len(first) and np.array_equal(r.position, first) for r in listed[1:]):
            return np.stack([r.correct for r in listed]).astype(float)
        shared = first
        for rows in listed[1:]:
            shared = np.intersect1d(shared, rows.position)
        return np.stack([r.correct[np.isin(r.position, shared)] for r in listed]).astype(float)

    def _mean(self, scores: Floats, parts: int) -> Estimate:
        if self.rule == "anytime":
            return measures.confidence_sequence(float(scores.sum()), len(scores), self.level)
        return measures.mean_interval(scores, self.level, cap=float(parts))

    def _signed(self, scores: Floats, parts: int) -> Estimate:
        """Mean of per-image differences in [-1, 1]."""
        if self.rule != "anytime":
            return measures.signed_mean_interval(scores, self.level, cap=float(parts))
        unit = measures.confidence_sequence(float((scores + 1).sum() / 2), len(scores), self.level)
        return Estimate(
            value=2 * unit.value - 1,
            low=2 * unit.low - 1,
            high=2 * unit.high - 1,
            n=unit.n,
            level=self.level,
            method="confidence sequence",
        )

    def _once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

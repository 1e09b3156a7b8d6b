"""Confidence against accuracy, clean and shifted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar import measures
from brittlestar.measures import Estimate
from brittlestar.report.claims import confidence_claims
from brittlestar.report.drawing.charts import Figure, model_class, reliability
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.panels import Reliability
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.series import condition_title
from brittlestar.report.status import trusted
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.report.words import THIN, chosen, images, interval, number, percent, points, share


@dataclass(frozen=True, kw_only=True)
class ShiftedCalibration:
    """A model's calibration over shifted conditions.

    Fields:
        worst: The condition with the largest calibration error, its intervals those of one chosen of many.
        mean: The mean of the conditions' calibration errors.
        increase: That mean less the error on clean images, paired by image.
        conditions: How many.
    """

    worst: Reliability
    mean: Estimate
    increase: Estimate
    conditions: int


@dataclass(frozen=True, kw_only=True)
class ModelCalibration:
    """One model: on clean images, and over the shifted conditions (``None`` without shifts)."""

    model: ModelEntry
    data: str
    clean: Reliability
    shifted: ShiftedCalibration | None


@dataclass(frozen=True, kw_only=True)
class Calibration(Section):
    """Whether a model knows when it is wrong: expected calibration error and reliability, clean and shifted.

    Fields:
        rows: One a model with clean images.
        shifted: Shifted conditions of the model that has most.
        told: Findings on the models that are not near chance.
    """

    id: ClassVar[str] = "calibration"
    nav: ClassVar[str] = "Calibration"
    title: ClassVar[str] = "Does it know when it is wrong?"

    rows: tuple[ModelCalibration, ...]
    shifted: int
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        numbers = gathered.numbers
        rows = tuple(
            ModelCalibration(
                model=subject.entry,
                data=subject.data.name,
                clean=_reliability(subject, CLEAN, "clean", numbers),
                shifted=_shifted(subject, numbers),
            )
            for subject in gathered.subjects
            if subject.clean is not None and not subject.clean.labels_only
        )
        if not rows:
            return None
        # Of a model near chance nothing else is said (``status``), so it has numbers here but no finding.
        reliable = gathered.once(trusted)
        sure = {s.entry.key for s in reliable.subjects}
        return cls(
            rows=rows,
            shifted=max(len(s.of_kind("shift")) for s in gathered.subjects),
            told=(*confidence_claims(reliable), *(_confidence(row) for row in rows if row.model.key in sure)),
        )

    def row(self, model: ModelEntry) -> ModelCalibration | None:
        """The row of a model."""
        return next((row for row in self.rows if row.model.key == model.key), None)

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        for row in self.rows:
            for condition, measure, estimate in _results(row):
                yield Result(
                    model=row.model.name, data=row.data, condition=condition, measure=measure, estimate=estimate
                )

    def figures(self) -> Mapping[str, Markup]:
        return {f"calibration/{row.model.key}": _drawn(row) for row in self.rows}

    def context(self) -> Mapping[str, Any]:
        return {
            "figures": [Figure(row.model.name, _drawn(row), _note(row), model_class(row.model)) for row in self.rows]
        }


def _drawn(row: ModelCalibration) -> Markup:
    return reliability(row.model, row.clean, row.shifted.worst if row.shifted else None)


def _note(row: ModelCalibration) -> str:
    worst = f"; {row.shifted.worst.title} {share(row.shifted.worst.ece)}" if row.shifted else ""
    return f"clean {share(row.clean.ece)}{worst}"


def _results(row: ModelCalibration) -> Iterator[tuple[str, str, Estimate]]:
    if row.shifted is not None:
        worst = row.shifted.worst
        yield worst.condition, f"ece_highest_of_{row.shifted.conditions}", worst.ece
        yield worst.condition, f"rms_calibration_one_of_{row.shifted.conditions}", worst.rms
        yield "shifts", "mean_ece", row.shifted.mean
        yield "shifts", "mean_ece_increase", row.shifted.increase


def _shifted(subject: Subject, numbers: Numbers) -> ShiftedCalibration | None:
    conditions = [info.id for info in subject.of_kind("shift")]
    if not conditions:
        return None
    worst, error = numbers.highest_ece(subject, conditions)
    # The condition was chosen for its calibration error: its other numbers, too, are of one of many.
    level = measures.of_many(len(conditions), numbers.level)
    found = _reliability(subject, worst, condition_title(subject, worst), numbers, level)
    return ShiftedCalibration(
        worst=dataclasses.replace(found, ece=error),
        mean=numbers.mean_ece(subject, conditions),
        increase=numbers.mean_ece_increase(subject, conditions),
        conditions=len(conditions),
    )


def _reliability(
    subject: Subject, condition: str, title: str, numbers: Numbers, level: float | None = None
) -> Reliability:
    return Reliability(
        condition=condition,
        title=title,
        ece=numbers.ece(subject, condition),
        rms=numbers.rms(subject, condition, level),
        confidence=measures.mean_confidence(subject.rows[condition]),
        accuracy=numbers.accuracy(subject, condition, level),
        bins=numbers.bins(subject, condition),
    )


def _confidence(row: ModelCalibration) -> Finding:
    clean, shifted = row.clean, row.shifted
    if shifted is None:
        return Finding(
            model=row.model,
            lead=f"Calibration error {percent(clean.ece)} on clean images",
            text=f"{interval(clean.ece)}, {images(clean.ece.n)}.",
            estimates=(clean.ece,),
        )
    worst, mean, increase = shifted.worst, shifted.mean, shifted.increase
    if increase.low > 0:
        lead, tone = "Worse calibrated when shifted than when clean:", "bad"
    elif increase.high < 0:
        lead, tone = "Better calibrated when shifted than when clean:", "plain"
    else:
        lead, tone = "Calibration, no difference shown between clean and shifted:", "plain"
    over = "" if shifted.conditions == 1 else f" on average over {shifted.conditions} shifted conditions"
    text = (
        f"calibration error {share(clean.ece)} clean, {share(mean)}{over} ({points(increase, sign=True)}, the same "
        f"images). {'Largest under' if shifted.conditions > 1 else 'Under'} {worst.title}, where it says "
        f"{number(worst.confidence * 100)}{THIN}% and is right in {share(worst.accuracy)}{chosen(shifted.conditions)}."
    )
    estimates = (clean.ece, mean, increase, worst.accuracy)
    return Finding(model=row.model, lead=lead, text=text, estimates=estimates, tone=tone)

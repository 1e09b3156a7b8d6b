"""The table of models, calibration and attacks."""

from __future__ import annotations

import dataclasses

from brittlestar import measures
from brittlestar.measures.base import Estimate
from brittlestar.report.content import (
    Attack,
    Calibration,
    ModelEntry,
    ModelTable,
    Reliability,
    ShiftedCalibration,
    TableCell,
    TableColumn,
)
from brittlestar.report.gather import CLEAN, Gathered, Subject
from brittlestar.report.numbers import Numbers
from brittlestar.report.series import Series, from_zero, panel_of, series_of
from brittlestar.report.spectrum_content import Spectrum
from brittlestar.report.words import merged

NOTHING = TableCell(estimate=None)


def build_table(
    gathered: Gathered, numbers: Numbers, spectrum: Spectrum | None, calibration: Calibration | None
) -> ModelTable:
    """Clean accuracy, error under shift, the worst shift, attacks, calibration and bands, where measured."""
    columns: list[TableColumn] = [
        TableColumn(key="clean", title="Clean accuracy", help="Accuracy on unchanged images (%).", better="higher")
    ]
    cells: list[list[TableCell]] = [[clean_cell(s, numbers)] for s in gathered.subjects]

    def add(column: TableColumn, values: list[TableCell]) -> None:
        if any(v.estimate is not None for v in values):
            columns.append(column)
            for row, value in zip(cells, values, strict=True):
                row.append(value)

    shifts = max((len(s.of_kind("shift")) for s in gathered.subjects), default=0)
    add(
        TableColumn(
            key="mean",
            title="Mean error, shifts",
            better="lower",
            help=f"Error averaged over the {shifts} shifted conditions of this run, each with equal weight (%). "
            "It depends on which conditions were asked, so compare it only between models with the same ones.",
        ),
        [TableCell(estimate=mean_error(s, numbers)) for s in gathered.subjects],
    )
    add(
        TableColumn(
            key="worst",
            title="Worst shift, accuracy",
            help=f"The shifted condition with the lowest accuracy (%). Its interval is for the lowest of {shifts}: it "
            "allows for the condition having been chosen by its number.",
            better="higher",
        ),
        [_worst_cell(s, numbers) for s in gathered.subjects],
    )
    for norm, conditions in _table_attacks(gathered).items():
        info = gathered.infos[conditions]
        add(
            TableColumn(
                key=f"attack-{norm}",
                title=f"{info.title} accuracy",
                better="higher",
                help=f"Accuracy under {info.title} with {info.label} (%). {info.threat}",
            ),
            [
                TableCell(estimate=numbers.accuracy(s, info.id), note=info.label) if info.id in s.rows else NOTHING
                for s in gathered.subjects
            ],
        )
    if calibration is not None:
        by_model = {model.key: (clean, shifted) for model, clean, shifted in calibration.rows}
        add(
            TableColumn(
                key="ece",
                title="ECE, clean",
                help="Expected calibration error on clean images (%): the mean gap between confidence and accuracy.",
                better="lower",
            ),
            [
                TableCell(estimate=by_model[s.entry.key][0].ece) if s.entry.key in by_model else NOTHING
                for s in gathered.subjects
            ],
        )
        add(
            TableColumn(
                key="ece-shifted",
                title="ECE, mean over shifts",
                help=f"Mean of the expected calibration errors of the {calibration.shifted} shifted conditions, each "
                "by itself (%).",
                better="lower",
            ),
            [
                TableCell(estimate=found[1].mean) if found is not None and found[1] is not None else NOTHING
                for found in (by_model.get(s.entry.key) for s in gathered.subjects)
            ],
        )
    if spectrum is not None:
        place = {m.model.key: i for i, m in enumerate(spectrum.maps)}
        for band in spectrum.bands:
            add(
                TableColumn(
                    key=f"band-{band.name}",
                    title=f"Error, {band.name} frequencies",
                    help=f"Error averaged over the {band.frequencies} waves of the Fourier map {band.reach} (%).",
                    better="lower",
                ),
                [
                    TableCell(estimate=band.errors[place[s.entry.key]]) if s.entry.key in place else NOTHING
                    for s in gathered.subjects
                ],
            )
    return ModelTable(
        columns=tuple(columns), rows=tuple((s.entry, tuple(r)) for s, r in zip(gathered.subjects, cells, strict=True))
    )


def clean_cell(subject: Subject, numbers: Numbers) -> TableCell:
    """Accuracy on unchanged images."""
    return TableCell(estimate=numbers.accuracy(subject, CLEAN)) if subject.clean is not None else NOTHING


def mean_error(subject: Subject, numbers: Numbers) -> Estimate | None:
    """Error averaged over the shifted conditions; ``None`` without any."""
    conditions = [info.id for info in subject.of_kind("shift")]
    return numbers.mean_error(subject, conditions) if conditions else None


def worst_shift(subject: Subject, numbers: Numbers) -> tuple[str, Estimate] | None:
    """The shifted condition with the lowest accuracy, in an interval for the lowest of them all."""
    conditions = [info.id for info in subject.of_kind("shift")]
    return numbers.lowest_accuracy(subject, conditions) if conditions else None


def worst_conditions(
    gathered: Gathered, numbers: Numbers, most: int = 10
) -> tuple[tuple[ModelEntry, tuple[tuple[str, Estimate], ...]], ...]:
    """By model the shifts and attacks with the lowest accuracies, the intervals of all of them holding together."""
    listed = []
    for subject in gathered.subjects:
        conditions = [info.id for info in subject.infos.values() if info.kind in ("shift", "attack")]
        if conditions:
            level = measures.of_many(len(conditions), numbers.level)
            found = [(c, numbers.accuracy(subject, c, level)) for c in conditions]
            listed.append((subject.entry, tuple(sorted(found, key=lambda pair: pair[1].value)[:most])))
    return tuple(listed)


def _worst_cell(subject: Subject, numbers: Numbers) -> TableCell:
    worst = worst_shift(subject, numbers)
    if worst is None:
        return NOTHING
    return TableCell(estimate=worst[1], note=condition_title(subject, worst[0]))


def condition_title(subject: Subject, condition: str) -> str:
    """``Gaussian noise, σ = 0.1``."""
    label = Series.label(subject.infos[condition])
    return f"{subject.titles[condition]}, {label}" if label else subject.titles[condition]


def _table_attacks(gathered: Gathered) -> dict[str, str]:
    """Per attack the condition at a middle radius: its id by a short name."""
    return {f"{s.shift}-{s.series}": s.infos[len(s.infos) // 2].id for s in series_of(gathered, "attack")}


def build_attacks(gathered: Gathered, numbers: Numbers) -> tuple[Attack, ...]:
    """Robust accuracy over the radius, one chart a threat model."""
    found = []
    for series in series_of(gathered, "attack"):
        without = [s for s in gathered.subjects if not any(i.id in s.rows for i in series.infos)]
        threat = merged([i.threat for i in series.infos if i.threat]) or "threat model not stated"
        threat = f"{threat[0].upper()}{threat[1:]}."
        for why, blind in (("no gradients reach its images", True), ("not asked, or not yet done", False)):
            names = [s.entry.name for s in without if bool(s.entry.about.get("differentiable")) != blind]
            threat += f" Not run on {', '.join(names)}: {why}." if names else ""
        panel = from_zero(
            panel_of(series, gathered.subjects, numbers.accuracy, title=f"{series.title}: robust accuracy")
        )
        found.append(Attack(title=series.title, threat=threat, panel=panel))
    return tuple(found)


def build_calibration(gathered: Gathered, numbers: Numbers) -> Calibration | None:
    """Confidence against accuracy, clean and shifted."""
    rows = []
    for subject in gathered.subjects:
        if subject.clean is None:
            continue
        rows.append((subject.entry, _reliability(subject, CLEAN, "clean", numbers), _shifted(subject, numbers)))
    if not rows:
        return None
    return Calibration(rows=tuple(rows), shifted=max(len(s.of_kind("shift")) for s in gathered.subjects))


def _shifted(subject: Subject, numbers: Numbers) -> ShiftedCalibration | None:
    conditions = [info.id for info in subject.of_kind("shift")]
    if not conditions:
        return None
    worst, error = numbers.highest_ece(subject, conditions)
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

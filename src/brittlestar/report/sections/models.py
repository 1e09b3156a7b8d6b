"""The table of models, what breaks each first, and how it does on average."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar import measures
from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.breaking import breaking_findings
from brittlestar.report.estimated import estimates
from brittlestar.report.explained import explanation
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.numbers import Numbers
from brittlestar.report.provenance import build_notes
from brittlestar.report.results import condition_results
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.sections.calibration import Calibration
from brittlestar.report.sections.frequencies import Frequencies
from brittlestar.report.series import condition_title, series_of
from brittlestar.report.status import trusted
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.report.values import estimate_values
from brittlestar.report.words import chosen, count, interval, number, percent, points, share


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """A column of the table of models. ``better`` is ``higher`` or ``lower``; ``help`` explains it in a sentence."""

    key: str
    title: str
    help: str
    better: str


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """A number in the table of models; ``note`` names the condition it came from, where that differs by row."""

    estimate: Estimate | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelTable:
    """The small table of models: one row a model, one cell a column."""

    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[ModelEntry, tuple[TableCell, ...]], ...]


NOTHING = TableCell(estimate=None)


@dataclass(frozen=True, kw_only=True)
class Models(Section):
    """The models at a glance.

    Fields:
        table: Clean accuracy, error under shift, worst shift, attacks, calibration and bands.
        notes: What a reader must know before believing a number.
        worst: By model the shifts and attacks with the lowest accuracies, their intervals holding together.
        lines: Accuracy of every condition, for ``results.csv``.
        told: Findings on the models that are not near chance.
    """

    id: ClassVar[str] = "models"
    nav: ClassVar[str] = "Models"
    title: ClassVar[str] = "The models at a glance"

    table: ModelTable
    notes: tuple[str, ...]
    worst: tuple[tuple[ModelEntry, tuple[tuple[str, Estimate], ...]], ...]
    lines: tuple[Result, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        sure, numbers = gathered.once(trusted), gathered.numbers
        told = [
            finding
            for subject in sure.subjects
            for finding in (*breaking_findings(sure, subject, numbers), *_on_average(subject, numbers))
        ]
        return cls(
            table=_table(gathered),
            notes=(*build_notes(gathered), *gathered.once(explanation)[1], *gathered.once(estimates)[1]),
            worst=_worst_conditions(gathered),
            lines=gathered.once(condition_results).lines,
            told=tuple(told),
        )

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        yield from self.lines

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "table": [
                {"model": model.name}
                | {
                    column.key: {
                        "title": column.title,
                        **(estimate_values(cell.estimate) if cell.estimate else {"value": None}),
                        "note": cell.note,
                    }
                    for column, cell in zip(self.table.columns, cells, strict=True)
                }
                for model, cells in self.table.rows
            ],
            "notes": list(self.notes),
        }

    def markdown(self) -> Iterable[str]:
        columns = self.table.columns
        yield from ("## Models", "", "| model | " + " | ".join(escaped(c.title) for c in columns) + " |")
        yield "|---|" + "---:|" * len(columns)
        for model, cells in self.table.rows:
            shown = [f"{number(c.estimate.value * 100)} {interval(c.estimate)}" if c.estimate else "–" for c in cells]
            yield f"| {escaped(model.name)} | " + " | ".join(shown) + " |"
        yield from ("", "Numbers in percent with their intervals.", "")
        for model, worst in self.worst:
            yield from (
                f"## Worst conditions of {escaped(model.name)}",
                "",
                "Chosen by their numbers, so the intervals of all shifted and attacked conditions hold together.",
                "",
                "| condition | accuracy | n |",
                "|---|---:|---:|",
            )
            yield from (f"| {escaped(c)} | {percent(e)} {interval(e)} | {e.n:,} |" for c, e in worst)
            yield ""


def _table(gathered: Gathered) -> ModelTable:
    """Clean accuracy, error under shift, the worst shift, attacks, calibration and bands, where measured."""
    numbers, calibration, frequencies = gathered.numbers, gathered.of(Calibration), gathered.of(Frequencies)
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
        by_model = {row.model.key: row for row in calibration.rows}
        add(
            TableColumn(
                key="ece",
                title="ECE, clean",
                help="Expected calibration error on clean images (%): the mean gap between confidence and accuracy.",
                better="lower",
            ),
            [
                TableCell(estimate=by_model[s.entry.key].clean.ece) if s.entry.key in by_model else NOTHING
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
                TableCell(estimate=row.shifted.mean) if row is not None and row.shifted is not None else NOTHING
                for row in (by_model.get(s.entry.key) for s in gathered.subjects)
            ],
        )
    if frequencies is not None:
        spectrum = frequencies.spectrum
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


def _worst_conditions(
    gathered: Gathered, most: int = 10
) -> tuple[tuple[ModelEntry, tuple[tuple[str, Estimate], ...]], ...]:
    """By model the shifts and attacks with the lowest accuracies, the intervals of all of them holding together."""
    numbers, listed = gathered.numbers, []
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


def _table_attacks(gathered: Gathered) -> dict[str, str]:
    """Per attack the condition at a middle radius: its id by a short name."""
    return {f"{s.shift}-{s.series}": s.infos[len(s.infos) // 2].id for s in series_of(gathered, "attack")}


def _on_average(subject: Subject, numbers: Numbers) -> list[Finding]:
    conditions = [info.id for info in subject.of_kind("shift")]
    worst = worst_shift(subject, numbers)
    if not conditions or worst is None or subject.clean is None:
        return []
    error, loss = mean_error(subject, numbers), numbers.mean_drop(subject, conditions)
    assert error is not None
    text = (
        f"on average over {count(len(conditions), 'condition')}: {points(loss, sign=True)} against clean images. "
        f"Worst: {condition_title(subject, worst[0])}, accuracy {share(worst[1])}{chosen(len(conditions))}."
    )
    return [
        Finding(
            model=subject.entry,
            lead=f"Errs in {percent(error)} {interval(error)} of the shifted images,",
            text=text,
            estimates=(error, loss, worst[1]),
        )
    ]

"""The published corruption sets with the summaries that belong to them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.compared import SAID, beyond, compared_numbers
from brittlestar.report.corruptions import CorruptionSet, SetModel, SetRow, build_corruptions, marked, slug, summaries
from brittlestar.report.drawing.charts import COLUMN, curves
from brittlestar.report.drawing.lanes import lanes
from brittlestar.report.drawing.published import spark, sums_table
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import both, set_table
from brittlestar.report.names import set_names
from brittlestar.report.panels import Curve, Panel
from brittlestar.report.section import Finding, Result, Section, results_of
from brittlestar.report.status import near_chance_of
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.values import set_values
from brittlestar.report.words import chosen, listing, share


@dataclass(frozen=True, kw_only=True)
class Corruptions(Section):
    """Published sets (ImageNet-C, CIFAR-C, MNIST-C, ...): error by corruption, CE, mCE, relative mCE.

    Fields:
        sets: One a set, storage and data set.
        data: Names of the data sets, by place.
        told: Findings on the models that are not near chance.
    """

    id: ClassVar[str] = "corruptions"
    nav: ClassVar[str] = "Corruptions"
    title: ClassVar[str] = "The published corruptions"
    without: ClassVar[Mapping[str, Any]] = {"corruptions": ()}

    sets: tuple[CorruptionSet, ...]
    data: tuple[str, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        near = gathered.once(near_chance_of)
        sets = build_corruptions(gathered, gathered.numbers, near)
        if not sets:
            return None
        told = [f for s in gathered.subjects if s.entry.key not in near for f in _findings(sets, s.entry)]
        return cls(sets=sets, data=tuple(d.name for d in gathered.data), told=tuple(told))

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        for found in self.sets:
            yield from results_of(
                (m.model, self.data[m.model.data], _results(found, place)) for place, m in enumerate(found.models)
            )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "corruptions": [set_values(found, [(m.model, summaries(m)) for m in found.models]) for found in self.sets]
        }

    def markdown(self) -> Iterable[str]:
        for found in self.sets:
            listed = [(m.model, [(name, both(n.estimate)) for name, n in summaries(m)]) for m in found.models]
            over = f"; CE over {found.normaliser}" if found.normaliser else ""
            basis = f"{found.basis}{over}; images {found.storage}"
            yield from set_table(found.title, found.caveat, basis, listed, found.notes)

    def figures(self) -> Mapping[str, Markup]:
        drawn = {}
        for found, name in zip(self.sets, set_names([s.key for s in self.sets]), strict=True):
            drawn[f"corruptions/{name}"] = lanes(
                f"{found.title}: error by corruption",
                "error (%)",
                [m.model for m in found.models],
                [(row.title, [cell.error if cell else None for cell in row.cells]) for row in found.rows],
            )
            if found.curved:
                look = dataclasses.replace(COLUMN, error=True, clean=False)
                for row in found.rows:
                    drawn[f"corruptions/{name}/{row.corruption}"] = curves(_panel(found, row), look)
        return drawn

    def context(self) -> Mapping[str, Any]:
        return {
            "curved": any(found.curved for found in self.sets),
            "spark": spark,
            "sums_of": lambda found: sums_table([(m.model, summaries(m)) for m in found.models]),
            "span": _span,
            "columns": lambda found: found.curved + sum(_span(m) for m in found.models),
            "grouped": _groups,
        }


def _panel(found: CorruptionSet, row: SetRow) -> Panel:
    """Error by severity as a chart of its own."""
    lines = tuple(
        Curve(model=m.model, points=cell.curve)
        for m, cell in zip(found.models, row.cells, strict=True)
        if cell is not None
    )
    return Panel(family=row.group, title=f"{found.title}, {row.title}", axis="severity", lines=lines)


def _findings(sets: Sequence[CorruptionSet], model: ModelEntry) -> Iterator[Finding]:
    """One finding a set: the mean corruption error, its normalised forms with their normaliser, what they rest on."""
    for found in sets:
        entry = next((m for m in found.models if m.model.key == model.key), None)
        if entry is None or entry.mean.estimate is None:
            continue
        others = [
            f"{name} {share(n.estimate)}" if n.estimate is not None else f"{name} undefined ({n.undefined})"
            # The first is the mean error, which leads the sentence.
            for name, n in summaries(entry)[1:]
        ]
        name, worst = entry.worst
        row = next(r for r in found.rows if r.corruption == name)
        text = f"over {found.basis}."
        text += f" Divided by {found.normaliser}: {listing(others)}." if others else ""
        claim = entry.against
        text += f" Against it {beyond(claim)}: {SAID[claim.state]}." if claim else ""
        text += f" Most under {marked(row.title, row.marked)}: {share(worst)}{chosen(len(entry.mean.parts))}."
        text += f" Images {found.storage}." + ("".join(f" {n}" for n in found.notes[:1]) if entry.marked else "")
        estimates = [n.estimate for _, n in summaries(entry) if n.estimate is not None]
        lead = f"{found.title}: {marked(entry.mean.name, entry.marked)} {share(entry.mean.estimate)}"
        yield Finding(
            model=model,
            lead=lead + (f" ({found.caveat})" if found.caveat else ""),
            text=text,
            estimates=(*estimates, *(compared_numbers(claim) if claim else ()), worst),
            sensitivities=(claim,) if claim else (),
        )


def _results(found: CorruptionSet, place: int) -> Iterator[tuple[str, str, Estimate | None]]:
    """(condition, measure, estimate) of one model."""
    entry, over = found.models[place], f"_over_{found.normaliser}"
    for number in (entry.mean, entry.mce, entry.relative):
        if number is not None:
            yield found.key, slug(number.name) + (over if number.normaliser else ""), number.estimate
    for row in found.rows:
        cell = row.cells[place]
        if cell is not None:
            yield f"{found.key}/{row.corruption}", "mean_error", cell.error
            yield f"{found.key}/{row.corruption}", f"ce{over}", cell.ce
            yield f"{found.key}/{row.corruption}", f"relative_ce{over}", cell.relative


def _span(model: SetModel) -> int:
    """Columns of one model."""
    return 1 + (model.mce is not None) + (model.relative is not None)


def _groups(rows: Sequence[SetRow]) -> list[tuple[str, list[SetRow]]]:
    """Rows by group, in their order."""
    return [(group, list(members)) for group, members in itertools.groupby(rows, key=lambda row: row.group)]

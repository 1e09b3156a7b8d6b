"""Loss of accuracy under every shift and attack, as a table of colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from markupsafe import Markup

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import Estimate
from brittlestar.report.claims import shift_claims
from brittlestar.report.drawing.heat import heats
from brittlestar.report.gather import Gathered
from brittlestar.report.grids import Grid, GridCell, GridGroup, grid_of
from brittlestar.report.section import Finding, Section
from brittlestar.report.series import Series, series_of
from brittlestar.report.status import trusted
from brittlestar.report.words import away


@dataclass(frozen=True, kw_only=True)
class ConditionGrid(Section):
    """Which shift costs a model how much, weak to strong."""

    id: ClassVar[str] = "grid"
    nav: ClassVar[str] = "Grid"
    title: ClassVar[str] = "Where it breaks"

    grid: Grid
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        grid = _grid(gathered)
        return None if grid is None else cls(grid=grid, told=shift_claims(gathered.once(trusted)))

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def figures(self) -> Mapping[str, Markup]:
        return heats("grid", self.grid, "loss (points)")


def _grid(gathered: Gathered) -> Grid | None:
    numbers = gathered.numbers
    groups = tuple(GridGroup(title=s.entry.name, model=s.entry) for s in gathered.subjects)

    def cell(place: int, info: ConditionInfo) -> GridCell | None:
        subject = gathered.subjects[place]
        rows, clean = subject.rows.get(info.id), subject.clean
        if rows is None or clean is None:
            return None
        drop = numbers.drop(subject, info.id)
        return GridCell(
            condition=info.id,
            label=Series.label(info),
            value=drop,
            accuracy=(numbers.accuracy(subject, info.id),),
            shown=away(drop),
        )

    def mean(place: int, series: Series) -> Estimate | None:
        subject = gathered.subjects[place]
        have = [i.id for i in series.infos if i.id in subject.rows]
        return numbers.mean_drop(subject, have) if have and subject.clean is not None else None

    return grid_of(series_of(gathered, "shift", "attack"), groups, cell, mean)

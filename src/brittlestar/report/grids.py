"""Conditions in rows, models in columns: coloured numbers, as data, and the words of a cell's tip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import Estimate
from brittlestar.report.series import Series
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import count, p_value, points, share


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """One condition for one group.

    Fields:
        condition: Its id.
        label: The strength for people.
        value: What is coloured: accuracy lost, or the difference in error between two models; positive is worse.
        accuracy: Accuracy under the condition, one a model concerned.
        shown: Whether a difference from zero is shown (interval, or corrected test).
        p: Corrected p value, where a test was made.
    """

    condition: str
    label: str
    value: Estimate
    accuracy: tuple[Estimate, ...]
    shown: bool = True
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class GridGroup:
    """The cells of one model, or of one pair of models, side by side."""

    title: str
    model: ModelEntry
    against: ModelEntry | None = None


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One severity curve as a row: per group the cells from weak to strong and their mean.

    ``labels`` has a short name of each column's strength, where the block has no heads.
    """

    family: str
    title: str
    unit: str
    span: str
    labels: tuple[str, ...]
    cells: tuple[tuple[GridCell | None, ...], ...]
    means: tuple[Estimate | None, ...]


@dataclass(frozen=True, kw_only=True)
class GridBlock:
    """Rows whose strengths are named alike.

    Fields:
        title: What they are: strengths of their own, the severities of a published table, attacks.
        heads: The severities' names, one a column; empty where each cell carries its own strength.
        rows: In suite order, families together; with heads their cells stand under them.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[GridRow, ...]

    @property
    def graded(self) -> bool:
        """Whether its rows have several strengths of their own."""
        return not self.heads and any(len(row.labels) > 1 for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Blocks of rows of coloured numbers; ``limit`` is the end of the scale (both sides), ``steps`` the columns."""

    groups: tuple[GridGroup, ...]
    blocks: tuple[GridBlock, ...]
    steps: int
    limit: float

    @property
    def rows(self) -> tuple[GridRow, ...]:
        """Those of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)


def grid_of(
    listed: Sequence[Series],
    groups: tuple[GridGroup, ...],
    cell: Callable[[int, ConditionInfo], GridCell | None],
    mean: Callable[[int, Series], Estimate | None],
) -> Grid | None:
    """A grid from functions that give the cell and the mean of a group."""
    kinds: dict[str, list[Series]] = {}
    for series in listed:
        if any(cell(g, info) is not None for g in range(len(groups)) for info in series.infos):
            kinds.setdefault(series.block, []).append(series)
    if not kinds:
        return None
    blocks = []
    for title, members in kinds.items():
        # Severities are columns of their own, so that 3 stands under 3 whether or not 2 was asked.
        severities = sorted({i.severity for s in members for i in s.infos if i.severity is not None})
        heads = severities if all(i.severity is not None for s in members for i in s.infos) else []
        rows = []
        for series in members:
            columns: list[ConditionInfo | None] = list(series.infos)
            if heads:
                at = {i.severity: i for i in series.infos}
                columns = [at.get(severity) for severity in heads]
            rows.append(
                GridRow(
                    family=series.family,
                    title=series.plain_title if heads or series.published else series.title,
                    unit=series.unit,
                    span="" if heads else series.span,
                    labels=() if heads else tuple(series.axis_labels().values()),
                    cells=tuple(
                        tuple(cell(g, info) if info is not None else None for info in columns)
                        for g in range(len(groups))
                    ),
                    means=tuple(mean(g, series) for g in range(len(groups))),
                )
            )
        blocks.append(GridBlock(title=title, heads=tuple(map(str, heads)), rows=tuple(rows)))
    every = [row for block in blocks for row in block.rows]
    values = [abs(c.value.value) for row in every for group in row.cells for c in group if c is not None]
    # A round end, and never under 10 points: on a scale of its own a tiny loss would look like a large one.
    limit = min(max(math.ceil(max(values) * 10) / 10, 0.1), 1.0)
    return Grid(groups=groups, blocks=tuple(blocks), steps=max(len(c) for r in every for c in r.cells), limit=limit)


def largest(row: GridRow) -> float:
    """What a row is worth where not all are printed: its largest number, whatever its sign."""
    return max((abs(cell.value.value) for cells in row.cells for cell in cells if cell is not None), default=0.0)


def mean_tip(grid: Grid, row: GridRow, group: int) -> str:
    """What the mean of a row says when pointed at."""
    e = row.means[group]
    assert e is not None
    cells = sum(c is not None for c in row.cells[group])
    head = f"{row.title}, mean of {count(cells, 'strength')}"
    return f"{head}\n{grid.groups[group].title}: {points(e, sign=True)}\nn = {e.n:,}"


def cell_tip(grid: Grid, row: GridRow, group: int, cell: GridCell) -> str:
    """What a cell says when pointed at: accuracy, loss or difference, and whether one is shown."""
    named = grid.groups[group]
    lines = [f"{row.title}{', ' + cell.label if cell.label else ''}"]
    e = cell.value
    if named.against is None:
        lines += [f"{named.title}: accuracy {share(cell.accuracy[0])}", f"loss {points(e)}"]
        if not cell.shown:
            lines.append("no loss shown: the interval includes zero")
    else:
        lines += [f"{m.name}: {share(a)}" for m, a in zip((named.model, named.against), cell.accuracy, strict=True)]
        lines.append(f"difference in error {points(e, sign=True)}")
        verdict = "difference shown" if cell.shown else "no difference shown"
        p = cell.p if cell.p is not None else 1.0
        lines.append(f"{verdict}, p {'' if p < 0.001 else '= '}{p_value(p)}")
    lines.append(f"n = {e.n:,}")
    return "\n".join(lines)

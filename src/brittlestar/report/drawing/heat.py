"""A table of coloured numbers as a picture: shifts down, strengths across, models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from brittlestar.measures import Estimate
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.palette import BUCKETS, bucket
from brittlestar.report.drawing.svg import Canvas
from brittlestar.report.grids import Grid
from brittlestar.report.names import middle
from brittlestar.report.words import count, number

CELL = (19.0, 12.0)
"""Width and height of a cell in user units."""

TITLES, GAP, HEAD = 132.0, 8.0, 26.0
"""Room for the shifts' names, between models, and for the heads of the columns."""

LETTER = 6.4
"""Width that a bold letter of a group's title may have."""

TOGETHER = 4
"""So many models are drawn side by side as well."""


def heats(section: str, grid: Grid, unit: str) -> Mapping[str, Markup]:
    """A picture for every model (or pair), and one of all where they are few."""
    drawn = {f"{section}/{group.model.key}": heat(grid, [place], unit) for place, group in enumerate(grid.groups)}
    if 1 < len(grid.groups) <= TOGETHER:
        drawn[f"{section}/all"] = heat(grid, range(len(grid.groups)), unit)
    return drawn


def heat(grid: Grid, groups: Sequence[int], unit: str) -> Markup:
    """Some groups of a grid, in points, with the scale below; pale numbers where no difference from zero is shown."""
    wide, high = CELL
    each = wide * (grid.steps + 1) + GAP
    tall = sum(HEAD + high * len(block.rows) for block in grid.blocks)
    named = ", ".join(grid.groups[g].title for g in groups)
    title = f"{unit[:1].upper()}{unit[1:]} by shift and strength: {named}"
    canvas = Canvas(
        TITLES + each * len(groups), tall + HEAD + 30, title, f"{count(len(grid.rows), 'shift')}.", "chart heatmap"
    )
    for place, g in enumerate(groups):
        group = grid.groups[g]
        shown = middle(group.title, int((each - GAP) / LETTER))
        canvas.text(TITLES + each * place + 2, 10, shown, f"name {model_class(group.model)}")
    base = 12.0
    for block in grid.blocks:
        base += HEAD
        canvas.text(2, base - 4, block.title, "count")
        heads = ("mean", *(block.heads or ("weak", *[""] * (grid.steps - 2), "strong")[: grid.steps]))
        for place, g in enumerate(groups):
            left = TITLES + each * place
            for column, head in enumerate(heads):
                canvas.text(left + wide * (column + 0.5), base - 4, head, "count", "middle")
            for line, row in enumerate(block.rows):
                top = base + high * line
                if row.means[g] is not None:
                    _cell(canvas, left, top, row.means[g], grid.limit, True)
                for column, cell in enumerate(row.cells[g], 1):
                    if cell is not None:
                        _cell(canvas, left + wide * column + 1, top, cell.value, grid.limit, cell.shown)
        for line, row in enumerate(block.rows):
            canvas.text(TITLES - 6, base + high * line + 9, row.title, "shift", "end")
        base += high * len(block.rows)
    _scale(canvas, TITLES + 1, base + 8, grid.limit, unit)
    return canvas.markup()


def _cell(canvas: Canvas, x: float, y: float, e: Estimate | None, limit: float, shown: bool) -> None:
    if e is not None:
        place = bucket(e.value, limit)
        wide, high = CELL
        pale = None if shown else 0.6
        canvas.add("rect", x=x, y=y, width=wide - 1, height=high - 1, class_=f"d{place}", opacity=pale)
        text = number(e.value * 100, 0)
        canvas.text(x + wide / 2 - 0.5, y + 8.5, text, f"count t{place}", "middle", opacity=pale)


def _scale(canvas: Canvas, x: float, y: float, limit: float, unit: str) -> None:
    step = 2.5
    for place in range(BUCKETS):
        canvas.add("rect", x=x + step * place, y=y, width=step, height=6, class_=f"d{place}")
    end = number(limit * 100, 0)
    for along, text, anchor in ((0.0, f"−{end}", None), (0.5, "0", "middle"), (1.0, f"+{end}", "end")):
        canvas.text(x + step * BUCKETS * along, y + 15, text, "count", anchor)
    canvas.text(x - 7, y + 7, unit, "count", "end")

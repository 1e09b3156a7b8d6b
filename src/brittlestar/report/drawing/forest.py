"""Differences from another model as rows on one scale: a mark for each measure, a thin line for its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from brittlestar.measures import Estimate
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.svg import Canvas, nice_ticks
from brittlestar.report.names import middle
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import number, points

MARKS = ("raw", "beyond clean", "kept above chance")
"""What the marks of a row stand for, from top to bottom: open circle, dot, diamond."""

WIDTH, LEFT = 520.0, 208.0
"""Of the picture, and of the titles of its rows, in user units."""

LETTERS = 32
"""Longest title: more letters do not fit in ``LEFT``."""

LANE = 5.0
"""Height that a mark takes in a row."""


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """A row: its title and an estimate for each of ``MARKS``; the first rows of a plot may stand apart as ``own``."""

    title: str
    estimates: tuple[Estimate | None, ...]
    own: bool = False


def ends_of(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """The scale, in points, on which all these rows and 0 have room."""
    known = [e for row in rows for e in row.estimates if e is not None]
    # A hundredth at least: a scale needs two ends even where nothing differs.
    ticks = nice_ticks(100 * min((0.0, *(e.low for e in known))), 100 * max((0.01, *(e.high for e in known))), 4)
    return ticks[0], ticks[-1]


def forest(
    title: str, axis: str, model: ModelEntry, rows: Sequence[ForestRow], ends: tuple[float, float], named: bool = False
) -> Markup:
    """Rows from top to bottom.

    Args:
        title: Of the picture.
        axis: What the scale is.
        model: Whose colour the marks have.
        rows: What stands apart first.
        ends: Of the scale, in points.
        named: Whether the picture says what its marks are; on the page they are told once for all.
    """
    each, top = LANE * len(MARKS) + 4, 20.0 if named else 4.0
    base, right = top + each * len(rows), WIDTH - 10
    described = "; ".join(f"{row.title} {points(row.estimates[0], sign=True)}" for row in rows[:6] if row.estimates[0])
    canvas = Canvas(WIDTH, base + 32, title, f"{described}.", "chart forest")
    kind = model_class(model)

    def x_of(value: float) -> float:
        return LEFT + (100 * value - ends[0]) / (ends[1] - ends[0]) * (right - LEFT)

    if named:
        _legend(canvas, LEFT + 4, 9, kind)
    for value in nice_ticks(*ends, 4):
        x = x_of(value / 100)
        canvas.line(x, top, x, base, "axis" if value == 0 else "grid")
        canvas.text(x, base + 13, number(value, 0 if value % 1 == 0 else 1, sign=True), "tick", "middle")
    canvas.text((LEFT + right) / 2, base + 27, axis, "axis-title", "middle")
    for place, row in enumerate(rows):
        y = top + each * (place + 0.5)
        if place:
            canvas.line(0, y - each / 2, right, y - each / 2, "axis" if rows[place - 1].own > row.own else "grid")
        canvas.text(LEFT - 8, y + 3.6, middle(row.title, LETTERS), "name-of-row" if row.own else "tick", "end")
        for lane, e in enumerate(row.estimates):
            if e is not None:
                at = y + (lane - (len(MARKS) - 1) / 2) * LANE
                canvas.line(x_of(e.low), at, x_of(e.high), at, f"whisker {kind}")
                tip = f"{row.title}\n{MARKS[lane]}: {points(e, sign=True)}\nn = {e.n:,}"
                _mark(canvas, lane, x_of(e.value), at, kind, tip)
    return canvas.markup()


def legend() -> Markup:
    """The marks and what they stand for, in no model's colour."""
    canvas = Canvas(300, 14, "What the marks are", "Open circle: raw. Dot: beyond clean. Diamond: kept above chance.")
    _legend(canvas, 6, 9, "ink")
    return canvas.markup()


def _legend(canvas: Canvas, x: float, y: float, kind: str) -> None:
    for lane, name in enumerate(MARKS):
        _mark(canvas, lane, x, y - 3.5, kind, None)
        canvas.text(x + 8, y, name, "tick")
        x += 26 + 5.4 * len(name)


def _mark(canvas: Canvas, lane: int, x: float, y: float, kind: str, tip: str | None) -> None:
    if lane == 2:
        outline = f"M{x - 3:.1f} {y:.1f}l3-3 3 3-3 3z"
        canvas.add("path", d=outline, class_=f"dot {kind}", data_tip=tip)
    else:
        canvas.add("circle", cx=x, cy=y, r=2.3, class_=f"{'dot' if lane else 'open'} {kind}", data_tip=tip)

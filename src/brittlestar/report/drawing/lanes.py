"""Rows of marks on one scale: a row a condition, a mark a model, a thin line for its interval."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from brittlestar.measures import Estimate
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.svg import Canvas, nice_ticks
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import number, share

LANE = 6.5
"""Height that a model takes in a row, in user units."""

LETTER = 6.0
"""Width that a letter of a row's title may have."""

Row = tuple[str, Sequence[Estimate | None]]
"""A title, and a number in [0, 1] or nothing for each model."""


def lanes(title: str, axis: str, models: Sequence[ModelEntry], rows: Sequence[Row]) -> Markup:
    """Rows from top to bottom on a scale in percent that begins at 0 and ends at the largest interval."""
    known = [e for _, values in rows for e in values if e is not None]
    ticks = nice_ticks(0, 100 * max((e.high for e in known), default=1.0), 4)
    left, top = 8 + min(LETTER * max((len(name) for name, _ in rows), default=0), 130.0), 4.0
    # A row is never lower than a line of its title.
    width, each = 300.0, max(LANE * len(models) + 4, 13.0)
    right, base = width - 12, top + each * len(rows)
    described = "; ".join(f"{name} {', '.join(share(e) for e in values if e)}" for name, values in rows[:6])
    canvas = Canvas(width, base + 32, title, f"{described}.")

    def x_of(value: float) -> float:
        return left + min(max(value * 100 / ticks[-1], 0.0), 1.0) * (right - left)

    for value in ticks:
        x = x_of(value / 100)
        canvas.line(x, top, x, base, "axis" if value == 0 else "grid")
        canvas.text(x, base + 13, number(value, 0 if value % 1 == 0 else 1), "tick", "middle")
    canvas.text((left + right) / 2, base + 27, axis, "axis-title", "middle")
    for place, (name, values) in enumerate(rows):
        middle = top + each * (place + 0.5)
        if place:
            canvas.line(left, middle - each / 2, right, middle - each / 2, "grid")
        canvas.text(left - 6, middle + 3.6, name, "tick", "end")
        for lane, (model, e) in enumerate(zip(models, values, strict=True)):
            if e is not None:
                y, kind = middle + (lane - (len(models) - 1) / 2) * LANE, model_class(model)
                canvas.line(x_of(e.low), y, x_of(e.high), y, f"whisker {kind}")
                tip = f"{name}\n{model.name}: {share(e)}\nn = {e.n:,}"
                canvas.add("circle", cx=x_of(e.value), cy=y, r=2.6, class_=f"dot {kind}", data_tip=tip)
    return canvas.markup()

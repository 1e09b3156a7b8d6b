"""People and models on one scale: a row a condition, a diamond for people, a dot for each model, chance as a line."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from brittlestar.measures import Estimate
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.svg import Canvas
from brittlestar.report.names import middle
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import number, share

WIDTH, LEFT, LANE = 560.0, 236.0, 8.0
"""Of the picture and of its rows' titles, and the height of a mark, in user units."""

LETTERS = 36
"""Longest title: more letters do not fit in ``LEFT``."""

ObserverRow = tuple[str, Estimate, Sequence[tuple[ModelEntry, Estimate]]]
"""A title, people's accuracy, and that of models on the same pictures."""


def observers(title: str, rows: Sequence[ObserverRow], chance: float) -> Markup:
    """Rows from top to bottom on a scale from 0 to 100 %."""
    most = max((len(models) for _, _, models in rows), default=0)
    each, top = LANE * (most + 1) + 6, 4.0
    base, right = top + each * len(rows), WIDTH - 14
    told = "; ".join(f"{name}: people {share(people)}" for name, people, _ in rows[:6])
    canvas = Canvas(WIDTH, base + 34, title, f"{told}. Chance {number(chance * 100)} %.", "chart observers")

    def x_of(value: float) -> float:
        return LEFT + min(max(value, 0.0), 1.0) * (right - LEFT)

    for value in (0, 25, 50, 75, 100):
        canvas.line(x_of(value / 100), top, x_of(value / 100), base, "axis" if value == 0 else "grid")
        canvas.text(x_of(value / 100), base + 13, str(value), "tick", "middle")
    canvas.line(x_of(chance), top, x_of(chance), base, "reference")
    canvas.text((LEFT + right) / 2, base + 28, "right answers (%); dashed: chance", "axis-title", "middle")
    for place, (name, people, models) in enumerate(rows):
        centre = top + each * (place + 0.5)
        if place:
            canvas.line(0, centre - each / 2, right, centre - each / 2, "grid")
        canvas.text(LEFT - 8, centre + 3.6, middle(name, LETTERS), "tick", "end")
        y = centre - LANE * len(models) / 2
        canvas.line(x_of(people.low), y, x_of(people.high), y, "whisker ink")
        x = x_of(people.value)
        outline = f"M{x - 4:.1f} {y:.1f}l4-4 4 4-4 4z"
        canvas.add("path", d=outline, class_="dot ink", data_tip=f"{name}\npeople: {share(people)}\nn = {people.n:,}")
        for lane, (model, e) in enumerate(models, 1):
            at, kind = y + lane * LANE, model_class(model)
            canvas.line(x_of(e.low), at, x_of(e.high), at, f"whisker {kind}")
            tip = f"{name}\n{model.name}: {share(e)}\nn = {e.n:,}"
            canvas.add("circle", cx=x_of(e.value), cy=at, r=2.8, class_=f"dot {kind}", data_tip=tip)
    return canvas.markup()

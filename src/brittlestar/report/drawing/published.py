"""How the published sets are drawn: their summaries in words, charts as small as a line of a table, column counts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from brittlestar.measures import Estimate, Normalised
from brittlestar.report.corruptions import CorruptionSet, SetRow
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.svg import Canvas
from brittlestar.report.stability import StabilityRow, StabilitySet
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import interval, number, percent, share

Sums = tuple[list[tuple[str, str]], list[tuple[ModelEntry, list[tuple[str, str]]]]]
"""A table of summaries: columns (name, normaliser), and a row a model of (value, interval)."""


def spark(found: CorruptionSet, row: SetRow) -> Markup:
    """Error of all models over severity 1 to 5, from 0 to 100 %, with intervals as ribbons."""
    width, height = 128.0, 42.0
    curves = [(m.model, cell.curve) for m, cell in zip(found.models, row.cells, strict=True) if cell is not None]
    told = [
        f"{model.name} {percent(curve[0].estimate)} at {curve[0].label}, {percent(curve[-1].estimate)} at "
        f"{curve[-1].label}"
        for model, curve in curves[:6]
    ]
    canvas = Canvas(width, height, f"{row.title}: error by severity", f"{'; '.join(told)}.", "chart spark")

    def x_of(severity: float) -> float:
        return 5 + (severity - 1) / 4 * (width - 10)

    def y_of(value: float) -> float:
        return height - 3 - min(max(value, 0.0), 1.0) * (height - 6)

    for level in (0.0, 0.5, 1.0):
        canvas.line(1, y_of(level), width - 1, y_of(level), "axis" if level == 0 else "grid")
    for model, curve in curves:
        kind = model_class(model)
        if len(curve) > 1:
            upper = [(x_of(p.x), y_of(p.estimate.high)) for p in curve]
            lower = [(x_of(p.x), y_of(p.estimate.low)) for p in reversed(curve)]
            canvas.path([*upper, *lower], f"ribbon {kind}", closed=True)
            canvas.path([(x_of(p.x), y_of(p.estimate.value)) for p in curve], f"line {kind}")
        for p in curve:
            tip = f"{row.title}, {p.label}\n{model.name}: error {share(p.estimate)}\nn = {p.estimate.n:,}"
            canvas.add("circle", cx=x_of(p.x), cy=y_of(p.estimate.value), r=2.2, class_=f"dot {kind}", data_tip=tip)
    return canvas.markup()


LANE = 11.0


def flip_dots(models: Sequence[ModelEntry], title: str, values: Sequence[Estimate | None], limit: float) -> Markup:
    """Flip probabilities with their intervals on a scale from 0 to ``limit``, one lane a model."""
    width, height = 150.0, max(LANE * len(models) + 4, 20.0)
    told = [f"{m.name} {percent(v)}" for m, v in zip(models, values, strict=True) if v is not None]
    canvas = Canvas(width, height, f"{title}: flip probability", f"{'; '.join(told)}.", "chart dots")

    def x_of(value: float) -> float:
        return 5 + min(max(value / limit, 0.0), 1.0) * (width - 10)

    for share_of in (0.0, 0.5, 1.0):
        x = x_of(share_of * limit)
        canvas.line(x, 0, x, height, "axis" if share_of == 0 else "grid")
    for lane, (model, value) in enumerate(zip(models, values, strict=True)):
        if value is None:
            continue
        y, kind = height / 2 + (lane - (len(models) - 1) / 2) * LANE, model_class(model)
        canvas.line(x_of(value.low), y, x_of(value.high), y, f"whisker {kind}")
        tip = f"{title}\n{model.name}: {share(value)} of the steps\nn = {value.n:,}"
        canvas.add("circle", cx=x_of(value.value), cy=y, r=3.2, class_=f"dot {kind}", data_tip=tip)
    return canvas.markup()


def dots(found: StabilitySet, row: StabilityRow) -> Markup:
    """``flip_dots`` of one sequence."""
    values = [cell.flips if cell is not None else None for cell in row.cells]
    return flip_dots([m.model for m in found.models], row.title, values, found.limit)


def sums_table(
    listed: Sequence[tuple[ModelEntry, list[tuple[str, Normalised]]]], distances: Sequence[Normalised] = ()
) -> Sums:
    """The table of summaries; ``distances`` are those that are no shares."""
    # Columns as the model with most has them: the first often lacks those that it is the normaliser of.
    fullest = sorted(listed, key=lambda pair: -len(pair[1]))
    columns = list(dict.fromkeys((name, n.normaliser) for _, numbers in fullest for name, n in numbers))
    rows = []
    for model, numbers in listed:
        own = {(name, n.normaliser): n for name, n in numbers}
        rows.append((model, [_both(own.get(c), own.get(c) in distances, c[1] == model.name) for c in columns]))
    return columns, rows


def _both(found: Normalised | None, distance: bool, baseline: bool) -> tuple[str, str]:
    """Value and interval; shares and ratios in percent."""
    if found is None:
        return "–", "normaliser" if baseline else ""
    if found.estimate is None:
        return "–", found.undefined
    e = found.estimate
    if distance:
        return number(e.value, 2), f"[{number(e.low, 2)}, {number(e.high, 2)}]"
    return percent(e), interval(e)

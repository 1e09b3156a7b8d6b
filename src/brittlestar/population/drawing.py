"""Pictures of a population: a row a column of the table, and models as points around the line of standard ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from brittlestar.measures.base import Estimate
from brittlestar.measures.scales import scale_of
from brittlestar.population.claims import ColumnClaim, PopulationClaims
from brittlestar.population.own import OwnModel
from brittlestar.population.table import Flags, Floats
from brittlestar.report.drawing.svg import Canvas, element, nice_ticks
from brittlestar.report.names import middle
from brittlestar.report.words import number, points

MARKS = ("raw", "beyond the line", "beyond dilution")
"""Open circle, dot, diamond."""

_WIDTH, _LEFT, _RIGHT, _LANE = 780.0, 250.0, 128.0, 5.0
_LETTERS = 38
_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def columns_forest(title: str, claims: Sequence[ColumnClaim]) -> Markup:
    """A row a column: its three measures with their intervals, in points, on one scale."""
    shown = [(c, (c.raw.estimate, c.beyond.estimate, c.diluted.estimate)) for c in claims]
    ends = [v for _, estimates in shown for e in estimates for v in (100 * e.low, 100 * e.high)]
    ticks = nice_ticks(min(0.0, *ends), max(0.01, *ends), 6)
    each, top, right = _LANE * len(MARKS) + 4, 20.0, _WIDTH - _RIGHT
    base = top + each * len(shown)
    told = "; ".join(f"{c.column.title} {points(c.beyond.estimate, sign=True)}" for c in claims[:6])
    canvas = Canvas(_WIDTH, base + 32, title, f"{told}.", "chart forest")

    def x_of(value: float) -> float:
        return _LEFT + (100 * value - ticks[0]) / (ticks[-1] - ticks[0]) * (right - _LEFT)

    at = _LEFT + 4
    for lane, name in enumerate(MARKS):
        _mark(canvas, lane, at, 5.5, "")
        canvas.text(at + 8, 9, name, "tick")
        at += 26 + 5.4 * len(name)
    for value in ticks:
        x = x_of(value / 100)
        canvas.line(x, top, x, base, "axis" if value == 0 else "grid")
        canvas.text(x, base + 13, number(value, 0 if value % 1 == 0 else 1, sign=True), "tick", "middle")
    canvas.text((_LEFT + right) / 2, base + 27, "points, with 95 % intervals over models", "axis-title", "middle")
    for place, (claim, estimates) in enumerate(shown):
        y = top + each * (place + 0.5)
        if place:
            canvas.line(0, y - each / 2, _WIDTH, y - each / 2, "grid")
        sure = claim.stand in ("more robust", "less robust")
        canvas.text(_LEFT - 8, y + 3.6, middle(claim.column.title, _LETTERS), "name-of-row" if sure else "tick", "end")
        canvas.text(right + 8, y + 3.6, claim.stand, "name-of-row" if sure else "tick")
        for lane, e in enumerate(estimates):
            level = y + (lane - 1) * _LANE
            canvas.line(x_of(e.low), level, x_of(e.high), level, "whisker")
            _mark(canvas, lane, x_of(e.value), level, f"{claim.column.title}, {MARKS[lane]}: {points(e, sign=True)}")
    return canvas.markup()


def _mark(canvas: Canvas, lane: int, x: float, y: float, tip: str) -> None:
    inner = element("title", tip) if tip else ""
    if lane == 2:
        canvas.add("path", inner, d=f"M{x - 3:.1f} {y:.1f}l3-3 3 3-3 3z", class_="dot soft")
    else:
        canvas.add("circle", inner, cx=x, cy=y, r=2.3, class_="dot" if lane else "open")


def scatter(claims: PopulationClaims, claim: ColumnClaim, own: Sequence[OwnModel] = ()) -> Markup:
    """Models of one column: standard ones with their line and its band, the type, all others faint, one's own."""
    population, by = claims.population, scale_of(claims.scale)
    x, y = population.column(claim.column.against.name), population.column(claim.column.setting.name)
    known = np.asarray([bool(t) for t in population.types]) & np.isfinite(x) & np.isfinite(y)
    if claims.scale != "raw":
        known &= (x > 0) & (x < 1) & (y > 0) & (y < 1)
    marked = [(m, p) for m in own for p in m.points if p.column == claim.column]
    width, height, left, right, top, bottom = 300.0, 262.0, 36.0, 8.0, 8.0, 36.0
    stated = f"{claim.models} {claims.claimed} models: effective robustness {points(claim.beyond.estimate, sign=True)}"
    canvas = Canvas(width, height, f"{claim.column.title} by {claim.column.against.title}", f"{stated}.")
    # Models far below all others (nearest neighbours, random features) would leave no room for those in question.
    core = known & (claim.typed | claim.standing)
    xs = [*x[core], *(p.clean.value for _, p in marked)]
    ys = [*y[core], *(p.shifted.low for _, p in marked), *(p.shifted.high for _, p in marked)]
    low_x, high_x = _range(xs, claims.scale)
    low_y, high_y = _range(ys, claims.scale)

    def x_of(value: float) -> float:
        share = (float(by.forward(value)) - low_x) / (high_x - low_x)
        return left + min(max(share, 0.0), 1.0) * (width - left - right)

    def y_of(value: float) -> float:
        share = (float(by.forward(value)) - low_y) / (high_y - low_y)
        return height - bottom - min(max(share, 0.0), 1.0) * (height - bottom - top)

    for value in _ticks(low_x, high_x, claims.scale):
        canvas.line(x_of(value), top, x_of(value), height - bottom, "grid")
        canvas.text(x_of(value), height - bottom + 12, f"{100 * value:g}", "tick", "middle")
    for value in _ticks(low_y, high_y, claims.scale):
        canvas.line(left, y_of(value), width - right, y_of(value), "grid")
        canvas.text(left - 4, y_of(value) + 3.5, f"{100 * value:g}", "tick", "end")
    canvas.text((left + width - right) / 2, height - 8, f"{claim.column.against.title}, %", "axis-title", "middle")
    grid = by.inverse(np.linspace(low_x, high_x, 40))
    low, high = claim.line.band(grid)
    middle_line = claim.line.predict(grid)
    upper = [(x_of(a), y_of(b)) for a, b in zip(grid, high, strict=True)]
    canvas.path([*upper, *((x_of(a), y_of(b)) for a, b in zip(grid[::-1], low[::-1], strict=True))], "ribbon", True)
    up = by.forward(middle_line)
    # Cut off at the frame: pressed into it, the line would have a bend.
    drawn = [(a, b) for a, b, at in zip(grid, middle_line, up, strict=True) if low_y <= at <= high_y]
    inside = [(a, b) for a, b in drawn if claim.line.lowest <= a <= claim.line.highest]
    canvas.path([(x_of(a), y_of(b)) for a, b in drawn], "border")
    canvas.path([(x_of(a), y_of(b)) for a, b in inside], "line")
    order = (
        ("other", known & ~claim.typed & ~claim.standing & _within(x, xs, y, ys), 1.5),
        ("open standing", claim.standing, 2.0),
        ("dot typed", claim.typed & known, 2.6),
    )
    for kind, flags, size in order:
        for i in np.flatnonzero(flags):
            tip = f"{population.models[i]}: {100 * x[i]:.1f} %, {100 * y[i]:.1f} %"
            inner = element("title", tip)
            canvas.add("circle", inner, cx=x_of(float(x[i])), cy=y_of(float(y[i])), r=size, class_=kind)
    for model, point in marked:
        at = x_of(point.clean.value)
        canvas.line(at, y_of(point.shifted.low), at, y_of(point.shifted.high), "whisker mine")
        inner = element("title", f"{model.name}: {points(point.beyond, sign=True)} beyond the line")
        outline = f"M{at - 5:.1f} {y_of(point.shifted.value):.1f}l5-5 5 5-5 5z"
        canvas.add("path", inner, d=outline, class_="dot mine")
        canvas.text(at + 7, y_of(point.shifted.value) + 3.5, middle(model.name, 14), "name-of-row")
    return canvas.markup()


def _within(x: Floats, xs: Sequence[float], y: Floats, ys: Sequence[float]) -> Flags:
    return (x >= min(xs)) & (x <= max(xs)) & (y >= min(ys)) & (y <= max(ys))


def _range(values: Sequence[float], scale: str) -> tuple[float, float]:
    by = scale_of(scale)
    inner = [float(by.forward(min(max(v, 1e-4), 1 - 1e-4) if scale != "raw" else v)) for v in values]
    low, high = min(inner), max(inner)
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room


def _ticks(low: float, high: float, scale: str) -> list[float]:
    by = scale_of(scale)
    if scale == "raw":
        return [t for t in nice_ticks(low, high, 5) if low <= t <= high]
    there = [t for t in _TICKS if low <= float(by.forward(t)) <= high]
    # Labels need room: of ticks that crowd, every other one.
    return there if len(there) <= 7 else there[::2]


def interval_of(estimate: Estimate | None) -> str:
    """``+1.2 [−0.3, +2.7]`` in points; a dash for nothing."""
    if estimate is None:
        return "–"
    ends = f"[{number(100 * estimate.low, 1, sign=True)}, {number(100 * estimate.high, 1, sign=True)}]"
    return f"{number(100 * estimate.value, 1, sign=True)} {ends}"

"""The report's charts: curves with interval ribbons and reliability diagrams, as SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from brittlestar.report.drawing.palette import MODEL_COLOURS
from brittlestar.report.drawing.svg import Canvas, nice_ticks, spread
from brittlestar.report.panels import Curve, Panel, Reliability
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import interval, number, percent, share

FEWEST = 5
"""Bins with fewer images are left out of reliability diagrams: their intervals span nearly everything."""

HALF_LETTER = 3.2
"""Half the width that a letter of a tick's label may have, in user units."""

MOST_LABELS = 4
"""Up to so many lines are labelled at their ends; more are told apart by colour, dashes and the key."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a chart of curves is drawn.

    Fields:
        width, height: In user units; text is about 11 units high.
        error: Error charts end at the largest interval; accuracy charts run from 0 to 100 %.
        clean: Whether the accuracy on unchanged images is drawn as a first point.
        even: ``True`` for equal steps, ``False`` for true distances, ``None`` to choose.
        labels: Whether lines may be labelled at their ends.
        borders: Vertical lines, with names of the regions between them.
        named: Whether what is measured stands above its axis; on the page a heading says it.
        floor: A horizontal reference line (chance), in [0, 1].
        measured: What the curves show, where that is no error.
    """

    width: float = 260
    height: float = 176
    error: bool = False
    clean: bool = True
    even: bool | None = None
    labels: bool = True
    borders: tuple[float, ...] = ()
    regions: tuple[str, ...] = ()
    floor: float | None = None
    zero: bool = False
    named: bool = False
    measured: str = "accuracy"


@dataclass(frozen=True)
class Figure:
    """A chart with its caption; where not all are printed, those of the largest ``weight`` are."""

    title: str
    svg: Markup
    note: str = ""
    hue: str = ""
    against: str = ""
    weight: float = 0.0


SMALL = Look()
LARGE = Look(width=480, height=290)
COLUMN = Look(width=300, height=206, named=True)
"""For a file of its own: at a column's width its text has 8 points."""


def model_class(model: ModelEntry) -> str:
    """Colour class, and a dash class once the colours repeat."""
    turn, place = divmod(model.place, len(MODEL_COLOURS))
    # report.css has three kinds of dashes.
    return f"m{place}" + (f" dash{turn % 3}" if turn else "")


def curves(panel: Panel, look: Look = SMALL) -> Markup:
    """Lines over strength with interval ribbons."""
    lines = [line for line in panel.lines if line.points]
    title = f"{panel.title}: {'error' if look.error else look.measured} by {panel.axis or 'strength'}"
    canvas = Canvas(look.width, look.height, title, _described(lines))
    # A single line needs no name at its end: there is none to tell it from.
    direct = look.labels and 1 < len(lines) <= MOST_LABELS
    left, right, top, bottom = 34.0, 10.0, 8.0, 34.0
    if direct:
        right = 8 + min(5.6 * max(len(_short(line.model.name)) for line in lines), look.width * 0.26)
    if look.regions or look.named:
        top = 20.0
    clean = look.clean and any(line.clean is not None for line in lines)
    x_of, ticks = _horizontal(lines, left + (_room(lines) if clean else 6), look.width - right - 4, look)
    y_of, y_ticks = _vertical(lines, top, look.height - bottom, look)
    for value, label in y_ticks:
        y = y_of(value)
        canvas.line(left, y, look.width - right, y, "axis" if value == 0 else "grid")
        canvas.text(left - 5, y + 3.5, label, "tick", "end")
    base = look.height - bottom
    _regions(canvas, look, x_of, left, look.width - right, top, base)
    if look.floor:
        y = y_of(look.floor)
        canvas.line(left, y, look.width - right, y, "floor")
        canvas.text(left + 3, y - 3, "chance", "floor-label")
    if look.named:
        canvas.text(2, 9, "error" if look.error else look.measured, "axis-title")
    if clean:
        canvas.text(left + 10, base + 13, "clean", "tick", "middle")
    for x, label in ticks:
        canvas.line(x, base, x, base + 3, "axis")
        canvas.text(x, base + 13, label, "tick", "middle")
    if panel.axis:
        canvas.text((left + look.width - right) / 2, look.height - 5, panel.axis, "axis-title", "middle")
    for line in lines:
        _draw(canvas, line, x_of, y_of, left + 10 if clean else None)
    if direct:
        _end_labels(canvas, lines, x_of, y_of, look.width - right + 3, top, base)
    return canvas.markup()


def _room(lines: Sequence[Curve]) -> float:
    """How far right of the axis curves begin, so that the label ``clean`` stands clear of the first strength's."""
    first = min((p for line in lines for p in line.points), key=lambda p: p.x, default=None)
    return 38.0 if first is None else max(38.0, 30 + HALF_LETTER * len(_tick(first.label)))


def _draw(
    canvas: Canvas, line: Curve, x_of: Callable[[float], float], y_of: Callable[[float], float], clean_x: float | None
) -> None:
    kind = model_class(line.model)
    upper = [(x_of(p.x), y_of(p.estimate.high)) for p in line.points]
    lower = [(x_of(p.x), y_of(p.estimate.low)) for p in line.points]
    if len(upper) > 1:
        canvas.path([*upper, *reversed(lower)], f"ribbon {kind}", closed=True)
    track = [(x_of(p.x), y_of(p.estimate.value)) for p in line.points]
    canvas.path(track, f"line {kind}")
    if clean_x is not None and line.clean is not None:
        y = y_of(line.clean.value)
        canvas.path([(clean_x, y), track[0]], f"lead {kind}")
        canvas.add(
            "circle",
            cx=clean_x,
            cy=y,
            r=2.6,
            class_=f"open {kind}",
            data_tip=f"{line.model.name}\nclean: {share(line.clean)}\nn = {line.clean.n:,}",
        )
    for p, (x, y), (_, high), (_, low) in zip(line.points, track, upper, lower, strict=True):
        # More whiskers would hide the curve, and the ribbon shows the intervals too.
        if len(line.points) <= 12:
            canvas.line(x, high, x, low, f"whisker {kind}")
        tip = f"{line.model.name}\n{p.label}: {share(p.estimate)}\nn = {p.estimate.n:,}"
        canvas.add("circle", cx=x, cy=y, r=2.4, class_=f"dot {kind}", data_tip=tip)


def _horizontal(
    lines: Sequence[Curve], start: float, stop: float, look: Look
) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    labels = {p.x: p.label for line in lines for p in line.points}
    xs = sorted(labels)
    if len(xs) == 1:
        return (lambda _: (start + stop) / 2), [((start + stop) / 2, _tick(labels[xs[0]]))]
    gaps = [b - a for a, b in itertools.pairwise(xs)]
    # At true distances marks and labels of strengths much closer than the others would lie over each other.
    even = min(gaps) < 0.35 * (xs[-1] - xs[0]) / len(gaps) if look.even is None else look.even
    step = (stop - start) / (len(xs) - 1)
    if even:
        place = {x: start + i * step for i, x in enumerate(xs)}
    else:
        place = {x: start + (x - xs[0]) / (xs[-1] - xs[0]) * (stop - start) for x in xs}

    def x_of(value: float) -> float:
        if value in place:
            return place[value]
        return start + (value - xs[0]) / (xs[-1] - xs[0]) * (stop - start)

    if look.even is False:
        round_ones = [v for v in nice_ticks(xs[0], xs[-1], 6) if xs[0] <= v <= xs[-1]]
        return x_of, [(x_of(v), f"{v:g}") for v in round_ones]
    ticks: list[tuple[float, str]] = []

    def apart(first: float, second: float, *texts: str) -> bool:
        return second - first >= HALF_LETTER * sum(map(len, texts)) + 5

    # The last label always stands: it tells how far the curve goes.
    end, last = place[xs[-1]], _tick(labels[xs[-1]])
    for x in xs:
        text = _tick(labels[x])
        clear = not ticks or apart(ticks[-1][0], place[x], ticks[-1][1], text)
        if clear and (x == xs[-1] or apart(place[x], end, text, last)):
            ticks.append((place[x], text))
    return x_of, ticks


def _vertical(
    lines: Sequence[Curve], top: float, base: float, look: Look
) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    if not look.error:
        ticks = [(v / 100, f"{v}") for v in (0, 25, 50, 75, 100)]
        low, high = 0.0, 1.0
    else:
        most = max((p.estimate.high for line in lines for p in line.points), default=1.0)
        least = min((p.estimate.low for line in lines for p in line.points), default=0.0) if look.zero else 0.0
        values = nice_ticks(min(least, 0.0) * 100, min(most, 1.0) * 100, 4)
        low, high = values[0] / 100, values[-1] / 100
        ticks = [(v / 100, number(v, 0 if all(float(t).is_integer() for t in values) else 1)) for v in values]

    def y_of(value: float) -> float:
        return base - (min(max(value, low), high) - low) / (high - low) * (base - top)

    return y_of, [(v, label + (" %" if i == len(ticks) - 1 else "")) for i, (v, label) in enumerate(ticks)]


def _regions(
    canvas: Canvas, look: Look, x_of: Callable[[float], float], left: float, right: float, top: float, base: float
) -> None:
    edges = [left, *(x_of(b) for b in look.borders), right]
    for x in edges[1:-1]:
        canvas.line(x, top, x, base, "border")
    for name, a, b in zip(look.regions, edges, edges[1:], strict=False):
        canvas.text((a + b) / 2, top - 6, name, "region", "middle")


def _end_labels(
    canvas: Canvas,
    lines: Sequence[Curve],
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
    x: float,
    top: float,
    base: float,
) -> None:
    wanted = [y_of(line.points[-1].estimate.value) for line in lines]
    for line, y in zip(lines, spread(wanted, 11.5, top + 4, base - 2), strict=True):
        canvas.text(x, y + 3.5, _short(line.model.name), f"name {model_class(line.model)}")


def _short(name: str, most: int = 13) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _tick(label: str) -> str:
    return _short(label, 9)


def _described(lines: Sequence[Curve]) -> str:
    parts = []
    for line in lines[:6]:
        first, last = line.points[0], line.points[-1]
        parts.append(
            f"{line.model.name}: {percent(first.estimate)} at {first.label}"
            + (f" to {percent(last.estimate)} at {last.label}" if last is not first else "")
        )
    more = f"; and {len(lines) - 6} more models" if len(lines) > 6 else ""
    return "; ".join(parts) + more + "."


def reliability(model: ModelEntry, clean: Reliability, shifted: Reliability | None) -> Markup:
    """Accuracy against confidence in bins: clean as open marks, the shifted condition filled."""
    width, height, left, top, base = 230.0, 224.0, 34.0, 20.0, 188.0
    right = width - 10
    described = f"clean: expected calibration error {share(clean.ece)}"
    if shifted:
        described += f"; {shifted.title}: {share(shifted.ece)}"
    canvas = Canvas(width, height, f"Reliability of {model.name}", described + ".")

    def x_of(v: float) -> float:
        return left + v * (right - left)

    def y_of(v: float) -> float:
        return base - v * (base - top)

    for v in (0.0, 0.25, 0.5, 0.75, 1.0):
        canvas.line(left, y_of(v), right, y_of(v), "axis" if v == 0 else "grid")
        canvas.text(left - 5, y_of(v) + 3.5, f"{v * 100:.0f}" + (" %" if v == 1 else ""), "tick", "end")
        canvas.text(x_of(v), base + 13, f"{v * 100:.0f}", "tick", "middle")
    canvas.line(x_of(0), y_of(0), x_of(1), y_of(1), "diagonal")
    canvas.text((left + right) / 2, height - 5, "confidence (%)", "axis-title", "middle")
    canvas.text(left, top - 9, "accuracy", "axis-title")
    kind = model_class(model)
    for what, mark in ((clean, "open"), (shifted, "dot")):
        if what is None:
            continue
        bins = [b for b in what.bins if b.accuracy.n >= FEWEST]
        canvas.path(
            [(x_of(b.confidence), y_of(b.accuracy.value)) for b in bins],
            f"{'lead' if mark == 'open' else 'line'} {kind}",
        )
        for b in bins:
            x = x_of(b.confidence)
            canvas.line(x, y_of(b.accuracy.high), x, y_of(b.accuracy.low), f"whisker {kind}")
            tip = (
                f"{model.name}, {what.title}\nconfidence {number(b.confidence * 100)} %: right {share(b.accuracy)}\n"
                f"n = {b.accuracy.n:,} ({number(b.share * 100)} % of the images)"
            )
            # By the root, as the eye compares areas.
            radius = 2.0 + 3.2 * math.sqrt(b.share)
            canvas.add("circle", cx=x, cy=y_of(b.accuracy.value), r=radius, class_=f"{mark} {kind}", data_tip=tip)
    return canvas.markup()


def curve_table(panels: Sequence[Panel], models: Sequence[ModelEntry]) -> list[tuple[str, str, list[str]]]:
    """The numbers behind curves: (chart, strength, one text a model)."""
    rows: list[tuple[str, str, list[str]]] = []
    for panel in panels:
        cells: dict[tuple[float, str], dict[str, str]] = {}
        for line in panel.lines:
            for p in line.points:
                cells.setdefault((p.x, p.label), {})[line.model.key] = (
                    f"{number(p.estimate.value * 100)} {interval(p.estimate)}"
                )
        for (_, label), by_model in sorted(cells.items()):
            rows.append((panel.title, label, [by_model.get(m.key, "–") for m in models]))
    return rows

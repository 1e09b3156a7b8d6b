"""Spark lines: how accuracy goes down with strength, as small as a thumb, the finding's own condition ringed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from brittlestar.report.drawing.marks import colour_class, shape
from brittlestar.report.drawing.svg import element, outline
from brittlestar.report.section import Spark, SparkLine

WIDTH, HEIGHT = 148, 132
LEFT, RIGHT, TOP, BASE = 28.0, 142.0, 6.0, 112.0

APART = 6.8
"""Pixels a character of a tick's label takes: labels that would touch are left out."""


def spark(chart: Spark, many: bool) -> Markup:
    """Thin lines of all models, the finding's model thick; a ring and a dotted line where the number is."""
    lines = [line for line in chart.lines if line.points]
    if not lines:
        return Markup("")
    labels = {p.condition: p.label for line in lines for p in line.points}
    steps = {c: LEFT + 6 + (RIGHT - LEFT - 6) * i / max(len(labels) - 1, 1) for i, c in enumerate(labels)}
    parts = _axis()
    ringed = steps.get(chart.condition)
    if ringed is not None:
        parts.append(element("line", x1=ringed, x2=ringed, y1=TOP, y2=BASE, class_="at"))
    own = [line for line in lines if line.model.key == chart.model]
    parts += _shade(own, steps)
    parts += [_line(line, steps, "") for line in lines if line.model.key != chart.model]
    # After the others: SVG paints what comes later over what came before.
    parts += [_line(line, steps, "own dashed" if line.dashed else "own") for line in own]
    parts += [_ends(line, steps) for line in lines if not line.dashed and not many]
    for line in own:
        found = next((p for p in line.points if p.condition == chart.condition), None)
        if found is not None and not line.dashed:
            ring = element("circle", cx=steps[found.condition], cy=_y(found.value), r=4, class_="ring")
            parts.append(element("g", ring, class_=colour_class(line.model.place)))
    parts += _ticks(labels, steps, chart.condition)
    told = _told(own or lines)
    body = element("title", chart.axis) + element("desc", told) + Markup("").join(parts)
    return element(
        "svg",
        body,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
        aria_label=f"{chart.axis}: {told}",
    )


def _axis() -> list[Markup]:
    return [
        element("line", x1=LEFT, x2=RIGHT, y1=TOP, y2=TOP, class_="clean"),
        element("line", x1=LEFT, x2=RIGHT, y1=_y(0.5), y2=_y(0.5), class_="grid"),
        element("line", x1=LEFT, x2=RIGHT, y1=BASE, y2=BASE, class_="ends"),
        element("text", "100", x=LEFT - 5, y=TOP + 4, text_anchor="end"),
        element("text", "0", x=LEFT - 5, y=BASE + 4, text_anchor="end"),
    ]


def _y(value: float) -> float:
    return BASE - (BASE - TOP) * min(max(value, 0.0), 1.0)


def _track(line: SparkLine, steps: dict[str, float]) -> list[tuple[float, float]]:
    return [(steps[p.condition], _y(p.value)) for p in line.points]


def _line(line: SparkLine, steps: dict[str, float], class_: str) -> Markup:
    path = element("path", d=outline(_track(line, steps)), class_=f"curve {class_}".strip())
    return element("g", path, class_=colour_class(line.model.place))


def _ends(line: SparkLine, steps: dict[str, float]) -> Markup:
    """The model's mark at the end of its line, as in the profile."""
    x, y = _track(line, steps)[-1]
    mark = element("path", d=shape(line.model.place), class_="mark", transform=f"translate({x:.1f} {y:.1f})")
    return element("g", mark, class_=colour_class(line.model.place))


def _shade(own: Sequence[SparkLine], steps: dict[str, float]) -> list[Markup]:
    """Between what a model says of itself and what is true."""
    said = next((line for line in own if line.dashed), None)
    true = next((line for line in own if not line.dashed), None)
    if said is None or true is None:
        return []
    area = outline([*_track(said, steps), *reversed(_track(true, steps))], closed=True)
    return [element("g", element("path", d=area, class_="gap"), class_=colour_class(said.model.place))]


def _ticks(labels: dict[str, str], steps: dict[str, float], ringed: str) -> list[Markup]:
    """Labels that have room, the ringed one before all others."""
    placed: dict[str, tuple[float, float]] = {}
    order = sorted(labels, key=lambda c: (c != ringed, steps[c] != max(steps.values())))
    for condition in order:
        text = labels[condition]
        half = APART * max(len(text), 1) / 2
        middle = min(max(steps[condition], half), WIDTH - half)
        if text and all(abs(middle - x) > half + other + 5 for x, other in placed.values()):
            placed[condition] = middle, half
    return [
        element("text", labels[c], x=x, y=HEIGHT - 5, text_anchor="middle", class_="on" if c == ringed else None)
        for c, (x, _) in placed.items()
    ]


def _told(lines: Sequence[SparkLine]) -> str:
    parts = []
    for line in itertools.islice(lines, 2):
        values = ", ".join(f"{p.label or 'clean'} {100 * p.value:.0f}" for p in line.points)
        parts.append(f"{line.model.name}{' (confidence)' if line.dashed else ''} {values}")
    return "; ".join(parts)

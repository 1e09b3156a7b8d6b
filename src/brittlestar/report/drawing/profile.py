"""The profile drawn: a strip of lanes a family, or a cell a model and family; fluid widths, marks of fixed size."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from brittlestar.measures import Estimate
from brittlestar.report.drawing.marks import at, colour_class, percent_of, shape
from brittlestar.report.drawing.svg import element
from brittlestar.report.profile import Dot, Profile, ProfileRow
from brittlestar.report.words import NBSP, THIN, interval, number

LANE = 12
"""Pixels from one model's lane to the next: marks of 9 px stay apart."""

LANES_UP_TO = 4
"""More models than shapes turn the picture: a row a model, families across."""

QUARTERS = (0.25, 0.5, 0.75)


def said(estimate: Estimate) -> str:
    """``44 % [40, 48]``: whole numbers, never cut."""
    return f"{rounded(estimate)}{THIN}% {limits(estimate)}"


def rounded(estimate: Estimate) -> str:
    """``44``."""
    return number(100 * estimate.value, 0)


def limits(estimate: Estimate) -> str:
    """``[40, 48]``."""
    return f"[{number(100 * estimate.low, 0)},{NBSP}{number(100 * estimate.high, 0)}]"


def strip(profile: Profile, row: ProfileRow, lane: int, anchor: str) -> Markup:
    """One family: every model in a lane of its own, its mean as a mark, its interval as a line, conditions as ticks."""
    height = lane * len(profile.models) + 8
    parts = [AXIS]
    for place, dot in enumerate(row.dots):
        if dot is not None:
            parts.append(_lane(dot, 4 + lane * (place + 0.5), anchor))
    told = "; ".join(f"{d.model.name} {said(d.estimate)}" for d in row.dots if d is not None)
    return _svg(parts, height, row.title, told)


def blank(height: int) -> Markup:
    """Only the axis, so that its lines run on between families."""
    return element("svg", AXIS, width="100%", height=height, aria_hidden="true")


def hole(height: int) -> Markup:
    """A family that nobody asked."""
    line = element("line", x1="0%", x2="100%", y1=height / 2, y2=height / 2, class_="hole")
    return element("svg", line, width="100%", height=height, aria_hidden="true")


def cell(dot: Dot | None, title: str, anchor: str) -> Markup:
    """One model in one family, where models stand below each other."""
    height = 26
    if dot is None:
        return blank(height)
    parts = [AXIS]
    parts.append(element("line", x1="0%", x2=percent_of(dot.estimate.value), y1=13, y2=13, class_="stem"))
    parts.append(_lane(dot, 13, anchor, many=True, ticks=False))
    return _svg(parts, height, title, said(dot.estimate))


def clean_strip(profile: Profile, lane: int, names: Sequence[str]) -> Markup:
    """Names and clean accuracy, written on the clean line: no legend is needed."""
    height = lane * len(profile.models) + 8
    parts = [_vertical(0.0, "ends"), _vertical(1.0, "clean")] if profile.kept else [AXIS]
    for place, (model, estimate, name) in enumerate(zip(profile.models, profile.clean, names, strict=True)):
        if estimate is None:
            continue
        # Of what is kept, clean images have 100 % by definition: the accuracy itself stands in the text.
        y, x = 4 + lane * (place + 0.5), 1.0 if profile.kept else estimate.value
        left = x > 0.5  # names stand where there is room
        text = element("tspan", name, class_="who") + element("tspan", f"{number(100 * estimate.value)}{THIN}%", dx=7)
        text += element("tspan", interval(estimate), dx=5, class_="in")
        mark = element("path", d=shape(place), class_="mark")
        title = element("title", model.name)
        label = element("text", title + text, x=-10 if left else 10, y=4, text_anchor="end" if left else None)
        parts.append(element("g", at(x, y, mark + label), class_=colour_class(model.place)))
    told = "; ".join(
        f"{model.name} {number(100 * e.value)}{THIN}% {interval(e)}"
        for model, e in zip(profile.models, profile.clean, strict=True)
        if e is not None
    )
    return _svg(parts, height, "Clean accuracy", told)


def axis(profile: Profile) -> Markup:
    """The labels over the first strip."""
    left = "0 guessing" if profile.kept else "0"
    text = [
        element("text", left, x="0%", y=11),
        element("text", "50", x="50%", y=11, text_anchor="middle"),
        element("text", f"100{THIN}%", x="100%", y=11, text_anchor="end"),
    ]
    return element("svg", Markup("").join(text), width="100%", height=16, aria_hidden="true")


AXIS = element("use", href="#profile-axis")
"""The lines that all strips share stand on the page once (``frame``)."""


def frame(profile: Profile) -> Markup:
    """The lines of the axis, as wide and high as what uses them."""
    lines = [_vertical(x, "grid") for x in QUARTERS]
    lines += [_vertical(0.0, "ends"), _vertical(1.0, "clean" if profile.kept else "ends")]
    if not profile.kept and profile.guessing is not None:
        lines.append(_vertical(profile.guessing, "guess"))
    symbol = element("symbol", Markup("").join(lines), id="profile-axis", overflow="visible")
    return element("svg", symbol, width=0, height=0, aria_hidden="true", class_="shared")


def _vertical(value: float, class_: str) -> Markup:
    return element("line", x1=percent_of(value), x2=percent_of(value), y1="0", y2="100%", class_=f"axis-{class_}")


def _lane(dot: Dot, y: float, anchor: str, many: bool = False, ticks: bool = True) -> Markup:
    e = dot.estimate
    parts = element("title", f"{dot.model.name}: {said(e)}, {dot.conditions:,} conditions")
    for tick in dot.ticks if ticks else ():
        x = percent_of(tick.value)
        parts += element("line", x1=x, x2=x, y1=y - 4, y2=y + 4, class_="rug")
    parts += element("line", x1=percent_of(e.low), x2=percent_of(e.high), y1=y, y2=y, class_="whisker")
    parts += at(e.value, y, element("path", d=shape(dot.model.place, many), class_="mark"))
    # Not a stop of the Tab key: there are dozens, and in the strips a row's heading leads to the same place.
    link = element("a", parts, href=f"#{anchor}", tabindex="-1") if anchor else parts
    return element("g", link, class_=colour_class(dot.model.place))


def _svg(parts: Sequence[Markup], height: float, title: str, told: str) -> Markup:
    body = element("title", title) + element("desc", told) + Markup("").join(parts)
    return element("svg", body, width="100%", height=height, role="img", aria_label=f"{title}: {told}")

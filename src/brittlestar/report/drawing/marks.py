"""The marks of models: shape, lane and colour together, so that grey paper and colour blindness lose nothing."""

from __future__ import annotations

from markupsafe import Markup

from brittlestar.report.drawing.svg import element

SHAPES = (
    "M-4 0a4 4 0 1 1 8 0a4 4 0 1 1-8 0z",
    "M-3.6-3.6H3.6V3.6H-3.6z",
    "M0-4.8L4.8 3.6H-4.8z",
    "M0-5L5 0L0 5L-5 0z",
)
"""Circle, square, triangle, diamond; about 8 px each, around the origin."""

PALETTE = 12
"""Colours there are (``palette.MODEL_COLOURS``); later models begin again."""


def colour_class(place: int) -> str:
    """The class that sets a model's colour."""
    return f"m{place % PALETTE}"


def shape(place: int, many: bool = False) -> str:
    """Path data of a model's mark; a circle for all where there are more models than shapes."""
    return SHAPES[0] if many else SHAPES[place % len(SHAPES)]


def percent_of(value: float) -> str:
    """A place along the axis, ``63.21%``; what lies beyond an end is drawn at the end, only the number tells."""
    return f"{100 * min(max(value, 0.0), 1.0):.2f}%"


def at(value: float, y: float, content: Markup) -> Markup:
    """Marks of fixed size at a share of a fluid width: what is inside has its origin there."""
    return element("svg", content, x=percent_of(value), y=y)

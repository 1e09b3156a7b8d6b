"""A little SVG: elements with escaped text and attributes, and axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from brittlestar.core.text import readable_lines


def _format(value: object) -> str:
    if isinstance(value, float):
        # A tenth of a unit is less than can be seen, and a page has thousands of these numbers.
        return f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:.0f}"
    return str(value)


def element(tag: str, content: object = "", **attributes: object) -> Markup:
    """One element; ``content`` is escaped unless it is markup; attributes that are ``None`` are left out.

    ``class_`` stands for ``class``, underscores for dashes.
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is not None:
            parts.append(f' {name.rstrip("_").replace("_", "-")}="{escape(readable_lines(_format(value)))}"')
    inner = escape(readable_lines(content) if type(content) is str else content)
    parts.append(f">{inner}</{tag}>" if inner else "/>")
    return Markup("".join(parts))


class Canvas:
    """An SVG picture under construction, with its title and description for those who do not see it."""

    def __init__(self, width: float, height: float, title: str, description: str, kind: str = "chart") -> None:
        self.width, self.height, self.kind = width, height, kind
        self.title, self.description = title, description
        self.parts: list[Markup] = []

    def add(self, tag: str, content: object = "", **attributes: object) -> None:
        """Append an element."""
        self.parts.append(element(tag, content, **attributes))

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """A straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def text(
        self, x: float, y: float, content: str, class_: str = "", anchor: str | None = None, **more: object
    ) -> None:
        """Text; ``anchor`` is ``middle`` or ``end``."""
        self.add("text", content, x=x, y=y, class_=class_ or None, text_anchor=anchor, **more)

    def path(self, points: Sequence[tuple[float, float]], class_: str, closed: bool = False) -> None:
        """A polyline, or an outline when closed."""
        self.add("path", d=outline(points, closed), class_=class_)

    def markup(self) -> Markup:
        """The finished picture."""
        body = element("title", self.title) + element("desc", self.description) + Markup("").join(self.parts)
        return element(
            "svg",
            body,
            viewBox=f"0 0 {_format(self.width)} {_format(self.height)}",
            class_=self.kind,
            role="img",
            aria_label=f"{self.title}. {self.description}",
        )


def outline(points: Sequence[tuple[float, float]], closed: bool = False) -> str:
    """Path data of a polyline."""
    steps = [f"{'M' if i == 0 else 'L'}{_format(float(x))} {_format(float(y))}" for i, (x, y) in enumerate(points)]
    return "".join(steps) + ("Z" if closed else "")


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover ``[low, high]`` in about so many steps."""
    if not high > low:
        high = low + 1
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    # The factor and the two small terms below are for rounding: 0.30000000000000004 must not ask for one step more.
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels nearest the wanted ones, in the same order, ``gap`` apart, inside ``[low, high]``.

    Nearest in the sum of squares; the gap shrinks where not all have room.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    gap = min(gap, (high - low) / max(len(order) - 1, 1))
    # Less the gaps before it, a label need only not come before its neighbour: such places are means of pooled
    # neighbours (isotonic regression), and cutting them off at the ends keeps them nearest.
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        total, size = places[index] - rank * gap, 1
        while pools and pools[-1][0] / pools[-1][1] > total / size:
            more, others = pools.pop()
            total, size = total + more, size + others
        pools.append((total, size))
    last = high - gap * (len(order) - 1)
    free = [min(max(total / size, low), last) for total, size in pools for _ in range(size)]
    placed = [0.0] * len(order)
    for rank, index in enumerate(order):
        placed[index] = free[rank] + rank * gap
    return placed

"""A chart that stands alone: the page's styles written into its elements, a size in millimetres, its font inside.

On the page a chart is drawn by style sheets with custom properties. Programs that place figures into papers know few
of these, so every element gets, as plain SVG attributes, the values that it has on the light page when printed.
"""

from __future__ import annotations

import base64
import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from brittlestar.report.drawing.fonts import FAMILY, embedded, width_of
from brittlestar.report.drawing.sheet import Element, Sheet, declarations, resolved
from brittlestar.report.names import middle

SVG = "http://www.w3.org/2000/svg"

POINTS = 72 / 25.4
"""Typographic points in a millimetre."""

_ATTRIBUTES = frozenset(
    [
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "stroke-dasharray",
        "stroke-linejoin",
        "stroke-linecap",
        "stroke-opacity",
        "opacity",
        "font-size",
        "font-style",
        "font-weight",
        "letter-spacing",
        "text-anchor",
        "dominant-baseline",
        "paint-order",
        "image-rendering",
        "r",
    ]
)
"""Style properties that are SVG attributes and mean something on paper; cursors, transitions and the like do not."""

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML cannot hold; names come from data."""

_BOLD = 600
"""From this weight on the bold face is used: the report's weights are 400 to 550, and 600 to 720."""

_LINE = 14.0
"""Height of a line of the key, in the chart's units."""

_KEY_SIZE = 10.0
"""Size of the names in the key: that of the names at the ends of curves."""

_MARGIN = 1.0
"""What stays free around texts at the edge, in the chart's units."""

_ROOT_SIZE = 16.0
"""Size of a text that has none, as browsers have it."""


@dataclass(frozen=True)
class Alone:
    """A chart as a file of its own.

    Fields:
        svg: The file's text.
        width, height: In millimetres.
        smallest: Size of its smallest text in points; infinite without text.
    """

    svg: str
    width: float
    height: float
    smallest: float


def stand_alone(chart: str, sheet: Sheet, width: float, key: Sequence[tuple[str, str]] = (), around: str = "") -> Alone:
    """The chart with its styles, its font and a key inside, in the colours of the light page when printed.

    Args:
        chart: An SVG element as the page has it.
        sheet: The page's styles.
        width: In millimetres; the height follows.
        key: (classes, name) of every model in the chart's run. Those whose marks are in the chart and that are not
            named there stand below it.
        around: Classes of an element around the chart that styles may ask for.

    Raises:
        UsageError: The font cannot be embedded (see ``fonts.embedded``).
    """
    # Without its namespace an element keeps its plain tag; the namespace comes back below.
    root = ET.fromstring(_UNWRITABLE.sub("\ufffd", chart).replace(f' xmlns="{SVG}"', "", 1))
    left, top, right, bottom = _box(root)
    # The key comes first, so that its lines and names get their styles with all others.
    bottom += _add_key(root, [m for m in key if _drawn(root, *m)], left + 2, bottom, right - left - 4)
    _bake(root, sheet, [("body", frozenset(around.split()))], sheet.root)
    words = list(_words(root, _Word("", 0.0, 0.0, _ROOT_SIZE, False, "start")))
    # On the page texts may reach beyond the picture; here the picture grows.
    spans = [word.span() for word in words]
    left = min([left, *(x - _MARGIN for x, _ in spans)])
    right = max([right, *(x + _MARGIN for _, x in spans)])
    top = min([top, *(word.y - word.size for word in words)])
    # Letters such as g and p reach about a quarter of their size below the line.
    bottom = max([bottom, *(word.y + 0.25 * word.size for word in words)])
    faces = {bold: "".join(sorted({c for w in words if w.bold is bold for c in w.text})) for bold in (False, True)}
    style = ET.Element("style")
    style.text = "".join(_face(embedded(letters, bold), bold) for bold, letters in faces.items() if letters)
    root.insert(0, style)
    scale = width / (right - left)
    height = scale * (bottom - top)
    root.attrib.update(
        {
            "xmlns": SVG,
            "version": "1.1",
            "width": f"{width:g}mm",
            "height": f"{height:.3f}mm",
            "viewBox": " ".join(f"{v:.2f}" for v in (left, top, right - left, bottom - top)),
            "font-family": f"'{FAMILY}', sans-serif",
        }
    )
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    return Alone(text, width, height, min((word.size for word in words), default=math.inf) * scale * POINTS)


@dataclass(frozen=True)
class _Word:
    """A shown text with what it inherits."""

    text: str
    x: float
    y: float
    size: float
    bold: bool
    anchor: str

    def span(self) -> tuple[float, float]:
        """Where it begins and ends."""
        wide = self.size * width_of(self.text, self.bold)
        start = self.x - wide * {"middle": 0.5, "end": 1.0}.get(self.anchor, 0.0)
        return start, start + wide


def _words(element: ET.Element, above: _Word) -> Iterator[_Word]:
    """Every text that is shown, with its place, size and weight; a text in pieces is taken for one."""
    own = _Word(
        _said(element) if element.tag == "text" else "",
        float(element.get("x", above.x)),
        float(element.get("y", above.y)),
        float(element.get("font-size", above.size)),
        element.get("font-weight", "bold" if above.bold else "normal") == "bold",
        element.get("text-anchor", above.anchor),
    )
    if own.text.strip():
        yield own
    if element.tag != "text":
        for child in element:
            yield from _words(child, own)


def _said(text: ET.Element) -> str:
    """What a text says, in all its pieces but the title that a pointer shows."""
    inside = ("" if piece.tag == "title" else _said(piece) for piece in text)
    after = (piece.tail or "" for piece in text)
    return (text.text or "") + "".join(itertools.chain.from_iterable(zip(inside, after, strict=True)))


def _box(root: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the picture."""
    left, top, wide, high = (float(v) for v in root.attrib["viewBox"].split())
    return left, top, left + wide, top + high


def _face(font: bytes, bold: bool) -> str:
    data = base64.b64encode(font).decode()
    return (
        f"@font-face{{font-family:'{FAMILY}';font-weight:{'bold' if bold else 'normal'};"
        f"src:url(data:font/woff;base64,{data}) format('woff')}}"
    )


def _bake(element: ET.Element, sheet: Sheet, above: Sequence[Element], known: Mapping[str, str]) -> None:
    """Styles become attributes, here and below; what only a page can use goes, and so does what is not shown."""
    lineage = [*above, (element.tag, frozenset(element.get("class", "").split()))]
    style = sheet.style(lineage)
    style.update(declarations(element.attrib.pop("style", "")))
    own = {**known, **{name: value for name, value in style.items() if name.startswith("--")}}
    if style.get("display", "").strip() == "none":
        element.set("display", "none")
    for name in _ATTRIBUTES & set(style):
        value = resolved(style[name], own)
        if value is not None:
            # Numbers of an SVG are in user units already, and not every program reads ``1.8px``.
            element.set(name, re.sub(r"(?<=\d)px\b", "", value.strip()))
    _weigh(element)
    for name in list(element.attrib):
        if name in ("class", "tabindex") or name.startswith("data-"):
            del element.attrib[name]
    if element.tag == "a":  # Leads to a place on the page.
        element.tag = "g"
        element.attrib.pop("href", None)
    for child in list(element):
        _bake(child, sheet, lineage, own)
        if child.get("display") == "none":
            element.remove(child)


def _weigh(element: ET.Element) -> None:
    """The two weights of the font that is embedded."""
    weight = element.get("font-weight")
    if weight is not None:
        element.set(
            "font-weight", "bold" if weight == "bold" or (weight.isdigit() and int(weight) >= _BOLD) else "normal"
        )


def _drawn(root: ET.Element, classes: str, name: str) -> bool:
    """Whether a model has marks in the chart and its name is not there."""
    wanted = set(classes.split())
    marks = any(
        wanted <= (own := set(e.get("class", "").split())) and own & {"line", "dot", "whisker", "mark"}
        for e in root.iter()
    )
    return marks and all(name != _said(text) for text in root.iter("text"))


def _add_key(root: ET.Element, models: Sequence[tuple[str, str]], left: float, top: float, room: float) -> float:
    """Marks and names below the chart, line by line; the height they take."""
    x, y = left, top
    for classes, name in models:
        shown = _cut(name, room - 21)
        wide = 21 + _KEY_SIZE * width_of(shown, bold=True)
        if x > left and x + wide > left + room:
            x, y = left, y + _LINE
        line = {"x1": f"{x:g}", "y1": f"{y + 7:g}", "x2": f"{x + 16:g}", "y2": f"{y + 7:g}", "class": f"line {classes}"}
        ET.SubElement(root, "line", line)
        label = ET.SubElement(root, "text", {"x": f"{x + 21:g}", "y": f"{y + 10.5:g}", "class": f"name {classes}"})
        label.text = shown
        x += wide + 12
    return y + _LINE + 2 - top if models else 0.0


def _cut(name: str, room: float) -> str:
    """The name without its middle if it is too long."""
    cuts = (middle(name, letters) for letters in range(len(name), 8, -1))
    return next((cut for cut in cuts if _KEY_SIZE * width_of(cut, bold=True) <= room), middle(name, 8))

"""The picture grid of a suite: shifts down, strengths across; as a PNG and as one offline page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont

from brittlestar.core.version import VERSION
from brittlestar.report.policy import policy
from brittlestar.report.render import asset, environment

CELL = 150
"""Pictures are shown this wide and high."""

_GAP, _LABEL, _HEAD = 6, 190, 64
# The colours of the light page, from report.css.
_PAPER, _INK, _SOFT, _RULE = "#fbfaf8", "#16191d", "#5b636e", "#e3e0da"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture: under which condition, how strong, with which parameters."""

    label: str
    detail: str
    image: Image.Image


@dataclass(frozen=True, kw_only=True)
class Line:
    """The pictures of one shift, from weak to strong."""

    family: str
    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class PictureGrid:
    """A suite on one image.

    Fields:
        title: The heading.
        facts: Short facts under it.
        notes: What is to be known about the pictures, a sentence each.
        clean: The image without any shift.
        lines: One a shift.
    """

    title: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    clean: Image.Image
    lines: tuple[Line, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The strengths' names where all lines share them, else their numbers."""
        longest = max((line.cells for line in self.lines), key=len, default=())
        shared = {tuple(c.label for c in line.cells) for line in self.lines}
        names = tuple(c.label for c in longest)
        return names if len(shared) == 1 else tuple(str(i + 1) for i in range(len(longest)))


def grid_png(grid: PictureGrid) -> Image.Image:
    """The grid as one RGB picture."""
    columns = len(grid.columns)
    width = _LABEL + (columns + 1) * (CELL + _GAP) + _GAP
    height = _HEAD + 30 + len(grid.lines) * (CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    large, plain, small = (ImageFont.load_default(size) for size in (22, 15, 12))
    draw.text((_GAP + 4, 12), grid.title, _INK, large)
    draw.text((_GAP + 4, 42), " · ".join(grid.facts), _SOFT, small)
    for place, name in enumerate(("unchanged", *grid.columns)):
        draw.text((_LABEL + place * (CELL + _GAP) + 2, _HEAD + 6), _fitted(draw, name, plain, CELL), _INK, plain)
    family = ""
    for row, line in enumerate(grid.lines):
        top = _HEAD + 30 + row * (CELL + _GAP)
        if line.family != family:
            draw.line((_GAP, top - 3, width - _GAP, top - 3), _RULE)
            draw.text((_GAP + 4, top + 26), line.family, _SOFT, small)
            family = line.family
        draw.text((_GAP + 4, top + 6), _fitted(draw, line.title, plain, _LABEL - 14), _INK, plain)
        for place, picture in enumerate([grid.clean, *(c.image for c in line.cells)]):
            sheet.paste(shown(picture), (_LABEL + place * (CELL + _GAP), top))
    return sheet


def shown(picture: Image.Image) -> Image.Image:
    """The picture at the size of a cell: small ones enlarged in whole pixels."""
    kind = Image.Resampling.NEAREST if picture.width < CELL else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((CELL, CELL), kind)


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "…", font) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def grid_html(grid: PictureGrid) -> str:
    """The grid as one self-contained page; every name is escaped."""
    page = environment().get_template("picture.html")
    css = f"{asset('report.css')}.sheet{{--size:{CELL}px}}{asset('picture.css')}"
    return page.render(g=grid, uri=_uri, css=Markup(css), policy=policy([css]), version=VERSION, size=CELL)


def _uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

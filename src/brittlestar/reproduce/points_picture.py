"""Accuracies of models as points around a line, as a PNG for a reproduction's page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from brittlestar.core.files import replacing
from brittlestar.measures.lines import FittedLine
from brittlestar.measures.scales import scale_of

_SIDE, _LEFT, _BOTTOM, _ROOM = 560, 62, 56, 14
_INK, _SOFT, _GRID, _BAND, _MARK = "#16191d", "#5b636e", "#e3e0da", "#d9e6f3", "#0b62a8"
_TICKS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)


def points_picture(path: Path, points: Sequence[tuple[float, float]], line: FittedLine, across: str, up: str) -> str:
    """Draw models (x, y), the line and its band on the line's scale; gives the file's name."""
    by = scale_of(line.scale)
    at = np.asarray([[float(by.forward(v)) for v in pair] for pair in points])
    low, high = at.min(axis=0), at.max(axis=0)
    room = 0.06 * (high - low)
    low, high = low - room, high + room
    sheet = Image.new("RGB", (_SIDE, _SIDE), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (np.asarray([x, y]) - low) / (high - low)
        return (
            _LEFT + float(share[0]) * (_SIDE - _LEFT - _ROOM),
            _SIDE - _BOTTOM - float(share[1]) * (_SIDE - _BOTTOM - _ROOM),
        )

    grid = np.linspace(low[0], high[0], 60)
    band = [by.forward(v) for v in line.band(by.inverse(grid))]
    middle = line.slope * grid + line.intercept
    # On a sheet of its own, cut to the chart: the band leaves it at its ends.
    inner = Image.new("RGB", (_SIDE, _SIDE), "white")
    own = ImageDraw.Draw(inner)
    outline = [place(x, y) for x, y in zip(grid, band[0], strict=True)]
    outline += [place(x, y) for x, y in zip(grid[::-1], band[1][::-1], strict=True)]
    own.polygon(outline, fill=_BAND)
    for axis in (0, 1):
        for tick in _TICKS:
            value = float(by.forward(tick))
            if low[axis] <= value <= high[axis]:
                ends = ((value, low[1]), (value, high[1])) if axis == 0 else ((low[0], value), (high[0], value))
                own.line([place(*end) for end in ends], fill=_GRID)
                x, y = place(*ends[0])
                spot = (x, y + 6) if axis == 0 else (x - 8, y)
                draw.text(spot, f"{100 * tick:g}", _SOFT, font, anchor="mt" if axis == 0 else "rm")
    own.line([place(x, y) for x, y in zip(grid, middle, strict=True)], fill=_INK, width=2)
    for x, y in at:
        px, py = place(float(x), float(y))
        own.ellipse((px - 4, py - 4, px + 4, py + 4), fill=_MARK, outline="white")
    box = (_LEFT, _ROOM, _SIDE - _ROOM, _SIDE - _BOTTOM)
    sheet.paste(inner.crop(box), box[:2])
    draw.rectangle(box, outline=_SOFT)
    draw.text(((_LEFT + _SIDE - _ROOM) / 2, _SIDE - 12), across, _INK, font, anchor="ms")
    label = Image.new("RGB", (_SIDE, 20), "white")
    ImageDraw.Draw(label).text((_SIDE / 2, 10), up, _INK, font, anchor="mm")
    turned = label.rotate(90, expand=True)
    sheet.paste(turned.crop((0, 0, 20, _SIDE)), (2, 0))
    with replacing(path) as beside:
        sheet.save(beside, "PNG")
    return path.name

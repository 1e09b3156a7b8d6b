"""Fourier maps as small pictures: one pixel a frequency, enlarged by the browser without smoothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from brittlestar.report.drawing.palette import colours, diverging, sequential
from brittlestar.report.drawing.svg import Canvas
from brittlestar.report.panels import Matrix
from brittlestar.report.subjects import ModelEntry

SIDE = 200.0


def data_uri(picture: Image.Image, kind: str = "PNG", **options: object) -> str:
    """A picture as text that a page can hold."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def picture_of(values: Matrix, table: npt.NDArray[np.uint8], low: float, high: float) -> str:
    """A PNG with one pixel a value; NaN is transparent."""
    known = np.isfinite(values)
    # NaN has no colour; any will do, as it is made transparent.
    rgb = colours(np.where(known, values, low), table, low, high)
    rgba = np.dstack([rgb, np.where(known, 255, 0).astype(np.uint8)])
    return data_uri(Image.fromarray(rgba, "RGBA") if not known.all() else Image.fromarray(rgb), optimize=True)


def bar(table: npt.NDArray[np.uint8] | None = None) -> str:
    """A scale as a picture; the sequential one if none is given."""
    return data_uri(Image.fromarray((sequential() if table is None else table)[None]), optimize=True)


def error_map(model: ModelEntry, values: Matrix, low: float, high: float, plane: Plane, scale: bool = False) -> Markup:
    """Error over frequency on the sequential scale, which is drawn below where ``scale`` asks for it."""
    mean = float(np.nanmean(values)) * 100
    described = f"Error from {np.nanmin(values) * 100:.1f} % to {np.nanmax(values) * 100:.1f} %, mean {mean:.1f} %."
    images = [(picture_of(values, sequential(), low, high), None)]
    below = ColourScale(f"{low * 100:.0f}", "error, %", f"{high * 100:.0f}", bar()) if scale else None
    return _framed(f"Fourier map of {model.name}", described, images, plane, below)


def difference_map(
    model: ModelEntry, against: ModelEntry, values: Matrix, limit: float, plane: Plane, scale: bool = False
) -> Markup:
    """Difference in error over frequency on the diverging scale, for light and for dark pages; see ``error_map``."""
    described = f"Difference in error from {np.nanmin(values) * 100:.1f} to {np.nanmax(values) * 100:.1f} points."
    # Zero has the colour of the page, so light and dark pages need pictures of their own.
    images = [
        (picture_of(values, diverging(dark), -limit, limit), "on-dark" if dark else "on-light")
        for dark in (False, True)
    ]
    below = None
    if scale:
        end = f"{limit * 100:.0f}"
        below = ColourScale(f"−{end}", f"error less {against.name}’s, points", f"+{end}", bar(diverging(False)))
    return _framed(f"Fourier map of {model.name} minus {against.name}", described, images, plane, below)


@dataclass(frozen=True)
class Plane:
    """The signed frequencies of a map's rows and columns, in even steps, and radii to mark."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    borders: tuple[float, ...]


@dataclass(frozen=True)
class ColourScale:
    """What a map's colours mean: the ends, the unit, and the colours as a picture."""

    low: str
    unit: str
    high: str
    colours: str


def _framed(
    title: str, described: str, images: Sequence[tuple[str, str | None]], plane: Plane, scale: ColourScale | None
) -> Markup:
    left, top = 24.0, 2.0
    cell = SIDE / max(len(plane.rows), len(plane.columns))
    width, height = cell * len(plane.columns), cell * len(plane.rows)
    canvas = Canvas(left + SIDE + 2, top + height + (58 if scale else 28), title, described, "map")
    for source, kind in images:
        canvas.add(
            "image", href=source, x=left, y=top, width=width, height=height, class_=kind, preserveAspectRatio="none"
        )
    _rings(canvas, plane, left, top, cell)
    canvas.add("rect", x=left, y=top, width=width, height=height, class_="frame")
    for place, value in _marked(plane.columns):
        canvas.text(left + (place + 0.5) * cell, top + height + 11, _signed(value), "", "middle")
    for place, value in _marked(plane.rows):
        canvas.text(left - 4, top + (place + 0.5) * cell + 3.2, _signed(value), "", "end")
    canvas.text(left + width / 2, top + height + 23, "cycles per image", "", "middle")
    if scale is not None:
        y = top + height + 34
        canvas.add("image", href=scale.colours, x=left, y=y, width=width, height=8, preserveAspectRatio="none")
        canvas.text(left, y + 19, scale.low)
        canvas.text(left + width / 2, y + 19, scale.unit, "", "middle")
        canvas.text(left + width, y + 19, scale.high, "", "end")
    # Twice, light on dark, to be seen on every colour of the map; so are the rings.
    for kind in ("cross under", "cross"):
        canvas.add("rect", width=cell, height=cell, class_=kind, display="none")
    # The arrow keys move the cross (report.js), so the picture can have the focus.
    return Markup(str(canvas.markup()).replace("<svg ", '<svg tabindex="0" ', 1))


def _rings(canvas: Canvas, plane: Plane, left: float, top: float, cell: float) -> None:
    """Circles around the mean, as far as they fit."""
    step = plane.columns[1] - plane.columns[0] if len(plane.columns) > 1 else 1
    x0 = left + (0.5 - plane.columns[0] / step) * cell
    y0 = top + (0.5 - plane.rows[0] / step) * cell
    room = min(x0 - left, y0 - top, left + cell * len(plane.columns) - x0, top + cell * len(plane.rows) - y0)
    for radius in plane.borders:
        if radius / step * cell <= room:
            for kind in ("ring under", "ring"):
                canvas.add("circle", cx=x0, cy=y0, r=radius / step * cell, class_=kind)


def _marked(axis: Sequence[int]) -> list[tuple[int, int]]:
    """(place, frequency) of the ends and of zero."""
    return [(place, value) for place, value in enumerate(axis) if value == 0 or place in (0, len(axis) - 1)]


def _signed(value: int) -> str:
    return f"−{-value}" if value < 0 else str(value)

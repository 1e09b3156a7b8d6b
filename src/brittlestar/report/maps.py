"""Fourier maps as small pictures: one pixel a frequency, enlarged by the browser without smoothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image

from brittlestar.report.content import Matrix, ModelEntry
from brittlestar.report.palette import colours, diverging, sequential
from brittlestar.report.svg import Canvas

SIDE = 200.0


def data_uri(picture: Image.Image, kind: str = "PNG", **options: object) -> str:
    """A picture as text that a page can hold."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def picture_of(values: Matrix, table: npt.NDArray[np.uint8], low: float, high: float) -> str:
    """A PNG with one pixel a value; NaN is transparent."""
    known = np.isfinite(values)
    rgb = colours(np.where(known, values, low), table, low, high)
    rgba = np.dstack([rgb, np.where(known, 255, 0).astype(np.uint8)])
    return data_uri(Image.fromarray(rgba, "RGBA") if not known.all() else Image.fromarray(rgb), optimize=True)


def bar(low: bool = True) -> str:
    """The sequential scale as a picture."""
    return data_uri(Image.fromarray(sequential()[None]), optimize=True)


def error_map(model: ModelEntry, values: Matrix, low: float, high: float, borders: Sequence[float]) -> Markup:
    """Error over frequency on the sequential scale."""
    mean = float(np.nanmean(values)) * 100
    described = f"Error from {np.nanmin(values) * 100:.1f} % to {np.nanmax(values) * 100:.1f} %, mean {mean:.1f} %."
    images = [(picture_of(values, sequential(), low, high), None)]
    return _framed(f"Fourier map of {model.name}", described, images, values.shape[0], borders)


def difference_map(model: ModelEntry, against: ModelEntry, values: Matrix, limit: float, borders: Sequence[float]) -> Markup:
    """Difference in error over frequency on the diverging scale, for light and for dark pages."""
    described = f"Difference in error from {np.nanmin(values) * 100:.1f} to {np.nanmax(values) * 100:.1f} points."
    images = [
        (picture_of(values, diverging(dark), -limit, limit), "on-dark" if dark else "on-light") for dark in (False, True)
    ]
    return _framed(f"Fourier map of {model.name} minus {against.name}", described, images, values.shape[0], borders)


def _framed(
    title: str, described: str, images: Sequence[tuple[str, str | None]], size: int, borders: Sequence[float]
) -> Markup:
    left, top = 24.0, 2.0
    canvas = Canvas(left + SIDE + 2, top + SIDE + 28, title, described, "map")
    for source, kind in images:
        canvas.add("image", href=source, x=left, y=top, width=SIDE, height=SIDE, class_=kind, preserveAspectRatio="none")
    cell, half = SIDE / size, size // 2
    x0, y0 = left + (half + 0.5) * cell, top + (half + 0.5) * cell
    for radius in borders:
        if radius * cell < SIDE / 2:
            for kind in ("ring under", "ring"):
                canvas.add("circle", cx=x0, cy=y0, r=radius * cell, class_=kind)
    canvas.add("rect", x=left, y=top, width=SIDE, height=SIDE, class_="frame")
    last = size - 1 - half
    for value in sorted({-half, 0, last}):
        place = (value + half + 0.5) * cell
        text = f"−{-value}" if value < 0 else str(value)
        canvas.text(left + place, top + SIDE + 11, text, "", "middle")
        canvas.text(left - 4, top + place + 3.2, text, "", "end")
    canvas.text(left + SIDE / 2, top + SIDE + 23, "cycles per image", "", "middle")
    for kind in ("cross under", "cross"):
        canvas.add("rect", width=cell, height=cell, class_=kind, style="display:none")
    return Markup(str(canvas.markup()).replace("<svg ", '<svg tabindex="0" ', 1))

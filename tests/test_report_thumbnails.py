"""Stored thumbnails stand in the page as they are where they hold pixels only, else they are drawn anew."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from brittlestar.report.sections.examples import SMALL, _as_stored, _embedded

GREY = np.arange(12 * 12, dtype=np.uint8).reshape(12, 12)


def png(picture: Image.Image, *, comment: str = "") -> bytes:
    buffer, about = io.BytesIO(), PngImagePlugin.PngInfo()
    if comment:
        about.add_text("comment", comment)
    picture.save(buffer, "PNG", optimize=True, pnginfo=about)
    return buffer.getvalue()


@pytest.mark.parametrize("pixels", [GREY, np.dstack([GREY, GREY.T, GREY])])
def test_what_a_run_stored_is_what_would_be_drawn(pixels: np.ndarray) -> None:
    data = png(Image.fromarray(pixels))
    assert _as_stored(data) == _embedded(pixels)
    assert base64.b64decode(_as_stored(data).partition(",")[2]) == data


def test_any_other_file_is_drawn_anew() -> None:
    plain = png(Image.fromarray(GREY))
    others = {
        "metadata": png(Image.fromarray(GREY), comment="not pixels"),
        "palette": png(Image.fromarray(GREY).convert("P")),
        "alpha": png(Image.fromarray(GREY).convert("RGBA")),
        "one bit": png(Image.fromarray(GREY).convert("1")),
        "large": png(Image.new("L", (SMALL + 1, 3))),
        "something after it": plain + b"<script>",
        "cut off": plain[:-8],
        "no picture": b"GIF89a",
        "empty": b"",
    }
    assert {name: _as_stored(data) for name, data in others.items()} == dict.fromkeys(others, "")

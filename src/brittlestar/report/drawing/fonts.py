"""DejaVu Sans for figures: a free font that matplotlib brings, cut down to the letters of one figure."""

from __future__ import annotations

import functools
import importlib.util
import io
from collections.abc import Mapping
from pathlib import Path

from brittlestar.core.errors import UsageError, require

FAMILY = "DejaVu Sans"


def font_file(bold: bool = False) -> Path:
    """The file in the installed matplotlib.

    Raises:
        UsageError: The extra ``plots`` is not installed.
    """
    matplotlib = importlib.util.find_spec("matplotlib")
    there = matplotlib is not None and importlib.util.find_spec("fontTools") is not None
    require(there, "figures need matplotlib, its font and its fontTools: pip install 'brittlestar[plots]'", UsageError)
    assert matplotlib is not None and matplotlib.origin is not None
    folder = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    return folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


def embedded(letters: str, bold: bool = False) -> bytes:
    """A WOFF file with these letters. Letters that the font lacks are left to the viewer's own fonts.

    Raises:
        UsageError: See ``font_file``.
    """
    path = font_file(bold)
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    # Without hinting and alternative forms a font has 3 to 10 kB. The time stamp stays that of the font's makers, so
    # that the same chart gives the same bytes. FontForge's own stamp (FFTM) cannot be cut down and serves no viewer.
    options = Options(hinting=False, layout_features=["kern", "mark"])
    options.drop_tables = [*options.drop_tables, "FFTM"]
    with TTFont(path, recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(text=letters)
        subsetter.subset(font)
        font.flavor = "woff"
        buffer = io.BytesIO()
        font.save(buffer)
    return buffer.getvalue()


def width_of(text: str, bold: bool = False) -> float:
    """How wide a text is, as a multiple of its size, without kerning; unknown letters count as an em.

    Raises:
        UsageError: See ``font_file``.
    """
    widths = _widths(bold)
    return sum(widths.get(ord(letter), 1.0) for letter in text)


@functools.cache
def _widths(bold: bool) -> Mapping[int, float]:
    path = font_file(bold)
    from fontTools.ttLib import TTFont

    with TTFont(path) as font:
        advances, em = font["hmtx"], font["head"].unitsPerEm
        return {code: advances[name][0] / em for code, name in font.getBestCmap().items()}

"""Charts as files for a paper: SVG with the font inside, PDF and PNG by Chromium, at the width of a column."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path

from PIL import Image

from brittlestar.core.errors import UsageError, require
from brittlestar.core.files import replacing, write_atomic
from brittlestar.report import chromium
from brittlestar.report.drawing.alone import Alone

FORMATS = (".png", ".svg", ".pdf")

COLUMN = 84.0
"""Millimetres: a column of IEEE's and Elsevier's journals is 84 to 90 wide, one of ACM's and Springer's 84 to 86."""

DENSITY = 300
"""Dots an inch of a PNG, which printers ask for."""

LEGIBLE = 6.0
"""Points: smaller text is what publishers send back."""

_UNITS = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72}
_PIXELS = 96 / 25.4


def millimetres(text: str) -> float:
    """``84mm``, ``8.4cm``, ``3.3in``, ``239pt``, or a plain number of millimetres.

    Raises:
        UsageError: Something else, or outside 20 to 1,000 mm.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(mm|cm|in|pt)?\s*", text)
    width = float(match[1]) * _UNITS[match[2] or "mm"] if match else math.nan
    require(
        20 <= width <= 1000, f"a width is 20 to 1,000 mm, as in 84mm, 8.4cm, 3.3in or 239pt; got {text!r}", UsageError
    )
    return width


def check_path(path: Path) -> None:
    """Whether a chart can be written there, found out before work begins.

    Raises:
        UsageError: Another ending, or Chromium is missing for a PDF or a PNG.
    """
    require(path.suffix.lower() in FORMATS, f"{path}: a figure ends on {', '.join(FORMATS)}", UsageError)
    if path.suffix.lower() != ".svg":
        chromium.check_chromium(f"a {path.suffix[1:].upper()} of a chart")


def save(chart: Alone, path: Path) -> None:
    """Write a chart as SVG, PDF or PNG by the ending of ``path``.

    Raises:
        UsageError: See ``check_path``.
        BrittlestarError: Chromium failed.
    """
    check_path(path)
    kind = path.suffix.lower()
    if kind == ".svg":
        write_atomic(path, chart.svg)
        return
    with tempfile.TemporaryDirectory(prefix="brittlestar-figure-") as folder:
        page = Path(folder) / "figure.html"
        page.write_text(_page(chart), encoding="utf-8")
        if kind == ".pdf":
            chromium.print_pdf(page, path)
            return
        wide, high = (math.ceil(side * _PIXELS) for side in (chart.width, chart.height))
        taken = Path(folder) / "figure.png"
        chromium.picture(page, taken, (wide, high), DENSITY / 96)
        across, down = (round(side / 25.4 * DENSITY) for side in (chart.width, chart.height))
        with Image.open(taken) as picture, replacing(path) as beside:
            picture.convert("RGB").crop((0, 0, across, down)).save(beside, "PNG", dpi=(DENSITY, DENSITY), optimize=True)


def _page(chart: Alone) -> str:
    """A page of the chart's size that holds nothing else."""
    svg = chart.svg.partition("?>")[2]
    return (
        '<!doctype html><meta charset="utf-8"><title>figure</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:; font-src data:">'
        f"<style>@page{{size:{chart.width:g}mm {chart.height:.3f}mm;margin:0}}html,body{{margin:0;background:#fff}}"
        # A hair too high, and Chromium begins a second page.
        f"body>svg{{display:block;max-height:{chart.height - 0.05:.3f}mm}}*{{print-color-adjust:exact}}</style>{svg}"
    )

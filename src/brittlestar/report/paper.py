"""Charts as files for a paper: SVG with the font inside, PDF and PNG by Chromium, at the width of a column."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.core.files import replacing, write_atomic
from brittlestar.report import chromium
from brittlestar.report.drawing.alone import Alone, stand_alone
from brittlestar.report.drawing.charts import model_class
from brittlestar.report.drawing.sheet import Sheet
from brittlestar.report.page import Report
from brittlestar.report.render import styles

FORMATS = (".png", ".svg", ".pdf")

COLUMN = 84.0
"""Millimetres: a column of IEEE's and Elsevier's journals is 84 to 90 wide, one of ACM's and Springer's 84 to 86."""

DENSITY = 300
"""Dots an inch of a PNG, which printers ask for."""

LEGIBLE = 6.0
"""Points: smaller text is what publishers send back."""

MANY = 4
"""With more models the page's script asks for thinner lines and paler ribbons."""

_UNITS = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72}
# CSS counts 96 pixels an inch, whatever the screen.
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


def figures(report: Report) -> dict[str, Markup]:
    """The charts of all sections by name, ``SECTION/CHART``; a model's key in it (``m0``) becomes the model's name."""
    named = {m.key: re.sub(r"[^\w.+-]+", "-", m.name) for m in report.header.models}
    if len(set(named.values())) < len(named):
        # Different names may become one when they are made fit for a file.
        named = {key: f"{name}-{key}" for key, name in named.items()}
    return {
        # At the end only: what comes before is the name of a section and of a shift.
        re.sub(r"(?<=[/-])m\d+$", lambda match: named.get(match[0], match[0]), name): svg
        for section in report.sections
        for name, svg in section.figures().items()
    }


def titled(svg: Markup) -> str:
    """What a chart shows, in a few words."""
    match = re.search("<title>(.*?)</title>", svg, flags=re.DOTALL)
    return Markup(match[1]).unescape() if match else ""


def chart(report: Report, name: str, width: float = COLUMN) -> Alone:
    """One chart of a report as a file of its own, ``width`` millimetres wide.

    Raises:
        UsageError: There is no such chart, or its font cannot be embedded (see ``drawing.fonts``).
    """
    known = figures(report)
    if name not in known:
        raise unknown("figure", name, known, "brittlestar figure --list RUN")
    return alone(report, known[name], width)


def alone(report: Report, svg: Markup, width: float = COLUMN) -> Alone:
    """``stand_alone`` with the page's styles, and with the names of the report's models where it has several."""
    models = report.header.models
    key = [(model_class(m), m.name) for m in models] if len(models) > 1 else []
    return stand_alone(svg, Sheet(styles(report)), width, key, "many" if len(models) > MANY else "")


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
        # A window has whole CSS pixels: it is taken a little too large, and the picture is cut to the size asked.
        wide, high = (math.ceil(side * _PIXELS) for side in (chart.width, chart.height))
        taken = Path(folder) / "figure.png"
        chromium.picture(page, taken, (wide, high), DENSITY / 96)
        across, down = (round(side / 25.4 * DENSITY) for side in (chart.width, chart.height))
        with Image.open(taken) as picture, replacing(path) as beside:
            picture.convert("RGB").crop((0, 0, across, down)).save(beside, "PNG", dpi=(DENSITY, DENSITY), optimize=True)


def _page(chart: Alone) -> str:
    """A page of the chart's size that holds nothing else."""
    # An XML declaration has no place inside of HTML.
    svg = chart.svg.partition("?>")[2]
    return (
        '<!doctype html><meta charset="utf-8"><title>figure</title>'
        # Names in a chart come from data: nothing runs, and nothing is fetched.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:; font-src data:">'
        f"<style>@page{{size:{chart.width:g}mm {chart.height:.3f}mm;margin:0}}html,body{{margin:0;background:#fff}}"
        # A hair too high, and Chromium begins a second page.
        f"body>svg{{display:block;max-height:{chart.height - 0.05:.3f}mm}}*{{print-color-adjust:exact}}</style>{svg}"
    )

"""Content to one self-contained page: template, styles and script in, nothing fetched."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from brittlestar.measures import BreakingPoint, Estimate
from brittlestar.report import published
from brittlestar.report.compared import beyond
from brittlestar.report.content import Grid, GridCell, GridRow, Pair, Panel, ReportContent
from brittlestar.report.drawing import charts, maps
from brittlestar.report.drawing.charts import LARGE, SMALL, Look, curve_table, curves, model_class
from brittlestar.report.drawing.palette import BUCKETS, bucket, stylesheet
from brittlestar.report.explained_view import explained_context
from brittlestar.report.series import away
from brittlestar.report.spectrum_content import Spectrum
from brittlestar.report.words import (
    count,
    decimals_of,
    interval,
    number,
    p_value,
    percent,
    points,
    share,
)

FAMILY_TITLES = {"colour": "Colour and light", "geometric": "Geometry", "spectral": "Filters", "mnist": "MNIST-C"}


@dataclass(frozen=True)
class Figure:
    """A chart with its caption."""

    title: str
    svg: Markup
    note: str = ""
    hue: str = ""
    against: str = ""


def render_html(content: ReportContent) -> str:
    """The page. Every name is escaped; nothing is loaded from anywhere."""
    template = environment().get_template("report.html")
    return template.render(**_context(content))


@functools.cache
def environment() -> jinja2.Environment:
    """Where templates come from: the package's assets, with autoescape."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        hue=model_class,
        points1=lambda e: number(e.value * 100, decimals_of(e)),
        interval=interval,
        both=lambda e: f"{number(e.value * 100, decimals_of(e))} {interval(e)}",
        share01=lambda v: f"{min(max(v, 0.0), 1.0):.4f}",
        plain=lambda v: f"{v:.4g}",
        cell=lambda v: number(v * 100),
        pct=lambda v: f"{number(v * 100)} %",
        bucket=bucket,
        away=away,
        difference=_difference,
        signed=_signed,
        tally=_tally,
        breaking=_breaking,
        gain=lambda v: f"{v:g}",
        family=family_title,
        counted=count,
        **published.filters(),
    )
    return environment


@functools.cache
def asset(name: str) -> str:
    """The text of a file in ``assets/``."""
    return resources.files("brittlestar.report").joinpath("assets", name).read_text(encoding="utf-8")


def _context(c: ReportContent) -> dict[str, Any]:
    small = [Figure(p.title, curves(p, SMALL), family_title(p.family)) for p in c.curves]
    attacks = [Figure(a.panel.title, curves(a.panel, _attack_look(c)), a.threat) for a in c.attacks]
    filters = [Figure(p.title, curves(p, Look(width=400, height=250, floor=_chance(c))), p.note) for p in c.filters]
    if c.noise is not None:
        look = Look(width=400, height=250, error=True, clean=False, even=False)
        filters.append(Figure(c.noise.title, curves(c.noise, look), c.noise.note))
    calibration = [
        Figure(
            model.name,
            charts.reliability(model, clean, shifted.worst if shifted else None),
            f"clean {share(clean.ece)}" + (f"; {shifted.worst.title} {share(shifted.worst.ece)}" if shifted else ""),
            model_class(model),
        )
        for model, clean, shifted in (c.calibration.rows if c.calibration else ())
    ]
    return {
        "c": c,
        "css": Markup(stylesheet() + asset("report.css")),
        "js": Markup(asset("report.js")),
        "data": Markup(json_for_script(_data(c))),
        "level": f"{c.level * 100:.0f} %",
        "buckets": BUCKETS,
        "sections": _sections(c, bool(small), bool(filters)),
        "lead_verdicts": [v for v in c.verdicts if v.model is None],
        "model_verdicts": [v for v in c.verdicts if v.model is not None],
        "small": small,
        "small_table": curve_table(c.curves, c.models),
        "filters": filters,
        "noise": c.noise,
        "filter_table": curve_table([*c.filters, *([c.noise] if c.noise else [])], c.models),
        "attacks": attacks,
        "attack_table": curve_table([a.panel for a in c.attacks], c.models),
        "calibration": calibration,
        "mean_tip": _mean_tip,
        "cell_tip": _cell_tip,
        "spark": published.spark,
        "dots": published.dots,
        **_spectrum(c),
        **explained_context(c.explained),
    }


def json_for_script(value: Any) -> str:
    """JSON that cannot end its script element, whatever the names in it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _sections(c: ReportContent, curves_shown: bool, filters: bool) -> list[tuple[str, str]]:
    listed = [
        ("verdict", "Findings", True),
        ("models", "Models", True),
        ("corruptions", "Corruptions", bool(c.corruptions)),
        ("grid", "Grid", c.grid is not None),
        ("curves", "Curves", curves_shown),
        ("stability", "Stability", bool(c.stability)),
        ("frequencies", "Frequencies", c.spectrum is not None),
        ("explained", "Explanation", c.explained is not None),
        ("filters", "Filters", filters),
        ("attacks", "Attacks", bool(c.attacks)),
        ("calibration", "Calibration", c.calibration is not None),
        ("comparison", "Differences", c.comparison is not None),
        ("failures", "Examples", bool(c.failures)),
        ("missing", "Not asked", True),
        ("method", "Method", True),
    ]
    return [(anchor, name) for anchor, name, there in listed if there]


def _chance(c: ReportContent) -> float | None:
    found = {d.chance for d in c.data}
    return found.pop() if len(found) == 1 and 0.02 <= min(found) < 1 else None


def _attack_look(c: ReportContent) -> Look:
    return Look(width=480, height=260, clean=False, even=False)


def family_title(family: str) -> str:
    """A family's name for people."""
    return FAMILY_TITLES.get(family, family[:1].upper() + family[1:])


def _spectrum(c: ReportContent) -> dict[str, Any]:
    s = c.spectrum
    if s is None:
        return {
            "maps": [],
            "differences": [],
            "profile": "",
            "profile_table": [],
            "map_scale": None,
            "difference_limit": 0,
        }
    values = np.concatenate([m.value[np.isfinite(m.value)] for m in s.maps])
    low, high = float(np.floor(values.min() * 20) / 20), float(np.ceil(values.max() * 20) / 20)
    high = max(high, low + 0.05)
    first = s.maps[0]
    pairs = [
        (m, m.value - first.value)
        for m in s.maps[1:]
        if s.compared and m.model.data == first.model.data and m.value.shape == first.value.shape
    ]
    most = max((float(np.nanmax(np.abs(d))) for _, d in pairs), default=0.0)
    limit = max(float(np.ceil(most * 20) / 20), 0.05)
    plane = maps.Plane(s.rows, s.columns, s.borders)
    profile = Panel(family="fourier", title="Error by frequency", axis="radius (cycles per image)", lines=s.profile)
    look = Look(
        width=480,
        height=290,
        error=True,
        clean=False,
        even=False,
        borders=s.borders,
        regions=tuple(b.name for b in s.bands),
    )
    return {
        "maps": [
            Figure(m.model.name, maps.error_map(m.model, m.value, low, high, plane), hue=model_class(m.model))
            for m in s.maps
        ],
        "differences": [
            Figure(
                m.model.name,
                maps.difference_map(m.model, first.model, d, limit, plane),
                hue=model_class(m.model),
                against=first.model.name,
            )
            for m, d in pairs
        ],
        "difference_limit": round(limit * 100),
        "map_scale": {"low": f"{low * 100:.0f}", "high": f"{high * 100:.0f}", "image": maps.bar()},
        "profile": curves(profile, look),
        "profile_table": curve_table([profile], c.models),
    }


def _data(c: ReportContent) -> dict[str, Any]:
    shapes = [max(d.shape[1:]) for d in c.data]
    found: dict[str, Any] = {"models": [m.name for m in c.models], "smallImages": max(shapes) <= 64, "maps": None}
    if c.spectrum is not None:
        found["maps"] = _map_data(c.spectrum)
    return found


def _map_data(s: Spectrum) -> dict[str, Any]:
    def tenths(values: Any) -> list[int | None]:
        return [None if not np.isfinite(v) else round(float(v) * 1000) for v in values.ravel()]

    return {
        "rows": s.rows,
        "columns": s.columns,
        "models": [
            {"name": m.model.name, "n": m.samples, "v": tenths(m.value), "l": tenths(m.low), "h": tenths(m.high)}
            for m in s.maps
        ],
    }


def _mean_tip(grid: Grid, row: GridRow, group: int) -> str:
    e = row.means[group]
    assert e is not None
    cells = sum(c is not None for c in row.cells[group])
    head = f"{row.title}, mean of {count(cells, 'strength')}"
    return f"{head}\n{grid.groups[group].title}: {points(e, sign=True)}\nn = {e.n:,}"


def _cell_tip(grid: Grid, row: GridRow, group: int, cell: GridCell) -> str:
    named = grid.groups[group]
    lines = [f"{row.title}{', ' + cell.label if cell.label else ''}"]
    e = cell.value
    if named.against is None:
        lines += [f"{named.title}: accuracy {share(cell.accuracy[0])}", f"loss {points(e)}"]
        if not cell.shown:
            lines.append("no loss shown: the interval includes zero")
    else:
        lines += [f"{m.name}: {share(a)}" for m, a in zip((named.model, named.against), cell.accuracy, strict=True)]
        lines.append(f"difference in error {points(e, sign=True)}")
        verdict = "difference shown" if cell.shown else "no difference shown"
        p = cell.p if cell.p is not None else 1.0
        lines.append(f"{verdict}, p {'' if p < 0.001 else '= '}{p_value(p)}")
    lines.append(f"n = {e.n:,}")
    return "\n".join(lines)


def _breaking(p: BreakingPoint) -> str:
    if not p.reached:
        return f"holds to {p.tested_to:.3g}" + (
            f", may break from {p.low:.3g}" if math.isfinite(p.low) and p.low < p.tested_to else ""
        )
    high = f"{p.high:.3g}" if math.isfinite(p.high) else f"over {p.tested_to:.3g}"
    return f"{p.value:.3g} [{p.low:.3g}, {high}]"


def _signed(e: Estimate) -> str:
    return f"{number(e.value * 100, decimals_of(e), sign=True)} {interval(e)}"


def _difference(e: Estimate) -> str:
    return _signed(e) if away(e) else f"{_signed(e)} no difference shown"


def _tally(pair: Pair) -> str:
    rest = pair.conditions - pair.better - pair.worse
    asked = count(pair.conditions, "condition")
    text = f"Better in {pair.better}, worse in {pair.worse} of {asked}; no difference shown in {rest}."
    if pair.mean is not None:
        found = (
            points(pair.mean, sign=True) if away(pair.mean) else f"no difference shown ({points(pair.mean, sign=True)})"
        )
        text += f" Error, mean over the shifts, raw: {found}"
        text += f"; {beyond(pair.sensitivity)}." if pair.sensitivity else "."
    return text


__all__ = ["LARGE", "percent", "render_html"]

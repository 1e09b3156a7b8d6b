"""``brittlestar figure``: one chart of a report as a file for a paper."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say


def figure(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME] RUN...",
            help="A chart and the run folders of its report; without NAME, the Fourier maps of one run side by side.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The figure: .svg, .pdf or .png; NAME.svg, or maps.pdf, by default.")
    ] = None,
    width: Annotated[
        str | None, typer.Option(help="Of a chart: 84mm (a column) by default; also cm, in or pt.")
    ] = None,
    named: Annotated[bool, typer.Option("--list", help="Name the charts of the runs, and draw nothing.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Maps: only these, in this order; the first is what others are compared with."),
    ] = None,
) -> None:
    """Save a chart of a report at a column's width, with its font inside. Needs the extra `plots`.

    PDF and PNG are made by Chromium or Chrome. Maps are drawn on one scale, with differences from the first model and
    radial profiles.
    """
    from brittlestar.core.errors import UsageError, require

    one = len(words) == 1 and not named
    require(one or not model, "--model is for the Fourier maps of one run, without NAME", UsageError)
    if named:
        _list([Path(word) for word in words])
    elif one:
        require(width is None, "--width is for a chart: brittlestar figure NAME RUN (--list names them)", UsageError)
        _maps(Path(words[0]), out or Path("maps.pdf"), model or [])
    else:
        _chart(words[0], [Path(word) for word in words[1:]], out, width)


def _list(runs: list[Path]) -> None:
    from brittlestar.report import report_of
    from brittlestar.report.paper import figures, titled

    for name, svg in figures(report_of(runs)).items():
        say(f"{name:40}  {titled(svg)}")


def _chart(name: str, runs: list[Path], out: Path | None, width: str | None) -> None:
    from brittlestar.report import paper, report_of

    path = out or Path(name.replace("/", "-") + ".svg")
    paper.check_path(path)
    across = paper.COLUMN if width is None else paper.millimetres(width)
    report = report_of(runs)
    for status in report.header.statuses:
        if status.kind == "damaged":
            say(f"{status.lead} {status.text}", err=True)
    chart = paper.chart(report, name, across)
    paper.save(chart, path)
    say(f"figure: {path} ({chart.width:.0f} x {chart.height:.0f} mm, text from {chart.smallest:.1f} pt)")
    if chart.smallest < paper.LEGIBLE:
        enough = math.ceil(chart.width * paper.LEGIBLE / chart.smallest)
        say(f"text under {paper.LEGIBLE:.0f} pt is hard to read: --width {enough}mm would do", err=True)


def _maps(run: Path, out: Path, chosen: list[str]) -> None:
    from brittlestar.core.errors import unknown
    from brittlestar.report.figure import draw, fourier_maps
    from brittlestar.store import RunStore, stopping_rule

    store = RunStore.open(run)
    maps = fourier_maps(store)
    for name in chosen:
        if name not in maps:
            raise unknown("model with a map", name, maps)
    draw({name: maps[name] for name in chosen} or maps, out, stopping_rule(store.manifest.sessions).rule)
    for damage in store.damage.values():
        say(f"DAMAGED: {damage}", err=True)
    say(f"figure: {out}")

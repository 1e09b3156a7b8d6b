"""``brittlestar report``: from rows to a page. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.alive import working
from brittlestar.cli.say import say


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; several stand side by side.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report, or its page if it ends in .html; RUN/report by default.")
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Also report.pdf on A4 pages, printed by Chromium or Chrome.")
    ] = False,
) -> None:
    """Write report.html, summary.json, results.csv and results.md."""
    write_report(runs, out, pdf)


def write_report(runs: Sequence[Path], out: Path | None = None, pdf: bool = False) -> None:
    """Write it, say first what a reader must know first, and where it lies."""
    from brittlestar.core.errors import UsageError, require
    from brittlestar.core.places import ObjectPath, place
    from brittlestar.core.sums import summed
    from brittlestar.report.build import write
    from brittlestar.report.chromium import check_chromium, print_pdf
    from brittlestar.report.words import spaced

    if pdf:
        local = not isinstance(place(runs[0] if out is None else out), ObjectPath)
        require(local, "a PDF is printed on this machine: name a folder of it with --out", UsageError)
        check_chromium("the PDF of a report")
    with working("writing the report"):
        written = write(runs, out=out, beside=[".pdf"] if pdf else [])
    for status in written.statuses:
        say(spaced(f"{status.lead} {status.text}"))
    say(f"report: {written.page}")
    if pdf:
        path = written.page.with_suffix(".pdf")
        print_pdf(written.page, path)
        with summed(path.parent, {path.name: path.read_bytes()}):
            pass
        say(f"print: {path}")

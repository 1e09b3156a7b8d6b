"""``brittlestar report``: from rows to a page. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; several stand side by side.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the report; RUN/report by default.")] = None,
) -> None:
    """Write report.html, summary.json, results.csv and results.md."""
    from brittlestar.report import build

    typer.echo(f"report: {build(runs, out=out)}")

"""The command ``brittlestar``: collects the verbs and turns errors into one clear line and exit code 2."""

from __future__ import annotations

import os
import sys

import typer

from brittlestar.cli import (
    audit,
    build,
    demo,
    explain,
    figure,
    fourier,
    listing,
    report,
    reproduce,
    run,
    show,
    store,
    textures,
    train,
)
from brittlestar.core.errors import BrittlestarError
from brittlestar.core.version import VERSION

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tells where an image classifier is brittle, and why.",
)
app.command("run")(run.run)
app.command("report")(report.report)
app.command("figure")(figure.figure)
app.command("explain")(explain.explain)
app.command("list")(listing.listing)
app.add_typer(show.app, name="show")
app.add_typer(store.app, name="store")
app.command("audit")(audit.audit)
app.command("fourier")(fourier.fourier)
app.command("train")(train.train)
app.command("reproduce")(reproduce.reproduce)
app.add_typer(build.app, name="build")
app.command("demo")(demo.demo)
app.command("textures")(textures.textures)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"brittlestar {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Tells where an image classifier is brittle, and why."""


def main() -> None:
    """Entry point of the command."""
    try:
        app()
    except BrittlestarError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)

"""The command ``brittlestar``: collects the verbs, and turns every error into one clear line and an exit code.

0 is done, 1 an error that nobody foresaw, 2 something that the person can mend, 130 an interruption.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import typer

from brittlestar.cli.lazy import put_off
from brittlestar.core.errors import BrittlestarError, UsageError, require
from brittlestar.core.options import COMMAND, speak
from brittlestar.core.version import VERSION

VERBS: dict[str, str] = {
    "run": "run:run",
    "report": "report:report",
    "figure": "figure:figure",
    "explain": "explain:explain",
    "list": "listing:listing",
    "show": "show:app",
    "store": "store:app",
    "audit": "audit:audit",
    "fourier": "fourier:fourier",
    "train": "train:train",
    "reproduce": "reproduce:reproduce",
    "build": "build:app",
    "demo": "demo:demo",
    "textures": "textures:textures",
}
"""Every verb with its file in this folder and what it is there: a function, or a group of its own verbs."""

READING = ("list", "show")
"""Verbs that mostly read names and numbers off the definitions: heavy packages wait until they are used."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # main() says every error in one line.
    pretty_exceptions_enable=False,
    # Brackets in help texts, as in [NAME=]MODEL, are no markup.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tells where an image classifier is brittle, and why.",
)


def _add(name: str, place: str) -> None:
    file, _, attribute = place.partition(":")
    verb: Any = getattr(importlib.import_module(f"brittlestar.cli.{file}"), attribute, None)
    require(verb is not None, f"VERBS lists {name} as {place!r}, and cli/{file}.py has no {attribute}", UsageError)
    told = verb.info.help if isinstance(verb, typer.Typer) else verb.__doc__
    require(bool(told), f"{name} has no help: give {attribute} in cli/{file}.py a docstring", UsageError)
    if isinstance(verb, typer.Typer):
        app.add_typer(verb, name=name)
    else:
        app.command(name)(verb)


for _name, _place in VERBS.items():
    _add(_name, _place)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"brittlestar {VERSION}")
        raise typer.Exit


@contextlib.contextmanager
def _naming_flags() -> Iterator[None]:
    before = speak(COMMAND)
    try:
        yield
    finally:
        speak(before)


@app.callback()
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    traceback: bool = typer.Option(False, "--traceback", help="Show where in the code an unforeseen error arose."),
) -> None:
    """Tells where an image classifier is brittle, and why."""
    context.with_resource(_naming_flags())


def main() -> None:
    """Entry point of the command."""
    if sys.argv[1:2] and sys.argv[1] in READING:
        put_off("torch", "scipy", "duckdb")
    try:
        app()
    except BrittlestarError as error:
        _leave(str(error), 2)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    # Before OSError, of which it is one.
    except BrokenPipeError:
        # Python flushes standard output once more at exit, which would fail again on the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _leave(_of_the_system(error), 2)
    except Exception as error:
        _leave(_unforeseen(error), 1)


def _leave(text: str, code: int) -> NoReturn:
    if "--traceback" in sys.argv[1:2] and sys.exc_info()[0] is not None:
        traceback.print_exc()
    typer.echo(f"error: {text}", err=True)
    sys.exit(code)


def _of_the_system(error: OSError) -> str:
    """What the system refused, of which file, and what is left of the work."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}{reason}; what was finished is kept: make room and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}{reason}: choose a place where you may read and write"
    return f"{where}{reason}"


def _unforeseen(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    first = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return (
        f"{first}\n  This was not foreseen. What was finished is kept, and the same command goes on from there.\n  "
        "`brittlestar --traceback ...` with the same words shows where it arose; please report that"
    )

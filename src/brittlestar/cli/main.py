"""The command ``brittlestar``: collects the verbs, and runs the one that was typed."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from brittlestar.cli.bounds import bounded
from brittlestar.cli.lazy import put_off
from brittlestar.cli.leaving import all_is_printable, flush_output, leave
from brittlestar.cli.say import say
from brittlestar.core import interrupts
from brittlestar.core.errors import UsageError, require
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
    "estimate": "estimate:estimate",
    "fourier": "fourier:fourier",
    "train": "train:train",
    "reproduce": "reproduce:reproduce",
    "build": "build:app",
    "ni": "ni:ni",
    "people": "people:app",
    "population": "population:population",
    "demo": "demo:demo",
    "textures": "textures:textures",
    "transplant": "transplant:transplant",
    "detect": "detect:detect",
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
        for command in verb.registered_commands:
            assert command.callback is not None
            command.callback = bounded(command.callback)
        app.add_typer(verb, name=name)
    else:
        app.command(name)(bounded(verb))


for _name, _place in VERBS.items():
    _add(_name, _place)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"brittlestar {VERSION}")
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
    """Entry point of the command; leaves with its exit code (``cli.leaving``)."""
    with interrupts.listening(), _quiet():
        all_is_printable(sys.stdout, sys.stderr)
        try:
            code = _called(sys.argv[1:])
            flush_output()
        # SystemExit too: what the verbs call, a model's file for instance, has no say in how the command ends.
        except BaseException as error:
            code = leave(error)
    sys.exit(code)


def _called(words: list[str]) -> int:
    if words[:1] and words[0] in READING:
        put_off("torch", "scipy", "duckdb")
    # Not through app(), which turns an interruption and SystemExit into exit codes of its own.
    command = typer.main.get_command(app)
    with command.make_context("brittlestar", words) as context:
        command.invoke(context)
    return 0


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What libraries warn of is for those who call them; whoever set filters of their own (``-W``) keeps them."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            # At the end of the list, so that a filter that is there already wins.
            warnings.filterwarnings("ignore", append=True)
        # Without a handler, logging writes warnings to standard error.
        silent = logging.NullHandler()
        logging.getLogger().addHandler(silent)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(silent)

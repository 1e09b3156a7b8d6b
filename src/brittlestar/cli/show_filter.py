"""``brittlestar show filter``: what a filter leaves of a picture, as it is and scaled up to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say


def filter_(
    image: Annotated[Path | None, typer.Option(help="A picture of yours; a built-in one otherwise.")] = None,
    low: Annotated[float, typer.Option(help="Nearest frequency of the band, in cycles per image.")] = 0.0,
    high: Annotated[
        list[float] | None,
        typer.Option(help="Farthest frequency of the band; may be repeated. Three otherwise, by the picture's size."),
    ] = None,
    keep: Annotated[str, typer.Option(help="outside removes the band, inside keeps it alone.")] = "outside",
    window: Annotated[str, typer.Option(help="square or radial.")] = "square",
    size: Annotated[int | None, typer.Option(help="Height and width of the picture; its own up to 224.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for filter.png and filter.html.")] = Path(),
) -> None:
    """Draw a picture before, what a filter leaves of it, and that at unit variance, as the article displays it."""
    from brittlestar.cli.show_suite import picture
    from brittlestar.core.errors import UsageError, require
    from brittlestar.core.files import replacing
    from brittlestar.core.keys import SampleKeys
    from brittlestar.report.picture import Cell, Line, PictureGrid, grid_html, grid_png
    from brittlestar.reproduce.page import tile, unit_variance
    from brittlestar.training import Filtered

    require(keep in ("inside", "outside"), f"--keep is inside or outside, got {keep!r}", UsageError)
    x = picture(image, size, None).float() / 255
    side = min(224, max(x.shape[2:]))
    lines = []
    for edge in high or [max(1.0, round(share * min(x.shape[2:]))) for share in (0.03, 0.1, 0.25)]:
        shift = Filtered(keep=keep, window=window, low=low, high=edge).shift()
        left = shift(x, SampleKeys.of(0, ["picture"]))
        spread = float(left.double().std())
        # What has no mean lies about 0, and half of it would be cut off; with the mean kept it lies where images do.
        seen = left + (0.0 if abs(float(left.mean())) > 0.05 else 0.5)
        name = f"{'without' if keep == 'outside' else 'only'} {low:g} to {edge:g} cycles"
        cells = (
            Cell(label="what is left", detail=f"standard deviation {spread:.4f}", image=tile(seen[0], side)),
            Cell(label="at unit variance", detail="0.5 + 0.2 z", image=tile(unit_variance(left)[0], side)),
        )
        lines.append(Line(family="spectral", title=name, cells=cells))
    grid = PictureGrid(
        title="What a filter leaves",
        facts=(f"{window} window", f"{x.shape[3]} x {x.shape[2]} pixels", f"{int(x.shape[1])} channels"),
        notes=(
            "What is left has the mean 0; it is drawn around a grey of 0.5. At unit variance each picture is scaled to "
            "the same contrast: so the article shows what a model learns from; it is not what the model is given.",
        ),
        clean=tile(x[0], side),
        lines=tuple(lines),
    )
    for path in (out / "filter.png", out / "filter.html"):
        with replacing(path) as beside:
            if path.suffix == ".png":
                grid_png(grid).save(beside, format="PNG")
            else:
                beside.write_text(grid_html(grid), encoding="utf-8")
        say(f"picture: {path}")

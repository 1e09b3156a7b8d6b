"""``brittlestar show``: one shift, one suite or one sequence, explained, with a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brittlestar.cli import show_filter, show_suite
from brittlestar.cli.say import say, say_lines
from brittlestar.core.errors import UsageError, require, unknown

if TYPE_CHECKING:
    import torch

    from brittlestar.shifts.base import Shift

app = typer.Typer(no_args_is_help=True, help="Explain one shift, suite or sequence, or draw what a filter leaves.")
app.command("suite")(show_suite.suite)
app.command("sequence")(show_suite.sequence)
app.command("filter")(show_filter.filter_)


@app.command()
def shift(
    name: Annotated[str, typer.Argument(help="A name of `brittlestar list shifts`.")],
    image: Annotated[Path | None, typer.Option(help="A picture of yours; a built-in one otherwise.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the picture goes; NAME.png otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random draws.")] = 0,
    picture: Annotated[bool, typer.Option(help="Also draw it.")] = True,
) -> None:
    """Print a shift's parameters per severity and its paper, and write a picture of it."""
    from brittlestar.attacks import ATTACKS
    from brittlestar.shifts import SHIFTS

    if name not in SHIFTS and name not in ATTACKS:
        raise unknown("shift", name, [*SHIFTS, *ATTACKS])
    kind: Any = SHIFTS[name] if name in SHIFTS else ATTACKS[name]
    say_lines(f"{kind.title}  ({name}, family {kind.family}, version {kind.version})\n")
    say_lines("\n".join(line.strip() for line in (kind.__doc__ or "").strip().splitlines()))
    say_lines(f"\nPaper: {kind.paper or 'none: an elementary change'}")
    if name in ATTACKS:
        say("An attack needs a model: it is made by `brittlestar run`, and has no picture of its own.")
        return
    for table, rows in kind.severities.items():
        say_lines(f"\nTable {table}")
        for severity, fields in enumerate(rows, 1):
            say(f"  severity {severity}: " + ", ".join(f"{k} = {v}" for k, v in fields.items()))
    if not picture:
        return
    pixels = _picture(image)
    panels = _panels(kind, tuple(pixels.shape[1:]))
    require(
        bool(panels),
        f"{name} needs {' or '.join(map(str, kind.channels))} colour channels, the picture has {pixels.shape[1]}",
        UsageError,
    )
    say_lines("\nIn the picture: unchanged, " + ", ".join(label for label, _ in panels))
    target = out or Path(f"{name}.png")
    _write(target, pixels, [s for _, s in panels], seed)
    say(f"picture: {target}")


def _picture(image: Path | None) -> torch.Tensor:
    import numpy as np
    import torch

    from brittlestar.data import decode_image
    from brittlestar.data.sample import sample_image

    return torch.from_numpy(np.array(sample_image() if image is None else decode_image(image)))[None]


def _panels(kind: type[Shift], shape: tuple[int, ...]) -> Sequence[tuple[str, Shift]]:
    """The strengths to draw: the broad suite's, or else the first published table."""
    from brittlestar.shifts.base import Shift
    from brittlestar.suites import get_suite

    if shape[0] not in kind.channels:
        return []
    found = [
        (c.info.label or c.info.title, c.definition)
        for c in get_suite("broad").conditions((shape[0], shape[1], shape[2]))
        if isinstance(c.definition, Shift) and type(c.definition) is kind
    ]
    if not found:
        found = [
            (f"{table} severity {i}", kind(**fields))
            for table, rows in list(kind.severities.items())[:1]
            for i, fields in enumerate(rows, 1)
        ]
    step = max(1, -(-len(found) // 10))
    return found[::step]


def _write(target: Path, pixels: torch.Tensor, shifts: Sequence[Shift], seed: int) -> None:
    from PIL import Image

    from brittlestar.core.files import replacing
    from brittlestar.core.keys import SampleKeys
    from brittlestar.runs.examples import thumbnail

    x = pixels.float() / 255
    keys = SampleKeys.of(seed, ["picture"])
    tiles = [thumbnail(y[0].numpy(), 224) for y in [x, *(shift(x, keys) for shift in shifts)]]
    width, height = tiles[0].size
    columns = min(len(tiles), 6)
    sheet = Image.new("RGB", (columns * (width + 6) - 6, -(-len(tiles) // columns) * (height + 6) - 6), "white")
    for place, tile in enumerate(tiles):
        sheet.paste(tile.convert("RGB"), (place % columns * (width + 6), place // columns * (height + 6)))
    require(
        target.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"),
        f"{target} is no picture name; use .png",
        UsageError,
    )
    with replacing(target) as beside:
        sheet.save(beside, format=Image.registered_extensions()[target.suffix.lower()])

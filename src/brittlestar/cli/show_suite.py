"""``brittlestar show suite`` and ``show sequence``: what the shifts of a suite look like, on anyone's image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require, unknown

if TYPE_CHECKING:
    import torch

    from brittlestar.shifts.conditions import Condition
    from brittlestar.suites import Suite

LARGEST = 224
"""Pictures are cut to this side unless another is asked for."""

FRAMES_A_SECOND = 12


def suite(
    name: Annotated[str, typer.Argument(help="A name of `brittlestar list suites`.")],
    image: Annotated[Path | None, typer.Option(help="Your picture: its corruptions are drawn as PNG and HTML.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where they go: NAME.png and NAME.html in this folder.")] = None,
    size: Annotated[int | None, typer.Option(help="Height and width of the images; 32, or the picture's own.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 3; the suite's own.")] = None,
    storage: Annotated[str | None, typer.Option(help="float, uint8, jpeg85: if not as published.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random draws.")] = 0,
) -> None:
    """List a suite's conditions; with --image or --out, also draw them: shifts down, severities across."""
    from brittlestar.suites import get_suite

    found = get_suite(name)
    colours = channels or max(found.channels)
    if image is None and out is None:
        _list(found.conditions((colours, size or 32, size or 32), storage))
        return
    pixels = picture(image, size, colours if channels is None and 3 not in found.channels else channels)
    shape = (int(pixels.shape[1]), int(pixels.shape[2]), int(pixels.shape[3]))
    conditions = found.conditions(shape, storage)
    _list(conditions)
    missing = _only_in_colour(found, shape, storage, conditions)
    if missing:
        say(missing)
    folder = out or Path()
    for path in _draw(found, conditions, pixels, folder, seed, image, missing):
        say(f"picture: {path}")


def sequence(
    name: Annotated[str, typer.Argument(help="Such as tilt, snow, gaussian_noise; `brittlestar list sequences`.")],
    image: Annotated[Path | None, typer.Option(help="A picture of yours; a built-in one otherwise.")] = None,
    out: Annotated[Path | None, typer.Option(help="NAME.webp or NAME.gif; NAME.webp otherwise.")] = None,
    table: Annotated[str | None, typer.Option(help="Published table; the nearest to the picture's size.")] = None,
    size: Annotated[int | None, typer.Option(help="Height and width of the picture.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random draws.")] = 0,
) -> None:
    """Write a perturbation sequence of ImageNet-P as an animation, one picture a frame."""
    from PIL import Image

    from brittlestar.core.files import replacing
    from brittlestar.core.keys import SampleKeys
    from brittlestar.runs.examples import thumbnail
    from brittlestar.shifts import SEQUENCES
    from brittlestar.shifts.storage import stored
    from brittlestar.suites.imagenet_p import nearest_table

    target = out or Path(f"{name}.webp")
    kinds = {".webp": "WEBP", ".gif": "GIF"}
    require(target.suffix.lower() in kinds, f"{target} is no animation's name; use .webp or .gif", UsageError)
    if name not in SEQUENCES:
        raise unknown("sequence", name, SEQUENCES)
    pixels = picture(image, size, None)
    side = int(min(pixels.shape[2:]))
    definition = SEQUENCES[name].of(table or nearest_table(side))
    frames = definition.frames(pixels, SampleKeys.of(seed, ["picture"]))
    drawn = [thumbnail(stored(f, "uint8")[0].numpy(), max(pixels.shape[2:])) for f in frames]
    scale = max(1, LARGEST // drawn[0].width)
    # By a whole number and without smoothing, so that every pixel stays what it is.
    large = [d.convert("RGB").resize((d.width * scale, d.height * scale), Image.Resampling.NEAREST) for d in drawn]
    # A lossy animation would add changes of its own to those that it shows.
    more: dict[str, Any] = {"lossless": True} if kinds[target.suffix.lower()] == "WEBP" else {}
    with replacing(target) as beside:
        large[0].save(
            beside,
            format=kinds[target.suffix.lower()],
            save_all=True,
            append_images=large[1:],
            duration=1000 // FRAMES_A_SECOND,
            loop=0,
            **more,
        )
    fields = ", ".join(f"{k} = {v}" for k, v in definition.config().items())
    say(f"{definition.title} ({table or nearest_table(side)}): {fields}")
    say(f"animation: {target}")


def picture(image: Path | None, size: int | None, channels: int | None) -> torch.Tensor:
    """(1, channel, size, size) uint8: the middle of a picture, by default at most 224 pixels of it."""
    import torch
    from PIL import Image

    from brittlestar.data import decode_image
    from brittlestar.data.sample import sample_image

    pixels = sample_image() if image is None else decode_image(image)
    shorter = min(pixels.shape[1:])
    side = size or min(shorter, LARGEST)
    require(side >= 8, f"pictures need at least 8 x 8 pixels, got {side}", UsageError)
    drawn = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    if shorter != side:
        scale = side / shorter
        whole = (max(side, round(drawn.width * scale)), max(side, round(drawn.height * scale)))
        drawn = drawn.resize(whole, Image.Resampling.BICUBIC)
    left, top = (drawn.width - side) // 2, (drawn.height - side) // 2
    drawn = drawn.crop((left, top, left + side, top + side))
    if channels is not None:
        drawn = drawn.convert("L" if channels == 1 else "RGB")
    values = torch.frombuffer(bytearray(drawn.tobytes()), dtype=torch.uint8).view(side, side, -1)
    return values.permute(2, 0, 1)[None].contiguous()


def _list(conditions: tuple[Condition, ...]) -> None:
    fourier = [c for c in conditions if c.info.kind == "fourier"]
    for condition in conditions:
        if condition.info.kind != "fourier":
            info = condition.info
            say(f"{info.id:<44} {info.title:<24} {info.label}  [{info.table}]")
    if fourier:
        say(f"fourier_basis: {len(fourier)} frequencies  [{fourier[0].info.table}]")
    say(f"{len(conditions)} conditions")


def _only_in_colour(
    found: Suite, shape: tuple[int, int, int], storage: str | None, conditions: tuple[Condition, ...]
) -> str:
    """The sentence that names what a grey picture leaves out; empty if it leaves nothing out."""
    if shape[0] != 1 or 3 not in found.channels:
        return ""
    there = {c.info.shift for c in conditions}
    coloured = {c.info.shift: c.info.title for c in found.conditions((3, *shape[1:]), storage)}
    titles = [title for shift, title in coloured.items() if shift not in there]
    return f"The picture is grey; left out, for they need colour (--channels 3): {', '.join(titles)}." if titles else ""


def _draw(
    found: Suite,
    conditions: tuple[Condition, ...],
    pixels: torch.Tensor,
    folder: Path,
    seed: int,
    image: Path | None,
    missing: str,
) -> list[Path]:
    from brittlestar.core.files import replacing, write_atomic
    from brittlestar.core.keys import SampleKeys
    from brittlestar.report.picture import Cell, Line, PictureGrid, grid_html, grid_png
    from brittlestar.runs.cell import perturbed
    from brittlestar.runs.examples import thumbnail
    from brittlestar.shifts.base import Shift
    from brittlestar.shifts.frost import NOT_COMPARABLE
    from brittlestar.shifts.storage import STORAGES

    x, keys = pixels.float() / 255, SampleKeys.of(seed, ["picture"])
    side = int(pixels.shape[3])
    lines: dict[tuple[str, str], Line] = {}
    left_out, storages, procedural = 0, set(), False
    for condition in conditions[1:]:
        definition, info = condition.definition, condition.info
        if not isinstance(definition, Shift) or info.kind == "fourier":
            left_out += 1
            continue
        shifted = perturbed(condition, x, x.new_zeros(1).long(), keys, None)
        fields = ", ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in info.config.items() if v is not False
        )
        cell = Cell(label=info.label, detail=fields or info.label, image=thumbnail(shifted[0].numpy(), side))
        key = (info.shift, info.series + info.title)
        line = lines.get(key, Line(family=info.family, title=info.title, cells=()))
        lines[key] = Line(family=line.family, title=line.title, cells=(*line.cells, cell))
        storages.add(info.storage)
        procedural |= getattr(definition, "textures", "") == "procedural"
    require(bool(lines), f"suite {found.name} has nothing to draw; `brittlestar show sequence` animates", UsageError)
    notes = [f"Images are {STORAGES[s]}." for s in sorted(storages)]
    notes += [missing] if missing else []
    notes += [f"{left_out} Fourier vectors, sequences and attacks are not drawn."] if left_out else []
    notes += [f"{NOT_COMPARABLE[0].upper()}{NOT_COMPARABLE[1:]}."] if procedural else []
    tables = sorted({c.info.table for c in conditions[1:] if c.info.table})
    grid = PictureGrid(
        title=f"{found.name} on {image.name if image is not None else 'the built-in picture'}",
        facts=(f"{side} x {side} pixels", f"{sum(len(v.cells) for v in lines.values())} pictures", *tables[:2]),
        notes=tuple(notes),
        clean=thumbnail(x[0].numpy(), side),
        lines=tuple(lines.values()),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from error
    png, page = folder / f"{found.name}.png", folder / f"{found.name}.html"
    with replacing(png) as beside:
        grid_png(grid).save(beside, format="PNG")
    write_atomic(page, grid_html(grid))
    return [png, page]

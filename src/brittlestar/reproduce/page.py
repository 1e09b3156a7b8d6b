"""An experiment's pages: one to look at, one to keep beside the text."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont

from brittlestar.core.files import replacing
from brittlestar.core.keys import SampleKeys
from brittlestar.core.version import VERSION
from brittlestar.report.policy import policy
from brittlestar.report.render import asset, environment
from brittlestar.reproduce.study import Reproduction, Study
from brittlestar.shifts.base import Images, Shift

_CELL, _GAP, _LABEL = 112, 6, 190


def unit_variance(images: Images) -> Images:
    """Each image less its mean, by its standard deviation, mapped to ``0.5 + 0.2 z`` and clamped, to be looked at."""
    x = images.double()
    z = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True).clamp_min(1e-6)
    # The article says unit variance and no more; this way from there to [0, 1] is ours.
    return (0.5 + 0.2 * z).clamp(0, 1).to(images.dtype)


def tile(image: torch.Tensor, side: int) -> Image.Image:
    """One (channel, height, width) image in [0, 1] as an RGB picture of a side."""
    levels = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    levels = levels.expand(3, -1, -1) if levels.shape[0] == 1 else levels
    kind = Image.Resampling.NEAREST if levels.shape[2] < side else Image.Resampling.LANCZOS
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()).resize((side, side), kind)


def filter_pictures(study: Study, filters: Mapping[str, Shift], columns: int = 6, file: str = "filters.png") -> str:
    """Images, what each filter leaves (without a mean, about a grey of 0.5), and that at unit variance; a PNG."""
    some = study.images[:columns]
    keys = SampleKeys.of(study.setting.seed, [str(i) for i in study.ids[:columns]])
    lines = [("images", some)]
    for name, shift in filters.items():
        left = shift(some, keys)
        # Of what a filter removes the mean of, rounding is left.
        about = 0.5 if float(left.mean().abs()) < 1e-4 else 0.0
        lines += [(name, left + about), ("the same, unit variance", unit_variance(left))]
    sheet = Image.new("RGB", (_LABEL + columns * (_CELL + _GAP), len(lines) * (_CELL + _GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, (name, images) in enumerate(lines):
        draw.text((6, row * (_CELL + _GAP) + _CELL // 2 - 8), name, "#16191d", font)
        for place, image in enumerate(images):
            sheet.paste(tile(image, _CELL), (_LABEL + place * (_CELL + _GAP), row * (_CELL + _GAP)))
    sheet.save(study.folder / file)
    return file


def write_page(reproduction: Reproduction, folder: Path) -> Path:
    """``NAME.html`` (self-contained) and ``NAME.md``; gives the first."""
    pictures = [
        (caption, "data:image/png;base64," + base64.b64encode((folder / file).read_bytes()).decode())
        for caption, file in reproduction.pictures
    ]
    page = environment().get_template("reproduction.html")
    css = asset("report.css") + asset("reproduction.css")
    text = page.render(o=reproduction, pictures=pictures, css=Markup(css), policy=policy([css]), version=VERSION)
    target = folder / f"{reproduction.name}.html"
    for path, content in ((target, text), (folder / f"{reproduction.name}.md", markdown(reproduction))):
        with replacing(path) as beside:
            beside.write_text(content, encoding="utf-8")
    return target


def markdown(reproduction: Reproduction) -> str:
    """The same as text."""
    parts = [f"# {reproduction.title}", f"`{reproduction.name}`: {reproduction.paper}", *reproduction.conditions]
    claims = [(v.claim, v.claimed, v.measured, v.state) for v in reproduction.verdicts]
    parts.append(_table(("claim", "claimed", "measured here", "direction"), claims))
    for caption, header, rows in reproduction.tables:
        parts += [f"## {caption}", _table(header, rows)]
    parts += [f"![{caption}]({file})" for caption, file in reproduction.pictures]
    return "\n\n".join(parts) + "\n"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

"""Fourier maps of several models beside each other: tables, claims and pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from brittlestar import api, measures
from brittlestar.measures import Estimate
from brittlestar.measures.fourier import FourierMap
from brittlestar.models import parse_spec
from brittlestar.report.figure import fourier_maps
from brittlestar.reproduce.engine import Bench, Verdict, above, percent, points
from brittlestar.store import RunStore

Table = tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]
_CELL, _GAP, _HEAD = 208, 14, 30


def compare(
    bench: Bench, gained: tuple[str, ...], base: str = "natural"
) -> tuple[list[Verdict], tuple[Table, ...], tuple[tuple[str, str], ...]]:
    """Map all of a bench's models; verdicts about ``gained`` against ``base``: better above, worse below.

    Returns:
        Verdicts, tables, pictures (caption, file).
    """
    specs = [parse_spec(f"{name}={file}") for name, file in bench.files.items()]
    run = api.evaluate(
        specs,
        bench.setting.test,
        suite="fourier",
        out=bench.folder / "run",
        samples=len(bench.labels),
        seed=bench.setting.seed,
        workers=2,
        anyway=True,
    )
    every = fourier_maps(RunStore.open(run.path))
    maps = {name: every[name] for name in bench.files}
    verdicts, rows = [], []
    for name, found in maps.items():
        errors = [measures.band_error(found, low, high) for _, low, high in measures.BANDS]
        apart = [measures.band_difference(found, maps[base], low, high) for _, low, high in measures.BANDS]
        against = ("" if name == base else points(d) for d in apart)
        rows.append((name, *(f"{percent(e)} {d}".strip() for e, d in zip(errors, against, strict=True))))
        if name in gained:
            verdicts += _verdicts(name, base, apart)
    table = (
        f"Error averaged over the waves of a band, and minus that of {base} (paired, 95 %)",
        ("trained", *(f"{name} frequencies" for name, _, _ in measures.BANDS)),
        tuple(rows),
    )
    file = "maps.png"
    _picture(maps, base).save(bench.folder / file)
    caption = (
        f"Error under each Fourier wave ({len(bench.labels):,} images), the mean in the centre; below, minus {base}"
    )
    return verdicts, (table,), ((caption, file),)


def _verdicts(name: str, base: str, apart: list[Estimate]) -> list[Verdict]:
    low, mid, high = apart
    claimed = "seen in the maps" if name == "adversarial" else "seen in Yin et al.'s maps"
    return [
        Verdict(
            claim=f"{name} training lowers the error at {band} frequencies",
            claimed=claimed,
            measured=points(found),
            state="confirmed" if found.high < 0 else "not confirmed",
        )
        for band, found in (("middle", mid), ("high", high))
    ] + [
        Verdict(
            claim=f"{name} training raises the error at low frequencies",
            claimed=claimed,
            measured=points(low),
            state=above(low),
        )
    ]


def _picture(maps: dict[str, FourierMap], base: str) -> Image.Image:
    """Maps on one scale above, differences on one scale below."""
    sheet = Image.new("RGB", (len(maps) * (_CELL + _GAP) + _GAP, 2 * (_CELL + _HEAD + _GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    errors = {name: found.matrix() for name, found in maps.items()}
    most = max(float(np.nanmax(e)) for e in errors.values())
    reach = max(float(np.nanmax(np.abs(e - errors[base]))) for e in errors.values()) or 1.0
    for place, (name, error) in enumerate(errors.items()):
        left = _GAP + place * (_CELL + _GAP)
        draw.text((left, 8), f"{name}, 0 to {most:.0%}", "#16191d", font)
        sheet.paste(_coloured(error / (most or 1.0), sequential=True), (left, _HEAD))
        if name != base:
            top = _CELL + _HEAD + _GAP
            draw.text((left, top + 8), f"minus {base}, ± {100 * reach:.0f} points", "#16191d", font)
            apart = (error - errors[base]) / reach
            sheet.paste(_coloured(apart, sequential=False), (left, top + _HEAD))
    return sheet


def _coloured(values: npt.NDArray[np.float64], sequential: bool) -> Image.Image:
    """White to dark red, or blue (better) over white to red (worse)."""
    v = np.nan_to_num(values, nan=0.0)
    white = np.array([255.0, 255.0, 255.0])
    worse, better = np.array([165.0, 15.0, 21.0]), np.array([8.0, 81.0, 156.0])
    share = v.clip(0, 1) if sequential else np.abs(v).clip(0, 1)
    target = worse if sequential else np.where((v > 0)[..., None], worse, better)
    pixels = white + share[..., None] * (target - white)
    return Image.fromarray(pixels.astype(np.uint8)).resize((_CELL, _CELL), Image.Resampling.NEAREST)

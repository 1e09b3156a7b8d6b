"""Fourier maps of several models beside each other: tables, claims and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from brittlestar import measures
from brittlestar.api.evaluation import Evaluation
from brittlestar.core.definition import fingerprint_of
from brittlestar.measures.effects import Part, mean_effect
from brittlestar.report.figure import fourier_maps
from brittlestar.reproduce.claims import Change, Direction, change, over_seeds
from brittlestar.reproduce.study import Study, Table, percent, points
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from brittlestar.training.start import reopened

_CELL, _GAP, _HEAD = 208, 14, 30


def compare(
    study: Study, gained: tuple[str, ...], base: str = "natural"
) -> tuple[list[Direction], tuple[Table, ...], tuple[tuple[str, str], ...]]:
    """Map all of a study's models; directions of ``gained`` against ``base``: less sensitive above, more below.

    Needs the answers to clean images (``study.measure``), which every difference is held against.

    Returns:
        Directions, tables, pictures (caption, file).
    """
    named = {f"{name} {seed}": file for name, files in study.files.items() for seed, file in enumerate(files)}
    # Folders of models are called after how they were trained: other trainings get other maps.
    key = fingerprint_of([str(file.parent.name) for file in named.values()])[:8]
    asked = Evaluation(
        suite="fourier",
        out=study.folder / f"maps-{key}",
        samples=len(study.labels),
        seed=study.setting.seed,
        workers=2,
        anyway=True,
    )
    models = [replace(reopened(file, study.setting.start), name=name) for name, file in named.items()]
    # What is near chance is said by the experiment itself, which sees every training.
    run = asked.run(models, study.setting.test, Watch())
    every = fourier_maps(RunStore.open(run.path))
    maps = {name: [every[f"{name} {seed}"] for seed in range(len(files))] for name, files in study.files.items()}
    bands = {
        name: {
            band: np.stack([1 - measures.band_scores(m, low, high) for m in found])
            for band, low, high in measures.BANDS
        }
        for name, found in maps.items()
    }
    directions, rows = [], []
    for name, right in bands.items():
        cells = []
        for band, _, _ in measures.BANDS:
            error = over_seeds([mean_effect(1 - scores) for scores in right[band]])
            cells.append(percent(error))
            if name != base:
                apart = _changes(study, name, base, bands, band)(slice(None))
                ratio = [c.ratio for c in apart]
                kept = "at chance" if None in ratio else points(over_seeds([r for r in ratio if r is not None]))
                cells[-1] += f"; accuracy raw {points(over_seeds([c.raw for c in apart]))}, beyond clean "
                cells[-1] += f"{points(over_seeds([c.additive for c in apart]))}, kept {kept}"
        rows.append((name, *cells))
        if name in gained:
            directions += [_direction(study, name, base, bands, band) for band in ("mid", "high", "low")]
    table = (
        f"Error averaged over the waves of a band; in accuracy against {base}: raw, less the difference on clean "
        "images, and in the share kept above chance (paired, 95 %)",
        ("trained", *(f"{band} frequencies" for band, _, _ in measures.BANDS)),
        tuple(rows),
    )
    file = "maps.png"
    drawn = {name: np.mean([m.matrix() for m in found], axis=0) for name, found in maps.items()}
    _picture(drawn, base).save(study.folder / file)
    several = f", mean of {study.setting.seeds} seeds" if study.setting.seeds > 1 else ""
    caption = (
        f"Error under each Fourier wave ({len(study.labels):,} images{several}), the mean in the centre; below, minus "
        f"{base} (raw: what they differ by on clean images is in it)"
    )
    return directions, (table,), ((caption, file),)


Bands = Mapping[str, Mapping[str, npt.NDArray[np.float64]]]


def _changes(study: Study, name: str, base: str, bands: Bands, band: str) -> Callable[[Part], list[Change]]:
    shifted = (bands[name][band], bands[base][band])
    clean = (study.right[name, "clean"].astype(np.float64), study.right[base, "clean"].astype(np.float64))
    return lambda part: change(shifted, clean, study.chance, part)


def _direction(study: Study, name: str, base: str, bands: Bands, band: str) -> Direction:
    more = "more" if band == "low" else "less"
    which = "middle" if band == "mid" else band
    return Direction(
        claim=f"{name} training makes models {more} sensitive to {which} frequencies",
        claimed="seen in the maps" if name == "adversarial" else "seen in Yin et al.'s maps",
        sign=-1 if band == "low" else 1,
        changes=_changes(study, name, base, bands, band),
    )


def _picture(errors: dict[str, npt.NDArray[np.float64]], base: str) -> Image.Image:
    """Maps on one scale above, differences on one scale below."""
    sheet = Image.new("RGB", (len(errors) * (_CELL + _GAP) + _GAP, 2 * (_CELL + _HEAD + _GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
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

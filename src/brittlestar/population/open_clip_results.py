"""open_clip's results: zero-shot models on 38 data sets (``openclip_results.csv``).

Reference:
    https://github.com/mlfoundations/open_clip/blob/main/docs/openclip_results.csv (MIT)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.population.csvfile import header_of, number_or_nan
from brittlestar.population.families import family_of
from brittlestar.population.table import Kind, Population, PopulationSetting

WHERE = "docs/openclip_results.csv of https://github.com/mlfoundations/open_clip (MIT)"
CLEAN, ZERO_SHOT = "ImageNet 1k", "ZERO_SHOT"
_ABOUT = ("name", "pretrained", "params (M)", "FLOPs (B)")
_SETTINGS: dict[str, tuple[str, Kind, int, float, str]] = {
    CLEAN: ("ImageNet", "clean", 50_000, 1 / 1000, "imagenet"),
    "ImageNet v2": ("ImageNetV2", "natural", 10_000, 1 / 1000, "imagenetv2"),
    "ImageNet Sketch": ("ImageNet-Sketch", "natural", 50_889, 1 / 1000, "imagenet-sketch"),
    "ImageNet-R": ("ImageNet-R", "natural", 30_000, 1 / 200, "imagenet-r"),
    "ImageNet-A": ("ImageNet-A", "natural", 7_500, 1 / 200, "imagenet-a"),
    "ObjectNet": ("ObjectNet", "natural", 18_574, 1 / 113, "objectnet"),
}


def is_open_clip(header: list[str]) -> bool:
    """Whether a header is open_clip's."""
    return {"name", "pretrained", CLEAN} <= set(header)


def read_open_clip(path: Path, rows: list[tuple[int, list[str]]]) -> Population:
    """open_clip's table, in shares; data sets that are no shift of ImageNet are ``other``.

    Raises:
        DataError: A model twice, or a cell that is no share.
    """
    header = header_of(path, rows)
    columns = [c for c in header if c not in _ABOUT and not c.startswith("Average perf")]
    places = [header.index(c) for c in columns]
    name_at, from_at = header.index("name"), header.index("pretrained")
    names = [f"{row[name_at]} {row[from_at]}" for _, row in rows[1:]]
    twice = sorted({n for n in names if names.count(n) > 1})
    require(not twice, f"{path} has {', '.join(twice[:3])} more than once: keep one row a model", DataError)
    values = np.asarray(
        [[number_or_nan(path, n, c, row[p], 1) for c, p in zip(columns, places, strict=True)] for n, row in rows[1:]]
    )
    settings, counts = [], []
    for column in columns:
        title, kind, images, chance, key = _SETTINGS.get(column, (column, "other", 0, 0.0, f"open_clip {column}"))
        settings.append(PopulationSetting(name=column, title=title, kind=kind, chance=chance, key=key))
        counts.append(float(images) if images else np.nan)
    return Population(
        layout="open_clip",
        models=tuple(names),
        types=(ZERO_SHOT,) * len(names),
        families=tuple(family_of(n, ZERO_SHOT) for n in names),
        bases=("",) * len(names),
        settings=tuple(settings),
        accuracy=values,
        images=np.where(np.isnan(values), np.nan, np.asarray(counts)[None]),
        fitted=np.zeros(len(names), dtype=np.bool_),
        clean=CLEAN,
        claimed=ZERO_SHOT,
        classes=1000,
        notes=(f"{path.name}: open_clip's results, {len(names)} zero-shot models on {len(columns)} data sets",),
    )

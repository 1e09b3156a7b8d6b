"""timm's result tables: a folder with ``results-imagenet.csv`` and its neighbours.

Reference:
    https://github.com/huggingface/pytorch-image-models/tree/main/results (Apache-2.0)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.population.csvfile import csv_rows, header_of, number_or_nan
from brittlestar.population.families import family_of
from brittlestar.population.table import Kind, Population, PopulationSetting

WHERE = "the folder results/ of https://github.com/huggingface/pytorch-image-models (Apache-2.0)"
STANDARD, CLIP, MORE_DATA, ADVERSARIAL = "IN1K", "CLIP_FT", "MORE_DATA", "ADV"
NEEDED = ("model", "img_size", "top1")
_FILE = re.compile(r"(?:timm-)?results-(.+)\.csv")
_SETTINGS: dict[str, tuple[str, Kind, int, float, str, tuple[str, ...]]] = {
    "imagenet": ("ImageNet", "clean", 50_000, 1 / 1000, "imagenet", ()),
    "imagenet-a-clean": ("ImageNet on the classes of A", "clean", 10_000, 1 / 200, "imagenet-a-clean", ()),
    "imagenet-r-clean": ("ImageNet on the classes of R", "clean", 10_000, 1 / 200, "imagenet-r-clean", ()),
    "imagenet-real": ("ImageNet-ReaL", "other", 46_837, 1 / 1000, "imagenet-real", ()),
    "imagenetv2-matched-frequency": (*("ImageNetV2", "natural", 10_000, 1 / 1000, "imagenetv2", ()),),
    "sketch": ("ImageNet-Sketch", "natural", 50_889, 1 / 1000, "imagenet-sketch", ()),
    "imagenet-r": ("ImageNet-R", "natural", 30_000, 1 / 200, "imagenet-r", ("imagenet", "imagenet-r-clean")),
    "imagenet-a": ("ImageNet-A", "natural", 7_500, 1 / 200, "imagenet-a", ("imagenet", "imagenet-a-clean")),
}
# What a name's tag says of the data behind the weights.
_CLIP = re.compile(r"clip|laion|openai|webli|datacomp|dfn")
_MORE = re.compile(r"in2[12]k|in12k|jft|ig1b|yfcc|m38m|m30m|swag|seer|ssld_6m|merged2b")
_ATTACKED = re.compile(r"(^|_)(ap|adv|ens_adv)_")


def setting_name(path: Path) -> str:
    """``imagenet-a`` of ``results-imagenet-a.csv`` (or ``timm-results-...``); empty for another file."""
    match = _FILE.fullmatch(path.name)
    return match[1] if match and match[1] in _SETTINGS else ""


def is_timm(path: Path) -> bool:
    """Whether a folder holds timm's result tables."""
    return path.is_dir() and any(setting_name(file) == "imagenet" for file in path.glob("*.csv"))


def type_of(name: str) -> str:
    """The kind of training by the tag behind the name's point; empty without a tag."""
    tag = name.partition(".")[2]
    if not tag:
        return ""
    if _CLIP.search(tag):
        return CLIP
    if _MORE.search(tag):
        return MORE_DATA
    return ADVERSARIAL if _ATTACKED.search(tag) else STANDARD


def read_timm(folder: Path) -> Population:
    """timm's tables, in percent, at the smallest image size of every model.

    Raises:
        DataError: A file without ``model``, ``img_size`` and ``top1``, or a model twice at one size.
    """
    files = {setting_name(file): file for file in sorted(folder.glob("*.csv")) if setting_name(file)}
    tables = {name: _top1(files[name]) for name in _SETTINGS if name in files}
    base = tables["imagenet"]
    models = list(dict.fromkeys(model for model, _ in base))
    # Larger sizes than a model was trained at are there as well: one row a model, and the same row in every file.
    size = _smallest(base)
    values = np.asarray([[tables[n].get((m, size[m]), np.nan) for n in tables] for m in models])
    several = len(base) - len(models)
    types = tuple(map(type_of, models))
    unknown = types.count("")
    settings, counts = _settings(list(tables))
    return Population(
        layout="timm",
        models=tuple(models),
        types=types,
        families=tuple(family_of(m, t) for m, t in zip(models, types, strict=True)),
        bases=("",) * len(models),
        settings=settings,
        accuracy=values,
        images=np.where(np.isnan(values), np.nan, np.asarray(counts)[None]),
        fitted=np.asarray([t == STANDARD for t in types]),
        clean="imagenet",
        standard=STANDARD,
        claimed=ADVERSARIAL if types.count(ADVERSARIAL) > 1 else CLIP,
        classes=1000,
        notes=(
            f"{folder.name}/: timm's result tables, {len(models):,} models on {len(tables)} settings; {several} more "
            "rows at larger image sizes are left out",
            f"kinds of training by the tag in a model's name: {', '.join(_counted(types))}"
            + (f"; {unknown} names have no tag" if unknown else ""),
        ),
    )


def _counted(types: Sequence[str]) -> list[str]:
    return [f"{t} {types.count(t):,}" for t in dict.fromkeys(types) if t]


def _smallest(base: dict[tuple[str, int], float]) -> dict[str, int]:
    size: dict[str, int] = {}
    for model, own in base:
        size[model] = min(own, size.get(model, own))
    return size


def _settings(names: Sequence[str]) -> tuple[tuple[PopulationSetting, ...], list[int]]:
    settings, counts = [], []
    for name in names:
        title, kind, images, chance, key, against = _SETTINGS[name]
        there = tuple(a for a in against if a in names)
        settings.append(PopulationSetting(name=name, title=title, kind=kind, chance=chance, key=key, against=there))
        counts.append(images)
    return tuple(settings), counts


def _top1(path: Path) -> dict[tuple[str, int], float]:
    rows = csv_rows(path)
    header = header_of(path, rows)
    lacking = [column for column in NEEDED if column not in header]
    require(not lacking, f"{path} has no column {', '.join(lacking)}; {WHERE} has", DataError)
    model, size, top1 = (header.index(column) for column in NEEDED)
    found: dict[tuple[str, int], float] = {}
    for number, row in rows[1:]:
        require(row[size].isdigit(), f"{path} row {number}: img_size is whole pixels, got {row[size]!r}", DataError)
        key = (row[model], int(row[size]))
        require(key not in found, f"{path} row {number}: {key[0]} at {key[1]} pixels is there twice", DataError)
        found[key] = number_or_nan(path, number, "top1", row[top1], 100) / 100
    require(max(found.values()) > 0.01, f"{path}: top1 is in percent, and none is above 1: give percent", DataError)
    return found

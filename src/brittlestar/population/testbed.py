"""The ImageNet testbed's table: 338 models on 213 settings (``robustness_top1s.csv`` and its kinds of training).

Reference:
    Taori et al., NeurIPS 2020, https://github.com/modestyachts/imagenet-testbed (MIT)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.population.csvfile import header_of, number_or_nan
from brittlestar.population.families import base_of, family_of
from brittlestar.population.table import Kind, Population, PopulationSetting, with_means

STANDARD, LP_ADVERSARIAL = "STANDARD", "LP_ADV"
CLEAN = "val"
WHERE = "robustness_top1s.csv of https://github.com/modestyachts/imagenet-testbed (MIT)"
_CORRUPTION = re.compile(r"imagenet-c\.(\w+)\.([1-5])_(on-disk|in-memory)")
_WITHIN = {"on-disk": "on disk", "in-memory": "in memory"}
_IMAGENET = 1 / 1000

# Images as the numbers tell them: every accuracy of the column is a whole number of them.
_SETTINGS: dict[str, tuple[str, Kind, int, float, str, tuple[str, ...]]] = {
    # name: (title, kind, images, chance, key, held against)
    "val": ("ImageNet", "clean", 50_000, _IMAGENET, "imagenet", ()),
    "val-on-imagenet-a-classes": ("ImageNet on the classes of A", "clean", 10_000, 1 / 200, "imagenet-a-clean", ()),
    "val-on-imagenet-r-classes": ("ImageNet on the classes of R", "clean", 10_000, 1 / 200, "imagenet-r-clean", ()),
    "val-on-objectnet-classes": (
        "ImageNet on the classes of ObjectNet",
        "clean",
        5_650,
        1 / 113,
        "objectnet-clean",
        (),
    ),
    "val-on-vid-robust-classes": ("ImageNet on the classes of the videos", "clean", 14_400, 1 / 30, "vid-clean", ()),
    "val-on-ytbb-robust-classes": ("ImageNet on the classes of YTBB", "clean", 11_550, 1 / 24, "ytbb-clean", ()),
    "val_subsampled_class_1_8": ("ImageNet (an eighth of the classes)", "clean", 6_250, 1 / 125, "eighth-clean", ()),
    "greyscale": ("greyscale", "synthetic", 50_000, _IMAGENET, "greyscale", ()),
    "stylized_imagenet": ("Stylized ImageNet", "synthetic", 50_000, _IMAGENET, "stylized", ()),
    "imagenetv2-matched-frequency-format-val": (*("ImageNetV2", "natural", 10_000, _IMAGENET, "imagenetv2", ()),),
    "imagenetv2-matched-frequency": (
        *("ImageNetV2 (first format)", "natural", 10_000, _IMAGENET, "imagenetv2-first", ()),
    ),
    "imagenetv2-threshold-0.7-format-val": (
        *("ImageNetV2 threshold 0.7", "natural", 10_000, _IMAGENET, "imagenetv2-threshold", ()),
    ),
    "imagenetv2-threshold0.7": (
        *("ImageNetV2 threshold 0.7 (first format)", "natural", 10_000, _IMAGENET, "imagenetv2-threshold-first", ()),
    ),
    "imagenetv2-top-images-format-val": (
        *("ImageNetV2 top images", "natural", 10_000, _IMAGENET, "imagenetv2-top", ()),
    ),
    "imagenetv2-topimages": (
        *("ImageNetV2 top images (first format)", "natural", 10_000, _IMAGENET, "imagenetv2-top-first", ()),
    ),
    "imagenetv2-matched-frequency-format-val_subsampled_class_1_8": (
        *("ImageNetV2 (an eighth of the classes)", "natural", 1_250, 1 / 125, "imagenetv2-eighth"),
        ("val_subsampled_class_1_8",),
    ),
    "imagenet-sketch": ("ImageNet-Sketch", "natural", 50_889, _IMAGENET, "imagenet-sketch", ()),
    "imagenet-r": ("ImageNet-R", "natural", 30_000, 1 / 200, "imagenet-r", ("val", "val-on-imagenet-r-classes")),
    "imagenet-a": ("ImageNet-A", "natural", 7_500, 1 / 200, "imagenet-a", ("val", "val-on-imagenet-a-classes")),
    "objectnet-1.0-beta": ("ObjectNet", "natural", 18_514, 1 / 113, "objectnet", ("val", "val-on-objectnet-classes")),
    "imagenet-vid-robust_pm0": (
        *("ImageNet-Vid (anchors)", "natural", 1_109, 1 / 30, "vid-pm0", ("val", "val-on-vid-robust-classes")),
    ),
    "imagenet-vid-robust_pm10": (
        *("ImageNet-Vid (worst of 21 frames)", "natural", 1_109, 1 / 30, "vid-pm10"),
        ("val", "imagenet-vid-robust_pm0"),
    ),
    "ytbb-robust_pm0": ("YTBB (anchors)", "natural", 2_030, 1 / 24, "ytbb-pm0", ("val", "val-on-ytbb-robust-classes")),
    "ytbb-robust_pm10": (
        *("YTBB (worst of 21 frames)", "natural", 2_030, 1 / 24, "ytbb-pm10", ("val", "ytbb-robust_pm0")),
    ),
    # A tenth of the validation images, for about half of the models all: the smaller number.
    "pgd.l2.eps0.1": ("PGD L2 0.1", "adversarial", 5_000, _IMAGENET, "pgd-l2-0.1", ()),
    "pgd.l2.eps0.5": ("PGD L2 0.5", "adversarial", 5_000, _IMAGENET, "pgd-l2-0.5", ()),
    "pgd.linf.eps0.5": ("PGD L-inf 0.5/255", "adversarial", 5_000, _IMAGENET, "pgd-linf-0.5", ()),
    "pgd.linf.eps2": ("PGD L-inf 2/255", "adversarial", 5_000, _IMAGENET, "pgd-linf-2", ()),
}


def setting_of(name: str) -> tuple[PopulationSetting, float]:
    """What a column is, and how many images it has; one that is not known is ``other``."""
    corruption = _CORRUPTION.fullmatch(name)
    if corruption:
        shift, severity, storage = corruption[1], int(corruption[2]), corruption[3]
        title = f"{shift.replace('_', ' ')} {severity} ({_WITHIN[storage]})"
        setting = PopulationSetting(
            name=name, title=title, kind="synthetic", chance=_IMAGENET, key=name, shift=shift, severity=severity
        )
        return setting, 50_000
    if name in _SETTINGS:
        title, kind, images, chance, key, against = _SETTINGS[name]
        return PopulationSetting(name=name, title=title, kind=kind, chance=chance, key=key, against=against), images
    return PopulationSetting(name=name, title=name, kind="other", key=f"testbed {name}"), math.nan


def _mean_of(setting: PopulationSetting) -> str:
    match = _CORRUPTION.fullmatch(setting.name)
    return f"{match[1].replace('_', ' ')} ({_WITHIN[match[3]]})" if match else ""


def is_testbed(header: list[str]) -> bool:
    """Whether a header is the testbed's."""
    return header[:1] == ["model"] and CLEAN in header and any(_CORRUPTION.fullmatch(cell) for cell in header)


def read_testbed(path: Path, rows: list[tuple[int, list[str]]], types: Mapping[str, str]) -> Population:
    """The testbed's table, in percent, with the mean over severities of every corruption.

    Raises:
        DataError: A model twice, or a cell that is no percentage.
    """
    header = header_of(path, rows)
    names = [row[0] for _, row in rows[1:]]
    twice = sorted({n for n in names if names.count(n) > 1})
    require(not twice, f"{path} has {', '.join(twice[:3])} more than once: keep one row a model", DataError)
    values = np.asarray(
        [
            [number_or_nan(path, n, c, t, 100) / 100 for c, t in zip(header[1:], row[1:], strict=True)]
            for n, row in rows[1:]
        ]
    )
    clean = values[:, header.index(CLEAN) - 1]
    require(
        bool(np.nanmax(clean) > 0.01), f"{path}: {CLEAN} is in percent, and none is above 1: give percent", DataError
    )
    kinds = tuple(types.get(n, "") for n in names)
    known = [setting_of(name) for name in header[1:]]
    settings = tuple(setting for setting, _ in known)
    standard = [n for n, k in zip(names, kinds, strict=True) if k == STANDARD]
    fitted = [k == STANDARD and "aws" not in n and "batch64" not in n for n, k in zip(names, kinds, strict=True)]
    images = np.where(np.isnan(values), np.nan, np.asarray([count for _, count in known])[None])
    missing = (
        "" if types else f"; their kinds of training are not known: give {option('types', 'testbed-model-types.json')}"
    )
    population = Population(
        layout="testbed",
        models=tuple(names),
        types=kinds,
        families=tuple(family_of(n, k) for n, k in zip(names, kinds, strict=True)),
        bases=tuple("" if k in ("", STANDARD) else base_of(n, standard) for n, k in zip(names, kinds, strict=True)),
        settings=settings,
        accuracy=values,
        images=images,
        fitted=np.asarray(fitted),
        clean=CLEAN,
        standard=STANDARD if standard else "",
        claimed=LP_ADVERSARIAL if LP_ADVERSARIAL in kinds else "",
        classes=1000,
        notes=(
            f"{path.name}: the ImageNet testbed's layout, {len(names)} models on {len(settings)} settings{missing}",
            *(
                (
                    f"{sum(fitted)} of its {len(standard)} standard models fit lines, as in the testbed: those whose "
                    "names have neither 'aws' nor 'batch64'",
                )
                if standard
                else ()
            ),
        ),
    )
    return with_means(population, _mean_of)

"""The published corruption suites of Hendrycks and Dietterich (ICLR 2019): 15 corruptions, 4 more for validation, at
five severities, made from anyone's images."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import torch

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SHIFTS
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.frost import Frost, available_textures
from brittlestar.shifts.ops.dispatch import truncated_levels
from brittlestar.shifts.storage import STORAGES, stored
from brittlestar.suites.base import Shape, Suite

TEST = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The 15 that mCE is made of, in the published order."""

VALIDATION = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four for tuning; never part of mCE."""

# The geometric means, about, of the sizes 32, 64, 224 and 299 that the tables were made for.
TABLES = {"cifar-c": 45, "tiny-c": 120, "imagenet-c": 260}
"""Tables by the largest image they are taken for; beyond, ``imagenet-c-299``."""


def nearest_table(size: int) -> str:
    """The published table made for images of about this size."""
    return next((name for name, largest in TABLES.items() if size <= largest), "imagenet-c-299")


def corruption(name: str, severity: int, table: str) -> Shift:
    """A published corruption; frost with the reference's textures where they are found."""
    made: Shift = SHIFTS[name].at(severity, table)
    return dataclasses.replace(made, textures=available_textures()) if isinstance(made, Frost) else made


def corrupt(
    images: Images,
    name: str,
    severity: int,
    keys: SampleKeys | None = None,
    *,
    table: str | None = None,
    storage: str = "uint8",
) -> Images:
    """Corrupt a batch as published, on its own, outside any run.

    Args:
        images: (batch, channel, height, width), uint8, or floats in [0, 1].
        name: One of the 19, for instance ``fog``.
        severity: 1 to 5.
        keys: One key a sample (``brittlestar.keys(seed, ids)``); may be left out for corruptions that draw nothing.
        table: Parameters of ``imagenet-c``, ``imagenet-c-299``, ``cifar-c`` or ``tiny-c``; the nearest to the size.
        storage: ``uint8`` (cut off, as published), ``jpeg85`` (published ImageNet-C) or ``float``.

    Returns:
        uint8 images; with ``float`` storage float32 in [0, 1].

    Raises:
        UsageError: Unknown name or storage.
        ShiftError: Impossible severity, table, images or keys.
    """
    if name not in (*TEST, *VALIDATION):
        raise unknown("corruption", str(name), (*TEST, *VALIDATION))
    require(
        isinstance(severity, int) and not isinstance(severity, bool),
        f"{name} has severities 1 to 5, got {severity!r}",
    )
    require(storage in STORAGES, f"storage is {' or '.join(STORAGES)}, got {storage!r}", UsageError)
    require(keys is None or isinstance(keys, SampleKeys), f"keys are bs.keys(seed, ids), got {type(keys).__name__}")
    if not (isinstance(images, torch.Tensor) and images.ndim == 4):
        # Says what is wrong with them; the table below needs their size.
        SHIFTS[name].at(severity, table or nearest_table(0)).checked(images)
    definition = corruption(name, severity, table or nearest_table(max(images.shape[2:])))
    if storage == "uint8" and images.dtype == torch.uint8:
        # Levels in, levels out: there is nothing to cut off.
        levels = definition.compute_levels(images)
        if levels is not None:
            return levels
    x = definition.checked(images)
    require(keys is not None or not definition.random, f"{name} draws random numbers: give keys, one a sample")
    given = keys or SampleKeys(torch.zeros(len(x), dtype=torch.int64, device=x.device))
    require(len(given) == len(x), f"{name} got {len(given)} keys for {len(x)} images")
    with torch.inference_mode():
        y = definition.compute(x, given)
        if storage == "uint8":
            return truncated_levels(y)
        y = stored(y, storage)
        return y if storage == "float" else (y * 255).round_().to(torch.uint8)


def severities(name: str, table: str, storage: str, chosen: Sequence[int] = (1, 2, 3, 4, 5)) -> list[Condition]:
    """The published conditions of one corruption."""
    listed = []
    for severity in chosen:
        definition = corruption(name, severity, table)
        procedural = getattr(definition, "textures", "") == "procedural"
        listed.append(
            condition(
                definition,
                shown=(),
                label=f"severity {severity}" + (" (procedural textures)" if procedural else ""),
                strength=float(severity),
                strength_name=f"severity ({table})",
                severity=severity,
                table=table,
                storage=storage,
            )
        )
    return listed


def _build(names: tuple[str, ...], table: str | None, shape: Shape, storage: str) -> tuple[Condition, ...]:
    channels, height, width = shape
    chosen = table or nearest_table(max(height, width))
    # Grey images have no saturation to change.
    fitting = (name for name in names if channels in SHIFTS[name].channels)
    return (clean(), *(c for name in fitting for c in severities(name, chosen, storage)))


def _suite(
    name: str, summary: str, names: tuple[str, ...], table: str | None, storage: str, prepared: str = ""
) -> Suite:
    others = tuple(s for s in ("jpeg85", "uint8", "float") if s != storage)
    return Suite(name, summary, functools.partial(_build, names, table), (storage, *others), prepared=prepared)


CORRUPTIONS: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        _suite(
            "imagenet-c",
            "ImageNet-C: 15 corruptions x 5 severities, stored as JPEG; the table nearest to the images' size",
            TEST,
            None,
            "jpeg85",
            "imagenet-c",
        ),
        _suite(
            "imagenet-c-extra",
            "ImageNet-C's four validation corruptions, never part of mCE",
            VALIDATION,
            None,
            "jpeg85",
            "imagenet-c",
        ),
        _suite("cifar-c", "CIFAR-10-C and CIFAR-100-C: the 15 as made for 32 pixels", TEST, "cifar-c", "uint8"),
        _suite(
            "cifar-c-extra",
            "CIFAR-10-C's four validation corruptions, made for 32 pixels",
            VALIDATION,
            "cifar-c",
            "uint8",
        ),
        _suite(
            "tiny-c",
            "Tiny-ImageNet-C and ImageNet-64-C: the 15 as made for 64 pixels",
            TEST,
            "tiny-c",
            "jpeg85",
            "tiny-c",
        ),
    )
}

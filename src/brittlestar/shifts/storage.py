"""Storage: how shifted images are kept before a model sees them. Published sets were written to files; that is a part
of them: ImageNet-C measured in memory comes out easier than on disk."""

from __future__ import annotations

import torch

from brittlestar.core.errors import unknown
from brittlestar.shifts.base import Images
from brittlestar.shifts.digital import through_jpeg
from brittlestar.shifts.ops.fast import kernels

STORAGES = {
    "float": "kept in memory as floats",
    "uint8": "8 bits, cut off (not rounded), as the published arrays are",
    "rounded8": "8 bits, rounded",
    "jpeg85": "8 bits, cut off, then JPEG of quality 85, as the published files are",
}
"""What each storage does, in words."""

QUALITY = 85
_SLACK = 2.0**-13


def truncated(y: Images) -> Images:
    """Cut off to multiples of 1/255, in [0, 1]. A value a rounding error below a level counts as that level."""
    if (fast := kernels(y)) is not None:
        return fast.truncate(y, _SLACK)
    return y.clamp(0, 1).mul_(255).add_(_SLACK).floor_().div_(255)


def stored(y: Images, storage: str) -> Images:
    """Float32 images in [0, 1] as they come back from storage.

    Raises:
        UsageError: Unknown storage.
    """
    if storage == "float":
        return y
    if storage == "uint8":
        return truncated(y)
    if storage == "rounded8":
        return y.clamp(0, 1).mul_(255).round_().div_(255)
    if storage == "jpeg85":
        return through_jpeg(truncated(y), QUALITY)
    raise unknown("storage", storage, STORAGES)


def truncated_levels(y: Images) -> Images:
    """uint8 levels of float32 images, cut off as ``truncated`` does."""
    if (fast := kernels(y)) is not None:
        return fast.truncate_levels(y, _SLACK)
    return y.clamp(0, 1).mul_(255).add_(_SLACK).to(torch.uint8)

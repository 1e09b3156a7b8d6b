"""Storage: how shifted images are kept before a model sees them. Published sets were written to files; that is a part
of them: ImageNet-C measured in memory comes out easier than on disk."""

from __future__ import annotations

from brittlestar.core.errors import unknown
from brittlestar.shifts.base import Images
from brittlestar.shifts.digital import through_jpeg
from brittlestar.shifts.ops.dispatch import truncated

STORAGES = {
    "float": "kept in memory as floats",
    "uint8": "8 bits, cut off (not rounded), as the published arrays are",
    "rounded8": "8 bits, rounded",
    "jpeg85": "8 bits, cut off, then JPEG of quality 85, as the published files are",
}
"""What each storage does, in words."""

QUALITY = 85
"""Of the published JPEG files."""


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

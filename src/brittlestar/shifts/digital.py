"""Digital: what storing and sending images does to them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from PIL import Image

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.fast import kernels

_HENDRYCKS = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"


def through_pillow(x: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Apply a Pillow operation to every image, as 8-bit pixels rounded to the nearest level."""
    fast = kernels(x)
    if fast is not None:
        levels8 = fast.pixels_last(x)
    else:
        levels8 = (x.clamp(0, 1) * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    changed = np.empty_like(levels8)
    for place, pixels in enumerate(levels8):
        picture = change(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
        changed[place] = np.asarray(picture).reshape(pixels.shape)
    if fast is not None:
        return fast.channels_first(changed)
    return torch.from_numpy(changed).to(x.device).permute(0, 3, 1, 2).to(torch.float32).div_(255).contiguous()


@final
@dataclass(frozen=True, kw_only=True)
class Jpeg(Shift):
    """Store as JPEG (Pillow's encoder, chroma at half resolution) and read back; 8-bit in between.

    Fields:
        quality: 1 (worst) to 95.
    """

    name: ClassVar[str] = "jpeg_compression"
    title: ClassVar[str] = "JPEG compression"
    family: ClassVar[str] = "digital"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "quality"
    rising: ClassVar[bool] = False
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(quality=(25, 18, 15, 10, 7)),
        "imagenet-c-299": levels(quality=(23, 16, 13, 8, 5)),
        "cifar-c": levels(quality=(80, 65, 58, 50, 40)),
        "tiny-c": levels(quality=(65, 58, 50, 40, 25)),
    }

    quality: int

    def __post_init__(self) -> None:
        require(
            isinstance(self.quality, int) and 1 <= self.quality <= 95,
            f"jpeg_compression.quality must be a whole number from 1 to 95, got {self.quality}",
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        def stored(picture: Image.Image) -> Image.Image:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=self.quality)
            return Image.open(buffer)

        return through_pillow(x, stored)


@final
@dataclass(frozen=True, kw_only=True)
class Pixelation(Shift):
    """Shrink with a box filter to ``int(factor * size)`` pixels and enlarge back, as Pillow does; 8-bit in between.

    Fields:
        factor: Remaining share of the pixels along each side; in (0, 1].
    """

    name: ClassVar[str] = "pixelate"
    title: ClassVar[str] = "Pixelation"
    family: ClassVar[str] = "digital"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "factor"
    rising: ClassVar[bool] = False
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(factor=(0.6, 0.5, 0.4, 0.3, 0.25)),
        "imagenet-c-299": levels(factor=(0.5, 0.4, 0.3, 0.25, 0.2)),
        "cifar-c": levels(factor=(0.95, 0.9, 0.85, 0.75, 0.65)),
        "tiny-c": levels(factor=(0.9, 0.8, 0.7, 0.6, 0.5)),
    }

    factor: float

    def __post_init__(self) -> None:
        require(0 < self.factor <= 1, f"pixelate.factor must be in (0, 1], got {self.factor}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        def coarse(picture: Image.Image) -> Image.Image:
            small = (max(1, int(picture.width * self.factor)), max(1, int(picture.height * self.factor)))
            return picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)

        return through_pillow(x, coarse)

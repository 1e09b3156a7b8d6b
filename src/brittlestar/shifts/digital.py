"""Digital: what storing and sending images does to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import jpeg_round_trip, pixelated

_HENDRYCKS = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"


def on_levels(x: Images, change: Callable[[torch.Tensor], torch.Tensor]) -> Images:
    """Apply a change of uint8 batches to (n, c, h, w) float32 images, rounded to the nearest level before."""
    levels8 = x.clamp(0, 1).mul_(255).round_().to(torch.uint8)
    return change(levels8).to(torch.float32).div_(255).contiguous()


def through_jpeg(x: Images, quality: int) -> Images:
    """Images as JPEG gives them back, 8 bits."""
    return on_levels(x, lambda levels8: jpeg_round_trip(levels8, quality))


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
            # Pillow's documentation advises against qualities above 95.
            isinstance(self.quality, int) and 1 <= self.quality <= 95,
            f"jpeg_compression.quality must be a whole number from 1 to 95, got {self.quality}",
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return through_jpeg(x, self.quality)

    def compute_levels(self, levels: torch.Tensor) -> torch.Tensor | None:
        """The same on uint8."""
        return jpeg_round_trip(levels, self.quality)


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
        return on_levels(x, lambda levels8: pixelated(levels8, *self._small(x)))

    def compute_levels(self, levels: torch.Tensor) -> torch.Tensor | None:
        """The same on uint8."""
        return pixelated(levels, *self._small(levels))

    def _small(self, x: torch.Tensor) -> tuple[int, int]:
        # Cut off as published, but never to no pixel at all.
        height, width = (max(1, int(side * self.factor)) for side in x.shape[2:])
        return height, width

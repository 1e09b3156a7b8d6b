"""Colour: changes of every pixel by itself, or of the whole image's statistics."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.colour.plain import luma
from brittlestar.shifts.ops.dispatch import brightened, saturated
from brittlestar.shifts.ops.reduce import total
from brittlestar.shifts.ops.rounding.plain import short_levels

_HENDRYCKS = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"


@functools.lru_cache(maxsize=64)
def _short_in_sum(offset: float) -> torch.Tensor:
    return short_levels(lambda level: level + offset)


@final
@dataclass(frozen=True, kw_only=True)
class Brightness(Shift):
    """Add a constant to the value of HSV (for grey images: to the grey level); hue and saturation are kept.

    Computed without going through HSV: every channel is scaled by the new value over the old one.

    Fields:
        offset: Added to the value, in units of its range; negative darkens.
    """

    name: ClassVar[str] = "brightness"
    title: ClassVar[str] = "Brightness"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "offset"
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(offset=(0.1, 0.2, 0.3, 0.4, 0.5)),
        "imagenet-c-299": levels(offset=(0.1, 0.2, 0.3, 0.4, 0.5)),
        "cifar-c": levels(offset=(0.05, 0.1, 0.15, 0.2, 0.3)),
        "tiny-c": levels(offset=(0.1, 0.2, 0.3, 0.4, 0.5)),
    }

    offset: float

    def __post_init__(self) -> None:
        require(-1 <= self.offset <= 1, f"brightness.offset must be in [-1, 1], got {self.offset}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        if x.shape[1] == 1:
            return x + self.offset
        return brightened(x, self.offset, _short_in_sum(self.offset))


@final
@dataclass(frozen=True, kw_only=True)
class Contrast(Shift):
    """Shrink the distance of every value from its channel's mean over the image.

    Fields:
        factor: What the distance is multiplied by; 1 changes nothing, 0 leaves the mean colour; at least 0.
    """

    name: ClassVar[str] = "contrast"
    title: ClassVar[str] = "Contrast"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "factor"
    rising: ClassVar[bool] = False
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(factor=(0.4, 0.3, 0.2, 0.1, 0.05)),
        "imagenet-c-299": levels(factor=(0.4, 0.3, 0.2, 0.1, 0.05)),
        "cifar-c": levels(factor=(0.75, 0.5, 0.4, 0.3, 0.15)),
        "tiny-c": levels(factor=(0.4, 0.3, 0.2, 0.1, 0.05)),
    }

    factor: float

    def __post_init__(self) -> None:
        require(0 <= self.factor <= 10, f"contrast.factor must be in [0, 10], got {self.factor}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        # Not `mean`: the last bit of a library's sum may depend on the batch.
        means = (total(x.flatten(2)) / (x.shape[2] * x.shape[3]))[:, :, None, None]
        return (x - means).mul_(self.factor).add_(means)


@final
@dataclass(frozen=True, kw_only=True)
class Saturation(Shift):
    """Change the saturation of HSV to ``clip(factor * s + offset)``; hue and value are kept. RGB only.

    Fields:
        factor: At least 0; 0 with no offset is grey, above 1 is gaudy.
        offset: Added to the saturation.
    """

    name: ClassVar[str] = "saturate"
    title: ClassVar[str] = "Saturation"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "factor"
    channels: ClassVar[tuple[int, ...]] = (3,)
    uneven: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(factor=(0.3, 0.1, 2.0, 5.0, 20.0), offset=(0.0, 0.0, 0.0, 0.1, 0.2)),
        "imagenet-c-299": levels(factor=(0.3, 0.1, 2.0, 5.0, 20.0), offset=(0.0, 0.0, 0.0, 0.1, 0.2)),
        "cifar-c": levels(factor=(0.3, 0.1, 1.5, 2.0, 2.5), offset=(0.0, 0.0, 0.0, 0.1, 0.2)),
        "tiny-c": levels(factor=(0.3, 0.1, 2.0, 5.0, 30.0), offset=(0.0, 0.0, 0.0, 0.1, 0.2)),
    }

    factor: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        require(self.factor >= 0, f"saturate.factor must be at least 0, got {self.factor}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return saturated(x, self.factor, self.offset)


@final
@dataclass(frozen=True, kw_only=True)
class Greyscale(Shift):
    """Take the colour away: all channels become the luma (Rec. 601 weights). RGB only."""

    name: ClassVar[str] = "greyscale"
    title: ClassVar[str] = "Greyscale"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750"
    channels: ClassVar[tuple[int, ...]] = (3,)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return luma(x).repeat(1, 3, 1, 1)


@final
@dataclass(frozen=True, kw_only=True)
class Inversion(Shift):
    """The photographic negative: ``1 - x``."""

    name: ClassVar[str] = "inversion"
    title: ClassVar[str] = "Inversion"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = "Hosseini et al., 2017, https://arxiv.org/abs/1703.06857"

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return 1 - x

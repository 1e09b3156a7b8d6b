"""Spatter: water or mud on the lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import gaussian, relief

WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)
"""Colours; grey images take the first value, as MNIST-C's code does."""


def drops(field: torch.Tensor, sigma: float, threshold: float) -> torch.Tensor:
    """(n, 1, h, w) normal draws, blurred, with what lies below the threshold set to 0."""
    smooth = gaussian(field, sigma)
    return torch.where(smooth < threshold, 0.0, smooth)


def water(wetness: torch.Tensor, intensity: float) -> torch.Tensor:
    """(n, 1, h, w) amount of water's colour to add, at most ``intensity``, from drops; 8 bits in between."""
    # Above 1 levels wrap around, as numpy's uint8 does in the published code.
    levels8 = (wetness * 255).to(torch.int32).bitwise_and_(255).to(torch.uint8)
    thick = levels8.to(torch.float32) * relief(levels8[:, 0])[:, None]
    most = thick.amax((1, 2, 3), keepdim=True)
    # A dry image is divided by 1, not by 0; all others have at least 1 already.
    return (thick / most.clamp_min(1)).mul_(intensity)


def mud(wetness: torch.Tensor, threshold: float, softness: float) -> torch.Tensor:
    """(n, 1, h, w) share of mud, 0 or from 0.8 to 1, from drops."""
    share = gaussian((wetness > threshold).to(torch.float32), softness)
    return torch.where(share < 0.8, 0.0, share)


def coloured(share: torch.Tensor, colour: tuple[float, ...], channels: int) -> torch.Tensor:
    """(n, channels, h, w): a colour in the amounts of ``share``."""
    return share * torch.tensor(colour[:channels], dtype=torch.float32, device=share.device)[:, None, None]


@final
@dataclass(frozen=True, kw_only=True)
class Spatter(Shift):
    """Drops of water (that shine) or mud (that hides) on the lens.

    Fields:
        loc, scale: Mean and standard deviation of the normal draws that drops are made of.
        sigma: Standard deviation of their blur in pixels: the size of drops.
        threshold: What lies below it is dry.
        intensity: Of water: what is added at the thickest place. Of mud: standard deviation in pixels of the blur that
            softens its edges.
        is_mud: Mud, not water.
    """

    name: ClassVar[str] = "spatter"
    title: ClassVar[str] = "Spatter"
    family: ClassVar[str] = "weather"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    random: ClassVar[bool] = True
    uneven: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(
            loc=(0.65, 0.65, 0.65, 0.65, 0.67),
            scale=(0.3, 0.3, 0.3, 0.3, 0.4),
            sigma=(4.0, 3.0, 2.0, 1.0, 1.0),
            threshold=(0.69, 0.68, 0.68, 0.65, 0.65),
            intensity=(0.6, 0.6, 0.5, 1.5, 1.5),
            is_mud=(False, False, False, True, True),
        ),
        "imagenet-c-299": levels(
            loc=(0.65, 0.65, 0.65, 0.65, 0.67),
            scale=(0.3, 0.3, 0.3, 0.3, 0.4),
            sigma=(4.0, 3.5, 3.0, 1.2, 1.2),
            threshold=(0.69, 0.68, 0.68, 0.65, 0.65),
            intensity=(0.9, 0.9, 0.8, 1.8, 1.8),
            is_mud=(False, False, False, True, True),
        ),
        "cifar-c": levels(
            loc=(0.62, 0.65, 0.65, 0.65, 0.65),
            scale=(0.1, 0.1, 0.3, 0.1, 0.1),
            sigma=(0.7, 0.8, 1.0, 0.7, 0.5),
            threshold=(0.7, 0.7, 0.69, 0.69, 0.68),
            intensity=(0.5, 0.5, 0.5, 0.6, 0.6),
            is_mud=(False, False, False, True, True),
        ),
        "tiny-c": levels(
            loc=(0.62, 0.65, 0.65, 0.65, 0.65),
            scale=(0.1, 0.1, 0.3, 0.1, 0.1),
            sigma=(0.7, 0.8, 1.0, 0.7, 0.5),
            threshold=(0.7, 0.7, 0.69, 0.68, 0.67),
            intensity=(0.6, 0.6, 0.6, 0.6, 0.6),
            is_mud=(False, False, False, True, True),
        ),
    }

    loc: float
    scale: float
    sigma: float
    threshold: float
    intensity: float
    is_mud: bool = False

    def __post_init__(self) -> None:
        require(-10 <= self.loc <= 10, f"spatter.loc must be in [-10, 10], got {self.loc}")
        require(0 <= self.scale <= 10, f"spatter.scale must be in [0, 10], got {self.scale}")
        require(0 <= self.sigma <= 100, f"spatter.sigma must be in [0, 100] pixels, got {self.sigma}")
        require(0 <= self.threshold <= 10, f"spatter.threshold must be in [0, 10], got {self.threshold}")
        require(0 <= self.intensity <= 100, f"spatter.intensity must be in [0, 100], got {self.intensity}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        field = keys.normal((1, *x.shape[2:])).mul_(self.scale).add_(self.loc)
        return spattered(x, drops(field, self.sigma, self.threshold), self)


def spattered(x: Images, wetness: torch.Tensor, how: Spatter) -> Images:
    """Images with drops on them."""
    if how.is_mud:
        share = mud(wetness, how.threshold, how.intensity)
        return (x * (1 - share)).add_(coloured(share, MUD, x.shape[1]))
    return x + coloured(water(wetness, how.intensity), WATER, x.shape[1])

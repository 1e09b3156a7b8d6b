"""Procedural frost in torch."""

from __future__ import annotations

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.ops.plasma.plain import blocks, unscaled_clouds
from brittlestar.shifts.ops.rounding.plain import blend

SHARPNESS = (9.0, 16.0)
"""Of the veins of the two clouds: how fast they fade away from the middle of the cloud's range."""


def frosted(x: torch.Tensor, keys: SampleKeys, decay: float, own: float, its: float) -> torch.Tensor:
    """``own * x + its * veins``.

    Args:
        x: (n, c, h, w) float32 in [0, 1].
        keys: One a sample.
        decay: Of the clouds, as for ``plasma``; above 1.
        own, its: Weights.
    """
    return blend(x, veins(keys, x.shape[2], x.shape[3], decay), own, its)


def veins(keys: SampleKeys, height: int, width: int, decay: float) -> torch.Tensor:
    """Bright veins on a dim ground, (n, 1, height, width) float32 in [0.2, 0.95]."""
    size, layers = side_of(height, width), len(SHARPNESS)
    words = torch.stack([keys.stream("crystals", layer).streams(blocks(size)) for layer in range(layers)], 1)
    draws = (SampleKeys(block) for block in words.flatten(0, 1).unbind(1))
    clouds = unscaled_clouds(size, decay, lambda rows, columns: next(draws).uniform((rows, columns), -1.0, 1.0))
    low, high = clouds.amin((1, 2), keepdim=True), clouds.amax((1, 2), keepdim=True)
    cut = (clouds[:, :height, :width] - low).div_(high - low).view(-1, layers, height, width)
    sharpness = torch.tensor(SHARPNESS, device=cut.device).view(-1, 1, 1)
    ridges = (cut - 0.5).mul_(sharpness).abs_().clamp_(max=1).neg_().add_(1)
    brightest = ridges.mul_(cut.mul_(0.35).add_(0.65)).amax(1, keepdim=True)
    return brightest.mul_(0.75).add_(0.2)


def side_of(height: int, width: int) -> int:
    """The smallest power of two, from 2 on, that holds an image."""
    # A cloud of one pixel has no range to be scaled by.
    return max(2, 1 << (max(height, width) - 1).bit_length())

"""Procedural frost in torch."""

from __future__ import annotations

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.ops.whole import blend

SHARPNESS = (9.0, 16.0)
"""Of the veins of the two clouds: how fast they fade away from the middle of the cloud's range."""

FIRST_AMPLITUDE = 100.0
"""The root of the amplitude of the coarsest draws, as in ``weather.plasma``."""


def frosted(x: torch.Tensor, keys: SampleKeys, decay: float, own: float, its: float) -> torch.Tensor:
    """``own * x + its * veins``.

    Args:
        x: (n, c, h, w) float32 in [0, 1].
        keys: One a sample.
        decay: Of the clouds, as for ``weather.plasma``; above 1.
        own, its: Weights.
    """
    return blend(x, veins(keys, x.shape[2], x.shape[3], decay), own, its)


def veins(keys: SampleKeys, height: int, width: int, decay: float) -> torch.Tensor:
    """Bright veins on a dim ground, (n, 1, height, width) float32 in [0.2, 0.95]."""
    draws = 3 * halvings(height, width)
    words = torch.stack([keys.stream("crystals", layer).streams(draws) for layer in range(len(SHARPNESS))], 1)
    clouds = _clouds(words.flatten(0, 1), decay)
    low, high = clouds.amin((1, 2), keepdim=True), clouds.amax((1, 2), keepdim=True)
    cut = (clouds[:, :height, :width] - low).div_(high - low).view(-1, len(SHARPNESS), height, width)
    sharpness = torch.tensor(SHARPNESS, device=words.device).view(-1, 1, 1)
    ridges = (cut - 0.5).mul_(sharpness).abs_().clamp_(max=1).neg_().add_(1)
    brightest = ridges.mul_(cut.mul_(0.35).add_(0.65)).amax(1, keepdim=True)
    return brightest.mul_(0.75).add_(0.2)


def halvings(height: int, width: int) -> int:
    """How often the side of the smallest square of a power of two that holds an image can be halved; at least once."""
    return max(1, (max(height, width) - 1).bit_length())


def _clouds(words: torch.Tensor, decay: float) -> torch.Tensor:
    """``weather.plasma`` before it is scaled, bit for bit. Every halving makes a denser grid from a whole coarser one
    instead of filling gaps in the final one, so that memory is read and written in order."""
    count, wobble = len(words), FIRST_AMPLITUDE
    corners = torch.zeros(count, 1, 1, device=words.device)
    for halving, blocks in enumerate(torch.split(words, 3, 1)):
        side = 1 << halving
        draws = SampleKeys(blocks.reshape(-1)).uniform((side, side), -1.0, 1.0).mul_(wobble * wobble)
        squares, to_the_right, downwards = draws.view(count, 3, side, side).unbind(1)
        right, below = corners.roll(-1, 2), corners.roll(-1, 1)
        across = corners + below
        centres = (across + across.roll(-1, 2)).mul_(0.25).add_(squares)
        denser = torch.empty(count, side, 2, side, 2, device=words.device)
        denser[:, :, 0, :, 0] = corners
        denser[:, :, 0, :, 1] = (centres + centres.roll(1, 1)).add_(corners).add_(right).mul_(0.25).add_(to_the_right)
        denser[:, :, 1, :, 0] = (centres + centres.roll(1, 2)).add_(corners).add_(below).mul_(0.25).add_(downwards)
        denser[:, :, 1, :, 1] = centres
        corners, wobble = denser.view(count, 2 * side, 2 * side), wobble / decay
    return corners

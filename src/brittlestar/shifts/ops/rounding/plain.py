"""Rounding as the published code does it. It computes in float64 and cuts off to 8 bits: where the true value is a
whole level, a rounding error decides whether a level is lost. These functions lose it in the same places, in
float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

FINE = 1024.0
"""Values within 1/2048 of a whole level count as that level."""

SHORT = 2.0**-12
"""In levels: what is taken from values that should be whole and fall short of it in float64. Twice the slack that
``truncated`` gives to rounding, so truncation then loses the level; it matters to nothing else."""

SLACK = 2.0**-13
"""In levels: a value that falls short of a level by less than this counts as that level when it is cut off."""

NEAR = 2.0**-13
"""In levels: a value so near to a whole level should be that level."""

REACH = 1.25 * NEAR
"""Levels that fall short by less than this are lowered; others are cut off correctly as they are."""


def truncated(y: torch.Tensor) -> torch.Tensor:
    """Float32 images cut off to multiples of 1/255, in [0, 1].

    What falls short of a level by a rounding error counts as that level.
    """
    return y.clamp(0, 1).mul_(255).add_(SLACK).floor_().div_(255)


def truncated_levels(y: torch.Tensor) -> torch.Tensor:
    """uint8 levels of float32 images, cut off as ``truncated`` does."""
    return y.clamp(0, 1).mul_(255).add_(SLACK).to(torch.uint8)


def settled(levels: torch.Tensor) -> torch.Tensor:
    """Float64 levels in [0, 255] as float32 in [0, 1] that truncate to the same 8 bits."""
    short = (levels + REACH).floor() - levels.floor()
    return ((levels - short * SHORT) / 255.0).to(torch.float32)


def exact_levels(x: torch.Tensor) -> torch.Tensor:
    """Float32 images in [0, 1] as float64 levels; 8-bit ones exactly."""
    return torch.round(x * 255.0 * FINE).to(torch.float64) / FINE


def blend(x: torch.Tensor, other: torch.Tensor, own: float, its: float) -> torch.Tensor:
    """``own * x + its * other`` as float64 has it.

    Args:
        x, other: (n, c, h, w) float32 in [0, 1], 8-bit levels or close to them.
        own, its: Weights.
    """
    return settled(exact_levels(x) * own + exact_levels(other) * its)


def fallen(y: torch.Tensor, short: torch.Tensor) -> torch.Tensor:
    """``y`` in [0, 1] lowered a little at whole levels that ``short`` (256 times 0 or 1) names."""
    if not bool(short.any()):
        return y
    levels = y * 255.0
    nearest = levels.round().clamp_(0, 255)
    taken = short.to(y.device)[nearest.to(torch.int64)]
    taken = taken.mul_((levels - nearest).abs_() < NEAR)
    return y - taken.mul_(SHORT / 255.0)


def short_levels(change: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]) -> torch.Tensor:
    """For each of 256 levels, 1 where a change that should give a whole level falls short of it in float64."""
    with np.errstate(all="ignore"):
        levels = np.clip(change(np.arange(256) / 255.0), 0, 1) * 255
    # 1e-6 is far above float64's errors and far below a level.
    return torch.from_numpy((np.floor(levels + 1e-6) > np.floor(levels)).astype(np.float32))

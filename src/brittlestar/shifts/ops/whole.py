"""Whole levels. The published code computes in float64 and cuts off to 8 bits: where the true value is a whole level, a
rounding error decides whether a level is lost. These functions lose it in the same places, in float32."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from brittlestar.shifts.ops.convolve import gaussian_weights
from brittlestar.shifts.ops.fast import kernels

FINE = 1024.0
"""Values within 1/2048 of a whole level count as that level."""

SHORT = 2.0**-12
"""In levels: what is taken from values that should be whole and fall short of it in float64. Twice the slack that
``storage.truncated`` gives to rounding, so truncation then loses the level; it matters to nothing else."""

NEAR = 2.0**-13
REACH = 1.25 * NEAR
"""Levels that fall short by less than this are lowered: farther ones truncate rightly by themselves."""


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
    if (fast := kernels(x)) is not None:
        return fast.blend(x, other, own, its)
    return settled(exact_levels(x) * own + exact_levels(other) * its)


def fallen(y: torch.Tensor, short: torch.Tensor) -> torch.Tensor:
    """``y`` in [0, 1] lowered a little at whole levels that ``short`` (256 times 0 or 1) names."""
    if not bool(short.any()):
        return y
    if (fast := kernels(y)) is not None:
        return fast.fallen(y, short)
    levels = y * 255.0
    whole = levels.round().clamp_(0, 255)
    taken = short.to(y.device)[whole.to(torch.int64)]
    taken = taken.mul_((levels - whole).abs_() < NEAR)
    return y - taken.mul_(SHORT / 255.0)


def short_levels(change: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]) -> torch.Tensor:
    """For each of 256 levels, 1 where a change that should give a whole level falls short of it in float64."""
    with np.errstate(all="ignore"):
        levels = np.clip(change(np.arange(256) / 255.0), 0, 1) * 255
    return torch.from_numpy((np.floor(levels + 1e-6) > np.floor(levels)).astype(np.float32))


@functools.lru_cache(maxsize=64)
def short_in_blur(sigma: float) -> torch.Tensor:
    """``short_levels`` of a Gaussian blur in even areas."""
    radius = len(gaussian_weights(sigma)) // 2

    def blurred(level: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        for _ in range(2):
            line = ndimage.gaussian_filter1d(np.repeat(level[:, None], 2 * radius + 1, 1), sigma, mode="nearest")
            level = line[:, radius]
        return level

    return short_levels(blurred)


@functools.lru_cache(maxsize=64)
def short_in_zoom(copies: int) -> torch.Tensor:
    """For each of 256 levels, 1 where the mean of an even image and ``copies`` of it falls short of the level.

    The published code adds up and divides in float32 there, not in float64 as elsewhere, and loses more levels.
    """
    level = (np.arange(256) / 255.0).astype(np.float32)
    total = np.zeros_like(level)
    for _ in range(copies):
        total += level
    levels = (level + total) / np.float32(copies + 1) * np.float32(255)
    return torch.from_numpy((np.floor(levels) < np.arange(256)).astype(np.float32))

"""Convolution by sums of shifted copies in a fixed order: every value is made by the same additions whatever the
batch, on every device, compiled or not."""

from __future__ import annotations

import functools
import math

import torch

from brittlestar.shifts.ops.rounding.plain import exact_levels, settled

Weights = tuple[float, ...]


@functools.lru_cache(maxsize=256)
def gaussian_weights(sigma: float, truncate: float = 4.0) -> Weights:
    """Normalised samples of the normal density at whole steps, out to ``truncate`` standard deviations."""
    # scipy's radius, so that kernels end at the same pixel.
    radius = int(truncate * sigma + 0.5)
    weights = [math.exp(-0.5 * (i / sigma) ** 2) if sigma > 0 else 1.0 for i in range(-radius, radius + 1)]
    total = sum(weights)
    return tuple(w / total for w in weights)


@functools.lru_cache(maxsize=256)
def border_index(size: int, radius: int, border: str) -> torch.Tensor:
    """Which of ``size`` samples stand at places ``-radius`` to ``size + radius - 1``.

    ``edge`` repeats the outermost (aaa|abc|ccc), ``symmetric`` mirrors with it (cba|abc|cba), ``reflect`` without it
    (dcb|abcd|cba).
    """
    place = torch.arange(-radius, size + radius)
    if border == "edge":
        return place.clamp(0, size - 1)
    if border == "symmetric":
        place = place.remainder(2 * size)
        return torch.minimum(place, 2 * size - 1 - place)
    # A single sample has the period 0, which nothing can be divided by.
    place = place.remainder(max(1, 2 * size - 2))
    return torch.minimum(place, (2 * size - 2 - place).clamp_min(0))


def padded(x: torch.Tensor, radius: int, dim: int, border: str) -> torch.Tensor:
    """``x`` continued by ``radius`` on both sides of dimension ``dim``."""
    return x.index_select(dim, border_index(x.shape[dim], radius, border).to(x.device))


def gaussian(x: torch.Tensor, sigma: float, truncate: float = 4.0, border: str = "edge") -> torch.Tensor:
    """Gaussian blur of (n, c, h, w) float32."""
    weights = gaussian_weights(float(sigma), truncate)
    if len(weights) == 1:
        return x.clone()
    return along(along(x, weights, 3, border), weights, 2, border)


def along(x: torch.Tensor, weights: Weights, dim: int, border: str = "edge") -> torch.Tensor:
    """Correlate (n, c, h, w) floats with symmetric weights along dimension 2 or 3."""
    radius = len(weights) // 2
    wide = padded(x, radius, dim, border)
    size = x.shape[dim]
    out = wide.narrow(dim, radius, size) * weights[radius]
    # Pairs are added before they are weighted, from the middle outwards: the compiled loops do the same.
    for step in range(1, radius + 1):
        pair = wide.narrow(dim, radius - step, size) + wide.narrow(dim, radius + step, size)
        out.add_(pair.mul_(weights[radius + step]))
    return out


def symmetric_correlate(x: torch.Tensor, quarter: tuple[Weights, ...]) -> torch.Tensor:
    """Correlate (n, c, h, w) with a kernel that is symmetric in both axes; borders ``reflect``.

    Args:
        x: float32 or float64.
        quarter: Weights at (row, column) distances from the centre, ``quarter[row][column]``; rows may be short.
    """
    radius = len(quarter) - 1
    height, width = x.shape[2:]
    wide = padded(padded(x, radius, 2, "reflect"), radius, 3, "reflect")
    out = torch.zeros_like(x)
    for row, weights in enumerate(quarter):
        lines = wide.narrow(2, radius + row, height)
        if row:
            lines = lines + wide.narrow(2, radius - row, height)
        for column, weight in enumerate(weights):
            if weight == 0:
                continue
            part = lines.narrow(3, radius + column, width)
            part = part + lines.narrow(3, radius - column, width) if column else part
            out.add_(part * weight)
    return out


def three_weights(x: torch.Tensor, middle: float, side: float) -> torch.Tensor:
    """Symmetric kernels of three weights down and then across, edges repeated; truncates as float64 sums do.

    Args:
        x: (n, c, h, w) float32 in [0, 1].
        middle, side: The weights.
    """
    weights = (side, middle, side)
    exact = along(along(exact_levels(x) / 255.0, weights, 2), weights, 3)
    return settled(exact * 255.0)


def small_disk(x: torch.Tensor, quarter: tuple[Weights, ...]) -> torch.Tensor:
    """``symmetric_correlate`` of (n, c, h, w) float32 in [0, 1] that truncates as float64 sums do."""
    return settled(symmetric_correlate(exact_levels(x) / 255.0, quarter) * 255.0)

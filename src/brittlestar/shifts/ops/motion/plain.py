"""Motion blur as ImageMagick makes it: half a Gaussian kernel along a line, sampled at the nearest pixels."""

from __future__ import annotations

import functools
import math

import torch
from torch.nn import functional


@functools.lru_cache(maxsize=64)
def motion_weights(radius: int, sigma: float) -> tuple[float, ...]:
    """Normalised ``exp(-i^2 / (2 sigma^2))`` for i from 0 to ``2 * radius``."""
    weights = [math.exp(-(i * i) / (2 * sigma * sigma)) for i in range(2 * radius + 1)]
    total = sum(weights)
    return tuple(w / total for w in weights)


@functools.lru_cache(maxsize=4096)
def motion_offsets(count: int, degrees: float) -> tuple[tuple[int, int], ...]:
    """(rows, columns) from which each of ``count`` steps along the direction is taken."""
    down, right = count * math.sin(math.radians(degrees)), count * math.cos(math.radians(degrees))
    length = math.hypot(down, right)
    # ImageMagick's rounding: a half goes down.
    return tuple((math.ceil(i * down / length - 0.5), math.ceil(i * right / length - 0.5)) for i in range(count))


def motion_steps(count: int, degrees: torch.Tensor) -> torch.Tensor:
    """(n, count, 2) int64, on the CPU: ``motion_offsets`` of (n,) directions."""
    offsets = [motion_offsets(count, direction) for direction in degrees.tolist()]
    return torch.tensor(offsets, dtype=torch.int64).view(len(degrees), count, 2)


def motion_blur(x: torch.Tensor, radius: int, sigma: float, degrees: torch.Tensor) -> torch.Tensor:
    """Blur along a direction of its own for every image; edges are repeated.

    Args:
        x: (n, c, h, w) float32.
        radius: In pixels; the kernel has ``2 * radius + 1`` steps, all on one side.
        sigma: Of the Gaussian, in pixels; above 0.
        degrees: (n,) directions; 0 points along the rows to the right, 90 down the columns.
    """
    weights = motion_weights(radius, sigma)
    steps = motion_steps(len(weights), degrees).to(x.device)
    height, width = x.shape[2:]
    reach = 2 * radius
    flat = functional.pad(x, (reach, reach, reach, reach), mode="replicate").flatten(2)
    stride = width + 2 * reach
    rows = (torch.arange(height, device=x.device)[:, None] + reach) * stride
    base = (rows + torch.arange(width, device=x.device) + reach).flatten()
    out = x * weights[0]
    for step in range(1, len(weights)):
        source = base + (steps[:, step, 0] * stride + steps[:, step, 1])[:, None]
        out.add_(flat.gather(2, source[:, None].expand(-1, x.shape[1], -1)).view_as(x).mul_(weights[step]))
    return out

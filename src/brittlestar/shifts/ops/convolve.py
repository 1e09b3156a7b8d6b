"""Separable convolution, one image and channel at a time in effect: results do not depend on the batch."""

from __future__ import annotations

import functools
import math

import torch
from torch.nn import functional


@functools.lru_cache(maxsize=256)
def gaussian_weights(sigma: float, truncate: float = 4.0) -> tuple[float, ...]:
    """Normalised samples of the normal density at whole steps, out to ``truncate`` standard deviations."""
    radius = int(truncate * sigma + 0.5)
    weights = [math.exp(-0.5 * (i / sigma) ** 2) if sigma > 0 else 1.0 for i in range(-radius, radius + 1)]
    total = sum(weights)
    return tuple(w / total for w in weights)


def gaussian(x: torch.Tensor, sigma: float, truncate: float = 4.0) -> torch.Tensor:
    """Gaussian blur of (n, c, h, w) with repeated edges.

    Sums of shifted copies in a fixed order: every output value is made by the same additions whatever the batch.
    """
    weights = gaussian_weights(float(sigma), truncate)
    if len(weights) == 1:
        return x.clone()
    return along(along(x, weights, 3), weights, 2)


def along(x: torch.Tensor, weights: tuple[float, ...], dim: int) -> torch.Tensor:
    """Correlate with symmetric weights along dimension 2 or 3; edges are repeated."""
    radius = len(weights) // 2
    pad = (radius, radius, 0, 0) if dim == 3 else (0, 0, radius, radius)
    padded = functional.pad(x, pad, mode="replicate")
    size = x.shape[dim]
    out = padded.narrow(dim, radius, size) * weights[radius]
    for step in range(1, radius + 1):
        pair = padded.narrow(dim, radius - step, size) + padded.narrow(dim, radius + step, size)
        out.add_(pair.mul_(weights[radius + step]))
    return out

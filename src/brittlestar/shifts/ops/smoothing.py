"""Wide smoothing as a product with a matrix along each axis."""

from __future__ import annotations

import functools

import torch

from brittlestar.shifts.ops.convolution.plain import border_index, gaussian_weights


@functools.lru_cache(maxsize=32)
def smoothing(size: int, sigma: float, truncate: float, border: str) -> torch.Tensor:
    """(size, size) matrix of a Gaussian blur cut off at ``truncate`` standard deviations.

    Borders are those of ``border_index``, or ``zero``: beyond the ends there is nothing.
    """
    weights = torch.tensor(gaussian_weights(sigma, truncate), dtype=torch.float64)
    radius = len(weights) // 2
    matrix = torch.zeros(size, size, dtype=torch.float64)
    if border == "zero":
        distance = torch.arange(size)[:, None] - torch.arange(size)[None]
        return torch.where(distance.abs() <= radius, weights[(distance + radius).clamp(0, 2 * radius)], 0.0).float()
    index = border_index(size, radius, border)
    for place in range(size):
        # Added and not set: near the ends several weights fall on one sample.
        matrix[place].index_add_(0, index[place : place + len(weights)], weights)
    return matrix.to(torch.float32)


def on_both_sides(down: torch.Tensor, fields: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """``down @ field @ across.T`` of every (n, k) field of (n, k, h, w)."""
    down, across = down.to(fields.device), across.to(fields.device)
    if fields.is_cuda:
        return down @ fields @ across.T
    # One product at a time: the library's sums may depend on how many it is given.
    out = fields.new_empty(*fields.shape[:2], len(down), len(across))
    for field, smooth in zip(fields.flatten(0, 1), out.flatten(0, 1), strict=True):
        torch.matmul(down @ field, across.T, out=smooth)
    return out

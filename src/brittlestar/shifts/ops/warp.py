"""Sampling images at places between pixels."""

from __future__ import annotations

import torch
from torch.nn import functional

from brittlestar.shifts.ops.fast import kernels


def sample(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, border: str) -> torch.Tensor:
    """Bilinear interpolation.

    Args:
        x: (n, c, h, w) float32.
        rows, columns: (n, h', w') float32, in pixels from the centre of the first one.
        border: ``symmetric`` (cba|abc|cba) or ``reflect`` (dcb|abcd|cba).

    Returns:
        (n, c, h', w').
    """
    if (fast := kernels(x)) is not None:
        return fast.sample(x, rows, columns, border)
    height, width = x.shape[2:]
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    up, back = 1 - down, 1 - right
    top, left = top.to(torch.int64), left.to(torch.int64)
    first, second = folded(top, height, border), folded(top + 1, height, border)
    start, end = folded(left, width, border), folded(left + 1, width, border)
    flat = x.flatten(2)

    def pick(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        place = (row * width + column).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        return flat.gather(2, place).view(*x.shape[:2], *rows.shape[1:])

    above = (pick(first, start) * back).add_(pick(first, end).mul_(right))
    below = (pick(second, start) * back).add_(pick(second, end).mul_(right))
    return above.mul_(up).add_(below.mul_(down))


def sample_on_black(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Bilinear interpolation of images that lie on black: edges fade into it over one pixel, as in OpenCV's warps.

    Arguments and result as of ``sample``.
    """
    wide = functional.pad(x, (1, 1, 1, 1))
    rows, columns = (rows + 1).clamp_(0, x.shape[2] + 1), (columns + 1).clamp_(0, x.shape[3] + 1)
    return sample(wide, rows, columns, "symmetric")


def folded(place: torch.Tensor, size: int, border: str) -> torch.Tensor:
    """Places outside ``[0, size)`` brought inside as the border says."""
    if border == "reflect":
        period = max(1, 2 * size - 2)
        place = place.remainder(period)
        return torch.minimum(place, (period - place).clamp_min(0))
    place = place.remainder(2 * size)
    return torch.minimum(place, 2 * size - 1 - place)

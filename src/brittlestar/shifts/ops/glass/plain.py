"""Pixels that change places with their neighbours, one after another."""

from __future__ import annotations

import torch

from brittlestar.core.keys import SampleKeys


def shuffled_by_keys(x: torch.Tensor, keys: SampleKeys, reach: int, iterations: int, exchange: bool) -> torch.Tensor:
    """``shuffled`` with offsets that the keys draw; sides of (n, c, h, w) are larger than ``2 * reach``."""
    rows, columns = x.shape[2] - 2 * reach, x.shape[3] - 2 * reach
    # 32 bits a pixel: its two halves, each scaled to 2 * reach values.
    draws = keys.bits32((iterations, rows, columns))
    down, right = (((half & 0xFFFF) * (2 * reach) >> 16) - reach for half in (draws, draws >> 16))
    return shuffled(x, down.to(torch.int8), right.to(torch.int8), reach, exchange)


def shuffled(x: torch.Tensor, down: torch.Tensor, right: torch.Tensor, reach: int, exchange: bool) -> torch.Tensor:
    """Go through the inner pixels from the last to the first; each takes the value of a neighbour.

    Args:
        x: (n, c, h, w).
        down, right: (n, iterations, h - 2 reach, w - 2 reach) int8 offsets in ``[-reach, reach - 1]``, of pixel
            ``(reach + 1 + i, reach + 1 + j)`` at ``[..., i, j]``; they see what pixels before them have done.
        reach: In pixels.
        exchange: The neighbour gets the pixel's value in return. Without it the neighbour keeps its own.
    """
    n, _, height, width = x.shape
    rows, columns = down.shape[2:]
    count = height * width
    # From reach + 1 to side - reach: the published ranges, which do not lie in the middle.
    top = torch.arange(reach + 1, reach + 1 + rows, device=x.device)[:, None]
    left = torch.arange(reach + 1, reach + 1 + columns, device=x.device)
    inner = (top * width + left).flatten()
    origin = torch.arange(count, device=x.device).repeat(n, 1)
    for turn in range(down.shape[1]):
        delta = (down[:, turn].to(torch.int64) * width + right[:, turn]).flatten(1)
        if exchange:
            _exchange(origin, inner, delta)
            continue
        source = inner + delta
        row, column = source // width, source % width
        taken = (row > reach) & (row < reach + 1 + rows) & (column > reach) & (column < reach + 1 + columns)
        # Nodes 0 .. count - 1 are pixels after the turn, count .. 2 count - 1 before it. A pixel points to its
        # neighbour's later state where that one has had its turn before; doubling the pointers finds the roots.
        pointer = torch.arange(count, 2 * count, device=x.device).repeat(n, 2)
        pointer[:, inner] = torch.where(taken & (delta > 0), source, source + count)
        for _ in range(count.bit_length()):
            pointer[:, :count] = pointer.gather(1, pointer[:, :count])
        origin = origin.gather(1, pointer[:, :count] - count)
    return x.flatten(2).gather(2, origin[:, None].expand(-1, x.shape[1], -1)).view_as(x)


def _exchange(origin: torch.Tensor, inner: torch.Tensor, delta: torch.Tensor) -> None:
    """Exchange pixel after pixel, all images at once, in place."""
    # Both pixels change, so there are no pointers to double: one pixel after another.
    for turn in range(len(inner) - 1, -1, -1):
        here = inner[turn].expand(len(origin), 1)
        there = here + delta[:, turn : turn + 1]
        first, second = origin.gather(1, here), origin.gather(1, there)
        origin.scatter_(1, here, second)
        origin.scatter_(1, there, first)

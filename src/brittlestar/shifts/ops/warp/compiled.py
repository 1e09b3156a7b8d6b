"""Compiled counterparts of sampling between pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled, inlined
from brittlestar.shifts.ops.warp.plain import on_black


def sample(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, border: str) -> torch.Tensor:
    """See ``plain.sample``."""
    if border == "black":
        x, rows, columns = on_black(x, rows, columns)
    out = torch.empty((*x.shape[:2], *rows.shape[1:]), dtype=torch.float32)
    rows, columns = rows.contiguous(), columns.contiguous()
    _sample(x.contiguous().numpy(), out.numpy(), rows.numpy(), columns.numpy(), border == "reflect")
    return out


@compiled
def _folded(place: int, size: int, reflect: bool) -> int:
    if 0 <= place < size:
        return place
    period = max(1, 2 * size - 2) if reflect else 2 * size
    place = place % period
    return min(place, max(0, period - place) if reflect else period - 1 - place)


@compiled
def _sample(x: Any, out: Any, rows: Any, columns: Any, reflect: bool) -> None:
    for n in range(len(x)):
        for y in range(out.shape[2]):
            for i in range(out.shape[3]):
                _take(x, out, n, y, i, rows[n, y, i], columns[n, y, i], reflect)


@inlined
def _take(x: Any, out: Any, n: int, y: int, i: int, row: Any, column: Any, reflect: bool) -> None:
    height, width, one = x.shape[2], x.shape[3], np.float32(1)
    above, before = np.floor(row), np.floor(column)
    down, along = row - above, column - before
    up, back = one - down, one - along
    top, left = int(above), int(before)
    # Nearly all places lie inside, where nothing needs to be folded back.
    if 0 <= top < height - 1 and 0 <= left < width - 1:
        bottom, right = top + 1, left + 1
    else:
        bottom, right = _folded(top + 1, height, reflect), _folded(left + 1, width, reflect)
        top, left = _folded(top, height, reflect), _folded(left, width, reflect)
    for k in range(x.shape[1]):
        first = x[n, k, top, left] * back + x[n, k, top, right] * along
        second = x[n, k, bottom, left] * back + x[n, k, bottom, right] * along
        out[n, k, y, i] = first * up + second * down


def warp_twice(x: torch.Tensor, back: torch.Tensor, fields: torch.Tensor | None, alpha: float) -> torch.Tensor:
    """See ``plain.warp_twice``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    moves = np.empty((0, 2, 1, 1), np.float32) if fields is None else fields.contiguous().numpy()
    _warp_twice(x.contiguous().numpy(), out.numpy(), back.contiguous().numpy(), moves, np.float32(alpha))
    return out


@compiled
def _warp_twice(x: Any, out: Any, back: Any, fields: Any, alpha: Any) -> None:
    count, channels, height, width = x.shape
    # Colours beside each other: a pixel's values lie in one line of the cache.
    first = np.empty((height, width, channels), np.float32)
    second = np.empty((height, width, channels), np.float32)
    for n in range(count):
        m = back[n]
        for c in range(channels):
            for y in range(height):
                for i in range(width):
                    first[y, i, c] = x[n, c, y, i]
        for y in range(height):
            for i in range(width):
                row = np.float32(m[1, 0] * np.float64(i) + m[1, 1] * np.float64(y) + m[1, 2])
                column = np.float32(m[0, 0] * np.float64(i) + m[0, 1] * np.float64(y) + m[0, 2])
                _take_beside(first, second, y, i, row, column, True)
        result = second
        if len(fields):
            for y in range(height):
                for i in range(width):
                    row = fields[n, 1, y, i] * alpha + np.float32(y)
                    column = fields[n, 0, y, i] * alpha + np.float32(i)
                    _take_beside(second, first, y, i, row, column, False)
            result = first
        for c in range(channels):
            for y in range(height):
                for i in range(width):
                    out[n, c, y, i] = result[y, i, c]


@inlined
def _take_beside(x: Any, out: Any, y: int, i: int, row: Any, column: Any, reflect: bool) -> None:
    height, width, one = x.shape[0], x.shape[1], np.float32(1)
    above, before = np.floor(row), np.floor(column)
    down, along = row - above, column - before
    up, back = one - down, one - along
    top, left = int(above), int(before)
    if 0 <= top < height - 1 and 0 <= left < width - 1:
        bottom, right = top + 1, left + 1
    else:
        bottom, right = _folded(top + 1, height, reflect), _folded(left + 1, width, reflect)
        top, left = _folded(top, height, reflect), _folded(left, width, reflect)
    for k in range(x.shape[2]):
        higher = x[top, left, k] * back + x[top, right, k] * along
        lower = x[bottom, left, k] * back + x[bottom, right, k] * along
        out[y, i, k] = higher * up + lower * down

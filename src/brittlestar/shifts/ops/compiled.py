"""Loops compiled by numba. Each does, value by value, the same float32 operations in the same order as its torch
counterpart (no fused or reordered arithmetic), so both give the same bits; the tests hold them to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.compiled_colour import blend as blend
from brittlestar.shifts.ops.compiled_colour import brightened as brightened
from brittlestar.shifts.ops.compiled_colour import fallen as fallen
from brittlestar.shifts.ops.compiled_colour import saturated as saturated
from brittlestar.shifts.ops.compiled_colour import snowed as snowed
from brittlestar.shifts.ops.compiled_colour import truncate as truncate
from brittlestar.shifts.ops.compiled_colour import truncate_levels as truncate_levels
from brittlestar.shifts.ops.compiled_exact import small_disk as small_disk
from brittlestar.shifts.ops.compiled_exact import three as three
from brittlestar.shifts.ops.compiled_jpeg import box as box
from brittlestar.shifts.ops.compiled_jpeg import jpeg as jpeg
from brittlestar.shifts.ops.compiled_liquid import compiled, inlined
from brittlestar.shifts.ops.compiled_liquid import relief as relief
from brittlestar.shifts.ops.compiled_noise import glass as glass
from brittlestar.shifts.ops.compiled_noise import impulse_noise as impulse_noise
from brittlestar.shifts.ops.compiled_noise import normal_noise as normal_noise
from brittlestar.shifts.ops.compiled_noise import plasma as plasma
from brittlestar.shifts.ops.compiled_noise import shot_noise as shot_noise
from brittlestar.shifts.ops.compiled_noise import uniform as uniform
from brittlestar.shifts.ops.compiled_zoom import zoom_sum as zoom_sum


def planes(x: torch.Tensor) -> Any:
    """(n * c, h, w) numpy view of contiguous (n, c, h, w)."""
    return x.contiguous().flatten(0, 1).numpy()


def single(values: Sequence[float]) -> Any:
    """Numbers as float32."""
    return np.asarray(values, dtype=np.float32)


def separable(x: torch.Tensor, weights: Sequence[float], rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Correlate with symmetric weights along both axes; see ``convolve.gaussian``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _separable(planes(x), planes(out), single(weights), rows.numpy(), columns.numpy())
    return out


@compiled
def _separable(x: Any, out: Any, weights: Any, rows: Any, columns: Any) -> None:
    count, height, width = x.shape
    radius = len(weights) // 2
    line = np.empty(width + 2 * radius, np.float32)
    middle = np.empty((height, width), np.float32)
    for p in range(count):
        for y in range(height):
            for i in range(width + 2 * radius):
                line[i] = x[p, y, columns[i]]
            row = middle[y]
            for i in range(width):
                row[i] = line[radius + i] * weights[radius]
            for s in range(1, radius + 1):
                w = weights[radius + s]
                left, right = line[radius - s :], line[radius + s :]
                for i in range(width):
                    row[i] += (left[i] + right[i]) * w
        for y in range(height):
            row = out[p, y]
            for i in range(width):
                row[i] = middle[y, i] * weights[radius]
            for s in range(1, radius + 1):
                w = weights[radius + s]
                above, below = middle[rows[radius + y - s]], middle[rows[radius + y + s]]
                for i in range(width):
                    row[i] += (above[i] + below[i]) * w


def correlate(
    x: torch.Tensor, quarter: Sequence[Sequence[float]], rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """Correlate with a kernel symmetric in both axes; see ``convolve.symmetric_correlate``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    table = np.zeros((len(quarter), len(quarter)), np.float32)
    for row, weights in enumerate(quarter):
        table[row, : len(weights)] = weights
    lengths = np.array([max((i + 1 for i, w in enumerate(row) if w), default=0) for row in table])
    _correlate(planes(x), planes(out), table, lengths, rows.numpy(), columns.numpy())
    return out


@compiled
def _correlate(x: Any, out: Any, quarter: Any, lengths: Any, rows: Any, columns: Any) -> None:
    count, height, width = x.shape
    radius = len(quarter) - 1
    wide = np.empty((height, width + 2 * radius), np.float32)
    lines = np.empty(width + 2 * radius, np.float32)
    for p in range(count):
        for y in range(height):
            for i in range(width + 2 * radius):
                wide[y, i] = x[p, y, columns[i]]
        for y in range(height):
            row = out[p, y]
            row[:] = 0
            for r in range(radius + 1):
                if lengths[r] == 0:
                    continue
                below, above = wide[rows[radius + y + r]], wide[rows[radius + y - r]]
                if r == 0:
                    lines[:] = below
                else:
                    for i in range(width + 2 * radius):
                        lines[i] = below[i] + above[i]
                for c in range(lengths[r]):
                    w = quarter[r, c]
                    if w == 0:
                        continue
                    right, left = lines[radius + c :], lines[radius - c :]
                    if c == 0:
                        for i in range(width):
                            row[i] += right[i] * w
                    else:
                        for i in range(width):
                            row[i] += (right[i] + left[i]) * w


def motion(x: torch.Tensor, steps: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """Blur along a line of offsets; see ``motion.motion_blur``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _motion(x.contiguous().numpy(), out.numpy(), steps.numpy(), single(weights))
    return out


@compiled
def _motion(x: Any, out: Any, steps: Any, weights: Any) -> None:
    count, channels, height, width = x.shape
    reach = len(weights) - 1
    wide = np.empty((height, width + 2 * reach), np.float32)
    for n in range(count):
        for c in range(channels):
            for y in range(height):
                wide[y, :reach] = x[n, c, y, 0]
                wide[y, reach : reach + width] = x[n, c, y]
                wide[y, reach + width :] = x[n, c, y, width - 1]
            for y in range(height):
                row = out[n, c, y]
                for i in range(width):
                    row[i] = x[n, c, y, i] * weights[0]
                for s in range(1, len(weights)):
                    w = weights[s]
                    source = wide[min(max(y + steps[n, s, 0], 0), height - 1), reach + steps[n, s, 1] :]
                    for i in range(width):
                        row[i] += source[i] * w


def sample(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, border: str) -> torch.Tensor:
    """Bilinear sampling at given places; see ``warp.sample``."""
    out = torch.empty((*x.shape[:2], *rows.shape[1:]), dtype=torch.float32)
    _sample(
        x.contiguous().numpy(),
        out.numpy(),
        rows.contiguous().numpy(),
        columns.contiguous().numpy(),
        border == "reflect",
    )
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
    if 0 <= top < height - 1 and 0 <= left < width - 1:
        bottom, right = top + 1, left + 1
    else:
        bottom, right = _folded(top + 1, height, reflect), _folded(left + 1, width, reflect)
        top, left = _folded(top, height, reflect), _folded(left, width, reflect)
    for k in range(x.shape[1]):
        first = x[n, k, top, left] * back + x[n, k, top, right] * along
        second = x[n, k, bottom, left] * back + x[n, k, bottom, right] * along
        out[n, k, y, i] = first * up + second * down


def shuffle(x: torch.Tensor, down: torch.Tensor, right: torch.Tensor, reach: int, exchange: bool) -> torch.Tensor:
    """Pixels copied from (or exchanged with) neighbours one after another; see ``glass.shuffle``."""
    out = x.clone(memory_format=torch.contiguous_format)
    _shuffle(out.numpy(), down.contiguous().numpy(), right.contiguous().numpy(), reach, exchange)
    return out


@compiled
def _shuffle(x: Any, down: Any, right: Any, reach: int, exchange: bool) -> None:
    count, channels, _, _ = x.shape
    for n in range(count):
        for i in range(down.shape[1]):
            for y in range(down.shape[2] - 1, -1, -1):
                for k in range(down.shape[3] - 1, -1, -1):
                    h, w = y + reach + 1, k + reach + 1
                    from_h, from_w = h + down[n, i, y, k], w + right[n, i, y, k]
                    for c in range(channels):
                        value = x[n, c, h, w]
                        x[n, c, h, w] = x[n, c, from_h, from_w]
                        if exchange:
                            x[n, c, from_h, from_w] = value


def warp_twice(x: torch.Tensor, back: torch.Tensor, fields: torch.Tensor | None, alpha: float) -> torch.Tensor:
    """Images seen through affine maps and then displaced by fields of (columns, rows); see ``elastic.elastic``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    moves = np.empty((0, 2, 1, 1), np.float32) if fields is None else fields.contiguous().numpy()
    _warp_twice(x.contiguous().numpy(), out.numpy(), back.contiguous().numpy(), moves, np.float32(alpha))
    return out


@compiled
def _warp_twice(x: Any, out: Any, back: Any, fields: Any, alpha: Any) -> None:
    count, channels, height, width = x.shape
    # Colours beside each other: a place's values lie in one line of the cache.
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

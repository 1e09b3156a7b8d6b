"""Compiled counterparts of convolutions: in float32, and in float64 for small kernels, whose sums often are whole
levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.convolution.plain import Weights, border_index, gaussian_weights
from brittlestar.shifts.ops.jit import compiled, planes, single
from brittlestar.shifts.ops.rounding.compiled import exact_value, settled_value


def gaussian(x: torch.Tensor, sigma: float, truncate: float = 4.0, border: str = "edge") -> torch.Tensor:
    """See ``plain.gaussian``."""
    weights = gaussian_weights(float(sigma), truncate)
    if len(weights) == 1:
        return x.clone()
    out = torch.empty(x.shape, dtype=torch.float32)
    _separable(planes(x), planes(out), single(weights), *_edges(x, len(weights) // 2, border))
    return out


def _edges(x: torch.Tensor, radius: int, border: str) -> tuple[Any, Any]:
    """Rows and columns that stand around the image; see ``plain.border_index``."""
    rows, columns = (border_index(size, radius, border).numpy() for size in x.shape[2:])
    return rows, columns


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


def symmetric_correlate(x: torch.Tensor, quarter: tuple[Weights, ...]) -> torch.Tensor:
    """See ``plain.symmetric_correlate``; float32 only."""
    out = torch.empty(x.shape, dtype=torch.float32)
    table = _square(quarter).astype(np.float32)
    lengths = np.array([max((i + 1 for i, w in enumerate(row) if w), default=0) for row in table])
    _correlate(planes(x), planes(out), table, lengths, *_edges(x, len(quarter) - 1, "reflect"))
    return out


def _square(quarter: tuple[Weights, ...]) -> Any:
    """(k, k) float64 weights; rows that are short end in zeros."""
    table = np.zeros((len(quarter), len(quarter)))
    for row, weights in enumerate(quarter):
        table[row, : len(weights)] = weights
    return table


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


def three_weights(x: torch.Tensor, middle: float, side: float) -> torch.Tensor:
    """See ``plain.three_weights``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _three(planes(x), planes(out), float(middle), float(side))
    return out


@compiled
def _three(x: Any, out: Any, middle: float, side: float) -> None:
    count, height, width = x.shape
    plain = np.empty((height, width), np.float64)
    line = np.empty(width, np.float64)
    for p in range(count):
        for y in range(height):
            for i in range(width):
                plain[y, i] = exact_value(x[p, y, i]) / 255.0
        for y in range(height):
            above, below = plain[max(y - 1, 0)], plain[min(y + 1, height - 1)]
            for i in range(width):
                line[i] = plain[y, i] * middle + (above[i] + below[i]) * side
            for i in range(width):
                total = line[i] * middle + (line[max(i - 1, 0)] + line[min(i + 1, width - 1)]) * side
                out[p, y, i] = settled_value(total * 255.0)


def small_disk(x: torch.Tensor, quarter: tuple[Weights, ...]) -> torch.Tensor:
    """See ``plain.small_disk``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _small_disk(planes(x), planes(out), _square(quarter), *_edges(x, len(quarter) - 1, "reflect"))
    return out


@compiled
def _small_disk(x: Any, out: Any, quarter: Any, rows: Any, columns: Any) -> None:
    count, height, width = x.shape
    radius = len(quarter) - 1
    wide = np.empty((height, width + 2 * radius), np.float64)
    lines = np.empty(width + 2 * radius, np.float64)
    total = np.empty(width, np.float64)
    for p in range(count):
        for y in range(height):
            for i in range(width + 2 * radius):
                wide[y, i] = exact_value(x[p, y, columns[i]]) / 255.0
        for y in range(height):
            total[:] = 0
            for r in range(radius + 1):
                below, above = wide[rows[radius + y + r]], wide[rows[radius + y - r]]
                for i in range(width + 2 * radius):
                    lines[i] = below[i] + above[i] if r else below[i]
                for c in range(radius + 1):
                    w = quarter[r, c]
                    if w == 0:
                        continue
                    for i in range(width):
                        right, left = lines[radius + c + i], lines[radius - c + i]
                        total[i] += (right + left if c else right) * w
            for i in range(width):
                out[p, y, i] = settled_value(total[i] * 255.0)

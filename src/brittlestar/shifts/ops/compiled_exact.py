"""Compiled counterparts of what is done in float64: small kernels, whose sums are often whole levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.compiled_liquid import compiled
from brittlestar.shifts.ops.whole import FINE, REACH, SHORT


@compiled
def settled_value(level: float) -> Any:
    """``whole.settled`` of one value."""
    short = np.floor(level + REACH) - np.floor(level)
    return np.float32((level - short * SHORT) / 255.0)


@compiled
def exact_value(value: Any) -> float:
    """``whole.exact_levels`` of one value."""
    return np.float64(np.rint(value * np.float32(255) * np.float32(FINE))) / FINE


def three(x: torch.Tensor, middle: float, side: float) -> torch.Tensor:
    """Three symmetric weights down and then across, edges repeated; see ``blur.even``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _three(x.contiguous().flatten(0, 1).numpy(), out.flatten(0, 1).numpy(), float(middle), float(side))
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


def small_disk(
    x: torch.Tensor, quarter: Sequence[Sequence[float]], rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """A small kernel symmetric in both axes; see ``lens.DefocusBlur``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    table = np.zeros((len(quarter), len(quarter)), np.float64)
    for row, weights in enumerate(quarter):
        table[row, : len(weights)] = weights
    _small_disk(x.contiguous().flatten(0, 1).numpy(), out.flatten(0, 1).numpy(), table, rows.numpy(), columns.numpy())
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

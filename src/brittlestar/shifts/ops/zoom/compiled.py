"""The compiled counterpart of ``plain.zoom_sum``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled, planes
from brittlestar.shifts.ops.zoom.plain import zoom_taps

_ROWS = 8
"""Rows that are turned at once: eight float32 fill a vector register."""


def zoom_sum(x: torch.Tensor, factors: tuple[float, ...]) -> torch.Tensor:
    """See ``plain.zoom_sum``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    taps = [(zoom_taps(x.shape[2], f), zoom_taps(x.shape[3], f)) for f in factors]
    tables = [torch.stack([tap[side][i] for tap in taps]).numpy() for side in range(2) for i in range(3)]
    _zoom_sum(planes(x), planes(out), *tables)
    return out


@compiled
def _zoom_sum(x: Any, out: Any, top: Any, bottom: Any, down: Any, left: Any, right: Any, along: Any) -> None:
    """Rows are mixed as they lie, then turned, so that columns are mixed as rows too: both in vector instructions."""
    count, height, width = x.shape
    one = np.float32(1)
    padded = (height + _ROWS - 1) // _ROWS * _ROWS
    turned, total = np.empty((width, padded), np.float32), np.empty((width, padded), np.float32)
    strip = np.zeros((_ROWS, width), np.float32)
    for p in range(count):
        for y in range(height):
            for i in range(width):
                total[i, y] = x[p, y, i]
        for k in range(len(top)):
            for start in range(0, height, _ROWS):
                for j in range(min(_ROWS, height - start)):
                    y = start + j
                    first, second, t = x[p, top[k, y]], x[p, bottom[k, y]], down[k, y]
                    u = one - t
                    for i in range(width):
                        strip[j, i] = first[i] * u + second[i] * t
                for i in range(width):
                    column = turned[i]
                    for j in range(_ROWS):
                        column[start + j] = strip[j, i]
            for i in range(width):
                first, second, t, column = turned[left[k, i]], turned[right[k, i]], along[k, i], total[i]
                u = one - t
                for y in range(height):
                    column[y] += first[y] * u + second[y] * t
        for y in range(height):
            for i in range(width):
                out[p, y, i] = total[i, y]

"""The compiled counterpart of ``plain.snowed``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.colour.plain import LUMA
from brittlestar.shifts.ops.jit import compiled


def snowed(x: torch.Tensor, layer: torch.Tensor, mix: float) -> torch.Tensor:
    """See ``plain.snowed``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _snowed(x.contiguous().numpy(), layer.contiguous().numpy(), out.numpy(), np.float32(mix), np.float32(1 - mix))
    return out


@compiled
def _snowed(x: Any, layer: Any, out: Any, mix: Any, rest: Any) -> None:
    count, channels, height, width = x.shape
    red, green, blue = np.float32(LUMA[0]), np.float32(LUMA[1]), np.float32(LUMA[2])
    for n in range(count):
        for y in range(height):
            for i in range(width):
                grey = x[n, 0, y, i]
                if channels == 3:
                    grey = grey * red + x[n, 1, y, i] * green + x[n, 2, y, i] * blue
                grey = grey * np.float32(1.5) + np.float32(0.5)
                for c in range(channels):
                    value = x[n, c, y, i]
                    value = value * mix + max(value, grey) * rest
                    out[n, c, y, i] = value + layer[n, 0, y, i] + layer[n, 0, height - 1 - y, width - 1 - i]

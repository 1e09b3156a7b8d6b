"""The compiled counterpart of ``plain.motion_blur``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled, single
from brittlestar.shifts.ops.motion.plain import motion_steps, motion_weights


def motion_blur(x: torch.Tensor, radius: int, sigma: float, degrees: torch.Tensor) -> torch.Tensor:
    """See ``plain.motion_blur``."""
    weights = motion_weights(radius, sigma)
    out = torch.empty(x.shape, dtype=torch.float32)
    _motion(x.contiguous().numpy(), out.numpy(), motion_steps(len(weights), degrees).numpy(), single(weights))
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

"""Weighted sums of 8-bit images that truncate to the levels that float64 arithmetic gives."""

from __future__ import annotations

import torch

from brittlestar.shifts.ops.fast import kernels

FINE = 1024.0
"""Values within 1/2048 of a whole level count as that level."""

SHORT = 2.0**-12
"""In levels: what is taken from sums that should be whole and fall short of it in float64."""


def blend(x: torch.Tensor, other: torch.Tensor, own: float, its: float) -> torch.Tensor:
    """``own * x + its * other``.

    Args:
        x, other: (n, c, h, w) float32 in [0, 1], 8-bit levels or close to them.
        own, its: Weights.
    """
    if (fast := kernels(x)) is not None:
        return fast.blend(x, other, own, its)
    first, second = (torch.round(v * 255.0 * FINE).to(torch.float64) / FINE for v in (x, other))
    total = first * own + second * its
    short = (total + 1e-6).floor() - total.floor()
    return ((total - short * SHORT) / 255.0).to(torch.float32)

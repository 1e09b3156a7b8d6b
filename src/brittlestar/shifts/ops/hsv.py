"""Saturation in HSV, without going through HSV where that changes nothing."""

from __future__ import annotations

import torch

from brittlestar.shifts.ops.fast import kernels
from brittlestar.shifts.ops.whole import NEAR, SHORT, exact_levels

_TINY = 1e-12


def saturated(x: torch.Tensor, factor: float, offset: float) -> torch.Tensor:
    """RGB with saturation ``clip(factor * s + offset)``; hue and value are kept.

    Whole levels come out as the float64 round trip through HSV gives them after truncation to 8 bits (``whole``).

    Args:
        x: (n, 3, h, w) float32 in [0, 1].
        factor, offset: Of the saturation.
    """
    if (fast := kernels(x)) is not None:
        return fast.saturated(x, factor, offset)
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    spread = value - least
    saturation = spread / value.clamp_min(_TINY)
    changed = (saturation * factor + offset).clamp_(0, 1)
    ratio = changed / saturation.clamp_min(_TINY)
    pale = value * (1 - changed)
    # A grey pixel has hue 0 in HSV, so a raised saturation turns it red.
    y = torch.where(spread > 0, value - (value - x) * ratio, torch.cat([value, pale, pale], 1))
    levels = y * 255.0
    whole = levels.round()
    short = _round_trip(x, factor, offset).floor() < whole.to(torch.float64)
    short &= (levels - whole).abs_() < NEAR
    return (y - short.to(torch.float32).mul_(SHORT / 255.0)).contiguous()


def _round_trip(x: torch.Tensor, factor: float, offset: float) -> torch.Tensor:
    """Levels in float64 by way of hue, saturation and value, in the usual order of operations."""
    r, g, b = (exact_levels(x) / 255.0).unbind(1)
    value = torch.maximum(torch.maximum(r, g), b)
    spread = value - torch.minimum(torch.minimum(r, g), b)
    safe = torch.where(spread > 0, spread, 1.0)
    place = torch.where(r == value, (g - b) / safe, 0.0)
    place = torch.where(g == value, 2.0 + (b - r) / safe, place)
    place = torch.where(b == value, 4.0 + (r - g) / safe, place)
    hue = torch.where(spread > 0, (place / 6.0).remainder(1.0), 0.0) * 6.0
    saturation = torch.where(spread > 0, spread / torch.where(value > 0, value, 1.0), 0.0)
    changed = (saturation * factor + offset).clamp_(0, 1)
    sector = hue.floor()
    part = hue - sector
    p = value * (1.0 - changed)
    q = value * (1.0 - part * changed)
    t = value * (1.0 - (1.0 - part) * changed)
    sector = sector.to(torch.int64).remainder(6)
    table = ((value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q))
    channels = []
    for channel in range(3):
        found = table[0][channel]
        for which in range(1, 6):
            found = torch.where(sector == which, table[which][channel], found)
        channels.append(found)
    return torch.stack(channels, 1).clamp_(0, 1) * 255.0

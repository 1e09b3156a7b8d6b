"""Brightness and saturation in HSV, without going through HSV where that changes nothing."""

from __future__ import annotations

import torch

from brittlestar.shifts.ops.rounding.plain import NEAR, SHORT, exact_levels

LUMA = (0.299, 0.587, 0.114)
"""Rec. 601 weights of red, green and blue."""

TINY = 1e-12
"""Divisors are at least this: black has neither a ratio nor a saturation, and gets 0 for both."""


def luma(x: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) brightness of RGB images; grey images as they are."""
    if x.shape[1] == 1:
        return x
    return x[:, 0:1] * LUMA[0] + x[:, 1:2] * LUMA[1] + x[:, 2:3] * LUMA[2]


def brightened(x: torch.Tensor, offset: float, short: torch.Tensor) -> torch.Tensor:
    """RGB with HSV's value raised by ``offset``, in [0, 1]; hue and saturation are kept.

    Args:
        x: (n, 3, h, w) float32 in [0, 1].
        offset: Of the value.
        short: 256 times 0 or 1: levels that fall short in float64 (``rounding.short_levels``).
    """
    value = x.amax(1, keepdim=True)
    raised = (value + offset).clamp(0, 1)
    taken = short.to(x.device)[(value * 255).round_().to(torch.int64)]
    raised = raised.sub_(taken, alpha=SHORT / 255)
    return torch.where(value > 0, x * (raised / value.clamp_min(TINY)), raised)


def saturated(x: torch.Tensor, factor: float, offset: float) -> torch.Tensor:
    """RGB with saturation ``clip(factor * s + offset)``; hue and value are kept.

    Whole levels come out as the float64 round trip through HSV gives them after truncation to 8 bits.

    Args:
        x: (n, 3, h, w) float32 in [0, 1].
        factor, offset: Of the saturation.
    """
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    spread = value - least
    saturation = spread / value.clamp_min(TINY)
    changed = (saturation * factor + offset).clamp_(0, 1)
    ratio = changed / saturation.clamp_min(TINY)
    pale = value * (1 - changed)
    # A grey pixel has hue 0 in HSV, so a raised saturation turns it red.
    y = torch.where(spread > 0, value - (value - x) * ratio, torch.cat([value, pale, pale], 1))
    levels = y * 255.0
    nearest = levels.round()
    # The rounding errors of the round trip decide which whole levels are lost; nothing else depends on them.
    short = _round_trip(x, factor, offset).floor() < nearest.to(torch.float64)
    short &= (levels - nearest).abs_() < NEAR
    return (y - short.to(torch.float32).mul_(SHORT / 255.0)).contiguous()


def _round_trip(x: torch.Tensor, factor: float, offset: float) -> torch.Tensor:
    """Levels in float64 by way of hue, saturation and value, in the usual order of operations."""
    r, g, b = (exact_levels(x) / 255.0).unbind(1)
    value = torch.maximum(torch.maximum(r, g), b)
    spread = value - torch.minimum(torch.minimum(r, g), b)
    safe = torch.where(spread > 0, spread, 1.0)
    # In this order: where two channels are largest, the later one decides, as in scikit-image.
    sixths = torch.where(r == value, (g - b) / safe, 0.0)
    sixths = torch.where(g == value, 2.0 + (b - r) / safe, sixths)
    sixths = torch.where(b == value, 4.0 + (r - g) / safe, sixths)
    hue = torch.where(spread > 0, (sixths / 6.0).remainder(1.0), 0.0) * 6.0
    saturation = torch.where(spread > 0, spread / torch.where(value > 0, value, 1.0), 0.0)
    changed = (saturation * factor + offset).clamp_(0, 1)
    sector = hue.floor()
    part = hue - sector
    p = value * (1.0 - changed)
    q = value * (1.0 - part * changed)
    t = value * (1.0 - (1.0 - part) * changed)
    # A hue that rounds up to a whole turn is red again.
    sector = sector.to(torch.int64).remainder(6)
    table = ((value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q))
    channels = []
    for channel in range(3):
        mixed = table[0][channel]
        for number in range(1, 6):
            mixed = torch.where(sector == number, table[number][channel], mixed)
        channels.append(mixed)
    return torch.stack(channels, 1).clamp_(0, 1) * 255.0

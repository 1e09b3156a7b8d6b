"""Compiled counterparts of what changes the colour of single pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.colour.plain import TINY
from brittlestar.shifts.ops.jit import compiled
from brittlestar.shifts.ops.rounding.compiled import STEP
from brittlestar.shifts.ops.rounding.plain import FINE, NEAR, short_levels


def brightened(x: torch.Tensor, offset: float, short: torch.Tensor) -> torch.Tensor:
    """See ``plain.brightened``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _brightened(x.contiguous().flatten(2).numpy(), out.flatten(2).numpy(), np.float32(offset), short.numpy())
    return out


@compiled
def _brightened(x: Any, out: Any, offset: Any, short: Any) -> None:
    zero, one, scale, tiny = np.float32(0), np.float32(1), np.float32(255), np.float32(TINY)
    for n in range(len(x)):
        for i in range(x.shape[2]):
            value = max(x[n, 0, i], x[n, 1, i], x[n, 2, i])
            raised = min(max(value + offset, zero), one) - STEP * short[np.int32(np.rint(value * scale))]
            ratio = raised / max(value, tiny)
            for c in range(3):
                out[n, c, i] = x[n, c, i] * ratio if value > 0 else raised


def saturated(x: torch.Tensor, factor: float, offset: float) -> torch.Tensor:
    """See ``plain.saturated``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    kept = short_levels(lambda level: level).numpy()
    _saturated(x.contiguous().flatten(2).numpy(), out.flatten(2).numpy(), float(factor), float(offset), kept)
    return out


@compiled
def _saturated(x: Any, out: Any, factor: float, offset: float, kept: Any) -> None:
    count = x.shape[2]
    values = np.empty(count, np.float32)
    near_whole = np.empty(count, np.uint8)
    scale, near = np.float32(255), np.float32(NEAR)
    for n in range(len(x)):
        red, green, blue = x[n, 0], x[n, 1], x[n, 2]
        new = out[n, 0], out[n, 1], out[n, 2]
        _saturate_line(red, green, blue, *new, values, np.float32(factor), np.float32(offset))
        _find_whole(*new, values, near_whole)
        for i in range(count):
            # Whatever equals the value is the value: what float64 makes of it depends on its level alone.
            level = values[i] * scale
            nearest = np.rint(level)
            lowered = STEP * kept[np.int32(nearest)] if abs(level - nearest) < near else np.float32(0)
            for c in range(3):
                if out[n, c, i] == values[i]:
                    out[n, c, i] -= lowered
            # The round trip in float64 is slow, and few pixels need it.
            if near_whole[i]:
                exact = _round_trip(red[i], green[i], blue[i], factor, offset)
                out[n, 0, i] -= _lack(out[n, 0, i], exact[0])
                out[n, 1, i] -= _lack(out[n, 1, i], exact[1])
                out[n, 2, i] -= _lack(out[n, 2, i], exact[2])


@compiled
def _lack(value: Any, exact: float) -> Any:
    """What to take from a value that is next to a whole level and falls short of it in float64."""
    level = value * np.float32(255)
    nearest = np.rint(level)
    return STEP if abs(level - nearest) < np.float32(NEAR) and exact < np.float64(nearest) else np.float32(0)


@compiled
def _saturate_line(
    red: Any, green: Any, blue: Any, new_red: Any, new_green: Any, new_blue: Any, values: Any, factor: Any, offset: Any
) -> None:
    one, zero, tiny = np.float32(1), np.float32(0), np.float32(TINY)
    for i in range(len(red)):
        r, g, b = red[i], green[i], blue[i]
        value, least = max(max(r, g), b), min(min(r, g), b)
        spread = value - least
        saturation = spread / max(value, tiny)
        changed = min(max(saturation * factor + offset, zero), one)
        ratio = changed / max(saturation, tiny)
        pale = value * (one - changed)
        coloured = spread > 0
        new_red[i] = value - (value - r) * ratio if coloured else value
        new_green[i] = value - (value - g) * ratio if coloured else pale
        new_blue[i] = value - (value - b) * ratio if coloured else pale
        values[i] = value


@compiled
def _find_whole(red: Any, green: Any, blue: Any, values: Any, near_whole: Any) -> None:
    """1 where a channel other than the value is next to a whole level."""
    scale, near, far = np.float32(255), np.float32(NEAR), np.float32(1)
    for i in range(len(red)):
        r, g, b, value = red[i] * scale, green[i] * scale, blue[i] * scale, values[i] * scale
        r = far if r == value else abs(r - np.rint(r))
        g = far if g == value else abs(g - np.rint(g))
        b = far if b == value else abs(b - np.rint(b))
        near_whole[i] = min(min(r, g), b) < near


_UNITS = np.arange(256) / 255.0


@compiled
def _exact(value: Any) -> Any:
    """``rounding.exact_levels(value) / 255``; from a table for 8-bit levels."""
    fine = np.rint(value * np.float32(255) * np.float32(FINE))
    # FINE is 2**10.
    level = np.int32(fine) >> 10
    return _UNITS[level] if np.float32(level << 10) == fine else np.float64(fine) / FINE / 255.0


@compiled
def _round_trip(red: Any, green: Any, blue: Any, factor: float, offset: float) -> Any:
    """Levels of one pixel in float64 by way of hue, saturation and value."""
    r, g, b = _exact(red), _exact(green), _exact(blue)
    value = max(r, g, b)
    spread = value - min(r, g, b)
    hue = 0.0
    saturation = 0.0
    if spread > 0:
        # Where two channels are largest, the last one decides in scikit-image: so it is asked first.
        if b == value:
            sixths = 4.0 + (r - g) / spread
        elif g == value:
            sixths = 2.0 + (b - r) / spread
        else:
            sixths = (g - b) / spread
        hue = sixths / 6.0
        hue = (hue + 1.0 if hue < 0 else hue) * 6.0
        saturation = spread / value
    changed = min(max(saturation * factor + offset, 0.0), 1.0)
    sector = np.floor(hue)
    part = hue - sector
    p = value * (1.0 - changed)
    q = value * (1.0 - part * changed)
    t = value * (1.0 - (1.0 - part) * changed)
    number = int(sector) % 6
    if number == 0:
        mixed = (value, t, p)
    elif number == 1:
        mixed = (q, value, p)
    elif number == 2:
        mixed = (p, value, t)
    elif number == 3:
        mixed = (p, q, value)
    elif number == 4:
        mixed = (t, p, value)
    else:
        mixed = (value, p, q)
    return (
        min(max(mixed[0], 0.0), 1.0) * 255.0,
        min(max(mixed[1], 0.0), 1.0) * 255.0,
        min(max(mixed[2], 0.0), 1.0) * 255.0,
    )

"""Compiled counterparts of what changes pixels one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.compiled_liquid import compiled
from brittlestar.shifts.ops.whole import FINE, NEAR, REACH, SHORT, short_levels

_STEP = np.float32(SHORT / 255.0)


def truncate(y: torch.Tensor, slack: float) -> torch.Tensor:
    """Cut off to multiples of 1/255; see ``storage.truncated``."""
    out = torch.empty(y.shape, dtype=torch.float32)
    _truncate(y.reshape(-1).numpy(), out.view(-1).numpy(), np.float32(slack))
    return out


@compiled
def _truncate(y: Any, out: Any, slack: Any) -> None:
    zero, one, scale = np.float32(0), np.float32(1), np.float32(255)
    for i in range(len(y)):
        out[i] = np.floor(min(max(y[i], zero), one) * scale + slack) / scale


def truncate_levels(y: torch.Tensor, slack: float) -> torch.Tensor:
    """Cut off to uint8 levels; see ``storage.truncated_levels``."""
    out = torch.empty(y.shape, dtype=torch.uint8)
    _truncate_levels(y.reshape(-1).numpy(), out.view(-1).numpy(), np.float32(slack))
    return out


@compiled
def _truncate_levels(y: Any, out: Any, slack: Any) -> None:
    zero, one, scale = np.float32(0), np.float32(1), np.float32(255)
    for i in range(len(y)):
        out[i] = np.uint8(np.int32(min(max(y[i], zero), one) * scale + slack))


def blend(x: torch.Tensor, other: torch.Tensor, own: float, its: float) -> torch.Tensor:
    """A weighted sum in float64; see ``whole.blend``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _blend(x.reshape(-1).numpy(), other.reshape(-1).numpy(), out.view(-1).numpy(), float(own), float(its))
    return out


@compiled
def _blend(x: Any, other: Any, out: Any, own: float, its: float) -> None:
    scale, fine = np.float32(255), np.float32(FINE)
    for i in range(len(x)):
        first = np.float64(np.rint(x[i] * scale * fine)) / FINE
        second = np.float64(np.rint(other[i] * scale * fine)) / FINE
        total = first * own + second * its
        short = np.floor(total + REACH) - np.floor(total)
        out[i] = np.float32((total - short * SHORT) / 255.0)


def fallen(y: torch.Tensor, short: torch.Tensor) -> torch.Tensor:
    """Some whole levels lowered; see ``whole.fallen``."""
    out = torch.empty(y.shape, dtype=torch.float32)
    _fallen(y.reshape(-1).numpy(), out.view(-1).numpy(), short.numpy())
    return out


@compiled
def _fallen(y: Any, out: Any, short: Any) -> None:
    scale, near = np.float32(255), np.float32(NEAR)
    zero, most = np.float32(0), np.float32(255)
    for i in range(len(y)):
        level = y[i] * scale
        whole = min(max(np.rint(level), zero), most)
        out[i] = y[i] - _STEP * short[np.int32(whole)] if abs(level - whole) < near else y[i]


def brightened(x: torch.Tensor, offset: float, short: torch.Tensor) -> torch.Tensor:
    """HSV value raised; see ``colour.Brightness``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _brightened(x.contiguous().flatten(2).numpy(), out.flatten(2).numpy(), np.float32(offset), short.numpy())
    return out


@compiled
def _brightened(x: Any, out: Any, offset: Any, short: Any) -> None:
    zero, one, scale, tiny = np.float32(0), np.float32(1), np.float32(255), np.float32(1e-12)
    for n in range(len(x)):
        for i in range(x.shape[2]):
            value = max(x[n, 0, i], x[n, 1, i], x[n, 2, i])
            raised = min(max(value + offset, zero), one) - _STEP * short[np.int32(np.rint(value * scale))]
            ratio = raised / max(value, tiny)
            for c in range(3):
                out[n, c, i] = x[n, c, i] * ratio if value > 0 else raised


def snowed(x: torch.Tensor, layer: torch.Tensor, mix: float) -> torch.Tensor:
    """Whitened images with snow; see ``snow.snowed``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _snowed(x.contiguous().numpy(), layer.contiguous().numpy(), out.numpy(), np.float32(mix), np.float32(1 - mix))
    return out


@compiled
def _snowed(x: Any, layer: Any, out: Any, mix: Any, rest: Any) -> None:
    count, channels, height, width = x.shape
    red, green, blue = np.float32(0.299), np.float32(0.587), np.float32(0.114)
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


def saturated(x: torch.Tensor, factor: float, offset: float) -> torch.Tensor:
    """Saturation changed; see ``hsv.saturated``."""
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
            whole = np.rint(level)
            lowered = _STEP * kept[np.int32(whole)] if abs(level - whole) < near else np.float32(0)
            for c in range(3):
                if out[n, c, i] == values[i]:
                    out[n, c, i] -= lowered
            if near_whole[i]:
                exact = _round_trip(red[i], green[i], blue[i], factor, offset)
                out[n, 0, i] -= _lack(out[n, 0, i], exact[0])
                out[n, 1, i] -= _lack(out[n, 1, i], exact[1])
                out[n, 2, i] -= _lack(out[n, 2, i], exact[2])


@compiled
def _lack(value: Any, exact: float) -> Any:
    """What to take from a value that is next to a whole level and falls short of it in float64."""
    level = value * np.float32(255)
    whole = np.rint(level)
    return _STEP if abs(level - whole) < np.float32(NEAR) and exact < np.float64(whole) else np.float32(0)


@compiled
def _saturate_line(
    red: Any, green: Any, blue: Any, new_red: Any, new_green: Any, new_blue: Any, values: Any, factor: Any, offset: Any
) -> None:
    one, zero, tiny = np.float32(1), np.float32(0), np.float32(1e-12)
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
    """``whole.exact_levels(value) / 255``; from a table for 8-bit levels."""
    fine = np.rint(value * np.float32(255) * np.float32(FINE))
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
        if b == value:
            place = 4.0 + (r - g) / spread
        elif g == value:
            place = 2.0 + (b - r) / spread
        else:
            place = (g - b) / spread
        hue = place / 6.0
        hue = (hue + 1.0 if hue < 0 else hue) * 6.0
        saturation = spread / value
    changed = min(max(saturation * factor + offset, 0.0), 1.0)
    sector = np.floor(hue)
    part = hue - sector
    p = value * (1.0 - changed)
    q = value * (1.0 - part * changed)
    t = value * (1.0 - (1.0 - part) * changed)
    which = int(sector) % 6
    if which == 0:
        found = (value, t, p)
    elif which == 1:
        found = (q, value, p)
    elif which == 2:
        found = (p, value, t)
    elif which == 3:
        found = (p, q, value)
    elif which == 4:
        found = (t, p, value)
    else:
        found = (value, p, q)
    return (
        min(max(found[0], 0.0), 1.0) * 255.0,
        min(max(found[1], 0.0), 1.0) * 255.0,
        min(max(found[2], 0.0), 1.0) * 255.0,
    )

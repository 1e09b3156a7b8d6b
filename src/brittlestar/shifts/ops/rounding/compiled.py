"""Compiled counterparts of the rounding of single values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled
from brittlestar.shifts.ops.rounding.plain import FINE, NEAR, REACH, SHORT, SLACK

STEP = np.float32(SHORT / 255.0)
"""What is taken from a value that should be a whole level and falls short of it."""


def truncated(y: torch.Tensor) -> torch.Tensor:
    """See ``plain.truncated``."""
    out = torch.empty(y.shape, dtype=torch.float32)
    _truncate(y.reshape(-1).numpy(), out.view(-1).numpy(), np.float32(SLACK))
    return out


@compiled
def _truncate(y: Any, out: Any, slack: Any) -> None:
    zero, one, scale = np.float32(0), np.float32(1), np.float32(255)
    for i in range(len(y)):
        # Divided as in plain: times 1 / 255 would be other bits.
        out[i] = np.floor(min(max(y[i], zero), one) * scale + slack) / scale


def truncated_levels(y: torch.Tensor) -> torch.Tensor:
    """See ``plain.truncated_levels``."""
    out = torch.empty(y.shape, dtype=torch.uint8)
    _truncate_levels(y.reshape(-1).numpy(), out.view(-1).numpy(), np.float32(SLACK))
    return out


@compiled
def _truncate_levels(y: Any, out: Any, slack: Any) -> None:
    zero, one, scale = np.float32(0), np.float32(1), np.float32(255)
    for i in range(len(y)):
        out[i] = np.uint8(np.int32(min(max(y[i], zero), one) * scale + slack))


def blend(x: torch.Tensor, other: torch.Tensor, own: float, its: float) -> torch.Tensor:
    """See ``plain.blend``."""
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
    """See ``plain.fallen``."""
    if not bool(short.any()):
        return y
    out = torch.empty(y.shape, dtype=torch.float32)
    _fallen(y.reshape(-1).numpy(), out.view(-1).numpy(), short.numpy())
    return out


@compiled
def _fallen(y: Any, out: Any, short: Any) -> None:
    scale, near = np.float32(255), np.float32(NEAR)
    zero, most = np.float32(0), np.float32(255)
    for i in range(len(y)):
        level = y[i] * scale
        nearest = min(max(np.rint(level), zero), most)
        out[i] = y[i] - STEP * short[np.int32(nearest)] if abs(level - nearest) < near else y[i]


@compiled
def settled_value(level: float) -> Any:
    """``plain.settled`` of one value."""
    short = np.floor(level + REACH) - np.floor(level)
    return np.float32((level - short * SHORT) / 255.0)


@compiled
def exact_value(value: Any) -> float:
    """``plain.exact_levels`` of one value."""
    return np.float64(np.rint(value * np.float32(255) * np.float32(FINE))) / FINE

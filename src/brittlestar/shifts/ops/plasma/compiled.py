"""The compiled counterpart of ``plain.plasma``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.draws.compiled import unit, words_of
from brittlestar.shifts.ops.jit import compiled


def plasma(words: torch.Tensor, size: int, decay: float) -> torch.Tensor:
    """See ``plain.plasma``."""
    out = torch.empty(len(words), size, size, dtype=torch.float32)
    _plasma(words_of(words), out.numpy(), decay)
    return out


@compiled
def _signed(word: Any, number: int) -> Any:
    return unit(word, number) * np.float32(2) + np.float32(-1)


@compiled
def _plasma(words: Any, out: Any, decay: float) -> None:
    number, size, _ = out.shape
    quarter = np.float32(0.25)
    for n in range(number):
        cloud = out[n]
        cloud[0, 0] = 0
        step, wobble, block = size, 100.0, 0
        while step >= 2:
            half, count = step // 2, size // step
            amplitude = np.float32(wobble * wobble)
            for y in range(count):
                for x in range(count):
                    top, left = y * step, x * step
                    bottom, right = (top + step) % size, (left + step) % size
                    first = cloud[top, left] + cloud[bottom, left]
                    second = cloud[top, right] + cloud[bottom, right]
                    draw = amplitude * _signed(words[n, block], y * count + x)
                    cloud[top + half, left + half] = (first + second) * quarter + draw
            for y in range(count):
                for x in range(count):
                    top, left = y * step, x * step
                    around = cloud[top + half, left + half] + cloud[(top - half) % size, left + half]
                    around = around + cloud[top, left] + cloud[top, (left + step) % size]
                    draw = amplitude * _signed(words[n, block + 1], y * count + x)
                    cloud[top, left + half] = around * quarter + draw
            for y in range(count):
                for x in range(count):
                    top, left = y * step, x * step
                    around = cloud[top + half, left + half] + cloud[top + half, (left - half) % size]
                    around = around + cloud[top, left] + cloud[(top + step) % size, left]
                    draw = amplitude * _signed(words[n, block + 2], y * count + x)
                    cloud[top + half, left] = around * quarter + draw
            step, wobble, block = half, wobble / decay, block + 3
        low, high = cloud[0, 0], cloud[0, 0]
        for y in range(size):
            for x in range(size):
                low, high = min(low, cloud[y, x]), max(high, cloud[y, x])
        span = high - low
        for y in range(size):
            for x in range(size):
                cloud[y, x] = (cloud[y, x] - low) / span

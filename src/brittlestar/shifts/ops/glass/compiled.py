"""Compiled counterparts of pixels that change places."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.ops.draws.compiled import LANE, TO_HALF, TO_LANE, mixed, words_of
from brittlestar.shifts.ops.jit import compiled


def shuffled(x: torch.Tensor, down: torch.Tensor, right: torch.Tensor, reach: int, exchange: bool) -> torch.Tensor:
    """See ``plain.shuffled``."""
    out = x.clone(memory_format=torch.contiguous_format)
    _shuffle(out.numpy(), down.contiguous().numpy(), right.contiguous().numpy(), reach, exchange)
    return out


@compiled
def _shuffle(x: Any, down: Any, right: Any, reach: int, exchange: bool) -> None:
    count, channels, _, _ = x.shape
    for n in range(count):
        for i in range(down.shape[1]):
            for y in range(down.shape[2] - 1, -1, -1):
                for k in range(down.shape[3] - 1, -1, -1):
                    h, w = y + reach + 1, k + reach + 1
                    from_h, from_w = h + down[n, i, y, k], w + right[n, i, y, k]
                    for c in range(channels):
                        value = x[n, c, h, w]
                        x[n, c, h, w] = x[n, c, from_h, from_w]
                        if exchange:
                            x[n, c, from_h, from_w] = value


def shuffled_by_keys(x: torch.Tensor, keys: SampleKeys, reach: int, iterations: int, exchange: bool) -> torch.Tensor:
    """See ``plain.shuffled_by_keys``."""
    out = x.clone(memory_format=torch.contiguous_format)
    _shuffle_by_keys(out.numpy(), words_of(keys.words), reach, iterations, exchange)
    return out


@compiled
def _shuffle_by_keys(x: Any, words: Any, reach: int, iterations: int, exchange: bool) -> None:
    count, channels, height, width = x.shape
    rows, columns = height - 2 * reach, width - 2 * reach
    area, span = rows * columns, np.int64(2 * reach)
    for n in range(count):
        word, held, bits = words[n], -1, words[n]
        for i in range(iterations):
            for y in range(rows - 1, -1, -1):
                for k in range(columns - 1, -1, -1):
                    number = i * area + y * columns + k
                    # Two pixels share a word of 64 bits, which is mixed once.
                    if number >> 1 != held:
                        held = number >> 1
                        bits = mixed(word, held)
                    half = (bits >> TO_HALF) if number & 1 else bits
                    h, w = y + reach + 1, k + reach + 1
                    down = h + ((np.int64(half & LANE) * span) >> 16) - reach
                    right = w + ((np.int64((half >> TO_LANE) & LANE) * span) >> 16) - reach
                    for c in range(channels):
                        value = x[n, c, h, w]
                        x[n, c, h, w] = x[n, c, down, right]
                        if exchange:
                            x[n, c, down, right] = value

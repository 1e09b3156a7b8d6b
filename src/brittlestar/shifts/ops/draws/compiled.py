"""Drawing inside compiled loops: splitmix64 on the fly, the same draws as ``core.keys``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled

# The constants of splitmix64 (Steele, Lea and Flood 2014), as in `core.keys`.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_C1, _C2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31 = (np.uint64(n) for n in (27, 30, 31))

LANE, SIGN = np.uint64(0xFFFF), np.uint64(0x8000)
"""The lowest 16 bits of a word; and the bit that makes an index of signed 16 bits, the most negative first."""

TO_LANE, TO_HALF = np.uint64(16), np.uint64(32)
"""Shifts that bring down the next 16 bits of a word, and its upper half."""


@compiled
def mixed(word: Any, number: int) -> Any:
    """Draw ``number`` (from 0) of a key."""
    x = word + np.uint64(number + 1) * _GOLDEN
    x = (x ^ (x >> _S30)) * _C1
    x = (x ^ (x >> _S27)) * _C2
    return x ^ (x >> _S31)


@compiled
def unit(word: Any, number: int) -> Any:
    """24-bit uniform draw ``number`` of a key, float32 in [0, 1)."""
    bits = mixed(word, number >> 1)
    half = (bits >> TO_HALF) if number & 1 else (bits & np.uint64(0xFFFFFFFF))
    # 24 bits are all that float32 holds exactly.
    return np.float32(half >> np.uint64(8)) * np.float32(2.0**-24)


def words_of(words: torch.Tensor) -> Any:
    """Keys as unsigned numbers."""
    return words.contiguous().numpy().view(np.uint64)


def uniform(words: torch.Tensor, shape: Sequence[int], low: float, high: float) -> torch.Tensor:
    """See ``plain.uniform``."""
    out = torch.empty(len(words), math.prod(shape), dtype=torch.float32)
    _uniform(words_of(words), out.numpy(), np.float32(high - low), np.float32(low))
    return out.view(len(words), *shape)


@compiled
def _uniform(words: Any, out: Any, span: Any, low: Any) -> None:
    share, eight, ones = np.float32(2.0**-24), np.uint64(8), np.uint64(0xFFFFFFFF)
    count = out.shape[1]
    for n in range(len(out)):
        for start in range(0, count, 2):
            bits = mixed(words[n], start >> 1)
            out[n, start] = np.float32((bits & ones) >> eight) * share * span + low
            if start + 1 < count:
                out[n, start + 1] = np.float32((bits >> TO_HALF) >> eight) * share * span + low

"""Compiled counterparts of noise that every pixel draws for itself."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch

from brittlestar.core.keys import SampleKeys, normal_table, poisson_tables
from brittlestar.shifts.ops.draws.compiled import LANE, SIGN, TO_LANE, mixed, words_of
from brittlestar.shifts.ops.jit import compiled, flat
from brittlestar.shifts.ops.noise import plain


def normal_noise(x: torch.Tensor, keys: SampleKeys, sigma: float, speckle: bool) -> torch.Tensor:
    """See ``plain.normal_noise``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    table = normal_table("cpu", None).numpy()
    _normal_noise(flat(x), flat(out), words_of(keys.words), table, np.float32(sigma), speckle)
    return out


@compiled
def _normal_noise(x: Any, out: Any, words: Any, table: Any, sigma: Any, speckle: bool) -> None:
    count, one = x.shape[1], np.float32(1)
    for n in range(len(x)):
        # A word of 64 bits holds four draws.
        for start in range(0, count, 4):
            bits = mixed(words[n], start >> 2)
            for lane in range(min(4, count - start)):
                z = table[np.int64((bits & LANE) ^ SIGN)] * sigma
                value = x[n, start + lane]
                out[n, start + lane] = (z + one) * value if speckle else z + value
                bits >>= TO_LANE


def impulse_noise(x: torch.Tensor, keys: SampleKeys, reach: int) -> torch.Tensor:
    """See ``plain.impulse_noise``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _impulse_noise(flat(x), flat(out), words_of(keys.words), reach)
    return out


@compiled
def _impulse_noise(x: Any, out: Any, words: Any, reach: int) -> None:
    count = x.shape[1]
    for n in range(len(x)):
        for start in range(0, count, 4):
            bits = mixed(words[n], start >> 2)
            for lane in range(min(4, count - start)):
                level = np.int64((bits & LANE) ^ SIGN)
                value = x[n, start + lane]
                value = np.float32(1) if level >= 65536 - reach else value
                out[n, start + lane] = np.float32(0) if level < reach else value
                bits >>= TO_LANE


def shot_noise(x: torch.Tensor, keys: SampleKeys, photons: float) -> torch.Tensor:
    """See ``plain.shot_noise``, which does it where a value lies between the 8-bit levels."""
    out = torch.empty(x.shape, dtype=torch.float32)
    guide, limits, width = poisson_tables(photons, "cpu", None)
    quick, undecided, values = _quick(photons)
    tables = (quick, undecided, values, guide.numpy(), limits.numpy(), width)
    on_grid = _shot_noise(flat(x), flat(out), words_of(keys.words), *tables)
    return out if on_grid else plain.shot_noise(x, keys, photons)


@functools.lru_cache(maxsize=16)
def _quick(photons: float) -> tuple[Any, int, Any]:
    """Counts by level and top 10 of 16 bits, the mark where the other 6 decide, and each count over ``photons``."""
    _, limits, width = poisson_tables(photons, "cpu", None)
    tops = np.arange(1024) * 64
    rows = []
    for row in limits.numpy().reshape(256, width):
        first, last = (np.searchsorted(row, tops + add, side="right") for add in (0, 63))
        rows.append(np.where(first == last, first, -1))
    table = np.concatenate(rows)
    # The mark is the type's largest number (-1 in two's complement), so no count may reach it.
    small = table.max() < 255
    values = np.arange(width + 1, dtype=np.float32) / np.float32(photons)
    return table.astype(np.uint8 if small else np.uint16), 255 if small else 65535, values


@compiled
def _shot_noise(
    x: Any, out: Any, words: Any, quick: Any, undecided: int, values: Any, guide: Any, limits: Any, width: int
) -> bool:
    count = x.shape[1]
    for n in range(len(x)):
        for start in range(0, count, 4):
            bits = mixed(words[n], start >> 2)
            for lane in range(min(4, count - start)):
                exact = x[n, start + lane] * np.float32(255)
                # The margins of `SampleKeys.poisson`: what rounding adds to a whole level is no remainder.
                level = min(max(np.floor(exact + np.float32(1e-3)), np.float32(0)), np.float32(255))
                if exact - level > np.float32(2e-3):
                    # Between the levels: the tables do not hold, and plain starts again.
                    return False
                draw = np.int64((bits & LANE) ^ SIGN)
                row = np.int64(level)
                value = np.int64(quick[row * 1024 + (draw >> 6)])
                if value == undecided:
                    value = np.int64(guide[row * 256 + (draw >> 8)])
                    while draw >= limits[row * width + value]:
                        value += 1
                out[n, start + lane] = values[value]
                bits >>= TO_LANE
    return True

"""Compiled counterparts of what draws random numbers: splitmix64 on the fly, the same draws as ``core.keys``."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch

from brittlestar.core.keys import normal_table, poisson_tables
from brittlestar.shifts.ops.compiled_liquid import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_C1, _C2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S16, _S27, _S30, _S31, _S32 = (np.uint64(n) for n in (16, 27, 30, 31, 32))
_LANE, _HALF = np.uint64(0xFFFF), np.uint64(0x8000)


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
    half = (bits >> _S32) if number & 1 else (bits & np.uint64(0xFFFFFFFF))
    return np.float32(half >> np.uint64(8)) * np.float32(2.0**-24)


def flat(x: torch.Tensor) -> Any:
    """(n, values) numpy view of contiguous images."""
    return x.contiguous().view(len(x), math.prod(x.shape[1:])).numpy()


def words_of(words: torch.Tensor) -> Any:
    """Keys as unsigned numbers."""
    return words.contiguous().numpy().view(np.uint64)


def normal_noise(x: torch.Tensor, words: torch.Tensor, sigma: float, speckle: bool) -> torch.Tensor:
    """``x + sigma * z`` or ``x * (1 + sigma * z)``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    table = normal_table("cpu", None).numpy()
    plain, noisy = flat(x), flat(out)
    _normal_noise(plain, noisy, words_of(words), table, np.float32(sigma), speckle)
    return out


@compiled
def _normal_noise(x: Any, out: Any, words: Any, table: Any, sigma: Any, speckle: bool) -> None:
    count, one = x.shape[1], np.float32(1)
    for n in range(len(x)):
        for start in range(0, count, 4):
            bits = mixed(words[n], start >> 2)
            for lane in range(min(4, count - start)):
                z = table[np.int64((bits & _LANE) ^ _HALF)] * sigma
                value = x[n, start + lane]
                out[n, start + lane] = (z + one) * value if speckle else z + value
                bits >>= _S16


def impulse_noise(x: torch.Tensor, words: torch.Tensor, reach: int) -> torch.Tensor:
    """0 or 1 in place of values whose 16 bits lie within ``reach`` of the ends."""
    out = torch.empty(x.shape, dtype=torch.float32)
    _impulse_noise(flat(x), flat(out), words_of(words), reach)
    return out


@compiled
def _impulse_noise(x: Any, out: Any, words: Any, reach: int) -> None:
    count = x.shape[1]
    for n in range(len(x)):
        for start in range(0, count, 4):
            bits = mixed(words[n], start >> 2)
            for lane in range(min(4, count - start)):
                level = np.int64((bits & _LANE) ^ _HALF)
                value = x[n, start + lane]
                value = np.float32(1) if level >= 65536 - reach else value
                out[n, start + lane] = np.float32(0) if level < reach else value
                bits >>= _S16


def shot_noise(x: torch.Tensor, words: torch.Tensor, photons: float) -> torch.Tensor | None:
    """Poisson counts over ``photons``; ``None`` where a value lies between the 8-bit levels."""
    out = torch.empty(x.shape, dtype=torch.float32)
    guide, limits, width = poisson_tables(photons, "cpu", None)
    quick, undecided, values = _quick(photons)
    plain, noisy = flat(x), flat(out)
    tables = (quick, undecided, values, guide.numpy(), limits.numpy(), width)
    return out if _shot_noise(plain, noisy, words_of(words), *tables) else None


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
                level = min(max(np.floor(exact + np.float32(1e-3)), np.float32(0)), np.float32(255))
                if exact - level > np.float32(2e-3):
                    return False
                draw = np.int64((bits & _LANE) ^ _HALF)
                place = np.int64(level)
                value = np.int64(quick[place * 1024 + (draw >> 6)])
                if value == undecided:
                    value = np.int64(guide[place * 256 + (draw >> 8)])
                    while draw >= limits[place * width + value]:
                        value += 1
                out[n, start + lane] = values[value]
                bits >>= _S16
    return True


def glass(x: torch.Tensor, words: torch.Tensor, reach: int, iterations: int, exchange: bool) -> torch.Tensor:
    """``glass.shuffle`` with the draws of ``GlassBlur``."""
    out = x.clone(memory_format=torch.contiguous_format)
    _glass(out.numpy(), words_of(words), reach, iterations, exchange)
    return out


@compiled
def _glass(x: Any, words: Any, reach: int, iterations: int, exchange: bool) -> None:
    count, channels, height, width = x.shape
    rows, columns = height - 2 * reach, width - 2 * reach
    area, span = rows * columns, np.int64(2 * reach)
    for n in range(count):
        word, held, bits = words[n], -1, words[n]
        for i in range(iterations):
            for y in range(rows - 1, -1, -1):
                for k in range(columns - 1, -1, -1):
                    number = i * area + y * columns + k
                    if number >> 1 != held:
                        held = number >> 1
                        bits = mixed(word, held)
                    half = (bits >> _S32) if number & 1 else bits
                    h, w = y + reach + 1, k + reach + 1
                    down = h + ((np.int64(half & _LANE) * span) >> 16) - reach
                    right = w + ((np.int64((half >> _S16) & _LANE) * span) >> 16) - reach
                    for c in range(channels):
                        value = x[n, c, h, w]
                        x[n, c, h, w] = x[n, c, down, right]
                        if exchange:
                            x[n, c, down, right] = value


def uniform(words: torch.Tensor, count: int, low: float, high: float) -> torch.Tensor:
    """(n, count) draws in [low, high), as ``SampleKeys.uniform`` makes them."""
    out = torch.empty(len(words), count, dtype=torch.float32)
    _uniform(words_of(words), out.numpy(), np.float32(high - low), np.float32(low))
    return out


@compiled
def _uniform(words: Any, out: Any, span: Any, low: Any) -> None:
    share, eight, ones = np.float32(2.0**-24), np.uint64(8), np.uint64(0xFFFFFFFF)
    count = out.shape[1]
    for n in range(len(out)):
        for start in range(0, count, 2):
            bits = mixed(words[n], start >> 1)
            out[n, start] = np.float32((bits & ones) >> eight) * share * span + low
            if start + 1 < count:
                out[n, start + 1] = np.float32((bits >> _S32) >> eight) * share * span + low


def plasma(words: torch.Tensor, size: int, decay: float) -> torch.Tensor:
    """``weather.plasma`` with the draws of ``Fog``: one key a block of draws, (n, 3 * levels)."""
    out = torch.empty(len(words), size, size, dtype=torch.float32)
    _plasma(words_of(words), out.numpy(), decay)
    return out


@compiled
def _signed(word: Any, number: int) -> Any:
    return unit(word, number) * np.float32(2) + np.float32(-1)


@compiled
def _plasma(words: Any, out: Any, decay: float) -> None:
    count, size, _ = out.shape
    quarter = np.float32(0.25)
    for n in range(count):
        cloud = out[n]
        cloud[0, 0] = 0
        step, wobble, block = size, 100.0, 0
        while step >= 2:
            half, places = step // 2, size // step
            amplitude = np.float32(wobble * wobble)
            for y in range(places):
                for x in range(places):
                    top, left = y * step, x * step
                    bottom, right = (top + step) % size, (left + step) % size
                    first = cloud[top, left] + cloud[bottom, left]
                    second = cloud[top, right] + cloud[bottom, right]
                    draw = amplitude * _signed(words[n, block], y * places + x)
                    cloud[top + half, left + half] = (first + second) * quarter + draw
            for y in range(places):
                for x in range(places):
                    top, left = y * step, x * step
                    around = cloud[top + half, left + half] + cloud[(top - half) % size, left + half]
                    around = around + cloud[top, left] + cloud[top, (left + step) % size]
                    draw = amplitude * _signed(words[n, block + 1], y * places + x)
                    cloud[top, left + half] = around * quarter + draw
            for y in range(places):
                for x in range(places):
                    top, left = y * step, x * step
                    around = cloud[top + half, left + half] + cloud[top + half, (left - half) % size]
                    around = around + cloud[top, left] + cloud[(top + step) % size, left]
                    draw = amplitude * _signed(words[n, block + 2], y * places + x)
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

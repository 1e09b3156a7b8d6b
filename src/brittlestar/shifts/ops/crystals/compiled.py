"""Procedural frost compiled by numba: what ``plain`` does, in the same order, so that both give the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.core.keys import SampleKeys, numbered_words, word_of
from brittlestar.shifts.ops.crystals.plain import SHARPNESS, side_of
from brittlestar.shifts.ops.draws.compiled import mixed, words_of
from brittlestar.shifts.ops.jit import compiled, single
from brittlestar.shifts.ops.plasma.compiled import fill_cloud, value_range
from brittlestar.shifts.ops.plasma.plain import blocks
from brittlestar.shifts.ops.rounding.plain import FINE, REACH, SHORT


def frosted(x: torch.Tensor, keys: SampleKeys, decay: float, own: float, its: float) -> torch.Tensor:
    """See ``plain.frosted``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    layers = np.array([word_of("crystals", layer) for layer in range(len(SHARPNESS))]).view(np.uint64)
    numbers = words_of(numbered_words(blocks(side_of(*x.shape[2:]))))
    sharpness = single(SHARPNESS)
    _frosted(x.contiguous().numpy(), out.numpy(), words_of(keys.words), layers, numbers, sharpness, decay, own, its)
    return out


@compiled
def _frosted(
    x: Any, out: Any, keys: Any, layers: Any, numbers: Any, sharpness: Any, decay: float, own: float, its: float
) -> None:
    count, _, height, width = x.shape
    half = 1 << (len(numbers) // 3 - 1)
    # Everything one cloud needs, a few hundred kB at 224 pixels: it stays in the processor's cache.
    corners = np.empty((half + 1, half + 1), np.float32)
    centres = np.empty((half + 1, half + 1), np.float32)
    draws = np.empty(2 * half * half, np.float32)
    cloud = np.empty((2 * half, 2 * half), np.float32)
    veins = np.empty((height, width), np.float32)
    words = np.empty(len(numbers), np.uint64)
    for n in range(count):
        for layer in range(len(layers)):
            own_key = _stream(keys[n], layers[layer])
            for block in range(len(numbers)):
                words[block] = _stream(own_key, numbers[block])
            fill_cloud(words, decay, corners, centres, draws, cloud)
            low, span = value_range(cloud)
            for y in range(height):
                _add_veins(cloud[y], low, span, sharpness[layer], layer == 0, veins[y])
        _lay_over(x[n], veins, out[n], own, its)


@compiled
def _stream(word: Any, name: Any) -> Any:
    """``SampleKeys.stream``: draw -1 of a key is its own mixture."""
    return mixed(mixed(word ^ name, -1), 0)


@compiled
def _lay_over(x: Any, veins: Any, out: Any, own: float, its: float) -> None:
    """``rounding.blend`` of all channels with one texture, whose levels are worked out once."""
    channels, height, width = x.shape
    scale, fine = np.float32(255), np.float32(FINE)
    texture = np.empty(width, np.float64)
    for y in range(height):
        line = veins[y]
        for i in range(width):
            level = (line[i] * np.float32(0.75) + np.float32(0.2)) * scale
            texture[i] = np.float64(np.rint(level * fine)) / FINE * its
        for c in range(channels):
            image, row = x[c, y], out[c, y]
            for i in range(width):
                total = np.float64(np.rint(image[i] * scale * fine)) / FINE * own + texture[i]
                short = np.floor(total + REACH) - np.floor(total)
                row[i] = np.float32((total - short * SHORT) / 255.0)


@compiled
def _add_veins(cloud: Any, low: Any, span: Any, sharpness: Any, first: bool, out: Any) -> None:
    one, middle = np.float32(1), np.float32(0.5)
    for x in range(len(out)):
        level = (cloud[x] - low) / span
        ridge = one - min(abs((level - middle) * sharpness), one)
        vein = ridge * (level * np.float32(0.35) + np.float32(0.65))
        out[x] = vein if first else max(out[x], vein)

"""Procedural frost compiled by numba: what ``plain`` does, in the same order, so that both give the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.core.keys import SampleKeys, numbered_words, word_of
from brittlestar.shifts.ops.compiled_liquid import compiled
from brittlestar.shifts.ops.compiled_noise import mixed, words_of
from brittlestar.shifts.ops.crystals.plain import FIRST_AMPLITUDE, SHARPNESS, halvings
from brittlestar.shifts.ops.whole import FINE, REACH, SHORT

_ONES, _S8, _S32, _S40 = (np.uint64(n) for n in (0xFFFFFFFF, 8, 32, 40))


def frosted(x: torch.Tensor, keys: SampleKeys, decay: float, own: float, its: float) -> torch.Tensor:
    """See ``plain.frosted``."""
    out = torch.empty(x.shape, dtype=torch.float32)
    layers = np.array([word_of("crystals", layer) for layer in range(len(SHARPNESS))]).view(np.uint64)
    numbers = words_of(numbered_words(3 * halvings(*x.shape[2:])))
    sharpness = np.array(SHARPNESS, np.float32)
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
            _cloud(words, decay, corners, centres, draws, cloud)
            low, span = _range(cloud)
            for y in range(height):
                _add_veins(cloud[y], low, span, sharpness[layer], layer == 0, veins[y])
        _lay_over(x[n], veins, out[n], own, its)


@compiled
def _stream(word: Any, name: Any) -> Any:
    """``SampleKeys.stream``: draw -1 of a key is its own mixture."""
    return mixed(mixed(word ^ name, -1), 0)


@compiled
def _lay_over(x: Any, veins: Any, out: Any, own: float, its: float) -> None:
    """``whole.blend`` of all channels with one texture, whose levels are worked out once."""
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


@compiled
def _range(cloud: Any) -> tuple[Any, Any]:
    """The least value and the span. By columns first: such a loop uses the processor's vectors."""
    least, most = cloud[0].copy(), cloud[0].copy()
    for y in range(1, len(cloud)):
        row = cloud[y]
        for x in range(len(row)):
            least[x] = min(least[x], row[x])
            most[x] = max(most[x], row[x])
    low = least.min()
    return low, most.max() - low


@compiled
def _fill(word: Any, amplitude: Any, out: Any) -> None:
    """``amplitude`` times uniform draws in [-1, 1), two of each word of bits."""
    share, two, one = np.float32(2.0**-24), np.float32(2), np.float32(1)
    pairs = len(out) // 2
    for pair in range(pairs):
        bits = mixed(word, pair)
        # By way of int32, which the processor converts to float32 many at a time, as it does not uint64.
        out[2 * pair] = amplitude * (np.float32(np.int32((bits & _ONES) >> _S8)) * share * two - one)
        out[2 * pair + 1] = amplitude * (np.float32(np.int32(bits >> _S40)) * share * two - one)
    if len(out) & 1:
        bits = mixed(word, pairs)
        out[2 * pairs] = amplitude * (np.float32(np.int32((bits & _ONES) >> _S8)) * share * two - one)


@compiled
def _cloud(words: Any, decay: float, corners: Any, centres: Any, draws: Any, out: Any) -> None:
    """One cloud, not scaled. ``corners`` and ``centres`` have a row and a column more than the coarser grid, which
    repeat it on the torus, so that no index needs a division."""
    quarter = np.float32(0.25)
    side, wobble, block = 1, FIRST_AMPLITUDE, 0
    corners[0, 0] = 0
    while side < len(out):
        amplitude = np.float32(wobble * wobble)
        for y in range(side):
            corners[y, side] = corners[y, 0]
        for x in range(side + 1):
            corners[side, x] = corners[0, x]
        _fill(words[block], amplitude, draws[: side * side])
        for y in range(side):
            here, below, middle = corners[y], corners[y + 1], centres[y + 1]
            squares = draws[y * side : (y + 1) * side]
            for x in range(side):
                middle[x + 1] = ((here[x] + below[x]) + (here[x + 1] + below[x + 1])) * quarter + squares[x]
            middle[0] = middle[side]
        for x in range(side + 1):
            centres[0, x] = centres[side, x]
        _fill(words[block + 1], amplitude, draws[: side * side])
        _fill(words[block + 2], amplitude, draws[side * side : 2 * side * side])
        for y in range(side):
            here, below, middle, higher = corners[y], corners[y + 1], centres[y + 1], centres[y]
            to_the_right = draws[y * side : (y + 1) * side]
            downwards = draws[(side + y) * side : (side + y + 1) * side]
            even, odd = out[2 * y], out[2 * y + 1]
            for x in range(side):
                even[2 * x] = here[x]
                even[2 * x + 1] = (middle[x + 1] + higher[x + 1] + here[x] + here[x + 1]) * quarter + to_the_right[x]
            for x in range(side):
                odd[2 * x] = (middle[x + 1] + middle[x] + here[x] + below[x]) * quarter + downwards[x]
                odd[2 * x + 1] = middle[x + 1]
        side, wobble, block = 2 * side, wobble / decay, block + 3
        if side < len(out):
            for y in range(side):
                for x in range(side):
                    corners[y, x] = out[y, x]

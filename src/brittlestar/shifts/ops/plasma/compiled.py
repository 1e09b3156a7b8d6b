"""The compiled counterpart of ``plain.plasma``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.draws.compiled import mixed, words_of
from brittlestar.shifts.ops.jit import compiled
from brittlestar.shifts.ops.plasma.plain import FIRST_WOBBLE

_ONES, _S8, _S32, _S40 = (np.uint64(n) for n in (0xFFFFFFFF, 8, 32, 40))


def plasma(words: torch.Tensor, size: int, decay: float) -> torch.Tensor:
    """See ``plain.plasma``."""
    out = torch.empty(len(words), size, size, dtype=torch.float32)
    _plasma(words_of(words), out.numpy(), decay)
    return out


@compiled
def _plasma(words: Any, out: Any, decay: float) -> None:
    count, size, _ = out.shape
    half = size // 2
    corners = np.empty((half + 1, half + 1), np.float32)
    centres = np.empty((half + 1, half + 1), np.float32)
    draws = np.empty(2 * half * half, np.float32)
    for n in range(count):
        cloud = out[n]
        fill_cloud(words[n], decay, corners, centres, draws, cloud)
        low, span = value_range(cloud)
        for y in range(size):
            row = cloud[y]
            for x in range(size):
                row[x] = (row[x] - low) / span


@compiled
def value_range(cloud: Any) -> tuple[Any, Any]:
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
def fill_cloud(words: Any, decay: float, corners: Any, centres: Any, draws: Any, out: Any) -> None:
    """One cloud, not scaled. ``corners`` and ``centres`` have a row and a column more than the coarser grid, which
    repeat it on the torus, so that no index needs a division."""
    quarter = np.float32(0.25)
    side, wobble, block = 1, FIRST_WOBBLE, 0
    corners[0, 0] = 0
    while side < len(out):
        # Rounded only here, as torch rounds a Python float that meets a float32 tensor.
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

"""The compiled counterpart of ``plain.relief``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled
from brittlestar.shifts.ops.water.plain import FARTHEST, HIGH, LOW, TANGENT

_FAR = FARTHEST * 65536
# The lengths of `plain.STEPS`.
_ONE, _DIAGONAL, _KNIGHT = 65536, 91750, 143976


def relief(levels: torch.Tensor) -> torch.Tensor:
    """See ``plain.relief``."""
    out = torch.empty(levels.shape, dtype=torch.uint8)
    _relief(levels.contiguous().numpy(), out.numpy())
    return out


@compiled
def _relief(levels: Any, out: Any) -> None:
    count, height, width = levels.shape
    distance = np.empty((height, width), np.int32)
    smooth = np.empty((height + 2, width + 2), np.int32)
    wide = np.empty((height + 2, width + 2), np.int32)
    lines = np.empty((height + 2, width), np.float64)
    for n in range(count):
        _edges(levels[n], distance)
        _distances(distance)
        wide[1:-1, 1:-1] = distance
        _mirrored(wide)
        for y in range(height + 2):
            for x in range(width):
                lines[y, x] = wide[y, x] / 65536 + wide[y, x + 1] / 65536 + wide[y, x + 2] / 65536
        for y in range(height):
            for x in range(width):
                smooth[y + 1, x + 1] = np.int32((lines[y, x] + lines[y + 1, x] + lines[y + 2, x]) / 9 + 1e-9)
        _equalise(smooth[1:-1, 1:-1])
        _mirrored(smooth)
        for y in range(height):
            above, here, below = smooth[y], smooth[y + 1], smooth[y + 2]
            for x in range(width):
                value = (
                    here[x + 1] + here[x + 2] - 2 * above[x] - above[x + 1] - here[x] + below[x + 1] + 2 * below[x + 2]
                )
                wide[y + 1, x + 1] = min(max(value, 0), 255)
        _mirrored(wide)
        for y in range(height):
            above, here, below = wide[y], wide[y + 1], wide[y + 2]
            for x in range(width):
                total = above[x] + above[x + 1] + above[x + 2] + here[x] + here[x + 1] + here[x + 2]
                total += below[x] + below[x + 1] + below[x + 2]
                # Rounded ninths (never half way between whole numbers): 3641 / 65536 is 1 / 18 closely enough.
                out[n, y, x] = np.uint8(((2 * total + 9) * 3641) >> 16)


@compiled
def _mirrored(wide: Any) -> None:
    """Fill the outermost ring with what lies on the other side of its neighbour."""
    height, width = wide.shape[0] - 2, wide.shape[1] - 2
    for y in range(1, height + 1):
        wide[y, 0] = wide[y, min(2, width)]
        wide[y, width + 1] = wide[y, max(width - 1, 1)]
    wide[0] = wide[min(2, height)]
    wide[height + 1] = wide[max(height - 1, 1)]


@compiled
def _edges(image: Any, out: Any) -> None:
    """0 at edges, far elsewhere."""
    height, width = image.shape
    dx = np.empty((height, width), np.int32)
    dy = np.empty((height, width), np.int32)
    size = np.zeros((height + 2, width + 2), np.int32)
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            a, b, c = np.int32(image[up, left]), np.int32(image[up, x]), np.int32(image[up, right])
            d, e = np.int32(image[y, left]), np.int32(image[y, right])
            f, g, h = np.int32(image[down, left]), np.int32(image[down, x]), np.int32(image[down, right])
            dx[y, x] = c + 2 * e + h - a - 2 * d - f
            dy[y, x] = f + 2 * g + h - a - 2 * b - c
            size[y + 1, x + 1] = abs(dx[y, x]) + abs(dy[y, x])
    weak = np.zeros((height + 2, width + 2), np.bool_)
    stack = np.empty((height * width, 2), np.int64)
    depth = 0
    for y in range(height):
        for x in range(width):
            out[y, x] = _FAR
            s = size[y + 1, x + 1]
            if s <= LOW:
                continue
            flat, steep = np.int64(abs(dx[y, x])) * TANGENT, np.int64(abs(dy[y, x])) << 15
            if steep < flat:
                peak = s > size[y + 1, x] and s >= size[y + 1, x + 2]
            # tan(67.5 degrees) is tan(22.5 degrees) plus 2.
            elif steep > flat + (np.int64(abs(dx[y, x])) << 16):
                peak = s > size[y, x + 1] and s >= size[y + 2, x + 1]
            elif (dx[y, x] ^ dy[y, x]) < 0:
                peak = s > size[y, x + 2] and s > size[y + 2, x]
            else:
                peak = s > size[y, x] and s > size[y + 2, x + 2]
            if peak:
                weak[y + 1, x + 1] = True
                if s > HIGH:
                    out[y, x] = 0
                    stack[depth, 0], stack[depth, 1] = y, x
                    depth += 1
    # Floods weak edges from the strong ones: plain grows them until nothing changes, with the same end.
    while depth:
        depth -= 1
        y, x = stack[depth, 0], stack[depth, 1]
        for row in range(y, y + 3):
            for column in range(x, x + 3):
                if weak[row, column] and out[row - 1, column - 1] != 0:
                    out[row - 1, column - 1] = 0
                    stack[depth, 0], stack[depth, 1] = row - 1, column - 1
                    depth += 1


@compiled
def _distances(d: Any) -> None:
    """Two passes of the 5 x 5 mask, in place."""
    height, width = d.shape
    for y in range(height):
        for x in range(width):
            best = d[y, x]
            if x > 0:
                best = min(best, d[y, x - 1] + _ONE)
            if y > 0:
                best = min(best, d[y - 1, x] + _ONE)
                if x > 0:
                    best = min(best, d[y - 1, x - 1] + _DIAGONAL)
                if x < width - 1:
                    best = min(best, d[y - 1, x + 1] + _DIAGONAL)
                if x > 1:
                    best = min(best, d[y - 1, x - 2] + _KNIGHT)
                if x < width - 2:
                    best = min(best, d[y - 1, x + 2] + _KNIGHT)
            if y > 1:
                if x > 0:
                    best = min(best, d[y - 2, x - 1] + _KNIGHT)
                if x < width - 1:
                    best = min(best, d[y - 2, x + 1] + _KNIGHT)
            d[y, x] = best
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, -1, -1):
            best = d[y, x]
            if x < width - 1:
                best = min(best, d[y, x + 1] + _ONE)
            if y < height - 1:
                best = min(best, d[y + 1, x] + _ONE)
                if x > 0:
                    best = min(best, d[y + 1, x - 1] + _DIAGONAL)
                if x < width - 1:
                    best = min(best, d[y + 1, x + 1] + _DIAGONAL)
                if x > 1:
                    best = min(best, d[y + 1, x - 2] + _KNIGHT)
                if x < width - 2:
                    best = min(best, d[y + 1, x + 2] + _KNIGHT)
            if y < height - 2:
                if x > 0:
                    best = min(best, d[y + 2, x - 1] + _KNIGHT)
                if x < width - 1:
                    best = min(best, d[y + 2, x + 1] + _KNIGHT)
            d[y, x] = best


@compiled
def _equalise(levels: Any) -> None:
    height, width = levels.shape
    count = height * width
    histogram = np.zeros(256, np.int64)
    for y in range(height):
        for x in range(width):
            histogram[levels[y, x]] += 1
    first = 0
    while histogram[first] == 0:
        first += 1
    if histogram[first] == count:
        return
    scale = np.float32(255.0 / (count - histogram[first]))
    table = np.zeros(256, np.int64)
    total = 0
    for level in range(first + 1, 256):
        total += histogram[level]
        table[level] = int(min(np.rint(np.float32(total) * scale), np.float32(255)))
    for y in range(height):
        for x in range(width):
            levels[y, x] = table[levels[y, x]]

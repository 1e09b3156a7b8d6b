"""The compiled counterpart of ``plain.jpeg_round_trip``: 32-bit integers throughout, so that the loops over the blocks
of a strip become vector instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brittlestar.shifts.ops.jit import compiled, inlined
from brittlestar.shifts.ops.jpeg.plain import fixed, quantisers

_i = np.int32
_C0298, _C0390, _C0541, _C0765 = (_i(fixed(v)) for v in (0.298631336, 0.390180644, 0.541196100, 0.765366865))
_C0899, _C1175, _C1501, _C1847 = (_i(fixed(v)) for v in (0.899976223, 1.175875602, 1.501321110, 1.847759065))
_C1961, _C2053, _C2562, _C3072 = (_i(fixed(v)) for v in (1.961570560, 2.053119869, 2.562915447, 3.072711026))
_Y = tuple(_i(fixed(v, 16)) for v in (0.299, 0.587, 0.114))
_BLUE = tuple(_i(fixed(v, 16)) for v in (0.168735892, 0.331264108, 0.5))
_RED = tuple(_i(fixed(v, 16)) for v in (0.5, 0.418687589, 0.081312411))
_R, _GR, _GB, _B = (_i(fixed(v, 16)) for v in (1.402, 0.71414, 0.34414, 1.772))
_HALF, _CENTRE = _i(1 << 15), _i((128 << 16) + (1 << 15) - 1)


def jpeg_round_trip(levels: torch.Tensor, quality: int) -> torch.Tensor:
    """See ``plain.jpeg_round_trip``."""
    out = torch.empty(levels.shape, dtype=torch.uint8)
    luma, chroma = (np.array(table, np.int32).reshape(8, 8) for table in quantisers(quality))
    _round_trips(levels.contiguous().numpy(), out.numpy(), luma, chroma)
    return out


@inlined
def _odd(a: Any, b: Any, c: Any, d: Any) -> Any:
    """See ``plain._odd_part``."""
    z3, z4 = _i(a + c), _i(b + d)
    z5 = _i(_i(z3 + z4) * _C1175)
    z1, z2 = _i(_i(a + d) * -_C0899), _i(_i(b + c) * -_C2562)
    z3, z4 = _i(_i(z3 * -_C1961) + z5), _i(_i(z4 * -_C0390) + z5)
    first = _i(_i(a * _C0298) + _i(z1 + z3))
    second = _i(_i(b * _C2053) + _i(z2 + z4))
    third = _i(_i(c * _C3072) + _i(z2 + z3))
    fourth = _i(_i(d * _C1501) + _i(z1 + z4))
    return first, second, third, fourth


@inlined
def _down(value: Any, bits: Any) -> Any:
    return _i(_i(value + _i(_i(1) << _i(bits - 1))) >> bits)


@compiled
def _forward(d: Any, first: bool) -> None:
    """One pass of the forward DCT down the eight rows of (8, m), in place."""
    bits = _i(11) if first else _i(15)
    left, right = (_i(2), _i(0)) if first else (_i(0), _i(2))
    half = _i(0) if first else _i(2)
    for k in range(d.shape[1]):
        s0, s1, s2, s3 = _i(d[0, k] + d[7, k]), _i(d[1, k] + d[6, k]), _i(d[2, k] + d[5, k]), _i(d[3, k] + d[4, k])
        t0, t1, t2, t3 = _i(d[0, k] - d[7, k]), _i(d[1, k] - d[6, k]), _i(d[2, k] - d[5, k]), _i(d[3, k] - d[4, k])
        outer, inner = _i(s0 + s3), _i(s1 + s2)
        d[0, k] = _i(_i(_i(_i(outer + inner) << left) + half) >> right)
        d[4, k] = _i(_i(_i(_i(outer - inner) << left) + half) >> right)
        a, b = _i(s1 - s2), _i(s0 - s3)
        turned = _i(_i(a + b) * _C0541)
        d[2, k] = _down(_i(turned + _i(b * _C0765)), bits)
        d[6, k] = _down(_i(turned - _i(a * _C1847)), bits)
        o7, o5, o3, o1 = _odd(t3, t2, t1, t0)
        d[7, k], d[5, k], d[3, k], d[1, k] = _down(o7, bits), _down(o5, bits), _down(o3, bits), _down(o1, bits)


@compiled
def _inverse(d: Any, bits: Any) -> None:
    """One pass of the inverse DCT down the eight rows of (8, m), in place."""
    for k in range(d.shape[1]):
        turned = _i(_i(d[2, k] + d[6, k]) * _C0541)
        low, high = _i(turned - _i(d[6, k] * _C1847)), _i(turned + _i(d[2, k] * _C0765))
        plus, minus = _i(_i(d[0, k] + d[4, k]) << _i(13)), _i(_i(d[0, k] - d[4, k]) << _i(13))
        e0, e1, e2, e3 = _i(plus + high), _i(minus + low), _i(minus - low), _i(plus - high)
        o3, o2, o1, o0 = _odd(d[7, k], d[5, k], d[3, k], d[1, k])
        d[0, k], d[7, k] = _down(_i(e0 + o0), bits), _down(_i(e0 - o0), bits)
        d[1, k], d[6, k] = _down(_i(e1 + o1), bits), _down(_i(e1 - o1), bits)
        d[2, k], d[5, k] = _down(_i(e2 + o2), bits), _down(_i(e2 - o2), bits)
        d[3, k], d[4, k] = _down(_i(e3 + o3), bits), _down(_i(e3 - o3), bits)


@compiled
def _blocks(plane: Any, divisors: Any, tiles: Any) -> None:
    """(h, w) samples, sides multiples of 8, through DCT, quantisation and back, in place; ``tiles`` is (8, 8, w / 8):
    row and column in the block, block."""
    height, width = plane.shape
    count = width // 8
    for top in range(0, height, 8):
        for y in range(8):
            for x in range(8):
                for b in range(count):
                    tiles[y, x, b] = plane[top + y, 8 * b + x] - 128
            _forward(tiles[y], True)
        _forward(tiles.reshape(8, 8 * count), False)
        for v in range(8):
            for u in range(8):
                divisor = divisors[v, u]
                # Far from every whole number compared with the rounding of float32, as the numerator is below 2**18.
                share = np.float32(1) / np.float32(8 * divisor)
                for b in range(count):
                    value = tiles[v, u, b]
                    size = _i(np.float32(_i(abs(value) + _i(4 * divisor)) + np.float32(0.5)) * share)
                    kept = _i(size * divisor)
                    tiles[v, u, b] = kept if value >= 0 else -kept
        _inverse(tiles.reshape(8, 8 * count), _i(11))
        for y in range(8):
            _inverse(tiles[y], _i(18))
            for x in range(8):
                for b in range(count):
                    plane[top + y, 8 * b + x] = min(max(_i(tiles[y, x, b] + _i(128)), _i(0)), _i(255))


@compiled
def _repeat_edges(plane: Any, height: int, width: int) -> None:
    for y in range(height):
        for i in range(width, plane.shape[1]):
            plane[y, i] = plane[y, width - 1]
    for y in range(height, plane.shape[0]):
        plane[y] = plane[height - 1]


@compiled
def _halve(full: Any, half: Any, height: int, width: int) -> None:
    """Means of 2 x 2 of what ``height`` and ``width`` hold; edges repeated as libjpeg does."""
    rows = (height + 1) // 2
    for y in range(rows):
        above, below = full[2 * y], full[min(2 * y + 1, height - 1)]
        for i in range(half.shape[1]):
            a, b = min(2 * i, width - 1), min(2 * i + 1, width - 1)
            half[y, i] = (above[a] + above[b] + below[a] + below[b] + i % 2 + 1) >> 2
    for y in range(rows, half.shape[0]):
        half[y] = half[rows - 1]


@compiled
def _doubled_row(half: Any, y: int, rows: int, columns: int, line: Any, out: Any) -> None:
    """Row ``y`` of the plane at twice the size; see ``plain._doubled``."""
    near, far = half[y // 2], half[max(y // 2 - 1, 0) if y % 2 == 0 else min(y // 2 + 1, rows - 1)]
    for i in range(columns):
        line[i + 1] = _i(_i(near[i] * _i(3)) + far[i])
    line[0], line[columns + 1] = line[1], line[columns]
    for i in range(columns):
        mine = _i(line[i + 1] * _i(3))
        out[2 * i] = _i(_i(_i(mine + line[i]) + _i(8)) >> _i(4))
        out[2 * i + 1] = _i(_i(_i(mine + line[i + 2]) + _i(7)) >> _i(4))


@compiled
def _round_trips(x: Any, out: Any, luma: Any, chroma: Any) -> None:
    count, channels, height, width = x.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    y = np.empty(((height + 7) // 8 * 8, (width + 7) // 8 * 8), np.int32)
    full = np.empty((2, height, width), np.int32)
    half = np.empty((2, (rows + 7) // 8 * 8, (columns + 7) // 8 * 8), np.int32)
    tiles, small = np.empty((8, 8, y.shape[1] // 8), np.int32), np.empty((8, 8, half.shape[2] // 8), np.int32)
    line, blue, red = np.empty(columns + 2, np.int32), np.empty(2 * columns, np.int32), np.empty(2 * columns, np.int32)
    for n in range(count):
        if channels == 1:
            for v in range(height):
                for i in range(width):
                    y[v, i] = x[n, 0, v, i]
        else:
            for v in range(height):
                _to_ycc(x[n, 0, v], x[n, 1, v], x[n, 2, v], y[v], full[0, v], full[1, v])
        _repeat_edges(y, height, width)
        _blocks(y, luma, tiles)
        if channels == 1:
            for v in range(height):
                for i in range(width):
                    out[n, 0, v, i] = y[v, i]
            continue
        for c in range(2):
            _halve(full[c], half[c], height, width)
            _blocks(half[c], chroma, small)
        for v in range(height):
            _doubled_row(half[0], v, rows, columns, line, blue)
            _doubled_row(half[1], v, rows, columns, line, red)
            _to_rgb(y[v], blue, red, out[n, 0, v], out[n, 1, v], out[n, 2, v])


@compiled
def _to_ycc(r: Any, g: Any, b: Any, y: Any, blue: Any, red: Any) -> None:
    for i in range(len(r)):
        u, v, w = _i(r[i]), _i(g[i]), _i(b[i])
        y[i] = _i(_i(_i(_i(u * _Y[0]) + _i(v * _Y[1])) + _i(_i(w * _Y[2]) + _HALF)) >> _i(16))
        blue[i] = _i(_i(_i(_i(w * _BLUE[2]) - _i(u * _BLUE[0])) + _i(_CENTRE - _i(v * _BLUE[1]))) >> _i(16))
        red[i] = _i(_i(_i(_i(u * _RED[0]) - _i(v * _RED[1])) + _i(_CENTRE - _i(w * _RED[2]))) >> _i(16))


@compiled
def _to_rgb(y: Any, blue: Any, red: Any, r: Any, g: Any, b: Any) -> None:
    low, high = _i(0), _i(255)
    for i in range(len(r)):
        cb, cr = _i(blue[i] - _i(128)), _i(red[i] - _i(128))
        r[i] = min(max(_i(y[i] + _i(_i(_i(cr * _R) + _HALF) >> _i(16))), low), high)
        g[i] = min(max(_i(y[i] + _i(_i(_i(_HALF - _i(cr * _GR)) - _i(cb * _GB)) >> _i(16))), low), high)
        b[i] = min(max(_i(y[i] + _i(_i(_i(cb * _B) + _HALF) >> _i(16))), low), high)

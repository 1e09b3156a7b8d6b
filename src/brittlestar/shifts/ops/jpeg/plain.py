"""The round trip through JPEG: by Pillow on the CPU, and for devices that Pillow cannot reach as integer tensor
operations, bit for bit what Pillow (libjpeg-turbo) gives, without the entropy coding, which loses nothing.

Baseline JPEG with chroma at half resolution both ways, the accurate integer DCT (Loeffler, Ligtenberg, Moschytz 1989)
and "fancy" upsampling, which are Pillow's defaults.
"""

from __future__ import annotations

import functools
import io
from typing import TypeAlias

import torch
from PIL import Image

from brittlestar.shifts.ops.convolution.plain import padded
from brittlestar.shifts.ops.pillow import picture_by_picture

_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29),
    *(51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121),
    *(120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99),
    *(99, 99, 99, 99),
    *(99,) * 32,
)
_BITS = 13
"""Fraction bits of the DCT's constants."""

Rows: TypeAlias = "list[torch.Tensor]"


def fixed(value: float, bits: int = _BITS) -> int:
    """A number with that many fraction bits."""
    return int(value * (1 << bits) + 0.5)


@functools.lru_cache(maxsize=64)
def quantisers(quality: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Luma and chroma divisors of a quality from 1 to 100, row by row."""
    # libjpeg's scale; at quality 50 the tables are those of the standard (ITU-T T.81, Annex K).
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    # Baseline JPEG stores divisors in 8 bits.
    luma, chroma = (tuple(min(255, max(1, (v * scale + 50) // 100)) for v in table) for table in (_LUMA, _CHROMA))
    return luma, chroma


def jpeg_round_trip(levels: torch.Tensor, quality: int) -> torch.Tensor:
    """(n, c, h, w) uint8 images as they come back from JPEG of a quality from 1 to 100; 1 or 3 channels, any size."""
    if levels.device.type != "cpu":
        return by_tensors(levels, quality)

    def stored(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return picture_by_picture(levels, stored)


def by_tensors(levels: torch.Tensor, quality: int) -> torch.Tensor:
    """``jpeg_round_trip`` without Pillow."""
    luma, chroma = quantisers(quality)
    x = levels.to(torch.int32)
    height, width = x.shape[2:]
    if x.shape[1] == 1:
        return _blocks(_to_multiple(x[:, 0], 8), luma)[:, :height, :width].to(torch.uint8)[:, None]
    y, blue, red = _to_ycc(x)
    y = _blocks(_to_multiple(y, 8), luma)[:, :height, :width]
    # To the right full-size samples are repeated before the halving, at the bottom halved ones after it.
    both = _halved(_repeated(_repeated(torch.cat([blue, red]), 2, 16), 1, 2))
    # Upsampling looks at the stored samples of the image's own extent only.
    rows, columns = -(-height // 2), -(-width // 2)
    both = _doubled(_blocks(_to_multiple(both, 8), chroma)[:, :rows, :columns])[:, :height, :width]
    return _to_rgb(y, both[: len(x)], both[len(x) :])


def _to_multiple(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """The last row and column repeated up to a multiple of a number of samples."""
    return _repeated(_repeated(x, 1, multiple), 2, multiple)


def _repeated(x: torch.Tensor, dim: int, multiple: int) -> torch.Tensor:
    lack = -x.shape[dim] % multiple
    if not lack:
        return x
    last = x.narrow(dim, x.shape[dim] - 1, 1)
    return torch.cat([x, last.expand(*[lack if d == dim else -1 for d in range(3)])], dim)


def _to_ycc(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    r, g, b = x.unbind(1)
    # Chroma gets a little less than a half, as in libjpeg: 255.5 must not become 256.
    half, centre = 1 << 15, (128 << 16) + (1 << 15) - 1
    c = functools.partial(fixed, bits=16)
    y = (r * c(0.299) + g * c(0.587) + b * c(0.114) + half) >> 16
    blue = (r * -c(0.168735892) - g * c(0.331264108) + b * c(0.5) + centre) >> 16
    red = (r * c(0.5) - g * c(0.418687589) - b * c(0.081312411) + centre) >> 16
    return y, blue, red


def _to_rgb(y: torch.Tensor, blue: torch.Tensor, red: torch.Tensor) -> torch.Tensor:
    blue, red, half = blue - 128, red - 128, 1 << 15
    c = functools.partial(fixed, bits=16)
    r = y + ((red * c(1.402) + half) >> 16)
    g = y + ((red * -c(0.71414) - blue * c(0.34414) + half) >> 16)
    b = y + ((blue * c(1.772) + half) >> 16)
    return torch.stack([r, g, b], 1).clamp_(0, 255).to(torch.uint8)


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Means of 2 x 2; the half is rounded down and up in turns along a row."""
    total = x[:, 0::2] + x[:, 1::2]
    total = total[:, :, 0::2] + total[:, :, 1::2]
    bias = torch.arange(total.shape[2], device=x.device, dtype=torch.int32) % 2 + 1
    return (total + bias) >> 2


def _doubled(x: torch.Tensor) -> torch.Tensor:
    """Twice the size: every new sample is 9/16, 3/16, 3/16 and 1/16 of its four neighbours."""
    wide = padded(x, 1, 1, "edge")
    near = 3 * x
    lines = torch.stack([near + wide[:, :-2], near + wide[:, 2:]], 2).flatten(1, 2)
    wide = padded(lines, 1, 2, "edge")
    near = 3 * lines
    # 8 and 7 in turns, as in libjpeg, so that rounding does not drift.
    left, right = near + wide[:, :, :-2] + 8, near + wide[:, :, 2:] + 7
    # The outermost columns have no neighbour: 4 times themselves.
    return (torch.stack([left, right], 3).flatten(2, 3)) >> 4


def _blocks(x: torch.Tensor, divisors: tuple[int, ...]) -> torch.Tensor:
    """(n, h, w) int32 samples, sides multiples of 8, through DCT, quantisation and back."""
    n, height, width = x.shape
    tiles = (x - 128).view(n, height // 8, 8, width // 8, 8).permute(4, 2, 0, 1, 3)
    across = torch.stack(_forward([tiles[i] for i in range(8)], first=True))
    down = torch.stack(_forward([across[:, i] for i in range(8)], first=False))
    divisor = torch.tensor(divisors, dtype=torch.int32, device=x.device).view(8, 8, 1, 1, 1)
    # libjpeg's DCT gives 8 times the coefficients.
    size = torch.div(down.abs() + 4 * divisor, 8 * divisor, rounding_mode="floor")
    kept = torch.sign(down) * size * divisor
    # The first pass leaves two fraction bits; the second takes them and the factor of 8 away.
    columns = torch.stack(_inverse([kept[i] for i in range(8)], _BITS - 2))
    rows = torch.stack(_inverse([columns[:, i] for i in range(8)], _BITS + 5))
    return (rows + 128).clamp_(0, 255).permute(2, 3, 1, 4, 0).reshape(n, height, width)


def _rounded(x: torch.Tensor, bits: int) -> torch.Tensor:
    return (x + (1 << (bits - 1))) >> bits


def _odd_part(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor) -> Rows:
    """The four rotations that forward and inverse transform share, on the odd coefficients."""
    z1, z2, z3, z4 = a + d, b + c, a + c, b + d
    z5 = (z3 + z4) * fixed(1.175875602)
    z1, z2 = z1 * -fixed(0.899976223), z2 * -fixed(2.562915447)
    z3, z4 = z3 * -fixed(1.961570560) + z5, z4 * -fixed(0.390180644) + z5
    return [
        a * fixed(0.298631336) + z1 + z3,
        b * fixed(2.053119869) + z2 + z4,
        c * fixed(3.072711026) + z2 + z3,
        d * fixed(1.501321110) + z1 + z4,
    ]


def _forward(d: Rows, first: bool) -> Rows:
    """One pass of the forward DCT over eight samples; the first leaves two more fraction bits."""
    sums, differences = [d[i] + d[7 - i] for i in range(4)], [d[i] - d[7 - i] for i in range(4)]
    outer, inner = sums[0] + sums[3], sums[1] + sums[2]
    out: Rows = [outer] * 8
    bits = _BITS - 2 if first else _BITS + 2
    out[0] = (outer + inner) << 2 if first else _rounded(outer + inner, 2)
    out[4] = (outer - inner) << 2 if first else _rounded(outer - inner, 2)
    a, b = sums[1] - sums[2], sums[0] - sums[3]
    turned = (a + b) * fixed(0.541196100)
    out[2] = _rounded(turned + b * fixed(0.765366865), bits)
    out[6] = _rounded(turned - a * fixed(1.847759065), bits)
    odd = _odd_part(differences[3], differences[2], differences[1], differences[0])
    for place, value in zip((7, 5, 3, 1), odd, strict=True):
        out[place] = _rounded(value, bits)
    return out


def _inverse(d: Rows, bits: int) -> Rows:
    """One pass of the inverse DCT over eight coefficients."""
    turned = (d[2] + d[6]) * fixed(0.541196100)
    low, high = turned - d[6] * fixed(1.847759065), turned + d[2] * fixed(0.765366865)
    plus, minus = (d[0] + d[4]) << _BITS, (d[0] - d[4]) << _BITS
    even = [plus + high, minus + low, minus - low, plus - high]
    odd = _odd_part(d[7], d[5], d[3], d[1])[::-1]
    front = [_rounded(e + o, bits) for e, o in zip(even, odd, strict=True)]
    back = [_rounded(e - o, bits) for e, o in zip(even, odd, strict=True)]
    return front + back[::-1]

"""Box resampling of 8-bit images: by Pillow on the CPU, and for devices that Pillow cannot reach as integer tensor
operations, bit for bit."""

from __future__ import annotations

import functools

import torch
from PIL import Image

from brittlestar.shifts.ops.pillow import picture_by_picture

# Pillow's: 32 bits, less 8 for the level and 2 to spare.
BITS = 22
"""Fraction bits of the weights."""


@functools.lru_cache(maxsize=64)
def weights(size: int, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For each wanted place the source places (wanted, taps) and their integer weights; unused taps weigh 0."""
    scale = size / wanted
    support = max(scale, 1.0) / 2
    rows = []
    for place in range(wanted):
        centre = (place + 0.5) * scale
        first, last = max(0, int(centre - support + 0.5)), min(size, int(centre + support + 0.5))
        # Open below and closed above, as in Pillow: a pixel between two boxes belongs to one of them.
        shares = [1.0 if -0.5 < (i - centre + 0.5) / max(scale, 1.0) <= 0.5 else 0.0 for i in range(first, last)]
        total = sum(shares)
        rows.append([(i, int(0.5 + share / total * (1 << BITS))) for i, share in enumerate(shares, first)])
    taps = max(map(len, rows))
    padded = [row + [(row[-1][0], 0)] * (taps - len(row)) for row in rows]
    table = torch.tensor(padded, dtype=torch.int64)
    return table[:, :, 0], table[:, :, 1]


def pixelated(levels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(n, c, h, w) uint8 images shrunk to (height, width) and enlarged back."""
    if levels.device.type != "cpu":
        return box_resize(box_resize(levels, height, width), *levels.shape[2:])
    box = Image.Resampling.BOX

    def coarse(picture: Image.Image) -> Image.Image:
        # Two steps: since Pillow 13 the order of the passes, and so the rounding, depends on the sizes.
        across = picture.resize((width, picture.height), box)
        return across.resize((width, height), box).resize(picture.size, box)

    return picture_by_picture(levels, coarse)


def box_resize(levels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(n, c, height, width) uint8 of (n, c, h, w) uint8: rows first, 8 bits in between, then columns."""
    return _along(_along(levels, 3, width), 2, height)


def _along(levels: torch.Tensor, dim: int, wanted: int) -> torch.Tensor:
    if levels.shape[dim] == wanted:
        return levels
    places, shares = (t.to(levels.device) for t in weights(levels.shape[dim], wanted))
    # Begins at a half, so that the shift below rounds.
    total = torch.full((), 1 << (BITS - 1), dtype=torch.int64, device=levels.device)
    for tap in range(places.shape[1]):
        weight = shares[:, tap] if dim == 3 else shares[:, tap, None]
        total = total + levels.index_select(dim, places[:, tap]).to(torch.int64) * weight
    return (total >> BITS).clamp_(0, 255).to(torch.uint8)

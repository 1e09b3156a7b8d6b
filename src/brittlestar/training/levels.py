"""The image operations of augmentation policies on 8-bit levels, equal to Pillow's to the pixel.

Images are (batch, channel, height, width) uint8 with one or three channels; parameters are (batch,). Pillow truncates
where one might expect rounding, and so does this: the policies were found and published with its pixels.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch

Levels: TypeAlias = "torch.Tensor"


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _through(x: Levels, table: torch.Tensor) -> Levels:
    """Each level replaced by its entry of a (batch, channel, 256) table."""
    return table.to(torch.uint8).gather(2, x.flatten(2).long()).view_as(x)


def autocontrast(x: Levels) -> Levels:
    """Each channel stretched to 0 ... 255; constant channels stay."""
    low, high = (f(x.flatten(2), 2).double()[:, :, None] for f in (torch.amin, torch.amax))
    scale = torch.full_like(low, 255) / (high - low).clamp_min(1)  # A plain 255 / x is rounded twice.
    level = torch.arange(256, dtype=torch.float64, device=x.device)
    # Pillow adds a product of its own for the offset; (level - low) * scale would round otherwise.
    stretched = (level * scale + -low * scale).trunc().clamp(0, 255)
    return _through(x, torch.where(high > low, stretched, level))


def equalize(x: Levels) -> Levels:
    """Each channel's histogram made as even as Pillow's whole-number steps make it."""
    n, c = x.shape[:2]
    place = torch.arange(n * c, device=x.device).view(n, c, 1) * 256 + x.flatten(2).long()
    counts = torch.bincount(place.flatten(), minlength=n * c * 256).view(n, c, 256)
    below = counts.cumsum(2) - counts
    highest = x.flatten(2).amax(2, keepdim=True).long()
    # Pillow leaves the highest level that occurs out of the count; a constant channel has a step of 0 and stays.
    step = (x[0, 0].numel() - counts.gather(2, highest)) // 255
    even = ((step // 2 + below) // step.clamp_min(1)).clamp_max(255)
    return _through(x, torch.where(step > 0, even, torch.arange(256, device=x.device)))


def posterize(x: Levels, bits: torch.Tensor) -> Levels:
    """The highest ``bits`` (0 to 8) of each level."""
    return x & _wide((256 - torch.exp2(8 - bits.double())).to(torch.uint8))


def solarize(x: Levels, threshold: torch.Tensor) -> Levels:
    """Levels from the threshold (0 to 256) on, inverted."""
    # As int: a threshold of 256 does not fit into 8 bits.
    return torch.where(x.int() < _wide(threshold), x, 255 - x)


def solarize_add(x: Levels, addition: torch.Tensor) -> Levels:
    """Levels below 128 raised by so many (not in Pillow; Cubuk et al. 2020)."""
    return torch.where(x < 128, (x.int() + _wide(addition)).clamp(0, 255).to(torch.uint8), x)


def invert(x: Levels) -> Levels:
    """255 minus each level."""
    return 255 - x


def _blended(degenerate: torch.Tensor, x: Levels, factor: torch.Tensor) -> Levels:
    """From the degenerate image (0) through the image (1) and beyond, in Pillow's single precision."""
    first = degenerate.to(torch.float32)
    scaled = _wide(factor.to(torch.float32)) * (x.to(torch.float32) - first)
    return (first + scaled).clamp(0, 255).to(torch.uint8)


def _grey(x: Levels) -> torch.Tensor:
    if x.shape[1] == 1:
        return x.int()
    # Pillow's luma in whole numbers: Rec. 601 in 65,536ths, half of one added to round.
    weights = torch.tensor([19595, 38470, 7471], dtype=torch.int32, device=x.device)[:, None, None]
    return ((x.int() * weights).sum(1, keepdim=True) + 0x8000) >> 16


def colour(x: Levels, factor: torch.Tensor) -> Levels:
    """0 grey, 1 as it is, above 1 more colourful."""
    return _blended(_grey(x), x, factor)


def contrast(x: Levels, factor: torch.Tensor) -> Levels:
    """0 the mean grey, 1 as it is."""
    # Pillow rounds this mean, where it cuts off elsewhere.
    return _blended((_grey(x).double().mean((1, 2, 3), keepdim=True) + 0.5).floor(), x, factor)


def brightness(x: Levels, factor: torch.Tensor) -> Levels:
    """0 black, 1 as it is."""
    return _blended(torch.zeros_like(x), x, factor)


def sharpness(x: Levels, factor: torch.Tensor) -> Levels:
    """0 smoothed by Pillow's 3 x 3 kernel, 1 as it is; the border stays."""
    height, width = x.shape[2:]
    if min(height, width) < 3:
        return x
    level = x.int()
    # The centre weighs 5 and its neighbours 1: four more for it here, then one for each of the nine.
    total = 4 * level[:, :, 1:-1, 1:-1]
    for down in range(3):
        for across in range(3):
            total = total + level[:, :, down : down + height - 2, across : across + width - 2]
    smooth = x.clone()
    # total / 13 to the nearest, in whole numbers.
    smooth[:, :, 1:-1, 1:-1] = ((2 * total + 13) // 26).to(torch.uint8)
    return _blended(smooth, x, factor)


def rotation(degrees: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(batch, 6) maps that turn images counter-clockwise around their middle."""
    rows = []
    for angle in degrees.tolist():
        turn = -math.radians(angle % 360.0)
        # 15 digits, as in Pillow: the cosine of 90 degrees is then exactly 0.
        c, s, back = round(math.cos(turn), 15), round(math.sin(turn), 15), round(-math.sin(turn), 15)
        x, y = -width / 2.0, -height / 2.0
        rows.append((c, s, c * x + s * y + width / 2.0, back, c, back * x + c * y + height / 2.0))
    return torch.tensor(rows, dtype=torch.float64, device=degrees.device).view(-1, 6)


def affine(values: dict[int, torch.Tensor]) -> torch.Tensor:
    """(batch, 6) maps that are the identity but for the entries given: 1 and 3 shear, 2 and 5 move."""
    given = next(iter(values.values()))
    found = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64, device=given.device).repeat(len(given), 1)
    for place, value in values.items():
        found[:, place] = value.double()
    return found


def moved(x: Levels, maps: torch.Tensor, nearest: bool = False, fill: int = 0) -> Levels:
    """Through one affine map an image, from places in the new image to places in the old; ``fill`` outside it.

    Args:
        x: Images.
        maps: (batch, 6) float64: old column = m0 * column + m1 * row + m2, old row = m3 * column + m4 * row + m5, with
            the middle of the first pixel at 0.5.
        nearest: Take the nearest pixel instead of the bilinear mean of four.
        fill: Level of what comes in.
    """
    height, width = x.shape[2:]
    row = torch.arange(height, dtype=torch.float64, device=x.device)[:, None] + 0.5
    column = torch.arange(width, dtype=torch.float64, device=x.device) + 0.5
    if nearest:
        # Pillow counts in 65,536ths of a pixel here, rounded map by map.
        fixed = (maps * 65536 + 0.5).floor().long()
        starts = [maps[:, i + 2] + maps[:, i] * 0.5 + maps[:, i + 1] * 0.5 for i in (0, 3)]
        whole_row, whole_column = (row - 0.5).long(), (column - 0.5).long()
        place = [
            (start * 65536 + 0.5).floor().long()[:, None, None]
            + fixed[:, i, None, None] * whole_column
            + fixed[:, i + 1, None, None] * whole_row
            for i, start in zip((0, 3), starts, strict=True)
        ]
        across, down = (p >> 16 for p in place)
        inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
        found: torch.Tensor = _at(x, down, across)
    else:
        m = maps[:, :, None, None]
        xs, ys = (m[:, i] * column + m[:, i + 1] * row + m[:, i + 2] for i in (0, 3))
        inside = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
        xs, ys = xs - 0.5, ys - 0.5
        left, top = xs.floor(), ys.floor()
        dx, dy = (xs - left)[:, None], (ys - top)[:, None]
        rows = []
        for down in (top, top + 1):
            first, second = (_at(x, down.long(), across.long()).double() for across in (left, left + 1))
            rows.append(first + (second - first) * dx)
        found = (rows[0] + (rows[1] - rows[0]) * dy).to(torch.uint8)
    return torch.where(inside[:, None], found, torch.full_like(found, fill))


def _at(x: Levels, down: torch.Tensor, across: torch.Tensor) -> Levels:
    """Levels at (batch, height, width) places, those outside taken at the edge."""
    n, c, height, width = x.shape
    place = down.clamp(0, height - 1) * width + across.clamp(0, width - 1)
    return x.flatten(2).gather(2, place.flatten(1)[:, None].expand(n, c, -1)).view(n, c, *down.shape[1:])

"""Resizing of image tensors with Pillow's filters, and to the bit as Pillow where the images have 8-bit levels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Plain = npt.NDArray[np.float64] | npt.NDArray[np.int64] | npt.NDArray[np.int32]

# Of 32 bits 8 are for the level and 2 for sums beyond it, as filters with negative lobes make them (Resample.c).
BITS = 22
"""Pillow's weights are whole numbers of units of 2^-22."""


def resample(images: torch.Tensor, height: int, width: int, kind: str) -> torch.Tensor:
    """(batch, channel, height, width) images in [0, 1], resized; differentiable.

    An image of which every value is an 8-bit level (``k / 255``) gives exactly the levels that Pillow, and so
    torchvision in a data loader, makes of the 8-bit image: weights in fixed point, and a rounding after each of the two
    passes. Other images are resized with the same weights without rounding, and cut off to [0, 1]. Which of the two
    applies is decided for each image alone, so that no answer depends on the batch. Gradients are those of the second.

    Args:
        images: (batch, channel, height, width) floats in [0, 1].
        height, width: Wanted, in pixels.
        kind: One of ``core.preparation.FILTERS``.
    """
    if tuple(images.shape[2:]) == (height, width):
        return images
    if kind == "nearest":
        rows, columns = (
            torch.from_numpy(_nearest(old, new)).to(images.device)
            for old, new in zip(images.shape[2:], (height, width), strict=True)
        )
        return images.index_select(2, rows).index_select(3, columns)
    with torch.no_grad():
        levels = images * 255
        whole = levels.round()
        # k / 255 in float32, times 255, is off by less than one part in 2^22
        exact = ((levels - whole).abs_() <= 1e-4).flatten(1).all(1)
    if torch.is_grad_enabled() and images.requires_grad:
        smooth = _passes(images, height, width, kind, _weighted).clamp(0, 1)
        if not bool(exact.any()):
            return smooth
        change = torch.zeros_like(smooth)
        change[exact] = _as_pillow(whole[exact], height, width, kind) - smooth.detach()[exact]
        # Pillow's values with the gradient of the smooth form: ``change`` is constant.
        return smooth + change
    if bool(exact.all()):
        return _as_pillow(whole, height, width, kind)
    made = images.new_empty(*images.shape[:2], height, width)
    made[exact] = _as_pillow(whole[exact], height, width, kind)
    made[~exact] = _passes(images[~exact], height, width, kind, _weighted).clamp_(0, 1)
    return made


Pass: TypeAlias = "Callable[[torch.Tensor, int, str], torch.Tensor]"


def _passes(x: torch.Tensor, height: int, width: int, kind: str, one: Pass) -> torch.Tensor:
    """Across and down, in Pillow's order; both as a pass over rows, which lie together in memory."""
    fewer_rows, fewer_columns = x.shape[2] - height, x.shape[3] - width
    # Pillow (from 13 on) works down first where that saves most of the work across
    down_first = fewer_rows > 0 and fewer_rows > 2 * fewer_columns
    for down in (down_first, not down_first):
        if down and x.shape[2] != height:
            x = one(x, height, kind)
        elif not down and x.shape[3] != width:
            x = one(x.transpose(2, 3).contiguous(), width, kind).transpose(2, 3).contiguous()
    return x


def _as_pillow(levels: torch.Tensor, height: int, width: int, kind: str) -> torch.Tensor:
    return _passes(levels.to(torch.int32), height, width, kind, _levelled).to(levels.dtype) / 255


def _weighted(x: torch.Tensor, size: int, kind: str) -> torch.Tensor:
    """Rows resized to ``size`` of them in the images' own type; the taps are added in a fixed order."""
    starts, weights = taps(x.shape[2], size, kind)
    total = _tap(x, starts, weights, 0)
    for number in range(1, weights.shape[1]):
        total = total + _tap(x, starts, weights, number)
    return total


def _levelled(x: torch.Tensor, size: int, kind: str) -> torch.Tensor:
    """Rows resized in whole numbers, rounded to a level."""
    starts, weights = taps(x.shape[2], size, kind)
    # To the nearest, halves away from 0, as in Pillow; np.rint takes halves to the even number.
    fixed = np.trunc(weights * (1 << BITS) + np.where(weights < 0, -0.5, 0.5)).astype(np.int32)
    # Half a level at the start makes the shift at the end round.
    total = _tap(x, starts, fixed, 0).add_(1 << (BITS - 1))
    for number in range(1, fixed.shape[1]):
        total += _tap(x, starts, fixed, number)
    return (total >> BITS).clamp_(0, 255)


def _tap(x: torch.Tensor, starts: Plain, weights: Plain, number: int) -> torch.Tensor:
    """The rows at one distance from each start, times their weights."""
    # Beyond a pixel's own count weights are 0; the row need only exist.
    rows = torch.from_numpy(np.minimum(starts + number, x.shape[2] - 1)).to(x.device)
    column = torch.from_numpy(np.ascontiguousarray(weights[:, number])).to(x.device, x.dtype)
    return x.index_select(2, rows) * column[:, None]


@functools.lru_cache(maxsize=64)
def taps(old: int, new: int, kind: str) -> tuple[Plain, Plain]:
    """For each of ``new`` pixels the first of ``old`` that it is made of, (new,) int64, and the weights, (new, most).

    Weights are float64, sum to 1 along each row and are 0 beyond a pixel's own count. Reducing widens the filter.
    """
    weigh, reach = KERNELS[kind]
    scale = old / new
    wide = max(scale, 1.0)
    support = reach * wide
    centres = (np.arange(new) + 0.5) * scale
    starts = np.maximum(np.trunc(centres - support + 0.5).astype(np.int64), 0)
    ends = np.minimum(np.trunc(centres + support + 0.5).astype(np.int64), old)
    places = starts[:, None] + np.arange(int((ends - starts).max()))
    inside = places < ends[:, None]
    # Times the inverse, as in Pillow: a division would differ in the last bit.
    values = np.vectorize(weigh, otypes=[np.float64])((places - centres[:, None] + 0.5) * (1 / wide))
    values = np.where(inside, values, 0.0)
    # Added one by one, as in Pillow; np.sum adds in another order.
    sums = np.cumsum(values, 1)[:, -1:]
    return starts, np.divide(values, sums, out=values, where=sums != 0)


@functools.lru_cache(maxsize=64)
def _nearest(old: int, new: int) -> Plain:
    """(new,) the pixels that are taken; their centres are added up one by one, as in Pillow."""
    scale = old / new
    steps = np.full(new, scale)
    steps[0] = scale * 0.5
    return np.minimum(np.cumsum(steps).astype(np.int64), old - 1)


def _bilinear(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _bicubic(x: float) -> float:
    # Pillow's a; OpenCV and torch without antialiasing have -0.75.
    x, a = abs(x), -0.5
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2.0 else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(x * math.pi) / (x * math.pi)


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


_HAMMING = (float(np.float32(0.54)), float(np.float32(0.46)))
"""In float32, as Pillow has them."""


def _hamming(x: float) -> float:
    x = abs(x)
    if x == 0:
        return 1.0
    return 0.0 if x >= 1.0 else _sinc(x) * (_HAMMING[0] + _HAMMING[1] * math.cos(x * math.pi))


def _box(x: float) -> float:
    # Half open, so that a pixel on the border of two counts once.
    return 1.0 if -0.5 < x <= 0.5 else 0.0


KERNELS: dict[str, tuple[Callable[[float], float], float]] = {
    "bilinear": (_bilinear, 1.0),
    "bicubic": (_bicubic, 2.0),
    "lanczos": (_lanczos, 3.0),
    "hamming": (_hamming, 1.0),
    "box": (_box, 0.5),
}
"""The weight of a pixel at a distance from the centre, and how far it reaches, both in pixels of the larger grid."""

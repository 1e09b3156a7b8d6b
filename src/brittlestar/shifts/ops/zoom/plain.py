"""Zooming into the centre with linear interpolation, as scipy.ndimage.zoom does after a central crop."""

from __future__ import annotations

import functools
import math
from typing import TypeAlias

import torch

Tap: TypeAlias = "tuple[torch.Tensor, torch.Tensor, torch.Tensor]"
"""For every output place: the two source places and the share of the second."""


@functools.lru_cache(maxsize=512)
def zoom_taps(size: int, factor: float) -> Tap:
    """Where each of ``size`` places of the enlarged centre comes from.

    The central ``ceil(size / factor)`` samples are enlarged to ``round(that * factor)``, ends on ends, and cut back to
    ``size`` around the centre.
    """
    start, cropped = centre(size, factor)
    # As scipy rounds the size that it zooms to.
    enlarged = round(cropped * factor)
    trimmed = (enlarged - size) // 2
    ratio = (cropped - 1) / (enlarged - 1) if enlarged > 1 else 1.0
    places = [(i + trimmed) * ratio for i in range(size)]
    first = torch.tensor([min(int(p), cropped - 1) + start for p in places])
    second = torch.tensor([min(int(p) + 1, cropped - 1) + start for p in places])
    return first, second, torch.tensor([p - int(p) for p in places], dtype=torch.float32)


def centre(size: int, factor: float) -> tuple[int, int]:
    """Start and length of the central part that fills ``size`` when enlarged."""
    # As `clipped_zoom` in the published code: rounded up, so that the enlarged part covers the image.
    length = math.ceil(size / factor)
    return (size - length) // 2, length


def enlarged(x: torch.Tensor, factor: float, height: int, width: int) -> torch.Tensor:
    """The central part (n, c, ``centre(height)``, ``centre(width)``) of a larger image, enlarged to (height, width)."""
    down, along = zoom_taps(height, factor), zoom_taps(width, factor)
    top, left = centre(height, factor)[0], centre(width, factor)[0]
    down, along = (down[0] - top, down[1] - top, down[2]), (along[0] - left, along[1] - left, along[2])
    return _across(_along(x, down), along)


def zoom_sum(x: torch.Tensor, factors: tuple[float, ...]) -> torch.Tensor:
    """``x`` plus its zoomed copies, added one after another."""
    out = x.clone()
    for factor in factors:
        out.add_(_across(_along(x, zoom_taps(x.shape[2], factor)), zoom_taps(x.shape[3], factor)))
    return out


def _along(x: torch.Tensor, tap: Tap) -> torch.Tensor:
    first, second, share = (t.to(x.device) for t in tap)
    share = share[:, None]
    return (x.index_select(2, first) * (1 - share)).add_(x.index_select(2, second).mul_(share))


def _across(x: torch.Tensor, tap: Tap) -> torch.Tensor:
    first, second, share = (t.to(x.device) for t in tap)
    return (x.index_select(3, first) * (1 - share)).add_(x.index_select(3, second).mul_(share))

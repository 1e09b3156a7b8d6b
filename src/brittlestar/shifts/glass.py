"""Glass blur: neighbours change places, as behind frosted glass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.blur import even
from brittlestar.shifts.ops.fast import kernels
from brittlestar.shifts.storage import truncated


def shuffle(x: Images, down: torch.Tensor, right: torch.Tensor, reach: int, exchange: bool) -> Images:
    """Go through the inner pixels from the last to the first; each takes the value of a neighbour.

    Args:
        x: (n, c, h, w).
        down, right: (n, iterations, h - 2 reach, w - 2 reach) int8 offsets in ``[-reach, reach - 1]``, of pixel
            ``(reach + 1 + i, reach + 1 + j)`` at ``[..., i, j]``; they see what pixels before them have done.
        reach: In pixels.
        exchange: The neighbour gets the pixel's value in return. Without it the neighbour keeps its own.
    """
    if (fast := kernels(x)) is not None:
        return fast.shuffle(x, down, right, reach, exchange)
    n, _, height, width = x.shape
    rows, columns = down.shape[2:]
    count = height * width
    top = torch.arange(reach + 1, reach + 1 + rows, device=x.device)[:, None]
    left = torch.arange(reach + 1, reach + 1 + columns, device=x.device)
    inner = (top * width + left).flatten()
    origin = torch.arange(count, device=x.device).repeat(n, 1)
    for turn in range(down.shape[1]):
        delta = (down[:, turn].to(torch.int64) * width + right[:, turn]).flatten(1)
        if exchange:
            _exchange(origin, inner, delta)
            continue
        source = inner + delta
        row, column = source // width, source % width
        taken = (row > reach) & (row < reach + 1 + rows) & (column > reach) & (column < reach + 1 + columns)
        # Nodes 0 .. count - 1 are pixels after the turn, count .. 2 count - 1 before it. A pixel points to its
        # neighbour's later state where that one has had its turn before; doubling the pointers finds the roots.
        pointer = torch.arange(count, 2 * count, device=x.device).repeat(n, 2)
        pointer[:, inner] = torch.where(taken & (delta > 0), source, source + count)
        for _ in range(count.bit_length()):
            pointer[:, :count] = pointer.gather(1, pointer[:, :count])
        origin = origin.gather(1, pointer[:, :count] - count)
    return x.flatten(2).gather(2, origin[:, None].expand(-1, x.shape[1], -1)).view_as(x)


def _exchange(origin: torch.Tensor, inner: torch.Tensor, delta: torch.Tensor) -> None:
    """Exchange pixel after pixel, all images at once, in place."""
    for place in range(len(inner) - 1, -1, -1):
        here = inner[place].expand(len(origin), 1)
        there = here + delta[:, place : place + 1]
        first, second = origin.gather(1, here), origin.gather(1, there)
        origin.scatter_(1, here, second)
        origin.scatter_(1, there, first)


@final
@dataclass(frozen=True, kw_only=True)
class GlassBlur(Shift):
    """Blur a little, let every pixel take the value of a random neighbour, and blur again.

    Fields:
        sigma: Standard deviation of both blurs in pixels; at least 0.
        reach: Neighbours lie up to this many pixels away; at least 1.
        iterations: How often every pixel has its turn.
        exchange: Pixels exchange their values, as the paper says. The published code means to, but copies: in numpy the
            exchange of two colour pixels loses one of them.
    """

    name: ClassVar[str] = "glass_blur"
    title: ClassVar[str] = "Glass blur"
    family: ClassVar[str] = "blur"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    strength: ClassVar[str | None] = "sigma"
    strength_unit: ClassVar[str] = "pixels"
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(sigma=(0.7, 0.9, 1.0, 1.1, 1.5), reach=(1, 2, 2, 3, 4), iterations=(2, 1, 3, 2, 2)),
        "imagenet-c-299": levels(sigma=(0.8, 1.0, 1.1, 1.2, 1.6), reach=(1, 3, 2, 4, 5), iterations=(3, 1, 4, 2, 2)),
        "cifar-c": levels(sigma=(0.05, 0.25, 0.4, 0.25, 0.4), reach=(1, 1, 1, 1, 1), iterations=(1, 1, 1, 2, 2)),
        "tiny-c": levels(sigma=(0.1, 0.5, 0.6, 0.7, 0.9), reach=(1, 1, 1, 2, 2), iterations=(1, 1, 2, 1, 2)),
    }

    sigma: float
    reach: int
    iterations: int = 1
    exchange: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 50, f"glass_blur.sigma must be in [0, 50] pixels, got {self.sigma}")
        for name, most in (("reach", 60), ("iterations", 20)):
            value = getattr(self, name)
            require(
                isinstance(value, int) and 1 <= value <= most,
                f"glass_blur.{name} must be a whole number from 1 to {most}, got {value}",
            )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        rows, columns = x.shape[2] - 2 * self.reach, x.shape[3] - 2 * self.reach
        blurred = truncated(even(x, self.sigma))
        if rows > 0 and columns > 0:
            if (fast := kernels(x)) is not None:
                shuffled = fast.glass(blurred, keys.words, self.reach, self.iterations, self.exchange)
                return even(shuffled, self.sigma)
            # 32 bits a pixel: its two halves, each scaled to 2 * reach values.
            draws = keys.bits32((self.iterations, rows, columns))
            down, right = (((half & 0xFFFF) * (2 * self.reach) >> 16) - self.reach for half in (draws, draws >> 16))
            blurred = shuffle(blurred, down.to(torch.int8), right.to(torch.int8), self.reach, self.exchange)
        return even(blurred, self.sigma)

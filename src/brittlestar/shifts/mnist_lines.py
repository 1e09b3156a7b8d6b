"""MNIST-C's lines: straight, dotted, zigzag, laid over grey images."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images
from brittlestar.shifts.mnist import SIDE, MnistShift

WIDTH = 2.3
"""Where a line's brightness, 1 + log(1 - distance / WIDTH), has fallen to nothing; in pixels of a 28-pixel image."""

Column: TypeAlias = "torch.Tensor"
"""(n, 1, 1) float64."""


def segment(height: int, width: int, c0: Column, r0: Column, c1: Column, r1: Column) -> torch.Tensor:
    """Straight strokes from (c0, r0) to (c1, r1), (n, height, width) float64 in [0, 1].

    Distances are vertical. Columns left of ``floor(c0)`` and from ``ceil(c1)`` on stay empty, and so does everything
    where the ends stand above each other. Places are those of a 28-pixel image, whatever the size.
    """
    rows = torch.arange(height, dtype=torch.float64, device=c0.device)[:, None] * (SIDE / height)
    columns = torch.arange(width, dtype=torch.float64, device=c0.device) * (SIDE / width)
    run = c1 - c0
    # Strokes without a run are blanked below; dividing by 1 only keeps NaN out of them.
    slope = (r1 - r0) / torch.where(run == 0, 1.0, run)
    # Cut off just below WIDTH, as published, so that the logarithm never meets 0.
    distance = (rows - (slope * (columns - c0) + r0)).abs_().clamp_(max=WIDTH - 1e-10)
    drawn = (torch.log(1 - distance / WIDTH) + 1).clamp_(0, 1)
    return drawn * ((columns >= c0.floor()) & (columns < c1.ceil()) & (run != 0))


@dataclass(frozen=True, kw_only=True)
class Lines(MnistShift):
    """Strokes that are added to the image."""

    random: ClassVar[bool] = True

    @abstractmethod
    def _strokes(self, height: int, width: int, keys: SampleKeys) -> list[torch.Tensor]:
        """Strokes (n, height, width), added and cut off one after another."""

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        y = x[:, 0].to(torch.float64)
        for stroke in self._strokes(x.shape[2], x.shape[3], keys):
            y = (y + stroke).clamp_(0, 1)
        return y[:, None].to(torch.float32)


def _whole(keys: SampleKeys, what: str, low: int, high: int) -> Column:
    return keys.stream(what).integers((1, 1), low, high).to(torch.float64)


@final
@dataclass(frozen=True, kw_only=True)
class StraightLine(Lines):
    """A line across the image, from the left fifth to the right one."""

    name: ClassVar[str] = "mnist_line"
    title: ClassVar[str] = "Line"

    def _strokes(self, height: int, width: int, keys: SampleKeys) -> list[torch.Tensor]:
        # Upper ends are left out, as by numpy's randint in the published code.
        c0, c1 = _whole(keys, "start", 0, 5), _whole(keys, "end", 22, 27)
        return [segment(height, width, c0, _whole(keys, "left", 0, 27), c1, _whole(keys, "right", 0, 27))]


@final
@dataclass(frozen=True, kw_only=True)
class DottedLine(Lines):
    """A line from edge to edge whose first, third, fifth ... pair of columns is left out."""

    name: ClassVar[str] = "mnist_dotted_line"
    title: ClassVar[str] = "Dotted line"

    def _strokes(self, height: int, width: int, keys: SampleKeys) -> list[torch.Tensor]:
        left, right = _whole(keys, "left", 0, 27), _whole(keys, "right", 0, 27)
        whole = segment(height, width, torch.zeros_like(left), left, torch.full_like(left, 27.0), right)
        column = torch.arange(width, device=left.device) * SIDE // width
        return [whole * (column // 2 % 2 == 1)]


@final
@dataclass(frozen=True, kw_only=True)
class Zigzag(Lines):
    """A zigzag across the image along a line of random height and slight slope."""

    name: ClassVar[str] = "mnist_zigzag"
    title: ClassVar[str] = "Zigzag"

    def _strokes(self, height: int, width: int, keys: SampleKeys) -> list[torch.Tensor]:
        # The published constants: a = b = 2, from column 2 to column 25.
        reach, start, run = 2.0, 2.0, 23.0
        left, rise = _whole(keys, "left", 0, 27), _whole(keys, "rise", -5, 5)
        length = (run * run + rise * rise).sqrt()
        cosine, sine = run / length, rise / length
        # Along the line and across it: teeth every 2 * reach, then a shorter one to the end. Lengths are 23 to 23.6.
        teeth = int((run - reach) // (2 * reach)) + 1
        points = [(torch.zeros_like(left), torch.zeros_like(left))]
        for tooth in range(teeth):
            across = reach if tooth % 2 == 0 else -reach
            points.append((torch.full_like(left, (2 * tooth + 1) * reach), torch.full_like(left, across)))
        last = reach if teeth % 2 else -reach
        # The published formula; the last tooth does not simply end on the line.
        points.append((length, last / (2 * (length - 2 * reach * (run // (2 * reach))))))
        turned = [(u * cosine - v * sine + start, u * sine + v * cosine + left) for u, v in points]
        return [segment(height, width, *first, *second) for first, second in itertools.pairwise(turned)]

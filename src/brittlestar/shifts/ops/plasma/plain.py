"""Clouds by the diamond-square method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

from brittlestar.core.keys import SampleKeys

FIRST_WOBBLE = 100.0
"""``w`` of the coarsest draws, from the ImageNet-C code."""

Draw: TypeAlias = "Callable[[int, int], torch.Tensor]"


def plasma(words: torch.Tensor, size: int, decay: float) -> torch.Tensor:
    """``clouds`` whose draws come from keys.

    Args:
        words: (n, ``blocks(size)``) int64: the words of a sample's keys, one for each block of draws.
        size, decay: See ``clouds``.
    """
    keys = (SampleKeys(word) for word in words.unbind(1))
    return clouds(size, decay, lambda rows, columns: next(keys).uniform((rows, columns), -1.0, 1.0))


def blocks(size: int) -> int:
    """How many blocks of draws a cloud of that side takes: three at every halving."""
    return 3 * (size.bit_length() - 1)


def clouds(size: int, decay: float, draw: Draw) -> torch.Tensor:
    """Clouds by the diamond-square method on a torus, (n, size, size), each scaled to [0, 1].

    As in the ImageNet-C code, a new point is the mean of its four neighbours plus ``w * u`` with ``u`` uniform in
    ``[-w, w]``, so the amplitude is ``w`` squared; ``w`` starts at ``FIRST_WOBBLE`` and is divided by ``decay`` at
    every halving.

    Args:
        size: A power of two.
        decay: Above 1; larger is smoother.
        draw: Gives (n, rows, columns) uniform numbers in [-1, 1]; asked, at every halving, for the centres of the
            squares, then for the two sets of diamonds.
    """
    heights = unscaled_clouds(size, decay, draw)
    low, high = heights.amin((1, 2), keepdim=True), heights.amax((1, 2), keepdim=True)
    return (heights - low).div_(high - low)


def unscaled_clouds(size: int, decay: float, draw: Draw) -> torch.Tensor:
    """``clouds`` before they are scaled.

    Every halving makes a denser grid from a whole coarser one, instead of filling the gaps of the final one as the
    ImageNet-C code does: values are the same, and memory is read and written in order.
    """
    corners, wobble = torch.empty(0), FIRST_WOBBLE
    for side in (1 << halving for halving in range(size.bit_length() - 1)):
        amplitude = wobble * wobble
        squares = draw(side, side).mul(amplitude)
        if side == 1:
            corners = torch.zeros_like(squares)
        right, below = corners.roll(-1, 2), corners.roll(-1, 1)
        across = corners + below
        centres = (across + across.roll(-1, 2)).mul_(0.25).add_(squares)
        denser = centres.new_empty(len(centres), side, 2, side, 2)
        denser[:, :, 0, :, 0], denser[:, :, 1, :, 1] = corners, centres
        along = (centres + centres.roll(1, 1)).add_(corners).add_(right).mul_(0.25)
        denser[:, :, 0, :, 1] = along.add_(draw(side, side).mul(amplitude))
        down = (centres + centres.roll(1, 2)).add_(corners).add_(below).mul_(0.25)
        denser[:, :, 1, :, 0] = down.add_(draw(side, side).mul(amplitude))
        corners, wobble = denser.view(len(centres), 2 * side, 2 * side), wobble / decay
    return corners

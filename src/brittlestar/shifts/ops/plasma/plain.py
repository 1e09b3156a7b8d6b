"""Clouds by the diamond-square method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

from brittlestar.core.keys import SampleKeys

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
    ``[-w, w]``, so the amplitude is ``w`` squared; ``w`` starts at 100 and is divided by ``decay`` at every halving.

    Args:
        size: A power of two.
        decay: Above 1; larger is smoother.
        draw: Gives (n, rows, columns) uniform numbers in [-1, 1]; asked, at every halving, for the centres of the
            squares, then for the two sets of diamonds.
    """
    step, wobble = size, 100.0
    cloud = torch.empty(0)
    while step >= 2:
        half, count = step // 2, size // step
        amplitude = wobble * wobble
        squares = draw(count, count)
        if cloud.numel() == 0:
            cloud = squares.new_zeros(len(squares), size, size)
        corners = cloud[:, ::step, ::step]
        across = corners + corners.roll(-1, 1)
        centres = (across + across.roll(-1, 2)) * 0.25 + amplitude * squares
        cloud[:, half::step, half::step] = centres
        right = centres + centres.roll(1, 1) + corners + corners.roll(-1, 2)
        cloud[:, ::step, half::step] = right * 0.25 + amplitude * draw(count, count)
        down = centres + centres.roll(1, 2) + corners + corners.roll(-1, 1)
        cloud[:, half::step, ::step] = down * 0.25 + amplitude * draw(count, count)
        step, wobble = half, wobble / decay
    low, high = cloud.amin((1, 2), keepdim=True), cloud.amax((1, 2), keepdim=True)
    return (cloud - low) / (high - low)

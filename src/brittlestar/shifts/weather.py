"""Weather: things between the camera and the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, check_finite, levels
from brittlestar.shifts.ops.fast import kernels

Draw: TypeAlias = "Callable[[int, int], torch.Tensor]"


def plasma(size: int, decay: float, draw: Draw) -> torch.Tensor:
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


@final
@dataclass(frozen=True, kw_only=True)
class Fog(Shift):
    """Add a cloud that is the same in all channels, then scale back to the image's own maximum.

    ``(x + amount * cloud) * m / (m + amount)``, ``m`` the clean image's maximum; the cloud is ``plasma`` at the next
    power of two, cut to the image. Mostly low frequencies: what adversarial training is known to hurt.

    Fields:
        amount: Thickness; above 0.
        decay: Smoothness of the cloud; above 1.
        map_size: Side of the cloud's square, a power of two that holds the image; 0 takes the smallest one.
    """

    name: ClassVar[str] = "fog"
    title: ClassVar[str] = "Fog"
    family: ClassVar[str] = "weather"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    strength: ClassVar[str | None] = "amount"
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(amount=(1.5, 2.0, 2.5, 2.5, 3.0), decay=(2.0, 2.0, 1.7, 1.5, 1.4)),
        "imagenet-c-299": levels(amount=(1.5, 2.0, 2.5, 2.5, 3.0), decay=(2.0, 2.0, 1.8, 1.6, 1.5)),
        "cifar-c": levels(amount=(0.2, 0.5, 0.75, 1.0, 1.5), decay=(3.0, 3.0, 2.5, 2.0, 1.75)),
        "tiny-c": levels(amount=(0.4, 0.7, 1.0, 1.5, 2.0), decay=(3.0, 3.0, 2.5, 2.0, 1.75)),
    }

    amount: float
    decay: float
    map_size: int = 0

    def __post_init__(self) -> None:
        check_finite(self.name, amount=self.amount, decay=self.decay)
        require(self.amount > 0, f"fog.amount must be above 0, got {self.amount}")
        require(self.decay > 1, f"fog.decay must be above 1, got {self.decay}")
        require(
            isinstance(self.map_size, int) and 0 <= self.map_size <= 8192 and self.map_size & (self.map_size - 1) == 0,
            f"fog.map_size must be 0 or a power of two up to 8192, got {self.map_size}",
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        size = max(self.map_size, 1 << (max(height, width) - 1).bit_length())
        blocks = iter([keys.stream("cloud", number) for number in range(3 * (size.bit_length() - 1))])
        if (fast := kernels(x)) is not None:
            words = torch.stack([block.words for block in blocks], 1)
            cloud = fast.plasma(words, size, self.decay)
        else:
            cloud = plasma(size, self.decay, lambda rows, columns: next(blocks).uniform((rows, columns), -1.0, 1.0))
        cloud = cloud[:, None, :height, :width]
        most = x.amax((1, 2, 3), keepdim=True)
        return (x + self.amount * cloud) * (most / (most + self.amount))

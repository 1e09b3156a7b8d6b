"""Weather: things between the camera and the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import plasma
from brittlestar.shifts.ops.plasma.plain import blocks


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
        require(self.amount > 0, f"fog.amount must be above 0, got {self.amount}")
        require(self.decay > 1, f"fog.decay must be above 1, got {self.decay}")
        require(
            isinstance(self.map_size, int) and 0 <= self.map_size <= 8192 and self.map_size & (self.map_size - 1) == 0,
            f"fog.map_size must be 0 or a power of two up to 8192, got {self.map_size}",
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        size = max(self.map_size, 1 << (max(height, width) - 1).bit_length())
        words = torch.stack([keys.stream("cloud", number).words for number in range(blocks(size))], 1)
        cloud = plasma(words, size, self.decay)[:, None, :height, :width]
        # One maximum over all channels, of the clean image: as published.
        most = x.amax((1, 2, 3), keepdim=True)
        return (x + self.amount * cloud) * (most / (most + self.amount))

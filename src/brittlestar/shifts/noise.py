"""Noise: independent changes of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels

_HENDRYCKS = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"


@final
@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Shift):
    """Add independent normal noise to every pixel and channel: ``x + sigma * z``.

    Fields:
        sigma: Standard deviation in units of the value range; at least 0.
    """

    name: ClassVar[str] = "gaussian_noise"
    title: ClassVar[str] = "Gaussian noise"
    family: ClassVar[str] = "noise"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "sigma"
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(sigma=(0.08, 0.12, 0.18, 0.26, 0.38)),
        "cifar-c": levels(sigma=(0.04, 0.06, 0.08, 0.09, 0.10)),
        "tiny-c": levels(sigma=(0.04, 0.08, 0.12, 0.15, 0.18)),
    }

    sigma: float

    def __post_init__(self) -> None:
        require(self.sigma >= 0, f"gaussian_noise.sigma must be at least 0, got {self.sigma}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return keys.normal(x.shape[1:]).mul_(self.sigma).add_(x)

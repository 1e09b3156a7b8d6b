"""Noise: independent changes of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import impulse_noise, normal_noise, shot_noise
from brittlestar.shifts.ops.noise.plain import impulses

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
        "imagenet-c-299": levels(sigma=(0.09, 0.13, 0.19, 0.27, 0.4)),
        "cifar-c": levels(sigma=(0.04, 0.06, 0.08, 0.09, 0.10)),
        "tiny-c": levels(sigma=(0.04, 0.08, 0.12, 0.15, 0.18)),
    }

    sigma: float

    def __post_init__(self) -> None:
        require(self.sigma >= 0, f"gaussian_noise.sigma must be at least 0, got {self.sigma}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return normal_noise(x, keys, self.sigma, False)


@final
@dataclass(frozen=True, kw_only=True)
class ShotNoise(Shift):
    """Replace every value by a Poisson count of photons: ``Poisson(photons * x) / photons``.

    Fields:
        photons: Mean count at full brightness; fewer is noisier; above 0.
    """

    name: ClassVar[str] = "shot_noise"
    title: ClassVar[str] = "Shot noise"
    family: ClassVar[str] = "noise"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "photons"
    rising: ClassVar[bool] = False
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(photons=(60.0, 25.0, 12.0, 5.0, 3.0)),
        "imagenet-c-299": levels(photons=(50.0, 20.0, 10.0, 5.0, 3.0)),
        "cifar-c": levels(photons=(500.0, 250.0, 100.0, 75.0, 50.0)),
        "tiny-c": levels(photons=(250.0, 100.0, 50.0, 30.0, 15.0)),
    }

    photons: float

    def __post_init__(self) -> None:
        # The limit of `SampleKeys.poisson`, whose tables grow with the rate.
        require(0 < self.photons <= 10_000, f"shot_noise.photons must be in (0, 10000], got {self.photons}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return shot_noise(x, keys, self.photons)


@final
@dataclass(frozen=True, kw_only=True)
class ImpulseNoise(Shift):
    """Set values to 0 or 1 (equally likely), each pixel and channel on its own.

    Fields:
        amount: Share of values that are replaced; in [0, 1].
    """

    name: ClassVar[str] = "impulse_noise"
    title: ClassVar[str] = "Impulse noise"
    family: ClassVar[str] = "noise"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "amount"
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(amount=(0.03, 0.06, 0.09, 0.17, 0.27)),
        "imagenet-c-299": levels(amount=(0.04, 0.07, 0.1, 0.18, 0.28)),
        "cifar-c": levels(amount=(0.01, 0.02, 0.03, 0.05, 0.07)),
        "tiny-c": levels(amount=(0.01, 0.02, 0.05, 0.08, 0.14)),
    }

    amount: float

    def __post_init__(self) -> None:
        require(0 <= self.amount <= 1, f"impulse_noise.amount must be in [0, 1], got {self.amount}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        # Half of the amount at either end of 65,536 equally likely draws.
        return impulse_noise(x, keys, round(self.amount * 32768))


@final
@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Shift):
    """Set whole pixels to black or white (equally likely); all channels of a pixel together.

    Fields:
        amount: Share of pixels that are replaced; in [0, 1].
    """

    name: ClassVar[str] = "salt_and_pepper"
    title: ClassVar[str] = "Salt and pepper"
    family: ClassVar[str] = "noise"
    paper: ClassVar[str] = "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750"
    strength: ClassVar[str | None] = "amount"
    random: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        require(0 <= self.amount <= 1, f"salt_and_pepper.amount must be in [0, 1], got {self.amount}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        # One draw for all channels; half of the amount at either end of 65,536.
        return impulses(x, keys.bits16((1, *x.shape[2:])), round(self.amount * 32768))


@final
@dataclass(frozen=True, kw_only=True)
class SpeckleNoise(Shift):
    """Add normal noise in proportion to the value: ``x + sigma * x * z``.

    Fields:
        sigma: Standard deviation relative to the value; at least 0.
    """

    name: ClassVar[str] = "speckle_noise"
    title: ClassVar[str] = "Speckle noise"
    family: ClassVar[str] = "noise"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "sigma"
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(sigma=(0.15, 0.2, 0.35, 0.45, 0.6)),
        "imagenet-c-299": levels(sigma=(0.16, 0.21, 0.36, 0.46, 0.61)),
        "cifar-c": levels(sigma=(0.06, 0.1, 0.12, 0.16, 0.2)),
        "tiny-c": levels(sigma=(0.15, 0.2, 0.25, 0.3, 0.35)),
    }

    sigma: float

    def __post_init__(self) -> None:
        require(self.sigma >= 0, f"speckle_noise.sigma must be at least 0, got {self.sigma}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return normal_noise(x, keys, self.sigma, True)


@final
@dataclass(frozen=True, kw_only=True)
class UniformNoise(Shift):
    """Add noise that is uniform in ``[-half_width, half_width]`` to every pixel and channel.

    Fields:
        half_width: In units of the value range; at least 0.
    """

    name: ClassVar[str] = "uniform_noise"
    title: ClassVar[str] = "Uniform noise"
    family: ClassVar[str] = "noise"
    paper: ClassVar[str] = "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750"
    strength: ClassVar[str | None] = "half_width"
    random: ClassVar[bool] = True

    half_width: float

    def __post_init__(self) -> None:
        require(self.half_width >= 0, f"uniform_noise.half_width must be at least 0, got {self.half_width}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return keys.uniform(x.shape[1:], -self.half_width, self.half_width).add_(x)

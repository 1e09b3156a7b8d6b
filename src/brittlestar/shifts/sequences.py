"""ImageNet-P's photometric sequences: noise, blur, weather, brightness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images
from brittlestar.shifts.colour import Brightness
from brittlestar.shifts.noise import GaussianNoise, ShotNoise, SpeckleNoise
from brittlestar.shifts.ops.dispatch import gaussian, motion_blur, snowed
from brittlestar.shifts.ops.zoom.plain import centre
from brittlestar.shifts.sequence_base import Harder, Sequence, Tables
from brittlestar.shifts.snow import snow_layer
from brittlestar.shifts.spatter import WATER, coloured, drops, water


@dataclass(frozen=True, kw_only=True)
class NoiseSequence(Sequence):
    """The clean image, then the image with fresh noise in every frame."""

    compare: str = "first"

    def _noise(self) -> GaussianNoise | ShotNoise | SpeckleNoise:
        raise NotImplementedError

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        x, noise = self.cropped(x), self._noise()
        yield x
        for frame in range(1, self.count):
            yield noise.compute(x, keys.stream("frame", frame))


@final
@dataclass(frozen=True, kw_only=True)
class GaussianNoiseSequence(NoiseSequence):
    """Frames with independent Gaussian noise of standard deviation ``sigma``; the first is clean."""

    name: ClassVar[str] = "gaussian_noise"
    title: ClassVar[str] = "Gaussian noise"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"sigma": 0.03},
        "imagenet-p-299": {"sigma": 0.035},
        "tiny-p": {"sigma": 0.025},
        "cifar-p": {"sigma": 0.02},
    }
    harder: ClassVar[Harder] = {
        "imagenet-p": ({"sigma": 0.05}, {"sigma": 0.08}),
        "imagenet-p-299": ({"sigma": 0.055}, {"sigma": 0.085}),
        "tiny-p": ({"sigma": 0.05}, {"sigma": 0.075}),
        "cifar-p": ({"sigma": 0.04}, {"sigma": 0.06}),
    }

    sigma: float

    def _noise(self) -> GaussianNoise:
        return GaussianNoise(sigma=self.sigma)


@final
@dataclass(frozen=True, kw_only=True)
class ShotNoiseSequence(NoiseSequence):
    """Frames with independent Poisson noise of ``photons`` at full brightness; the first is clean."""

    name: ClassVar[str] = "shot_noise"
    title: ClassVar[str] = "Shot noise"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"photons": 300.0},
        "imagenet-p-299": {"photons": 250.0},
        "tiny-p": {"photons": 500.0},
        "cifar-p": {"photons": 700.0},
    }
    harder: ClassVar[Harder] = {
        "imagenet-p": ({"photons": 120.0}, {"photons": 60.0}),
        "imagenet-p-299": ({"photons": 100.0}, {"photons": 50.0}),
        "tiny-p": ({"photons": 250.0}, {"photons": 125.0}),
        "cifar-p": ({"photons": 400.0}, {"photons": 200.0}),
    }

    photons: float

    def _noise(self) -> ShotNoise:
        return ShotNoise(photons=self.photons)


@final
@dataclass(frozen=True, kw_only=True)
class SpeckleNoiseSequence(NoiseSequence):
    """Frames with independent speckle noise of relative ``sigma``; the first is clean."""

    name: ClassVar[str] = "speckle_noise"
    title: ClassVar[str] = "Speckle noise"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"sigma": 0.05},
        "imagenet-p-299": {"sigma": 0.06},
        "tiny-p": {"sigma": 0.05},
        "cifar-p": {"sigma": 0.05},
    }
    harder: ClassVar[Harder] = {
        "imagenet-p": ({"sigma": 0.1}, {"sigma": 0.15}),
        "imagenet-p-299": ({"sigma": 0.11}, {"sigma": 0.16}),
        "tiny-p": ({"sigma": 0.1}, {"sigma": 0.15}),
        "cifar-p": ({"sigma": 0.07}, {"sigma": 0.1}),
    }

    sigma: float

    def _noise(self) -> SpeckleNoise:
        return SpeckleNoise(sigma=self.sigma)


@final
@dataclass(frozen=True, kw_only=True)
class MotionBlurSequence(Sequence):
    """Motion blur whose direction turns by ``step`` degrees a frame and ends at 0."""

    name: ClassVar[str] = "motion_blur"
    title: ClassVar[str] = "Motion blur"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"radius": 10, "sigma": 3.0, "step": 4.0},
        "imagenet-p-299": {"radius": 13, "sigma": 3.0, "step": 4.0},
        "tiny-p": {"radius": 14, "sigma": 3.0, "step": 5.0},
        "cifar-p": {"radius": 6, "sigma": 1.8, "step": 9.0, "count": 21},
    }

    radius: int
    sigma: float
    step: float

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        x = self.cropped(x)
        for frame in range(self.count):
            degrees = torch.full((len(x),), self.step * (frame - self.count + 1))
            yield motion_blur(x, self.radius, self.sigma, degrees)


@final
@dataclass(frozen=True, kw_only=True)
class SnowSequence(Sequence):
    """One layer of snow whose smear turns by 4 degrees a frame, from -150; fields as of the shift ``snow``."""

    name: ClassVar[str] = "snow"
    title: ClassVar[str] = "Snow"
    tables: ClassVar[Tables] = {
        "imagenet-p": {},
        "imagenet-p-299": {},
        "tiny-p": {"scale": 0.28, "zoom": 2.0, "radius": 10, "sigma": 2.5},
        "cifar-p": {"zoom": 2.0, "radius": 10, "sigma": 2.0},
    }

    loc: float = 0.05
    scale: float = 0.3
    zoom: float = 3.0
    threshold: float = 0.5
    radius: int = 14
    sigma: float = 4.0
    mix: float = 0.85

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        x = self.cropped(x)
        height, width = x.shape[2:]
        # Only the part that the zoom will show is drawn.
        rows, columns = centre(height, self.zoom)[1], centre(width, self.zoom)[1]
        flakes = keys.normal((1, rows, columns)).mul_(self.scale).add_(self.loc)
        for frame in range(self.count):
            degrees = torch.full((len(x),), 4.0 * frame - 150.0)
            layer = snow_layer(flakes, self.zoom, self.threshold, self.radius, self.sigma, degrees, (height, width))
            yield snowed(x, layer, self.mix)


@final
@dataclass(frozen=True, kw_only=True)
class BrightnessSequence(Sequence):
    """Brightness that rises by ``step`` a frame; the middle frame is the image."""

    name: ClassVar[str] = "brightness"
    title: ClassVar[str] = "Brightness"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"step": 0.02},
        "imagenet-p-299": {"step": 0.02},
        "tiny-p": {"step": 0.02},
        "cifar-p": {"step": 0.015},
    }

    step: float

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        x = self.cropped(x)
        for frame in range(self.count):
            # The nearest float to the decimal, as (i - 15) * 2 / 100 is in the published code:
            # its last bit decides which whole levels are lost.
            offset = round((frame - self.count // 2) * self.step, 10)
            # Long sequences would leave the range that `Brightness` allows.
            yield Brightness(offset=max(-1.0, min(1.0, offset))).compute(x, keys)


@final
@dataclass(frozen=True, kw_only=True)
class GaussianBlurSequence(Sequence):
    """Gaussian blur of ``start + step * frame`` pixels, cut off at ``truncate`` standard deviations."""

    name: ClassVar[str] = "gaussian_blur"
    title: ClassVar[str] = "Gaussian blur"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"start": 0.25, "step": 0.035, "truncate": 6.0},
        "imagenet-p-299": {"start": 0.35, "step": 0.035, "truncate": 6.0},
        "tiny-p": {"start": 0.35, "step": 0.014, "truncate": 7.0},
        "cifar-p": {"start": 0.3, "step": 0.015, "truncate": 7.0},
    }

    start: float
    step: float
    truncate: float

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        x = self.cropped(x)
        for frame in range(self.count):
            yield gaussian(x, self.start + self.step * frame, self.truncate)


@final
@dataclass(frozen=True, kw_only=True)
class SpatterSequence(Sequence):
    """Water that runs down the lens: before each next frame every column of drops is smeared downwards.

    Fields:
        loc, scale, sigma, threshold, intensity: As of the shift ``spatter``.
        smear: Weights of a column's convolution, as numpy's ``same`` mode places them.
        dry_is_black: A frame without a drop left is black: the published code divides 0 by 0 there. Switched off, it
            is the image.
    """

    name: ClassVar[str] = "spatter"
    title: ClassVar[str] = "Spatter"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"loc": 0.65, "scale": 0.27, "sigma": 3.7, "threshold": 0.69},
        "imagenet-p-299": {"loc": 0.65, "scale": 0.3, "sigma": 4.0, "threshold": 0.69},
        "tiny-p": {"loc": 0.6, "scale": 0.25, "sigma": 1.75, "threshold": 0.7, "smear": (0.2, 0.8)},
        "cifar-p": {"loc": 0.6, "scale": 0.265, "sigma": 1.75, "threshold": 0.7, "smear": (0.2, 0.8)},
    }

    loc: float
    scale: float
    sigma: float
    threshold: float
    intensity: float = 0.6
    smear: tuple[float, ...] = (0.05, 0.1, 0.15, 0.7)
    dry_is_black: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= len(self.smear) <= 8, f"spatter.smear must have 1 to 8 weights, got {len(self.smear)}")

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        x = self.cropped(x)
        field = keys.normal((1, *x.shape[2:])).mul_(self.scale).add_(self.loc)
        yield from self.running(x, drops(field, self.sigma, self.threshold))

    def running(self, x: Images, wetness: torch.Tensor) -> Iterator[Images]:
        """The frames of (n, c, h, w) images with (n, 1, h, w) drops of their own."""
        for _ in range(self.count):
            share = water(wetness, 1.0)
            frame = x + coloured(share * self.intensity, WATER, x.shape[1])
            yield frame * share.any(dim=(1, 2, 3), keepdim=True) if self.dry_is_black else frame
            wetness = self._run(wetness)

    def _run(self, wetness: torch.Tensor) -> torch.Tensor:
        height = wetness.shape[2]
        # Where numpy's `same` mode begins; weights run backwards, as in any convolution.
        ahead = (len(self.smear) - 1) // 2
        wide = torch.nn.functional.pad(wetness, (0, 0, len(self.smear), len(self.smear)))
        out = torch.zeros_like(wetness)
        for place, weight in enumerate(self.smear):
            start = len(self.smear) + ahead - place
            out.add_(wide[:, :, start : start + height] * weight)
        return out

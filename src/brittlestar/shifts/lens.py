"""Lens: what focus and a moving camera do."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import fallen, motion_blur, small_disk, symmetric_correlate, zoom_sum
from brittlestar.shifts.ops.rounding.plain import SHORT

_HENDRYCKS = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
_GRID = 8
"""Disks up to this radius are drawn on a grid of this half width and smoothed by 3 x 3, larger ones by 5 x 5."""

_SMALL = 3
"""Kernels of up to this half width, centre included, are applied in float64: few weights make many whole levels."""


def disk(radius: float, alias: float, renormalise: bool = False) -> npt.NDArray[np.float32]:
    """(2 k + 1, 2 k + 1) weights of a disk with softened edge, as in the ImageNet-C code.

    The softening mirrors at the grid's border, so disks that touch it (radius 8 and 10) sum to more than 1. It is made
    in float32 with fused multiplications and additions, across and then down, as by OpenCV there: the last bits decide
    on which side of 1 the sum of the other disks lies, and so whether even areas lose a level.

    Args:
        radius: In pixels.
        alias: Standard deviation of the softening in pixels; above 0.
        renormalise: Make the weights sum to 1.
    """
    reach, half = (_GRID, 1) if radius <= _GRID else (int(np.ceil(radius)), 2)
    place = np.arange(-reach, reach + 1)
    weights = (place[:, None] ** 2 + place**2 <= radius**2).astype(np.float32)
    weights /= weights.sum()
    line = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * alias**2))
    # OpenCV's weights are float32. Their products are exact in float64, so that a step rounds as a fused one.
    line = (line / line.sum()).astype(np.float32).astype(np.float64)
    for axis in (1, 0):
        wide = np.pad(weights, [(half, half) if a == axis else (0, 0) for a in (0, 1)], mode="reflect")
        shifted = [np.take(wide, place + reach + i, axis) for i in range(2 * half + 1)]
        weights = (line[half] * shifted[half].astype(np.float64)).astype(np.float32)
        for i in range(1, half + 1):
            pair = (shifted[half - i] + shifted[half + i]).astype(np.float64)
            weights = (weights + line[half + i] * pair).astype(np.float32)
    return weights / weights.sum() if renormalise else weights


@functools.lru_cache(maxsize=64)
def disk_quarter(radius: float, alias: float, renormalise: bool) -> tuple[tuple[float, ...], ...]:
    """The disk's weights from the centre outwards, rows and columns without weight left out."""
    weights = disk(radius, alias, renormalise)
    quarter = weights[len(weights) // 2 :, len(weights) // 2 :]
    used = int(np.flatnonzero(quarter.any(1)).max()) + 1
    return tuple(tuple(float(w) for w in row[:used]) for row in quarter[:used])


@functools.lru_cache(maxsize=64)
def _falls_short(quarter: tuple[tuple[float, ...], ...]) -> bool:
    """Whether the weights sum to a little less than 1, so that the published code's even areas lose a level."""
    doubled = [[w * (2 if column else 1) for column, w in enumerate(row)] for row in quarter]
    # A sum farther from 1 is not due to rounding.
    return 1 - 1e-6 < sum(sum(row) * (2 if place else 1) for place, row in enumerate(doubled)) < 1


@final
@dataclass(frozen=True, kw_only=True)
class DefocusBlur(Shift):
    """Convolve with a disk, as a lens out of focus does; edges are mirrored without repeating them.

    Fields:
        radius: Of the disk in pixels.
        alias: Standard deviation in pixels by which the disk's edge is softened.
        renormalise: Make the kernel sum to 1. The published code does not: its disks of radius 8 and 10 sum to 1.013
            and 1.011, so severities 4 and 5 brighten a little.
    """

    name: ClassVar[str] = "defocus_blur"
    # 1 lost other levels in even areas; rows of it are not used again.
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Defocus blur"
    family: ClassVar[str] = "blur"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "radius"
    strength_unit: ClassVar[str] = "pixels"
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(radius=(3.0, 4.0, 6.0, 8.0, 10.0), alias=(0.1, 0.5, 0.5, 0.5, 0.5)),
        "imagenet-c-299": levels(radius=(4.0, 5.0, 7.0, 10.0, 12.0), alias=(0.1, 0.5, 0.5, 0.5, 0.5)),
        "cifar-c": levels(radius=(0.3, 0.4, 0.5, 1.0, 1.5), alias=(0.4, 0.5, 0.6, 0.2, 0.1)),
        "tiny-c": levels(radius=(0.5, 1.0, 1.5, 2.5, 3.0), alias=(0.6, 0.1, 0.1, 0.01, 0.1)),
    }

    radius: float
    alias: float = 0.5
    renormalise: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.radius <= 100, f"defocus_blur.radius must be in [0, 100] pixels, got {self.radius}")
        require(0 < self.alias <= 10, f"defocus_blur.alias must be in (0, 10] pixels, got {self.alias}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        quarter = disk_quarter(self.radius, self.alias, self.renormalise)
        if len(quarter) <= _SMALL:
            return small_disk(x, quarter)
        blurred = symmetric_correlate(x, quarter)
        # From every value: it makes a difference at whole levels only.
        return blurred.sub_(SHORT / 255) if _falls_short(quarter) else blurred


@functools.lru_cache(maxsize=64)
def _short_in_zoom(copies: int) -> torch.Tensor:
    """For each of 256 levels, 1 where the mean of an even image and ``copies`` of it falls short of the level.

    The published code adds up and divides in float32 there, not in float64 as elsewhere, and loses more levels.
    """
    level = (np.arange(256) / 255.0).astype(np.float32)
    total = np.zeros_like(level)
    for _ in range(copies):
        total += level
    levels = (level + total) / np.float32(copies + 1) * np.float32(255)
    return torch.from_numpy((np.floor(levels) < np.arange(256)).astype(np.float32))


def check_motion(name: str, radius: int, sigma: float, spread: float) -> None:
    """Require the fields of a motion blur to lie in their ranges."""
    require(
        isinstance(radius, int) and 1 <= radius <= 200,
        f"{name}.radius must be a whole number of pixels from 1 to 200, got {radius}",
    )
    require(0 < sigma <= 1000, f"{name}.sigma must be in (0, 1000] pixels, got {sigma}")
    require(0 <= spread <= 180, f"{name}.spread must be in [0, 180] degrees, got {spread}")


@final
@dataclass(frozen=True, kw_only=True)
class MotionBlur(Shift):
    """Smear along a random direction, one-sided, with Gaussian weights, as ImageMagick's motion blur does.

    Fields:
        radius: In pixels; the smear is ``2 * radius`` long.
        sigma: Of its weights, in pixels; above 0.
        spread: Directions are uniform within this many degrees of the horizontal.
    """

    name: ClassVar[str] = "motion_blur"
    title: ClassVar[str] = "Motion blur"
    family: ClassVar[str] = "blur"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "sigma"
    strength_unit: ClassVar[str] = "pixels"
    random: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(radius=(10, 15, 15, 15, 20), sigma=(3.0, 5.0, 8.0, 12.0, 15.0)),
        "imagenet-c-299": levels(radius=(12, 17, 17, 17, 22), sigma=(4.0, 6.0, 9.0, 13.0, 16.0)),
        "cifar-c": levels(radius=(6, 6, 6, 8, 9), sigma=(1.0, 1.5, 2.0, 2.0, 2.5)),
        "tiny-c": levels(radius=(10, 10, 10, 10, 12), sigma=(1.0, 1.5, 2.0, 2.5, 3.0)),
    }

    radius: int
    sigma: float
    # The published directions: uniform from -45 to 45 degrees.
    spread: float = 45.0

    def __post_init__(self) -> None:
        check_motion(self.name, self.radius, self.sigma, self.spread)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return motion_blur(x, self.radius, self.sigma, keys.uniform((1,), -self.spread, self.spread)[:, 0])


@final
@dataclass(frozen=True, kw_only=True)
class ZoomBlur(Shift):
    """The mean of the image and of enlarged copies of it, as from zooming while the shutter is open.

    Fields:
        end: Enlargements run from 1 up to this (left out), at least 1.
        step: From one enlargement to the next; above 0.
        identity_twice: The image counts beside its first copy, which is enlarged by 1; as in the published code.
    """

    name: ClassVar[str] = "zoom_blur"
    # 1 lost other levels in even areas; rows of it are not used again.
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Zoom blur"
    family: ClassVar[str] = "blur"
    paper: ClassVar[str] = _HENDRYCKS
    strength: ClassVar[str | None] = "end"
    strength_unit: ClassVar[str] = "enlargement"
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(end=(1.11, 1.16, 1.21, 1.26, 1.31), step=(0.01, 0.01, 0.02, 0.02, 0.03)),
        "imagenet-c-299": levels(end=(1.11, 1.16, 1.21, 1.26, 1.31), step=(0.01, 0.01, 0.02, 0.02, 0.03)),
        "cifar-c": levels(end=(1.06, 1.11, 1.16, 1.21, 1.26), step=(0.01,) * 5),
        "tiny-c": levels(end=(1.06, 1.11, 1.16, 1.21, 1.26), step=(0.01,) * 5),
    }

    end: float
    step: float = 0.01
    identity_twice: bool = True

    def __post_init__(self) -> None:
        require(1 <= self.end <= 4, f"zoom_blur.end must be in [1, 4], got {self.end}")
        require(0.001 <= self.step <= 1, f"zoom_blur.step must be in [0.001, 1], got {self.step}")

    @property
    def factors(self) -> tuple[float, ...]:
        """The enlargements; numpy's ``arange`` decides, rounding included, whether the last one is in."""
        return tuple(float(f) for f in np.arange(1, self.end, self.step))

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        factors = self.factors if self.identity_twice else self.factors[1:]
        return fallen(zoom_sum(x, factors).div_(len(factors) + 1), _short_in_zoom(len(factors)))

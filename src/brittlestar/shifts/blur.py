"""Blur: fine detail is averaged away."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.convolution.plain import gaussian_weights
from brittlestar.shifts.ops.dispatch import fallen, gaussian, three_weights
from brittlestar.shifts.ops.rounding.plain import short_levels

_THREE = 3
"""Kernels of this many weights are applied in float64: their sums are often whole levels, or next to them."""


@final
@dataclass(frozen=True, kw_only=True)
class GaussianBlur(Shift):
    """Convolve with a normal kernel cut off at four standard deviations; edges are repeated outwards.

    Fields:
        sigma: Standard deviation in pixels; at least 0.
    """

    name: ClassVar[str] = "gaussian_blur"
    title: ClassVar[str] = "Gaussian blur"
    family: ClassVar[str] = "blur"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    strength: ClassVar[str | None] = "sigma"
    strength_unit: ClassVar[str] = "pixels"
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(sigma=(1.0, 2.0, 3.0, 4.0, 6.0)),
        "imagenet-c-299": levels(sigma=(1.5, 2.5, 3.5, 4.5, 6.5)),
        "cifar-c": levels(sigma=(0.4, 0.6, 0.7, 0.8, 1.0)),
        "tiny-c": levels(sigma=(0.5, 0.75, 1.0, 1.25, 1.5)),
    }

    sigma: float

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 200, f"gaussian_blur.sigma must be in [0, 200] pixels, got {self.sigma}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return even(x, self.sigma)


def even(x: Images, sigma: float) -> Images:
    """Gaussian blur with edges repeated; in even areas it truncates to the 8 bits that float64 sums give."""
    weights = gaussian_weights(float(sigma))
    if len(weights) == _THREE:
        return three_weights(x, weights[1], weights[2])
    return fallen(gaussian(x, sigma), _short_in_blur(float(sigma)))


@functools.lru_cache(maxsize=64)
def _short_in_blur(sigma: float) -> torch.Tensor:
    """``short_levels`` of a Gaussian blur in even areas."""
    radius = len(gaussian_weights(sigma)) // 2

    # By scipy itself, as in the published code: the question is where its rounding errors lead.
    def blurred(level: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # Once for each axis: the second pass rounds what the first has left.
        for _ in range(2):
            line = ndimage.gaussian_filter1d(np.repeat(level[:, None], 2 * radius + 1, 1), sigma, mode="nearest")
            level = line[:, radius]
        return level

    return short_levels(blurred)

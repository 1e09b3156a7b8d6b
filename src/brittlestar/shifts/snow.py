"""Snow: flakes that the wind has smeared, over a whitened image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.ops.dispatch import motion_blur, snowed, truncated
from brittlestar.shifts.ops.zoom.plain import centre, enlarged


def snow_layer(
    flakes: torch.Tensor,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    degrees: torch.Tensor,
    size: tuple[int, int],
) -> torch.Tensor:
    """Flakes from normal draws: enlarged, those below the threshold taken away, smeared; 8 bits in between.

    Args:
        flakes: (n, 1, rows, columns) float32: what the zoom shows of a field of the layer's size (``zoom.centre``).
        zoom, threshold, radius, sigma: See ``Snow``.
        degrees: (n,) directions of the smear.
        size: Height and width of the layer.

    Returns:
        (n, 1, height, width) in [0, 1].
    """
    layer = enlarged(flakes, zoom, *size)
    layer = truncated(torch.where(layer < threshold, 0.0, layer))
    return truncated(motion_blur(layer, radius, sigma, degrees))


@final
@dataclass(frozen=True, kw_only=True)
class Snow(Shift):
    """Whiten the image and add a layer of smeared flakes, and the same layer upside down.

    Fields:
        loc, scale: Mean and standard deviation of the normal draws that flakes are made of.
        zoom: How much larger than a pixel flakes are; at least 1.
        threshold: Draws below it are no snow.
        radius, sigma: Of the smear, see ``MotionBlur``; its direction is within 45 degrees of straight down.
        mix: Share of the image that is kept; the rest is the whitened image.
    """

    name: ClassVar[str] = "snow"
    title: ClassVar[str] = "Snow"
    family: ClassVar[str] = "weather"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    random: ClassVar[bool] = True
    uneven: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(
            loc=(0.1, 0.2, 0.55, 0.55, 0.55),
            scale=(0.3,) * 5,
            zoom=(3.0, 2.0, 4.0, 4.5, 2.5),
            threshold=(0.5, 0.5, 0.9, 0.85, 0.85),
            radius=(10, 12, 12, 12, 12),
            sigma=(4.0, 4.0, 8.0, 8.0, 12.0),
            mix=(0.8, 0.7, 0.7, 0.65, 0.55),
        ),
        "cifar-c": levels(
            loc=(0.1, 0.1, 0.15, 0.25, 0.3),
            scale=(0.2, 0.2, 0.3, 0.3, 0.3),
            zoom=(1.0, 1.0, 1.75, 2.25, 1.25),
            threshold=(0.6, 0.5, 0.55, 0.6, 0.65),
            radius=(8, 10, 10, 12, 14),
            sigma=(3.0, 4.0, 4.0, 6.0, 12.0),
            mix=(0.95, 0.9, 0.9, 0.85, 0.8),
        ),
        "tiny-c": levels(
            loc=(0.1, 0.1, 0.15, 0.25, 0.3),
            scale=(0.2, 0.2, 0.3, 0.3, 0.3),
            zoom=(1.0, 1.0, 1.75, 2.25, 1.25),
            threshold=(0.6, 0.5, 0.55, 0.6, 0.65),
            radius=(8, 10, 10, 12, 14),
            sigma=(3.0, 4.0, 4.0, 6.0, 12.0),
            mix=(0.8, 0.8, 0.7, 0.65, 0.6),
        ),
    }
    severities["imagenet-c-299"] = severities["imagenet-c"]

    loc: float
    scale: float
    zoom: float
    threshold: float
    radius: int
    sigma: float
    mix: float

    def __post_init__(self) -> None:
        require(-10 <= self.loc <= 10, f"snow.loc must be in [-10, 10], got {self.loc}")
        require(0 <= self.scale <= 10, f"snow.scale must be in [0, 10], got {self.scale}")
        require(1 <= self.zoom <= 50, f"snow.zoom must be in [1, 50], got {self.zoom}")
        require(-10 <= self.threshold <= 10, f"snow.threshold must be in [-10, 10], got {self.threshold}")
        require(
            isinstance(self.radius, int) and 1 <= self.radius <= 200,
            f"snow.radius must be a whole number of pixels from 1 to 200, got {self.radius}",
        )
        require(0 < self.sigma <= 1000, f"snow.sigma must be in (0, 1000] pixels, got {self.sigma}")
        require(0 <= self.mix <= 1, f"snow.mix must be in [0, 1], got {self.mix}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        # Only the part that the zoom will show is drawn; the published code draws the rest in vain.
        rows, columns = centre(height, self.zoom)[1], centre(width, self.zoom)[1]
        flakes = keys.stream("flakes").normal((1, rows, columns)).mul_(self.scale).add_(self.loc)
        degrees = keys.stream("wind").uniform((1,), -135.0, -45.0)[:, 0]
        layer = snow_layer(flakes, self.zoom, self.threshold, self.radius, self.sigma, degrees, (height, width))
        return snowed(x, layer, self.mix)

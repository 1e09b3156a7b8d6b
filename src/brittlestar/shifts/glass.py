"""Glass blur: neighbours change places, as behind frosted glass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Levels, Shift, levels
from brittlestar.shifts.blur import even
from brittlestar.shifts.ops.dispatch import shuffled_by_keys, truncated


@final
@dataclass(frozen=True, kw_only=True)
class GlassBlur(Shift):
    """Blur a little, let every pixel take the value of a random neighbour, and blur again.

    Fields:
        sigma: Standard deviation of both blurs in pixels; at least 0.
        reach: Neighbours lie up to this many pixels away; at least 1.
        iterations: How often every pixel has its turn.
        exchange: Pixels exchange their values, as the paper says. The published code means to, but copies: in numpy the
            exchange of two colour pixels loses one of them.
    """

    name: ClassVar[str] = "glass_blur"
    title: ClassVar[str] = "Glass blur"
    family: ClassVar[str] = "blur"
    paper: ClassVar[str] = "Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261"
    strength: ClassVar[str | None] = "sigma"
    strength_unit: ClassVar[str] = "pixels"
    random: ClassVar[bool] = True
    uneven: ClassVar[bool] = True
    severities: ClassVar[dict[str, Levels]] = {
        "imagenet-c": levels(sigma=(0.7, 0.9, 1.0, 1.1, 1.5), reach=(1, 2, 2, 3, 4), iterations=(2, 1, 3, 2, 2)),
        "imagenet-c-299": levels(sigma=(0.8, 1.0, 1.1, 1.2, 1.6), reach=(1, 3, 2, 4, 5), iterations=(3, 1, 4, 2, 2)),
        "cifar-c": levels(sigma=(0.05, 0.25, 0.4, 0.25, 0.4), reach=(1, 1, 1, 1, 1), iterations=(1, 1, 1, 2, 2)),
        "tiny-c": levels(sigma=(0.1, 0.5, 0.6, 0.7, 0.9), reach=(1, 1, 1, 2, 2), iterations=(1, 1, 2, 1, 2)),
    }

    sigma: float
    reach: int
    iterations: int = 1
    exchange: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 50, f"glass_blur.sigma must be in [0, 50] pixels, got {self.sigma}")
        # Offsets are kept in int8, so reach must stay below 128.
        for name, most in (("reach", 60), ("iterations", 20)):
            value = getattr(self, name)
            require(
                isinstance(value, int) and 1 <= value <= most,
                f"glass_blur.{name} must be a whole number from 1 to {most}, got {value}",
            )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        rows, columns = x.shape[2] - 2 * self.reach, x.shape[3] - 2 * self.reach
        # The published code shuffles 8-bit levels, cut off.
        blurred = truncated(even(x, self.sigma))
        if rows > 0 and columns > 0:
            blurred = shuffled_by_keys(blurred, keys, self.reach, self.iterations, self.exchange)
        return even(blurred, self.sigma)

"""The degradations that Geirhos et al. showed to people and to networks: all but one make the picture grey first.

Their code keeps images as floats until they are written, which cuts them off to 8 bits (the suite's storage).
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.ops.monitor import GAMMA
from brittlestar.shifts.ops.noise.plain import impulses
from brittlestar.shifts.ops.reduce import total
from brittlestar.shifts.ops.smoothing import on_both_sides, smoothing

PAPER = "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750"
WEIGHTS = (0.2125, 0.7154, 0.0721)
"""Of red, green and blue in the grey picture (scikit-image's; elsewhere in this package luma has those of Rec. 601)."""

BACKGROUND = 0.4423
"""The mean grey of their photographs: what lies around a picture, and what a high-pass filter is centred on."""


def grey(x: Images) -> Images:
    """(n, 1, h, w) grey pictures."""
    if x.shape[1] == 1:
        return x
    return x[:, 0:1] * WEIGHTS[0] + x[:, 1:2] * WEIGHTS[1] + x[:, 2:3] * WEIGHTS[2]


@dataclass(frozen=True, kw_only=True)
class GreyShift(Shift):
    """A change of the grey picture; all channels of the result are equal."""

    paper: ClassVar[str] = PAPER

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return self._on_grey(grey(x), keys).repeat(1, x.shape[1], 1, 1)

    @abstractmethod
    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        """(n, 1, h, w) from grey pictures, which must not be written to."""


def contrasted(x: Images, level: float) -> Images:
    """``(1 - level) / 2 + level * x``."""
    return x * level + (1 - level) / 2


@final
@dataclass(frozen=True, kw_only=True)
class Grey(GreyShift):
    """Take the colour away: all channels become the grey picture (weights .2125, .7154, .0721)."""

    name: ClassVar[str] = "grey"
    title: ClassVar[str] = "Grey picture"
    family: ClassVar[str] = "colour"

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        return x


@final
@dataclass(frozen=True, kw_only=True)
class GreyContrast(GreyShift):
    """The grey picture at a nominal contrast: values shrink towards middle grey, ``(1 - level) / 2 + level * x``.

    Fields:
        level: 1 keeps the contrast, 0 leaves a middle grey page.
    """

    name: ClassVar[str] = "grey_contrast"
    title: ClassVar[str] = "Grey, low contrast"
    family: ClassVar[str] = "colour"
    strength: ClassVar[str | None] = "level"
    rising: ClassVar[bool] = False

    level: float

    def __post_init__(self) -> None:
        require(0 <= self.level <= 1, f"grey_contrast.level must be in [0, 1], got {self.level}")

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        return contrasted(x, self.level)


@dataclass(frozen=True, kw_only=True)
class GreyNoise(GreyShift):
    """Noise on the grey picture at a reduced contrast, so that little of it is cut off at the ends."""

    family: ClassVar[str] = "noise"
    random: ClassVar[bool] = True

    contrast: float = 0.3

    def __post_init__(self) -> None:
        require(0 <= self.contrast <= 1, f"{self.name}.contrast must be in [0, 1], got {self.contrast}")


@final
@dataclass(frozen=True, kw_only=True)
class GreyUniformNoise(GreyNoise):
    """The grey picture at 30 % contrast with uniform noise, one value a pixel.

    Fields:
        half_width: Noise lies in ``[-half_width, half_width)``; at least 0.
        contrast: Of the picture beneath, see ``GreyContrast``.
    """

    name: ClassVar[str] = "grey_uniform_noise"
    title: ClassVar[str] = "Grey, uniform noise"
    strength: ClassVar[str | None] = "half_width"

    half_width: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.half_width >= 0, f"grey_uniform_noise.half_width must be at least 0, got {self.half_width}")

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        return keys.uniform(x.shape[1:], -self.half_width, self.half_width).add_(contrasted(x, self.contrast))


@final
@dataclass(frozen=True, kw_only=True)
class GreySaltAndPepper(GreyNoise):
    """The grey picture at 30 % contrast with a share of its pixels black or white, equally likely.

    Fields:
        amount: Share of pixels that are replaced; in [0, 1].
        contrast: Of the picture beneath, see ``GreyContrast``.
    """

    name: ClassVar[str] = "grey_salt_and_pepper"
    title: ClassVar[str] = "Grey, salt and pepper"
    strength: ClassVar[str | None] = "amount"

    amount: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.amount <= 1, f"grey_salt_and_pepper.amount must be in [0, 1], got {self.amount}")

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        # They add or subtract 1 and cut off, which leaves 1 or 0.
        return impulses(contrasted(x, self.contrast), keys.bits16(x.shape[1:]), round(self.amount * 32768))


@dataclass(frozen=True, kw_only=True)
class GreyFilter(GreyShift):
    """A Gaussian filter of the grey picture on an even background, cut off at four standard deviations.

    Fields:
        sigma: Standard deviation in pixels; at least 0.
        background: Grey level around the picture; in [0, 1].
    """

    family: ClassVar[str] = "spectral"
    strength: ClassVar[str | None] = "sigma"
    strength_unit: ClassVar[str] = "pixels"

    sigma: float
    background: float = BACKGROUND

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 1000, f"{self.name}.sigma must be in [0, 1000] pixels, got {self.sigma}")
        require(0 <= self.background <= 1, f"{self.name}.background must be in [0, 1], got {self.background}")

    def _low(self, x: Images) -> Images:
        """The low-passed picture less its background."""
        down, across = (smoothing(side, float(self.sigma), 4.0, "zero") for side in x.shape[2:])
        return on_both_sides(down, x - self.background, across)


@final
@dataclass(frozen=True, kw_only=True)
class GreyLowPass(GreyFilter):
    """The grey picture smoothed by a Gaussian; around it lies an even grey.

    Fields:
        sigma: Standard deviation in pixels; at least 0.
        background: The grey around it.
    """

    name: ClassVar[str] = "grey_low_pass"
    title: ClassVar[str] = "Grey, low-pass filter"

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        return self._low(x) + self.background


@final
@dataclass(frozen=True, kw_only=True)
class GreyHighPass(GreyFilter):
    """The grey picture less its smoothed self, moved so that its mean is the background, then cut off.

    Fields:
        sigma: Standard deviation in pixels of what is subtracted; smaller removes more; at least 0.
        background: The grey around the picture, and the mean of the result.
    """

    name: ClassVar[str] = "grey_high_pass"
    title: ClassVar[str] = "Grey, high-pass filter"
    rising: ClassVar[bool] = False

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        y = (x - self.background) - self._low(x)
        mean = total(y.flatten(1)) / (x.shape[2] * x.shape[3])
        return y + (self.background - mean)[:, None, None, None]


@final
@dataclass(frozen=True, kw_only=True)
class QuarterTurn(GreyShift):
    """The grey picture turned counter-clockwise by whole quarters, with no interpolation.

    Fields:
        turns: 1, 2 or 3; an odd number needs square pictures.
    """

    name: ClassVar[str] = "quarter_turn"
    title: ClassVar[str] = "Grey, turned"
    family: ClassVar[str] = "geometric"

    turns: int

    def __post_init__(self) -> None:
        require(
            isinstance(self.turns, int) and 1 <= self.turns <= 3,
            f"quarter_turn.turns must be 1, 2 or 3, got {self.turns!r}",
        )

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        require(
            self.turns == 2 or height == width,
            f"quarter_turn: {height} x {width} pixels turned once have another shape: cut squares, or turn twice",
        )
        return x.rot90(self.turns, (2, 3))


# Cone responses to the three guns of the monitor that was used, and Brainard's opponent channels of cone responses.
_CONES = np.array(
    [
        [0.1619982647, 0.208049264, 0.0389347448],
        [0.0330275785, 0.2496504557, 0.0618343518],
        [0.0015524055, 0.0198861001, 0.1890224274],
    ]
)
_OPPONENT = np.array(
    [[9.27590805, 9.27590805, 0], [7.86421647, -9.33587662, 0], [-3.39709047, -3.39709047, 12.16230246]]
)
_WHITE = np.array([0.20449114, 0.17225619, 0.10523047])


@functools.lru_cache(maxsize=1)
def _reversal() -> tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Matrix and offset that reverse both colour channels of linear RGB and keep its luminance."""
    negated = np.linalg.inv(_OPPONENT) @ np.diag([1.0, -1.0, -1.0]) @ _OPPONENT
    matrix = np.linalg.inv(_CONES) @ negated @ _CONES
    offset = np.linalg.inv(_CONES) @ (_WHITE - negated @ _WHITE)
    # Rounded, as libraries invert with other last bits.
    rows = tuple(tuple(float(v) for v in row) for row in matrix.round(12))
    return rows, tuple(float(v) for v in offset.round(12))


@final
@dataclass(frozen=True, kw_only=True)
class OpponentColour(Shift):
    """Turn every colour into its opponent (red and green, blue and yellow swapped); luminance is kept. RGB only.

    Levels go through the measured response of the authors' monitor to linear light, where the two colour channels are
    reversed; what the monitor cannot show is cut off. Pictures are taken and given on 8 bits.
    """

    name: ClassVar[str] = "opponent_colour"
    title: ClassVar[str] = "Opponent colours"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = PAPER
    channels: ClassVar[tuple[int, ...]] = (3,)

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        gamma = torch.tensor(GAMMA, dtype=torch.float64, device=x.device)
        light = gamma[(x * 255).round().to(torch.int64).clamp(0, 255)]
        rows, offset = _reversal()
        # Sums in a fixed order; in float64, as the nearest of two near levels must not depend on rounding.
        changed = [
            light[:, 0] * red + light[:, 1] * green + light[:, 2] * blue + shift
            for (red, green, blue), shift in zip(rows, offset, strict=True)
        ]
        middles = (gamma[1:] + gamma[:-1]) / 2
        return torch.bucketize(torch.stack(changed, 1), middles).to(torch.float32) / 255

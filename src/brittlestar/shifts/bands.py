"""Bands of frequencies: kept, removed, scrambled, filled with noise. A frequency's distance from the mean is counted in
cycles per image, radially (Euclidean) or in squares (the larger of the two numbers of cycles)."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.ops.reduce import total
from brittlestar.shifts.ops.spectrum import band_mask, filtered, mirrored_angles, random_mask

_JO = "Jo and Bengio 2017, https://arxiv.org/abs/1711.11561"
_GEIRHOS = "Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750"
_YIN = "Yin et al., NeurIPS 2019, https://arxiv.org/abs/1906.08988"
WINDOWS = ("radial", "square")


@dataclass(frozen=True, kw_only=True)
class Band(Shift):
    """A band of frequencies whose distance from the mean is from ``low`` to ``high``, ends included.

    Fields:
        window: ``radial``: distances are Euclidean; ``square``: the larger of the two numbers of cycles.
        low, high: Nearest and farthest distance, in cycles per image; ``low`` 0 includes the mean.
    """

    family: ClassVar[str] = "spectral"
    # Clamping would put back some of what a filter has removed.
    clamps: ClassVar[bool] = False

    window: str = "radial"
    low: float = 0.0
    high: float

    def __post_init__(self) -> None:
        require(self.window in WINDOWS, f"{self.name}.window must be one of {WINDOWS}, got {self.window!r}")
        require(0 <= self.low <= self.high, f"{self.name} needs 0 <= low <= high, got low {self.low}, high {self.high}")

    def _mask(self, x: Images) -> torch.Tensor:
        return band_mask(x.shape[2], x.shape[3], self.window, self.low, self.high, str(x.device))


@final
@dataclass(frozen=True, kw_only=True)
class BandPass(Band):
    """Keep only a band of frequencies; ``low`` 0 is a low-pass filter (radius 8 is Jo and Bengio's for CIFAR-10).

    Fields:
        window, low, high: The band.
        keep_mean: Keep the channel means even where the band leaves them out.
        clip: Clamp to [0, 1], as Jo and Bengio do; that puts back a little of what was removed.
    """

    name: ClassVar[str] = "band_pass"
    title: ClassVar[str] = "Band-pass filter"
    paper: ClassVar[str] = _JO
    strength: ClassVar[str | None] = "high"
    strength_unit: ClassVar[str] = "cycles per image"
    rising: ClassVar[bool] = False

    keep_mean: bool = True
    clip: bool = False

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        mask = self._mask(x)
        if self.keep_mean:
            # The mask is kept for later calls: it must not be written to.
            mask = mask.clone()
            mask[0, 0] = 1
        y = filtered(x, mask)
        return y.clamp_(0, 1) if self.clip else y


@final
@dataclass(frozen=True, kw_only=True)
class BandStop(Band):
    """Remove a band of frequencies; with ``low`` 0 this is a high-pass filter.

    Fields:
        window, low, high: The band.
        keep_mean: Keep the channel means even where the band holds them.
    """

    name: ClassVar[str] = "band_stop"
    title: ClassVar[str] = "Band-stop filter"
    paper: ClassVar[str] = _YIN
    strength: ClassVar[str | None] = "high"
    strength_unit: ClassVar[str] = "cycles per image"

    keep_mean: bool = True

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        mask = self._mask(x)
        if self.keep_mean:
            # As above: the mask is kept for later calls.
            mask = mask.clone()
            mask[0, 0] = 0
        return x - filtered(x, mask)


@final
@dataclass(frozen=True, kw_only=True)
class RingNoise(Band):
    """Add normal noise whose frequencies all lie in a band, scaled to the same L2 norm for every image.

    All bands of one sample are cut from the same draw.

    Fields:
        window, low, high: The band.
        norm: Euclidean norm of the noise over all pixels and channels, in units of the value range.
    """

    name: ClassVar[str] = "ring_noise"
    title: ClassVar[str] = "Noise in a band"
    paper: ClassVar[str] = _YIN
    strength: ClassVar[str | None] = "norm"
    random: ClassVar[bool] = True

    norm: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.norm >= 0, f"ring_noise.norm must be at least 0, got {self.norm}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        mask = self._mask(x)
        require(
            bool(mask.any()),
            f"ring_noise: images of {x.shape[2]} x {x.shape[3]} have no {self.window} frequency from {self.low} to "
            f"{self.high} cycles",
        )
        noise = filtered(keys.normal(x.shape[1:]), mask)
        size = total(noise.flatten(1).square()).sqrt().clamp_min(1e-12)
        return x + noise * (self.norm / size)[:, None, None, None]


@final
@dataclass(frozen=True, kw_only=True)
class PhaseScrambling(Band):
    """Turn the phases in a band by random angles, the same in all channels; amplitudes and the mean stay.

    Fields:
        window, low, high: The band.
        width: Angles are uniform from minus to plus this many degrees; 180 leaves nothing of the phases.
    """

    name: ClassVar[str] = "phase_scrambling"
    title: ClassVar[str] = "Phase scrambling"
    paper: ClassVar[str] = _GEIRHOS
    strength: ClassVar[str | None] = "width"
    strength_unit: ClassVar[str] = "degrees"
    random: ClassVar[bool] = True

    width: float = 180.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.width <= 180, f"phase_scrambling.width must be from 0 to 180 degrees, got {self.width}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        reach = math.radians(self.width)
        # Geirhos et al.'s code does not mirror the angles: its result is complex, and the real part loses contrast.
        angles = mirrored_angles(keys.uniform((height, width // 2 + 1), -reach, reach), width) * (self._mask(x) > 0)
        return filtered(x, torch.polar(torch.ones_like(angles), angles)[:, None])


@final
@dataclass(frozen=True, kw_only=True)
class RandomMask(Shift):
    """Remove a random choice of frequencies, the same for all images; conjugates go together, the mean stays.

    Fields:
        drop: Share of frequencies that go; in [0, 1) (0.1 in the paper).
        draw: Number of the choice.
        clip: Clamp to [0, 1], as the paper does.
    """

    name: ClassVar[str] = "random_mask"
    title: ClassVar[str] = "Random frequencies removed"
    family: ClassVar[str] = "spectral"
    paper: ClassVar[str] = _JO
    strength: ClassVar[str | None] = "drop"
    strength_unit: ClassVar[str] = "share of frequencies"
    clamps: ClassVar[bool] = False

    drop: float
    draw: int = 0
    clip: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.drop < 1, f"random_mask.drop must be in [0, 1), got {self.drop}")
        require(
            isinstance(self.draw, int) and self.draw >= 0, f"random_mask.draw must be a whole number, got {self.draw!r}"
        )

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        y = filtered(x, _random_mask(x.shape[2], x.shape[3], self.drop, self.draw).to(x.device))
        return y.clamp_(0, 1) if self.clip else y


@functools.lru_cache(maxsize=64)
def _random_mask(height: int, width: int, drop: float, draw: int) -> torch.Tensor:
    # One choice for all images, so no sample's id is in the key.
    words = SampleKeys.of(draw, ["random_mask"]).uniform((height, width))[0]
    return random_mask(words, drop)

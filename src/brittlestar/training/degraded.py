"""Training on the degradations that Geirhos et al. (2018) showed to people and to networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require, unknown
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts import (
    Grey,
    GreyContrast,
    GreyHighPass,
    GreyLowPass,
    GreySaltAndPepper,
    GreyUniformNoise,
    PhaseNoise,
    QuarterTurn,
)
from brittlestar.shifts.base import Images, Shift
from brittlestar.training.recipes import Recipe

_SIDE = 224
"""Pixels that the published lengths were chosen for."""

_LEAST = 0.125
"""Filters of a smaller standard deviation, in pixels, reach no neighbour."""


def _lengths(side: int, sigmas: Sequence[float]) -> list[float]:
    scaled = [max(sigma * side / _SIDE, _LEAST) for sigma in sigmas]
    return list(dict.fromkeys(scaled))


DEGRADATIONS: dict[str, Callable[[int], Sequence[Shift | None]]] = {
    "colour": lambda side: (None,),
    "grey": lambda side: (Grey(),),
    "contrast": lambda side: [GreyContrast(level=v) for v in (1.0, 0.5, 0.3, 0.15, 0.1, 0.05, 0.03, 0.01)],
    "low_pass": lambda side: [GreyLowPass(sigma=v) for v in _lengths(side, (1, 3, 5, 7, 10, 15, 40))],
    "high_pass": lambda side: [GreyHighPass(sigma=v) for v in _lengths(side, (3, 1.5, 1, 0.7, 0.55, 0.45, 0.4))],
    "phase": lambda side: [PhaseNoise(width=float(v)) for v in range(30, 181, 30)],
    "rotation": lambda side: (Grey(), *(QuarterTurn(turns=v) for v in (1, 2, 3))),
    "salt_and_pepper": lambda side: [GreySaltAndPepper(amount=v) for v in (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)],
    "uniform": lambda side: [GreyUniformNoise(half_width=v) for v in (0.03, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9)],
}
"""Every degradation at its published levels, for images of a side; lengths scale with it. ``None`` is the image."""


@final
@dataclass(frozen=True, kw_only=True)
class Degraded(Recipe):
    """Every image under one of the chosen degradations, at one of its published levels, both drawn anew each time.

    Fields:
        members: Names of ``DEGRADATIONS``, separated by commas; ``colour`` leaves the image as it is.

    Reference:
        Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750
    """

    name: ClassVar[str] = "degraded"

    members: str = "uniform"

    def __post_init__(self) -> None:
        names = self.members.split(",")
        for name in names:
            if name not in DEGRADATIONS:
                raise unknown("degradation", name, DEGRADATIONS)
        require(len(set(names)) == len(names), f"degraded.members names one twice: {self.members}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Degraded images."""
        levels = [DEGRADATIONS[name](min(images.shape[2:])) for name in self.members.split(",")]
        drawn = keys.stream("degradation").uniform((2,))
        which = (drawn[:, 0] * len(levels)).long()
        out = images.clone()
        for place, shifts in enumerate(levels):
            level = (drawn[:, 1] * len(shifts)).long()
            for number, shift in enumerate(shifts):
                chosen = ((which == place) & (level == number)).nonzero()[:, 0]
                if shift is not None and len(chosen):
                    out[chosen] = shift.compute(images[chosen].contiguous(), keys[chosen])
        return out

"""Training on one family of features alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require, unknown
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts import BandPass, PhaseScrambling
from brittlestar.shifts.base import Images, Shift
from brittlestar.training.feature_shifts import ColourAlone, PhaseAlone, ShuffledPatches
from brittlestar.training.recipes import Recipe

BANDS = ("low band", "middle band", "high band")
FAMILIES = (*BANDS, "phase", "amplitude", "colour", "patches")

_GRIDS = (4, 5, 3, 6, 7, 2, 8)
"""Patches along a side, the best liked first."""


@final
@dataclass(frozen=True, kw_only=True)
class OneFamily(Recipe):
    """Only what one family of features leaves of the training images, kept as floats; anew in every epoch if it draws.

    Fields:
        family: Of ``FAMILIES``. Bands end at an eighth and at a quarter of the shorter side, in cycles per image.
        height, width: Of the images, in pixels.
        keep_mean: Whether bands without the mean keep the channel means, for models that were trained on whole images.
    """

    name: ClassVar[str] = "one_family"

    family: str
    height: int
    width: int
    keep_mean: bool = False

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise unknown("family of features", self.family, FAMILIES)
        self.shift()

    def shift(self) -> Shift:
        """What leaves the family, for testing on what was trained on.

        Raises:
            UsageError: ``patches`` of images that no grid divides.
        """
        if self.family in BANDS:
            # No frequency lies a hundredth of a cycle past a whole number, so none is in two bands.
            side = min(self.height, self.width)
            ends = [0.0, round(side / 8) + 0.01, round(side / 4) + 0.01, math.hypot(self.height, self.width)]
            low, high = ends[BANDS.index(self.family) :][:2]
            return BandPass(low=low, high=high, keep_mean=self.keep_mean)
        if self.family == "phase":
            return PhaseAlone()
        if self.family == "amplitude":
            return PhaseScrambling(high=math.hypot(self.height, self.width))
        if self.family == "colour":
            return ColourAlone()
        grid = grid_of(self.height, self.width)
        require(grid is not None, f"no grid of 2 to 8 patches a side divides {self.height} x {self.width} pixels")
        assert grid is not None
        return ShuffledPatches(grid=grid)

    def typical(self, images: Images) -> Images:
        """What is left of these images, under draws of their own."""
        keys = SampleKeys.of(0, [str(i) for i in range(len(images))], images.device)
        return self.shift().compute(images, keys)

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """What is left."""
        return self.shift().compute(images, keys)


def grid_of(height: int, width: int) -> int | None:
    """Patches along a side that divide both sides, about 4; ``None`` where 2 to 8 do not."""
    return next((grid for grid in _GRIDS if height % grid == width % grid == 0), None)

"""Eidolons: pictures whose detail is out of place, a labelled approximation of Koenderink et al.'s."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images
from brittlestar.shifts.elastic import smoothed
from brittlestar.shifts.geirhos import GreyShift
from brittlestar.shifts.ops.dispatch import sample
from brittlestar.shifts.ops.smoothing import on_both_sides

FINEST = math.sqrt(0.5)
"""Standard deviation of the finest layer, in pixels."""


@final
@dataclass(frozen=True, kw_only=True)
class Eidolon(GreyShift):
    """Split the grey picture into layers from fine to coarse, displace each by a smooth random field, add them up.

    An approximation in the spirit of the Eidolon factory's partially coherent disarray, not its pixels: layers are
    octaves (there half-octaves), displacements are interpolated. With coherence 1 the fields of coarse layers carry the
    finer ones along, with coherence 0 every layer has a field of its own.

    Fields:
        reach: Standard deviation of the displacement, about, in pixels; at least 0.
        coherence: From 0 to 1.
        grain: Smoothness of the layers' own fields: a Gaussian's standard deviation in pixels; above 0.

    Reference:
        Koenderink et al., Journal of Vision 2017, https://doi.org/10.1167/17.2.7
    """

    name: ClassVar[str] = "eidolon"
    title: ClassVar[str] = "Eidolon (our approximation)"
    family: ClassVar[str] = "geometric"
    strength: ClassVar[str | None] = "reach"
    strength_unit: ClassVar[str] = "pixels"
    random: ClassVar[bool] = True

    reach: float
    coherence: float
    grain: float = 10.0

    def __post_init__(self) -> None:
        require(0 <= self.reach <= 10_000, f"eidolon.reach must be in [0, 10000] pixels, got {self.reach}")
        require(0 <= self.coherence <= 1, f"eidolon.coherence must be in [0, 1], got {self.coherence}")
        require(0.1 <= self.grain <= 1000, f"eidolon.grain must be in [0.1, 1000] pixels, got {self.grain}")

    def _on_grey(self, x: Images, keys: SampleKeys) -> Images:
        height, width = x.shape[2:]
        coarsest = max(2 * FINEST, min(height, width) / 4)
        sigmas = [FINEST * 2**octave for octave in range(1 + int(math.log2(coarsest / FINEST) + 1e-9))]
        rows = torch.arange(height, dtype=x.dtype, device=x.device)[:, None]
        columns = torch.arange(width, dtype=x.dtype, device=x.device)
        carried = torch.zeros(len(x), 2, height, width, device=x.device)
        y = torch.zeros_like(x)
        scales = [x, *(smoothed(x, sigma) for sigma in sigmas)]
        # From coarse to fine, as fine layers go along with all coarser ones.
        for place in range(len(sigmas), -1, -1):
            layer = scales[place] - scales[place + 1] if place < len(sigmas) else scales[place]
            sigma = sigmas[min(place, len(sigmas) - 1)]
            moved = torch.zeros_like(carried)
            if self.coherence > 0:
                carried = carried + _field(keys.stream("carried", place), height, width, sigma) * (sigma / sigmas[-1])
                moved = carried * (self.coherence * self.reach)
            if self.coherence < 1:
                own = _field(keys.stream("own", place), height, width, self.grain)
                moved = moved + own * ((1 - self.coherence) * self.reach)
            y += sample(layer, moved[:, 0] + rows, moved[:, 1] + columns, "symmetric")
        return y


def _field(keys: SampleKeys, height: int, width: int, sigma: float) -> torch.Tensor:
    """(n, 2, height, width) smooth normal fields of variance 1."""
    down, across = _spread(height, float(sigma)), _spread(width, float(sigma))
    return on_both_sides(down, keys.normal((2, down.shape[1], across.shape[1])), across)


@functools.lru_cache(maxsize=64)
def _spread(size: int, sigma: float) -> torch.Tensor:
    """(size, m) weights of draws a standard deviation (at least a pixel) apart; squares of each row add up to 1."""
    step = max(1.0, sigma)
    reach = 3 * sigma + step
    draws = torch.arange(-reach, size - 1 + reach + step, step, dtype=torch.float64)
    distance = torch.arange(size, dtype=torch.float64)[:, None] - draws[None]
    weights = torch.exp(-0.5 * (distance / sigma) ** 2)
    return (weights / weights.square().sum(1, keepdim=True).sqrt()).to(torch.float32)

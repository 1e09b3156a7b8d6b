"""What is left of images when only one family of features is kept, where no listed shift does it.

These serve an experiment and stand in no catalogue: nobody meets them as shifts. Gradients pass through all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Shift
from brittlestar.shifts.geirhos import grey
from brittlestar.shifts.geirhos_spectral import typical_amplitudes

_PAPER = "after Ilyas et al., NeurIPS 2019, https://arxiv.org/abs/1905.02175"


@final
@dataclass(frozen=True, kw_only=True)
class PhaseAlone(Shift):
    """Every channel's phases with the amplitudes of a typical photograph, the same for all images. Not clamped.

    A frequency whose amplitude is rounding (under a millionth of the value range) loses its phase as well.
    """

    name: ClassVar[str] = "phase_alone"
    title: ClassVar[str] = "Phase alone"
    family: ClassVar[str] = "spectral"
    paper: ClassVar[str] = _PAPER
    clamps: ClassVar[bool] = False

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        spectrum = torch.fft.rfft2(x)
        # The square of the bound is added, so that the root has a gradient at 0 too.
        size = (spectrum.real.square() + spectrum.imag.square() + (1e-6 * x[0, 0].numel()) ** 2).sqrt()
        amplitudes = typical_amplitudes(*x.shape[2:]).to(x.device)
        found: Images = torch.fft.irfft2(spectrum / size * amplitudes, s=x.shape[2:])
        return found


@final
@dataclass(frozen=True, kw_only=True)
class ColourAlone(Shift):
    """What taking the colour away removes: each pixel's differences from its grey value, about .5. Not clamped."""

    name: ClassVar[str] = "colour_alone"
    title: ClassVar[str] = "Colour alone"
    family: ClassVar[str] = "colour"
    paper: ClassVar[str] = _PAPER
    channels: ClassVar[tuple[int, ...]] = (3,)
    clamps: ClassVar[bool] = False

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        return x - grey(x) + 0.5


@final
@dataclass(frozen=True, kw_only=True)
class ShuffledPatches(Shift):
    """Cut the image into a grid of equal patches and shuffle them, anew for every image.

    Fields:
        grid: Patches along a side; both sides of the image are multiples of it.
    """

    name: ClassVar[str] = "shuffled_patches"
    title: ClassVar[str] = "Patches shuffled"
    family: ClassVar[str] = "geometric"
    paper: ClassVar[str] = _PAPER
    random: ClassVar[bool] = True

    grid: int = 4

    def __post_init__(self) -> None:
        require(self.grid >= 2, f"shuffled_patches.grid must be at least 2, got {self.grid}")

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        count, channels, height, width = x.shape
        grid = self.grid
        require(
            height % grid == width % grid == 0,
            f"shuffled_patches: images of {height} x {width} cannot be cut into {grid} x {grid} equal patches",
        )
        patches = x.view(count, channels, grid, height // grid, grid, width // grid).transpose(3, 4)
        patches = patches.reshape(count, channels, grid * grid, height // grid, width // grid)
        order = keys.uniform((grid * grid,)).argsort(1)
        rows = torch.arange(count, device=x.device)[:, None]
        shuffled = patches.transpose(1, 2)[rows, order].transpose(1, 2)
        cells = shuffled.reshape(count, channels, grid, grid, height // grid, width // grid)
        return cells.transpose(3, 4).reshape(x.shape)

"""Geometric: the same scene from elsewhere. Bilinear; what comes into view is black unless edges are repeated."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images, Shift

_BORDERS = {"zeros": "zeros", "edge": "border"}
_ENGSTROM = "Engstrom et al., ICML 2019, https://arxiv.org/abs/1712.02779"


@dataclass(frozen=True, kw_only=True)
class Affine(Shift):
    """An affine map of the image plane about its centre, bilinear (a shrunken image is not smoothed first).

    Fields:
        border: What lies outside the image: ``zeros`` (black) or ``edge`` (the outermost pixels repeated).
    """

    family: ClassVar[str] = "geometric"
    paper: ClassVar[str] = _ENGSTROM

    border: str = "zeros"

    def __post_init__(self) -> None:
        require(self.border in _BORDERS, f"{self.name}.border must be one of {sorted(_BORDERS)}, got {self.border!r}")

    @abstractmethod
    def _matrix(self, count: int, height: int, width: int, keys: SampleKeys) -> torch.Tensor:
        """(count, 2, 3): for an output place (x, y) from the centre in pixels, where to look in the input."""

    def _apply(self, x: Images, keys: SampleKeys) -> Images:
        count, _, height, width = x.shape
        matrix = self._matrix(count, height, width, keys).to(x)
        rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
        columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
        place = [
            matrix[:, i, 0, None, None] * columns
            + matrix[:, i, 1, None, None] * rows[:, None]
            + matrix[:, i, 2, None, None]
            for i in (0, 1)
        ]
        # With align_corners=False, -1 and 1 are the image's edges, not the centres of its outermost pixels.
        grid = torch.stack([place[0] * (2 / width), place[1] * (2 / height)], -1)
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode=_BORDERS[self.border], align_corners=False)


def _linear(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    """(n, 2, 3) matrices [[a, b, 0], [c, d, 0]] from (n,) entries."""
    zero = torch.zeros_like(a)
    return torch.stack([torch.stack([a, b, zero], -1), torch.stack([c, d, zero], -1)], 1)


def _signs(keys: SampleKeys) -> torch.Tensor:
    return keys.signs((1,))[:, 0]


@final
@dataclass(frozen=True, kw_only=True)
class Rotation(Affine):
    """Rotate about the centre; clockwise or counter-clockwise, as each sample's key says.

    Fields:
        degrees: Angle; 0 to 180.
        border: See ``Affine``.
    """

    name: ClassVar[str] = "rotation"
    title: ClassVar[str] = "Rotation"
    strength: ClassVar[str | None] = "degrees"
    strength_unit: ClassVar[str] = "degrees"
    random: ClassVar[bool] = True

    degrees: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.degrees <= 180, f"rotation.degrees must be in [0, 180], got {self.degrees}")

    def _matrix(self, count: int, height: int, width: int, keys: SampleKeys) -> torch.Tensor:
        sign = _signs(keys)
        cosine = torch.full_like(sign, math.cos(math.radians(self.degrees)))
        sine = sign * math.sin(math.radians(self.degrees))
        return _linear(cosine, sine, -sine, cosine)


@final
@dataclass(frozen=True, kw_only=True)
class Translation(Affine):
    """Move along both axes by a share of the image; the direction of each axis as each sample's key says.

    Fields:
        fraction: Distance along each axis relative to the side; 0 to 1.
        border: See ``Affine``.
    """

    name: ClassVar[str] = "translation"
    title: ClassVar[str] = "Translation"
    strength: ClassVar[str | None] = "fraction"
    strength_unit: ClassVar[str] = "share of the side"
    random: ClassVar[bool] = True

    fraction: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.fraction <= 1, f"translation.fraction must be in [0, 1], got {self.fraction}")

    def _matrix(self, count: int, height: int, width: int, keys: SampleKeys) -> torch.Tensor:
        signs = keys.signs((2,))
        one, zero = torch.ones_like(signs[:, 0]), torch.zeros_like(signs[:, 0])
        matrix = _linear(one, zero, zero, one)
        matrix[:, 0, 2] = signs[:, 0] * (self.fraction * width)
        matrix[:, 1, 2] = signs[:, 1] * (self.fraction * height)
        return matrix


@final
@dataclass(frozen=True, kw_only=True)
class Scale(Affine):
    """Enlarge or shrink about the centre.

    Fields:
        factor: Size of things afterwards relative to before; above 1 is a closer view; 0.1 to 10.
        border: See ``Affine``.
    """

    name: ClassVar[str] = "scale"
    title: ClassVar[str] = "Scale"
    strength: ClassVar[str | None] = "factor"

    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0.1 <= self.factor <= 10, f"scale.factor must be in [0.1, 10], got {self.factor}")

    def _matrix(self, count: int, height: int, width: int, keys: SampleKeys) -> torch.Tensor:
        inverse = torch.full((count,), 1 / self.factor, device=keys.device)
        zero = torch.zeros_like(inverse)
        return _linear(inverse, zero, zero, inverse)


@final
@dataclass(frozen=True, kw_only=True)
class Shear(Affine):
    """Slant horizontally; to the left or the right, as each sample's key says.

    Fields:
        degrees: Angle that vertical lines are tilted by; 0 to 80.
        border: See ``Affine``.
    """

    name: ClassVar[str] = "shear"
    title: ClassVar[str] = "Shear"
    strength: ClassVar[str | None] = "degrees"
    strength_unit: ClassVar[str] = "degrees"
    random: ClassVar[bool] = True

    degrees: float

    def __post_init__(self) -> None:
        super().__post_init__()
        # The tangent grows without limit towards 90 degrees.
        require(0 <= self.degrees <= 80, f"shear.degrees must be in [0, 80], got {self.degrees}")

    def _matrix(self, count: int, height: int, width: int, keys: SampleKeys) -> torch.Tensor:
        sign = _signs(keys)
        one, zero = torch.ones_like(sign), torch.zeros_like(sign)
        return _linear(one, sign * math.tan(math.radians(self.degrees)), zero, one)

"""The Fourier-basis sensitivity map of Yin et al. (NeurIPS 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.ops.spectrum import canonical, half_plane
from brittlestar.shifts.spectral import FourierBasis
from brittlestar.suites.base import Shape, Suite

WHOLE_UP_TO = 63
"""Images up to this size have all frequencies mapped; larger ones the central square of this side, as in the paper."""


def map_norm(height: int, width: int) -> float:
    """L2 norm per channel: 4 at 32 x 32 and 15.7 at 224 x 224 (the paper's), in between and beyond by a power law.

    The exponent is ``log(15.7 / 4) / log(224 / 32) = 0.703`` in the geometric mean of the sides; below 32 x 32 the
    change per pixel is kept at the paper's 4 / 32 = 0.125.
    """
    side = math.sqrt(height * width)
    return round(side / 8 if side <= 32 else 4 * math.pow(side / 32, 0.7027), 4)


def map_conditions(shape: Shape, frequencies: Sequence[tuple[int, int]], table: str) -> list[Condition]:
    """One condition a frequency (canonical, signed), all with the norm of ``map_norm``."""
    _, height, width = shape
    norm = map_norm(height, width)
    return [
        condition(
            FourierBasis(row=row, column=column, norm=norm),
            shown=("row", "column"),
            label=f"({row}, {column}) cycles",
            table=table,
            detail="outcome",
        )
        for row, column in frequencies
    ]


def coarse_lattice(height: int, width: int, step: int, region: int = WHOLE_UP_TO) -> list[tuple[int, int]]:
    """Every ``step``-th frequency of the central square, each conjugate pair once."""
    reach = region // 2 // step * step
    grid = range(-reach, reach + 1, step)
    found = {canonical(height, width, row, column) for row in grid for column in grid}
    return sorted(found, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))


def _build(shape: Shape, storage: str) -> tuple[Condition, ...]:
    _, height, width = shape
    region = None if max(height, width) <= WHOLE_UP_TO else WHOLE_UP_TO
    table = "whole plane" if region is None else f"central {region} x {region} frequencies"
    return (clean(), *map_conditions(shape, half_plane(height, width, region), table))


FOURIER = Suite("fourier", "the whole Fourier-basis sensitivity map (above 63 pixels its central square)", _build)

"""The Fourier-basis sensitivity map of Yin et al. (NeurIPS 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from brittlestar.core.errors import UsageError, require
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


def map_conditions(
    shape: Shape, frequencies: Sequence[tuple[int, int]], table: str, norm: float | None = None, clip: bool = False
) -> list[Condition]:
    """One condition a frequency (canonical, signed), all with one norm, by default that of ``map_norm``."""
    _, height, width = shape
    norm = norm or map_norm(height, width)
    return [
        condition(
            FourierBasis(row=row, column=column, norm=norm, clip=clip),
            shown=("row", "column"),
            label=f"({row}, {column}) cycles",
            table=table,
            # There are hundreds of these conditions, so only the outcome of each answer is kept.
            detail="outcome",
        )
        for row, column in frequencies
    ]


def coarse_lattice(height: int, width: int, step: int, region: int = WHOLE_UP_TO) -> list[tuple[int, int]]:
    """Every ``step``-th frequency of the central square, each conjugate pair once."""
    # A multiple of the step, so that the mean lies on the lattice.
    reach = region // 2 // step * step
    grid = range(-reach, reach + 1, step)
    found = {canonical(height, width, row, column) for row in grid for column in grid}
    return sorted(found, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))


def fourier_suite(*, region: int | None = None, norm: float | None = None, clip: bool = False) -> Suite:
    """The map with another region, norm or clipping than the paper's.

    Args:
        region: Side of the central square of frequencies; the whole plane up to ``WHOLE_UP_TO`` pixels and the square
            of this side above by default. One as large as the images is the whole plane.
        norm: L2 norm per channel; ``map_norm`` by default.
        clip: Whether shifted images are clamped to [0, 1].

    Raises:
        UsageError: An impossible number.
    """
    require(region is None or region >= 1, f"a region has at least 1 frequency along a side, got {region}", UsageError)
    require(norm is None or 0 < norm < math.inf, f"the norm of the waves must be positive, got {norm}", UsageError)

    def build(shape: Shape, storage: str) -> tuple[Condition, ...]:
        _, height, width = shape
        side = region or (WHOLE_UP_TO if max(height, width) > WHOLE_UP_TO else None)
        side = None if side is not None and side >= max(height, width) else side
        table = "whole plane" if side is None else f"central {side} x {side} frequencies"
        return (clean(), *map_conditions(shape, half_plane(height, width, side), table, norm, clip))

    return Suite("fourier", "the whole Fourier-basis sensitivity map (above 63 pixels its central square)", build)


FOURIER = fourier_suite()

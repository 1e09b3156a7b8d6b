"""The broad suite: a ladder of every elementary shift, the Fourier map and white-box attacks, for any image size.

Lengths scale with the image (blur, translation, bandwidths, L2 norms); shares, angles and noise do not. The table's
name holds the size that it was scaled to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brittlestar.attacks import L2PGD, LInfPGD
from brittlestar.shifts import (
    BandNoise,
    Brightness,
    Contrast,
    GaussianBlur,
    GaussianNoise,
    Greyscale,
    HighPass,
    ImpulseNoise,
    Inversion,
    Jpeg,
    LowPass,
    Pixelation,
    Rotation,
    SaltAndPepper,
    Saturation,
    Scale,
    Shear,
    ShotNoise,
    SpeckleNoise,
    Translation,
    UniformNoise,
)
from brittlestar.shifts.base import Perturbation
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.ops.spectrum import half_plane
from brittlestar.suites.base import Shape, Suite
from brittlestar.suites.corruptions import nearest_table, severities
from brittlestar.suites.fourier import coarse_lattice, map_conditions, map_norm

WHOLE_MAP_UP_TO = 32
"""Images up to this size have the whole Fourier map in the suite, larger ones a coarse lattice of it."""

# From 63 pixels on 113 frequencies, where the central 63 x 63 have 1,985 conjugate pairs.
LATTICE_STEP = 4


def ladder(
    kind: type[Perturbation],
    field: str,
    values: Sequence[float],
    table: str,
    *,
    label: str,
    axis: str,
    strengths: Sequence[float] | None = None,
    series: str = "",
    title: str = "",
    fixed: dict[str, Any] | None = None,
) -> list[Condition]:
    """One condition a value of a field; ``label`` is a format such as ``"σ = {:.2g}"``."""
    found = []
    for place, value in enumerate(values):
        definition = kind(**{field: value}, **(fixed or {}))
        found.append(
            condition(
                definition,
                shown=(*(fixed or {}), field),
                label=label.format(value),
                strength=float(value if strengths is None else strengths[place]),
                strength_name=axis,
                series=series,
                table=table,
                threat=getattr(definition, "threat", ""),
                title=title,
            )
        )
    return found


def _noise(table: str) -> list[Condition]:
    photons = (200.0, 60.0, 25.0, 10.0, 4.0)
    share = "share of values"
    return [
        *ladder(
            GaussianNoise,
            "sigma",
            (0.04, 0.08, 0.12, 0.2, 0.3, 0.45),
            table,
            label="σ = {:.2g}",
            axis="standard deviation",
        ),
        *ladder(
            ShotNoise,
            "photons",
            photons,
            table,
            label="{:.0f} photons",
            axis="relative noise at full brightness",
            # A Poisson count of mean p has the relative standard deviation 1 / sqrt(p).
            strengths=[round(p**-0.5, 4) for p in photons],
        ),
        *ladder(ImpulseNoise, "amount", (0.02, 0.05, 0.1, 0.18, 0.3), table, label="{:.0%} of values", axis=share),
        *ladder(
            SpeckleNoise, "sigma", (0.1, 0.2, 0.35, 0.5, 0.7), table, label="σ = {:.2g} of the value", axis="relative σ"
        ),
        *ladder(UniformNoise, "half_width", (0.05, 0.1, 0.2, 0.35, 0.5), table, label="± {:.2g}", axis="half width"),
        *ladder(
            SaltAndPepper,
            "amount",
            (0.02, 0.05, 0.1, 0.18, 0.3),
            table,
            label="{:.0%} of pixels",
            axis="share of pixels",
        ),
    ]


def _colour(table: str, channels: int) -> list[Condition]:
    factors = (0.7, 0.5, 0.3, 0.15, 0.07)
    found = [
        *ladder(
            Brightness,
            "offset",
            (0.1, 0.2, 0.3, 0.45),
            table,
            label="+{:.2g}",
            axis="value added",
            series="up",
            title="Brightness up",
        ),
        *ladder(
            Brightness,
            "offset",
            (-0.1, -0.2, -0.3, -0.45),
            table,
            label="{:.2g}",
            axis="value taken away",
            strengths=(0.1, 0.2, 0.3, 0.45),
            series="down",
            title="Brightness down",
        ),
        *ladder(
            Contrast,
            "factor",
            factors,
            table,
            label="{:.0%} of the contrast",
            axis="share of contrast lost",
            strengths=[round(1 - f, 4) for f in factors],
        ),
        condition(Inversion(), shown=(), label="negative", table=table),
    ]
    if channels == 3:
        weak, strong = (0.6, 0.3, 0.1), (1.5, 2.5, 5.0)
        found += [
            *ladder(
                Saturation,
                "factor",
                weak,
                table,
                label="{:.0%} saturation",
                axis="share of saturation lost",
                strengths=[round(1 - f, 4) for f in weak],
                series="down",
                title="Saturation down",
            ),
            *ladder(
                Saturation, "factor", strong, table, label="{:.2g} x", axis="factor", series="up", title="Saturation up"
            ),
            condition(Greyscale(), shown=(), label="no colour", table=table),
        ]
    return found


def _blur_and_digital(table: str, size: float) -> list[Condition]:
    sigmas = [round(size * share, 3) for share in (0.0125, 0.02, 0.03, 0.045, 0.07)]
    factors = (0.75, 0.5, 0.35, 0.25, 0.15)
    qualities = (60, 30, 15, 8, 3)
    return [
        *ladder(GaussianBlur, "sigma", sigmas, table, label="σ = {:.3g} px", axis="σ in pixels"),
        *ladder(
            Pixelation,
            "factor",
            factors,
            table,
            label="{:.0%} of the resolution",
            axis="share of resolution lost",
            strengths=[round(1 - f, 4) for f in factors],
        ),
        *ladder(
            Jpeg,
            "quality",
            qualities,
            table,
            label="quality {:d}",
            axis="100 - quality",
            strengths=[100 - q for q in qualities],
        ),
    ]


PUBLISHED = (
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "spatter",
    "elastic_transform",
)
"""Shifts of the published corruption suites that have no ladder of their own here."""

CHOSEN = (1, 3, 5)
"""Their published severities that are in the suite."""


def _published(size: int) -> list[Condition]:
    table = nearest_table(size)
    return [c for name in PUBLISHED for c in severities(name, table, "float", CHOSEN)]


def _geometric(table: str) -> list[Condition]:
    closer, farther = (1.15, 1.3, 1.5, 1.8), (0.85, 0.7, 0.55, 0.4)
    return [
        *ladder(Rotation, "degrees", (5.0, 10.0, 20.0, 35.0, 60.0), table, label="{:.0f}°", axis="degrees"),
        *ladder(
            Translation,
            "fraction",
            (0.03, 0.07, 0.12, 0.2),
            table,
            label="{:.0%} of the side",
            axis="share of the side",
        ),
        *ladder(Scale, "factor", closer, table, label="{:.2f} x", axis="factor", series="closer", title="Scale up"),
        *ladder(
            Scale,
            "factor",
            farther,
            table,
            label="{:.2f} x",
            axis="1 / factor",
            strengths=[round(1 / f, 4) for f in farther],
            series="farther",
            title="Scale down",
        ),
        *ladder(Shear, "degrees", (5.0, 10.0, 20.0, 35.0), table, label="{:.0f}°", axis="degrees"),
    ]


def bandwidths(size: int) -> list[int]:
    """Odd bandwidths, about evenly spread on a log scale from 3 up to the image's size."""
    wanted = (3, 0.15 * size, 0.25 * size, 0.4 * size, 0.6 * size, 0.8 * size)
    # Odd squares are centred on the mean; even ones reach farther on one side.
    return sorted({max(3, 2 * round((w - 1) / 2) + 1) for w in wanted if w < size})


def _spectral(table: str, shape: Shape) -> list[Condition]:
    channels, height, width = shape
    bands = bandwidths(min(height, width))
    # `map_norm` is for one channel, the noises' norm for all together.
    norm = round(map_norm(height, width) * channels**0.5, 4)
    axis = "bandwidth in cycles per image"
    low = sorted(bands, reverse=True)
    found = [
        *ladder(
            LowPass,
            "bandwidth",
            low,
            table,
            label="lowest {0:d} x {0:d} kept",
            axis="frequencies removed along a side",
            strengths=[min(height, width) - b for b in low],
        ),
        *ladder(
            HighPass,
            "bandwidth",
            bands,
            table,
            label="lowest {0:d} x {0:d} removed",
            axis="frequencies removed along a side",
            title="High-pass filter, mean kept",
        ),
    ]
    for band in ("low", "high"):
        found += ladder(
            BandNoise,
            "bandwidth",
            bands,
            table,
            label=("inside" if band == "low" else "outside") + " the lowest {0:d} x {0:d}",
            axis=axis,
            series=band,
            title=f"{band.capitalize()}-frequency noise",
            fixed={"band": band, "norm": norm},
        )
    return found


def _attacks(table: str, shape: Shape) -> list[Condition]:
    channels, height, width = shape
    radii = [n / 255 for n in ((2, 8, 16, 32, 64) if channels == 1 else (1, 2, 4, 8))]
    root = (channels * height * width) ** 0.5
    l2 = [
        round(root * share, 3) for share in ((0.01, 0.03, 0.06, 0.1) if channels == 1 else (0.0025, 0.005, 0.01, 0.02))
    ]
    return [
        *ladder(LInfPGD, "epsilon", [round(r, 5) for r in radii], table, label="ε = {:.3f}", axis="ε (L-inf)"),
        *ladder(L2PGD, "epsilon", l2, table, label="ε = {:.3g}", axis="ε (L2)"),
    ]


def _table(shape: Shape) -> str:
    return f"broad-{shape[1]}x{shape[2]}"


def _build(shape: Shape, storage: str) -> tuple[Condition, ...]:
    channels, height, width = shape
    table = _table(shape)
    if max(height, width) <= WHOLE_MAP_UP_TO:
        frequencies, extent = half_plane(height, width), "whole plane"
    else:
        frequencies = coarse_lattice(height, width, LATTICE_STEP)
        extent = f"every {LATTICE_STEP}th of the central frequencies"
    return (
        clean(),
        *_noise(table),
        *_colour(table, channels),
        *_blur_and_digital(table, (height * width) ** 0.5),
        *_published(max(height, width)),
        *_geometric(table),
        *_spectral(table, shape),
        *map_conditions(shape, frequencies, f"{table}, {extent}"),
        *_attacks(table, shape),
    )


BROAD = Suite(
    "broad", "noise, colour, blur, digital, fog, geometry, frequencies, the Fourier map, white-box attacks", _build
)
NOISE = Suite("noise", "clean images and six kinds of noise", lambda shape, storage: (clean(), *_noise(_table(shape))))

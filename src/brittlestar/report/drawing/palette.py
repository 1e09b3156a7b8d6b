"""Colours: model colours, a sequential scale for rates and a diverging scale for differences.

The scales are made here from straight paths in the OKLCH colour space (Ottosson 2020), whose lightness is
perceptually uniform, so equal steps in a number look like equal steps in colour, and lightness alone tells low from
high for every kind of colour vision and on grey paper.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BUCKETS = 41
"""Steps of the diverging scale in tables; odd, so that one of them is zero."""

MODEL_COLOURS = (
    # light theme, dark theme
    ("#0b62a8", "#5aa9f0"),
    ("#c8500a", "#ff9352"),
    ("#0a7f5a", "#3fcf9c"),
    ("#a1458c", "#e48ccb"),
    ("#8a6a00", "#e0b93a"),
    ("#5b4fc4", "#a79ff8"),
    ("#b3243c", "#ff7d8c"),
    ("#1b7f93", "#56cadf"),
    ("#5f7a12", "#a9cc4f"),
    ("#7d5233", "#cf9f7c"),
    ("#4a5668", "#aab6c8"),
    ("#8f2fb5", "#d18cf2"),
)
"""One colour a model, in order; distinct in lightness and hue, at least 4.5 : 1 against the page."""

RGB = tuple[int, int, int]


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """sRGB bytes of an OKLCH colour; chroma is lowered until the colour exists."""
    while chroma > 0:
        rgb = _linear(lightness, chroma, hue)
        # The matrices are rounded: white may come out a hair above 1.
        if all(-1e-4 <= v <= 1 + 1e-4 for v in rgb):
            break
        chroma -= 0.002
    else:
        rgb = _linear(lightness, 0.0, hue)
    return tuple(_encode(v) for v in rgb)  # type: ignore[return-value]


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    # Ottosson 2020: OKLab to the roots of the cones' responses, their cubes to linear sRGB.
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _encode(value: float) -> int:
    value = min(max(value, 0.0), 1.0)
    # The transfer curve of sRGB (IEC 61966-2-1).
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def css(rgb: Sequence[int]) -> str:
    """``#rrggbb``."""
    return "#" + "".join(f"{int(v):02x}" for v in rgb)


@functools.cache
def sequential() -> npt.NDArray[np.uint8]:
    """(256, 3): dark indigo (low) through teal to pale yellow (high), lightness rising in equal steps."""
    steps = np.linspace(0, 1, 256)
    return np.array(
        [oklch(0.22 + 0.73 * t, 0.055 + 0.085 * math.sin(math.pi * (0.15 + 0.8 * t)), 292 - 188 * t) for t in steps],
        np.uint8,
    )


@functools.cache
def diverging(dark: bool) -> npt.NDArray[np.uint8]:
    """(256, 3): blue (below zero), the page's neutral (zero), orange to red (above zero)."""
    rows = []
    for t in np.linspace(-1, 1, 256):
        size = abs(t)
        lightness = 0.285 + 0.50 * size if dark else 0.972 - 0.56 * size
        chroma = 0.006 + (0.165 if t > 0 else 0.14) * size**0.85
        hue = (62 - 28 * size) if t > 0 else 250
        rows.append(oklch(lightness, chroma, hue))
    return np.array(rows, np.uint8)


def colours(
    values: npt.NDArray[np.float64], table: npt.NDArray[np.uint8], low: float, high: float
) -> npt.NDArray[np.uint8]:
    """(..., 3) bytes for values on the scale from ``low`` to ``high``; values outside take the end's colour."""
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.asarray(table[np.clip(np.rint(share * 255), 0, 255).astype(int)])


def bucket(value: float, limit: float) -> int:
    """Which of the diverging buckets a value in ``[-limit, limit]`` falls into; the middle one is exactly zero-ish."""
    middle = BUCKETS // 2
    return middle + max(-middle, min(middle, round(value / limit * middle))) if limit > 0 else middle


@functools.cache
def stylesheet() -> str:
    """Custom properties of both themes: ``--m0`` ... for models, ``--d0`` ... and ``--t0`` ... for buckets and text."""
    light, dark = _theme(False), _theme(True)
    classes = "".join(
        f".d{i}{{background:var(--d{i});color:var(--t{i})}}"
        f"svg .d{i}{{fill:var(--d{i})}}svg text.count.t{i}{{fill:var(--t{i})}}"
        for i in range(BUCKETS)
    )
    models = "".join(f".m{i}{{--c:var(--m{i})}}" for i in range(len(MODEL_COLOURS)))
    return (
        f":root{{{light}}}@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        # Three times :root weighs more than a theme that a reader chose.
        f":root[data-theme=dark]{{{dark}}}@media print{{:root:root:root{{{light}}}}}{classes}{models}"
    )


def _theme(dark: bool) -> str:
    table = diverging(dark)
    parts = [f"--m{i}:{pair[dark]}" for i, pair in enumerate(MODEL_COLOURS)]
    for i in range(BUCKETS):
        rgb = table[round(i / (BUCKETS - 1) * 255)]
        parts += [f"--d{i}:{css(rgb)}", f"--t{i}:{_ink(rgb)}"]
    return ";".join(parts)


def _ink(rgb: Sequence[int]) -> str:
    """Black or white text, whichever stands out more on a background."""
    light = contrast(rgb, (255, 255, 255))
    return "#fff" if light > contrast(rgb, (0, 0, 0)) else "#000"


def contrast(first: Sequence[int], second: Sequence[int]) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""

    def luminance(rgb: Sequence[int]) -> float:
        parts = [v / 255 for v in rgb]
        # sRGB's own threshold; the 0.03928 of WCAG's text gives the same for every 8-bit value.
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    a, b = sorted((luminance(first), luminance(second)), reverse=True)
    return (a + 0.05) / (b + 0.05)

"""A picture that every installation has: a small landscape drawn by arithmetic, 224 x 224 RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sample_image(size: int = 224) -> npt.NDArray[np.uint8]:
    """(3, size, size) uint8: sky, sun, hills, a wood, a striped field and water; detail at many frequencies."""
    v, u = np.mgrid[0:size, 0:size] / size
    image = np.stack([0.35 + 0.45 * v, 0.55 + 0.3 * v, 0.9 - 0.1 * v])
    halo = np.exp(-((u - 0.72) ** 2 + (v - 0.2) ** 2) / 0.02)
    image = image + halo * np.array([0.5, 0.35, 0.0])[:, None, None]
    image = _paint(image, (u - 0.72) ** 2 + (v - 0.2) ** 2 < 0.004, (1.0, 0.95, 0.7))
    grain = np.sin(u * 97 + 5 * np.sin(v * 61)) * np.sin(v * 83 + 3 * np.sin(u * 47))
    for base, height, wave, colour in (
        (0.45, 0.08, 5.0, (0.45, 0.52, 0.62)),
        (0.55, 0.06, 9.0, (0.30, 0.45, 0.38)),
        (0.62, 0.03, 23.0, (0.16, 0.34, 0.18)),
    ):
        line = base + height * np.sin(u * wave + base * 9) + 0.3 * height * np.sin(u * wave * 2.7)
        shade = 1 + 0.12 * grain + 0.25 * (v - line)
        image = _paint(image, v > line, colour, shade)
    # The bound keeps rows at the horizon from dividing by 0.
    rows = np.sin((u - 0.5) / np.maximum(v - 0.58, 0.02) * 9) > 0
    image = _paint(image, (v > 0.72) & rows, (0.82, 0.68, 0.28), 1 + 0.1 * grain)
    image = _paint(image, (v > 0.72) & ~rows, (0.42, 0.52, 0.2), 1 + 0.1 * grain)
    wave = 1 + 0.25 * np.sin(v * 260 + 3 * np.sin(u * 25))
    image = _paint(image, v > 0.9 + 0.02 * np.sin(u * 11), (0.2, 0.38, 0.6), wave)
    for x, y, r in ((0.14, 0.55, 0.1), (0.27, 0.6, 0.07), (0.42, 0.63, 0.05)):
        leaf = (u - x) ** 2 + (v - y) ** 2 < (r * (1 + 0.12 * np.sin(12 * np.arctan2(v - y, u - x)))) ** 2
        image = _paint(image, (abs(u - x) < r * 0.1) & (v > y) & (v < y + 2 * r), (0.3, 0.2, 0.12))
        image = _paint(image, leaf, (0.15, 0.42, 0.16), 1 + 0.35 * grain + 0.8 * (x - u))
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)


def _paint(
    image: npt.NDArray[np.float64],
    where: npt.NDArray[np.bool_],
    colour: tuple[float, float, float],
    shade: npt.NDArray[np.float64] | float = 1.0,
) -> npt.NDArray[np.float64]:
    return np.where(where, np.array(colour)[:, None, None] * shade, image)

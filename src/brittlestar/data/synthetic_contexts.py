"""Drawn contexts: real digits or clothes on ten textured, coloured grounds, so that shifts of context need no download.

Every object stands on one ground, in turn within its class, so that every class is as often on each. All draws come
from the object's own content: the same pictures everywhere.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from brittlestar.data.arrays import ArraySource
from brittlestar.data.digits import DIGITS
from brittlestar.data.fashion_mnist import FASHION_MNIST
from brittlestar.data.reader import NamedSet

Texture = npt.NDArray[np.float64]
Draw = Callable[[Texture, Texture, Texture], Texture]

_DRAWS = 64
"""Uniform numbers an image."""

_COVER = 0.85
"""Of the ground that the brightest part of an object hides."""


def _streaks(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray(_cells(x, 0 * y, u, 14) * 0.6 + 0.4 * (0.5 + 0.5 * np.sin(9 * y + 6 * u[0])))


def _ripples(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * (6 * y + u[0] + 0.25 * np.sin(2 * np.pi * (2 * x + u[1])))))


def _grains(x: Texture, y: Texture, u: Texture) -> Texture:
    return _cells(x, y, u, 8)


def _flakes(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray(np.sin(np.pi * (7 * x + u[0])) ** 8 * np.sin(np.pi * (7 * y + u[1])) ** 8)


def _bricks(x: Texture, y: Texture, u: Texture) -> Texture:
    row = np.floor(5 * y + u[0])
    across, down = (3 * x + u[1] + 0.5 * (row % 2)) % 1, (5 * y + u[0]) % 1
    return np.asarray(np.where((across < 0.14) | (down < 0.2), 1.0, 0.25))


def _stars(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray((_cells(x, y, u, 8) > 0.86) * 1.0)


def _rings(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * 5 * np.hypot(x - u[0], y - u[1])))


def _weave(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray(
        0.5 + 0.25 * np.sin(2 * np.pi * (6 * (x + y) + u[0])) + 0.25 * np.sin(2 * np.pi * (6 * (x - y) + u[1]))
    )


def _puffs(x: Texture, y: Texture, u: Texture) -> Texture:
    waves = [np.sin(2 * np.pi * ((1 + k % 2) * x + (1 + k // 2) * y + u[k])) for k in range(4)]
    return np.asarray(0.5 + 0.125 * np.sum(waves, axis=0))


def _squares(x: Texture, y: Texture, u: Texture) -> Texture:
    return np.asarray((np.floor(5 * x + u[0]) + np.floor(5 * y + u[1])) % 2)


def _cells(x: Texture, y: Texture, u: Texture, across: int) -> Texture:
    """Numbers that stay the same within a cell of a grid."""
    place = np.floor(x * across).astype(np.int64) + across * np.floor(y * across).astype(np.int64)
    return np.asarray(u[place % (_DRAWS - 8) + 8])


GROUNDS: dict[str, tuple[Draw, float, float, float, float, bool]] = {
    "grass": (_streaks, 0.31, 0.75, 0.10, 0.65, True),
    "water": (_ripples, 0.57, 0.80, 0.10, 0.70, True),
    "sand": (_grains, 0.12, 0.50, 0.40, 0.95, False),
    "snow": (_flakes, 0.58, 0.12, 0.60, 0.95, False),
    "brick": (_bricks, 0.02, 0.75, 0.15, 0.70, True),
    "night": (_stars, 0.68, 0.65, 0.05, 0.90, True),
    "wood": (_rings, 0.07, 0.80, 0.10, 0.60, True),
    "cloth": (_weave, 0.83, 0.65, 0.10, 0.75, True),
    "cloud": (_puffs, 0.61, 0.20, 0.45, 0.95, False),
    "tile": (_squares, 0.47, 0.40, 0.45, 0.95, False),
}
"""Texture, hue, saturation, darkest and brightest value of each ground, and whether objects on it are light or dark."""


def placed(objects: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """(n, height, width, 3) uint8 pictures of (n, height, width) objects in light on dark, and each one's ground."""
    names = list(GROUNDS)
    seeds = [_seed(image) for image in objects]
    ground = np.empty(len(objects), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        # By content, whatever the order; classes begin at grounds of their own.
        ranked = own[np.argsort(np.array([seeds[place] for place in own], np.uint64), kind="stable")]
        ground[ranked] = (np.arange(len(own)) + int(label)) % len(names)
    height, width = objects.shape[1:]
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    made = np.empty((len(objects), height, width, 3), np.uint8)
    for place, image in enumerate(objects):
        u = np.random.Generator(np.random.PCG64(seeds[place])).random(_DRAWS)
        draw, hue, saturation, low, high, bright = GROUNDS[names[ground[place]]]
        light = low + (high - low) * draw(x, y, u)
        colour = np.array(colorsys.hsv_to_rgb((hue + 0.06 * (u[4] - 0.5)) % 1.0, saturation, 1.0))
        paint = 0.75 + 0.25 * u[5:8] if bright else 0.3 * u[5:8]
        alpha = _COVER * image[..., None] / 255.0
        made[place] = np.rint(255 * ((1 - alpha) * light[..., None] * colour + alpha * paint))
    return made, [names[k] for k in ground]


def _seed(image: npt.NDArray[np.uint8]) -> int:
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest(), "little")


def _open(part: str) -> ArraySource:
    if part == "fashion":
        bases = [FASHION_MNIST.open("test")]
    else:
        # In pieces, so that `all` is the other two together.
        bases = [DIGITS.open(one) for one in (("train", "test") if part == "all" else (part,))]
    parts = [placed(b.load(np.arange(len(b.ids)))[:, 0], b.labels) for b in bases]
    spec = "synthetic-contexts" if part == "test" else f"synthetic-contexts:{part}"
    return ArraySource(
        np.concatenate([x for x, _ in parts]),
        np.concatenate([b.labels for b in bases]),
        kind="named",
        spec=spec,
        name=spec.replace(":", "-"),
        classes=bases[0].info.classes,
        notes=("drawn: real objects on textured, coloured grounds",),
        contexts={"context": [name for _, names in parts for name in names]},
    )


SYNTHETIC_CONTEXTS = NamedSet(
    name="synthetic-contexts",
    text="1,000 MNIST digits on ten drawn grounds, with contexts (:train 4,000, :all 5,000; :fashion 10,000 clothes)",
    parts=("test", "train", "all", "fashion"),
    open=_open,
)

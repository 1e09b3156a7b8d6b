"""How strong the operations of augmentation policies are: published levels, 0 to 10, as their authors' code reads them.

A change takes (batch, channel, height, width) uint8 images, (batch,) levels in float64, (batch,) signs (a direction
where the operation has one) and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.training import levels
from brittlestar.training.levels import Levels

Change: TypeAlias = "Callable[[Levels, torch.Tensor, torch.Tensor, SampleKeys], Levels]"


def _whole(level: torch.Tensor, most: float) -> torch.Tensor:
    """The level's share of ``most``, cut off to a whole number."""
    return (level * most / 10).long()


def _enhance(level: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    """From .1 to 1.9; level 5 changes nothing."""
    return level * 1.8 / 10 + 0.1


def _enhance_either_way(level: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    """1 at level 0, up to .9 more or less."""
    return 1 + sign * level * 0.9 / 10


@dataclass(frozen=True, kw_only=True)
class Style:
    """What one paper's code does differently from the others'.

    Fields:
        reach: Largest move: so many pixels of an image that has so many.
        whole: Cut moves and degrees off to whole numbers.
        nearest: Take the nearest pixel instead of the bilinear mean.
        fill: Level of what comes in.
    """

    reach: tuple[int, int]
    whole: bool = True
    nearest: bool = True
    fill: int = 128

    def geometry(self) -> dict[str, Change]:
        """Rotation by up to 30 degrees, shear by up to .3, moves."""
        return {
            "rotate": lambda x, level, sign, _: self._moved(
                x, levels.rotation(sign * self._cut(level, 30), x.shape[2], x.shape[3])
            ),
            "shear_x": lambda x, level, sign, _: self._moved(x, levels.affine({1: sign * level * 0.3 / 10})),
            "shear_y": lambda x, level, sign, _: self._moved(x, levels.affine({3: sign * level * 0.3 / 10})),
            "translate_x": lambda x, level, sign, _: self._moved(
                x, levels.affine({2: sign * self._cut(level, self._reach(x.shape[3]))})
            ),
            "translate_y": lambda x, level, sign, _: self._moved(
                x, levels.affine({5: sign * self._cut(level, self._reach(x.shape[2]))})
            ),
        }

    def _reach(self, side: int) -> float:
        return side * self.reach[0] / self.reach[1]

    def _cut(self, level: torch.Tensor, most: float) -> torch.Tensor:
        return _whole(level, most).double() if self.whole else level * most / 10

    def _moved(self, x: Levels, maps: torch.Tensor) -> Levels:
        return levels.moved(x, maps, self.nearest, self.fill)


# Posterise keeps four bits even at level 0: the authors count down from 4, not from 8.
TONES: dict[str, Change] = {
    "autocontrast": lambda x, *_: levels.autocontrast(x),
    "equalize": lambda x, *_: levels.equalize(x),
    "posterize": lambda x, level, *_: levels.posterize(x, 4 - _whole(level, 4)),
    "solarize": lambda x, level, *_: levels.solarize(x, 256 - _whole(level, 256)),
}


def _corrupting(factor: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> dict[str, Change]:
    return {
        "colour": lambda x, level, sign, _: levels.colour(x, factor(level, sign)),
        "contrast": lambda x, level, sign, _: levels.contrast(x, factor(level, sign)),
        "brightness": lambda x, level, sign, _: levels.brightness(x, factor(level, sign)),
        "sharpness": lambda x, level, sign, _: levels.sharpness(x, factor(level, sign)),
    }


def _cutout(x: Levels, level: torch.Tensor, sign: torch.Tensor, keys: SampleKeys) -> Levels:
    """Grey in a square around a random pixel, up to 80 / 224 of the image's side wide."""
    half = _whole(level, 40 / 224 * min(x.shape[2:]))[:, None]
    drawn = keys.stream("cutout").uniform((2,)).double()
    inside = []
    for axis, length in ((0, x.shape[2]), (1, x.shape[3])):
        apart = torch.arange(length, device=x.device) - (drawn[:, axis : axis + 1] * length).long()
        inside.append((apart >= -half) & (apart < half))
    covered = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(covered, torch.full_like(x, 128), x)


_INVERT: dict[str, Change] = {"invert": lambda x, *_: levels.invert(x)}

# Moves of up to a third of the side, as in the authors' code.
AUGMIX: dict[str, Change] = TONES | Style(reach=(1, 3), nearest=False, fill=0).geometry()
"""Hendrycks et al.: bilinear, black comes in. Operations that are corruptions of the test are left out."""

AUTOAUGMENT: dict[str, Change] = TONES | _INVERT | Style(reach=(10, 32)).geometry() | _corrupting(_enhance)
"""Cubuk et al. 2019, for CIFAR: moves of up to 10 of 32 pixels."""

_RANDAUGMENT_STYLE = Style(reach=(100, 224), whole=False)

RANDAUGMENT: dict[str, Change] = (
    TONES
    | _INVERT
    | _RANDAUGMENT_STYLE.geometry()
    | _corrupting(_enhance)
    | {
        "posterize": lambda x, level, *_: levels.posterize(x, _whole(level, 4)),
        "solarize": lambda x, level, *_: levels.solarize(x, _whole(level, 256)),
        "cutout": _cutout,
        # 110 is the most that the authors' code adds.
        "solarize_add": lambda x, level, *_: levels.solarize_add(x, _whole(level, 110)),
    }
)
"""Cubuk et al. 2020: moves of up to 100 pixels at 224. Posterise and solarise weaken as the level grows."""

MONOTONE: dict[str, Change] = (
    RANDAUGMENT
    | _corrupting(_enhance_either_way)
    | {
        "posterize": lambda x, level, *_: levels.posterize(x, 8 - _whole(level, 4)),
        "solarize": lambda x, level, *_: levels.solarize(x, 256 - _whole(level, 256)),
    }
)
"""The same, but every operation does nothing at level 0 and more at every higher one (those without a level apart)."""

Step = tuple[str, float, int]

SUB_POLICIES: tuple[tuple[Step, Step], ...] = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("colour", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("colour", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("colour", 0.2, 8)),
    # A probability of 0 is what the table has.
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("colour", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("colour", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)
"""AutoAugment's policy for CIFAR-10 (Cubuk et al. 2019, table 7): (operation, probability, level), twice."""


def changed(
    x: Levels,
    operations: Mapping[str, Change],
    chosen: torch.Tensor,
    level: torch.Tensor,
    sign: torch.Tensor,
    keys: SampleKeys,
) -> Levels:
    """One operation an image.

    Args:
        x: (batch, channel, height, width) uint8.
        operations: To choose among.
        chosen: (batch,) places in the operations; -1 leaves an image alone.
        level, sign: (batch,) float64.
        keys: For operations that draw.
    """
    out = x.clone()
    for number, change in enumerate(operations.values()):
        mine = (chosen == number).nonzero()[:, 0]
        if len(mine):
            out[mine] = change(x[mine], level[mine], sign[mine], keys[mine])
    return out


def places(names: Sequence[str], operations: Mapping[str, Change]) -> list[int]:
    """Where the named operations stand."""
    order = list(operations)
    return [order.index(name) for name in names]

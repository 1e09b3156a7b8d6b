"""ImageNet-P and its smaller forms: does an answer stay the same while the image hardly changes? (Hendrycks and
Dietterich, ICLR 2019)"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

from brittlestar.shifts import SEQUENCES
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.shifts.sequence_base import Sequence
from brittlestar.suites.base import Shape, Suite

TEN = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "snow",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
"""The ten that mFR is made of, in the published order."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "shear")
# CIFAR-10-P's mean takes spatter in place of snow.
CIFAR_TEN = tuple("spatter" if name == "snow" else name for name in TEN)
HARDER = ("gaussian_noise", "shot_noise")
"""Noise has frames of its own for difficulties 2 and 3."""

# The geometric means, about, of the sizes 32, 64, 224 and 299 that the tables were made for.
TABLES = {"cifar-p": 45, "tiny-p": 120, "imagenet-p": 260}
"""Tables by the largest image (after the crop) they are taken for; beyond, ``imagenet-p-299``."""

CROP_FROM = 256
"""Images at least this large along both sides are shown without their outer eighth, so that what moves in is picture;
images that are cut from larger pictures are shown whole."""


def nearest_table(size: int) -> str:
    """The published table made for frames of about this size."""
    return next((name for name, largest in TABLES.items() if size <= largest), "imagenet-p-299")


def sequence_condition(name: str, table: str, crop: int, difficulty: int = 1) -> Condition:
    """One published sequence as a condition; frames are kept as 8 bits, cut off."""
    kind: type[Sequence] = SEQUENCES[name]
    definition: Sequence = kind.of(table, difficulty, crop)
    shown = f", the central {crop} x {crop} pixels" if crop else ""
    made = condition(
        definition,
        shown=(),
        label=f"{definition.count} frames{shown}" + (f", difficulty {difficulty}" if difficulty > 1 else ""),
        table=table,
        series=f"difficulty {difficulty}" if difficulty > 1 else "",
        storage="uint8",
    )
    parts = ["sequence", name, table, *([f"difficulty-{difficulty}"] if difficulty > 1 else [])]
    return Condition(dataclasses.replace(made.info, id="/".join(parts)), definition)


Names = tuple[str, ...]


def _build(names: Names, table: str | None, cropped: bool, shape: Shape, storage: str) -> tuple[Condition, ...]:
    channels, height, width = shape
    # 7/8, as ImageNet-P shows 224 of 256 pixels.
    crop = min(height, width) if cropped else 7 * min(height, width) // 8 if min(height, width) >= CROP_FROM else 0
    chosen = table or nearest_table(crop or max(height, width))
    fitting = (name for name in names if channels in SEQUENCES[name].channels)
    return (clean(), *(sequence_condition(name, chosen, crop) for name in fitting))


def _harder(names: Names, table: str | None, cropped: bool, shape: Shape, storage: str) -> tuple[Condition, ...]:
    plain = _build(names, table, cropped, shape, storage)
    first = plain[1]
    assert isinstance(first.definition, Sequence)
    more = [
        sequence_condition(name, first.info.table, first.definition.crop, difficulty)
        for difficulty in (2, 3)
        for name in HARDER
    ]
    return (*plain, *more)


def _suite(
    name: str,
    summary: str,
    names: Names,
    table: str | None = None,
    build: Callable[..., tuple[Condition, ...]] = _build,
) -> Suite:
    whole, cut = (functools.partial(build, names, table, cropped) for cropped in (False, True))
    # The sets for 32 and 64 pixels were made from images that had that size already.
    return Suite(name, summary, whole, for_cuts=cut, prepared="" if table else "imagenet-p")


SEQUENCE_SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        _suite(
            "imagenet-p",
            "ImageNet-P: ten sequences of 31 or 41 small steps; the table nearest to the images' size",
            TEN,
        ),
        _suite("imagenet-p-hard", "ImageNet-P with the noise of difficulties 2 and 3", TEN, build=_harder),
        _suite("imagenet-p-extra", "ImageNet-P's four validation sequences", EXTRA),
        _suite("cifar-p", "CIFAR-10-P: its ten sequences, made for 32 pixels", CIFAR_TEN, "cifar-p"),
        _suite("tiny-p", "Tiny-ImageNet-P: its ten sequences, made for 64 pixels", TEN, "tiny-p"),
    )
}

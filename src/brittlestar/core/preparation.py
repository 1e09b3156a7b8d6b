"""What is done to images before a shift: Resize and CenterCrop with torchvision's arithmetic, as published sets did."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from brittlestar.core.errors import DataError, require, unknown
from brittlestar.core.options import option

FILTERS = ("bilinear", "bicubic", "lanczos", "hamming", "box", "nearest")
"""Pillow's filters; all but ``nearest`` are antialiased. The first made the published sets and is the default."""

ROUNDINGS = ("torchvision", "nearest")
"""How a size or an offset that is no whole number becomes one.

``torchvision`` cuts the longer side down and rounds the offset of a crop, halves to the even number; it made the
published sets. ``nearest`` rounds the longer side and cuts the offset down, as other loaders do.
"""


def resized_size(width: int, height: int, side: int, rounding: str = ROUNDINGS[0]) -> tuple[int, int]:
    """(width, height) once the shorter side has ``side`` pixels and the shape is kept."""
    short, long = min(width, height), max(width, height)
    # In torchvision's order of operations: another one may end just below a whole number, where int loses a pixel.
    other = int(side * long / short) if rounding == "torchvision" else max(side, round(long * (side / short)))
    return (side, other) if width <= height else (other, side)


def crop_start(length: int, crop: int, rounding: str = ROUNDINGS[0]) -> int:
    """The first pixel of the central ``crop`` of ``length`` pixels, along one side."""
    return round((length - crop) / 2) if rounding == "torchvision" else (length - crop) // 2


@dataclasses.dataclass(frozen=True)
class Preparation:
    """What happens to every image before the shift, in uint8, in this order.

    Fields:
        channels: 1 or 3; ``None`` takes what the file has.
        resize: Shorter side in pixels; ``None`` leaves it.
        crop: Central square in pixels; ``None`` leaves it.
        filter: One of ``FILTERS``.
        rounding: One of ``ROUNDINGS``.
        share: Part of both sides that is cut out of the middle before anything else; ``None`` keeps all.
        square: Side in pixels that both sides are stretched or pressed to; ``None`` keeps the shape.
        border: Pixels that are cut off every side before all of this; ``None`` keeps them.

    Raises:
        DataError: A number or name that is impossible.
    """

    channels: int | None = None
    resize: int | None = None
    crop: int | None = None
    filter: str = FILTERS[0]
    rounding: str = ROUNDINGS[0]
    share: float | None = None
    square: int | None = None
    border: int | None = None

    def __post_init__(self) -> None:
        for what in ("resize", "crop"):
            value = getattr(self, what)
            require(
                value is None or 8 <= value <= 4096,
                f"{option(what)} must be from 8 to 4096 pixels, got {value}",
                DataError,
            )
        require(
            self.resize is None or self.crop is None or self.crop <= self.resize,
            f"{option('crop', self.crop)} is larger than {option('resize', self.resize)}",
            DataError,
        )
        for what, value, allowed in (("filter", self.filter, FILTERS), ("rounding", self.rounding, ROUNDINGS)):
            if value not in allowed:
                raise DataError(str(unknown(f"resize {what}", str(value), allowed)))

    @property
    def empty(self) -> bool:
        """Whether images stay as they are."""
        asked = (self.resize, self.crop, self.share, self.square, self.border)
        return all(value is None for value in asked)

    def words(self) -> str:
        """For the report; empty where nothing is done."""
        pixels = "pixel" if self.border == 1 else "pixels"
        parts = [f"{self.border} {pixels} cut off every side"] if self.border else []
        parts += [f"central {self.share:.1%} of both sides"] if self.share else []
        parts += [f"resized to {self.square} x {self.square} ({self.filter})"] if self.square else []
        parts += [f"shorter side resized to {self.resize} ({self.filter})"] if self.resize else []
        parts += [f"centre crop {self.crop} x {self.crop}"] if self.crop else []
        parts += [f"{self.rounding} rounding"] if parts and self.rounding != ROUNDINGS[0] else []
        return ", ".join(parts)

    def cut(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The box (left, upper, right, lower) that is cut out before the resizing."""
        edge = self.border or 0
        width, height = width - 2 * edge, height - 2 * edge
        left, top, across, down = 0, 0, width, height
        if self.share is not None:
            across, down = int(width * self.share), int(height * self.share)
            left, top = crop_start(width, across, self.rounding), crop_start(height, down, self.rounding)
        return edge + left, edge + top, edge + left + across, edge + top + down

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after the resizing of what was cut out."""
        if self.square is not None:
            return self.square, self.square
        return (width, height) if self.resize is None else resized_size(width, height, self.resize, self.rounding)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after everything."""
        if self.crop:
            return self.crop, self.crop
        left, top, right, bottom = self.cut(width, height)
        return self.resized(right - left, bottom - top)

    def as_json(self) -> dict[str, Any]:
        """Plain values for the manifest; empty where nothing is done."""
        return {} if self.empty else {k: v for k, v in dataclasses.asdict(self).items() if v is not None}

    def identity(self, channels: int) -> list[Any]:
        """What a fingerprint of the data holds of it."""
        if self.empty:
            # The form of this list before there was more than resize and crop: older data keep their fingerprints.
            return [None, None, channels]
        return [self.as_json() | {"channels": channels}]


PUBLISHED: Mapping[str, Preparation] = {
    "imagenet-c": Preparation(resize=256, crop=224),
    "imagenet-c-299": Preparation(share=0.875, square=299),
    "tiny-c": Preparation(square=64),
    "imagenet-p": Preparation(resize=256, crop=224),
}
"""How photographs were prepared for the published sets, by the set's table: for 224 pixels, for 299 (Inception), for 64
(ImageNet-64-C; Tiny-ImageNet's images have that size already), and for sequences, whose frames show that square of the
moving picture; larger squares are no difference there."""

STORED_SIDES: Mapping[str, int] = {
    "imagenet-c": 224,
    "imagenet-c-299": 299,
    "tiny-c": 64,
    "cifar-c": 32,
    "mnist-c": 28,
}
"""Side in pixels of the published images, by table."""


def published(name: str) -> Preparation:
    """The preparation of a published set; a DataError names the nearest one."""
    if name not in PUBLISHED:
        raise DataError(str(unknown("preparation", name, PUBLISHED)))
    return PUBLISHED[name]


def as_published(made: Mapping[str, Any], table: str) -> bool:
    """Whether ``Preparation.as_json`` is what the table's set was prepared with."""
    return table in PUBLISHED and _plain(made) == _plain(PUBLISHED[table].as_json())


def differences(made: Mapping[str, Any], table: str, height: int, width: int) -> tuple[str, ...]:
    """What of a preparation differs from the published one, in words; empty where nothing does, or nothing is known.

    Args:
        made: ``Preparation.as_json`` of the images, empty for images that were used as they are; with ``turned``, how
            many were turned upright, which the published sets left as they lay.
        table: The published set's table.
        height, width: Of the prepared images in pixels.
    """
    if table not in PUBLISHED and table not in STORED_SIDES:
        return ()
    side = STORED_SIDES.get(table)
    fits = side is None or (height, width) == (side, side)
    after = () if fits else (f"{height} x {width} pixels instead of {side} x {side}",)
    if made.get("turned"):
        after = (*after, f"images turned upright as their EXIF tags say ({made['turned']:,})")
    if not _plain(made) or as_published(made, table):
        return after
    want = PUBLISHED.get(table, Preparation()).as_json()
    words = []
    resized = made.get("resize") or made.get("square")
    if resized and made.get("filter", FILTERS[0]) != FILTERS[0]:
        words.append(str(made["filter"]))
    if made.get("rounding", ROUNDINGS[0]) != ROUNDINGS[0]:
        words.append(f"{made['rounding']} rounding")
    for what, text in (
        ("resize", "shorter side resized to {}"),
        ("crop", "centre crop {}"),
        ("share", "central {} of both sides"),
        ("square", "both sides resized to {}"),
        ("border", "a border of {} cut off"),
    ):
        # No stored side (imagenet-p): frames show a square of a moving picture, and a larger crop is no difference.
        if made.get(what) != want.get(what) and (side is not None or what != "crop"):
            got = text.format(made[what]) if what in made else f"no {text.format(want[what])}"
            words.append(got + (f" instead of {want[what]}" if what in made and what in want else ""))
    return (*words, *after)


def preparation_note(made: Mapping[str, Any], table: str, height: int, width: int) -> str:
    """``differences`` as a note to stand beside a number: ``not prepared as published: bicubic``; empty without any."""
    found = differences(made, table, height, width)
    return f"not prepared as published: {', '.join(found)}" if found else ""


def _plain(made: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in made.items() if k not in ("channels", "turned")}

"""ImageNet-P's geometric sequences: the camera moves a little from frame to frame."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts.base import Images
from brittlestar.shifts.ops.dispatch import sample, truncated
from brittlestar.shifts.sequence_base import Sequence, Tables, Window

Matrix = npt.NDArray[np.float64]


def seen_through(x: Images, back: Matrix, shown: Window | None = None, blended: bool = False) -> Images:
    """Images seen through a projective map, bilinear, black outside.

    Args:
        x: (n, c, h, w) float32.
        back: (3, 3): from places (column, row, 1) in the result, in pixels from the centre of the first one, to places
            in the image.
        shown: The part of the result that is wanted; all of it by default.
        blended: Edges fade into the black over one pixel, as OpenCV has it; else the outermost pixels are whole, as
            Pillow has it.

    Returns:
        (n, c, h', w').
    """
    height, width = x.shape[2:]
    top, left, rows, columns = shown or Window(0, 0, height, width)
    grid = np.meshgrid(np.arange(left, left + columns), np.arange(top, top + rows))
    across, down, depth = np.tensordot(back, np.stack([*grid, np.ones_like(grid[0])]), 1)
    with np.errstate(all="ignore"):
        # 0 / 0, on the horizon of a tilted plane, becomes a place outside, which is black.
        across, down = np.nan_to_num(across / depth, nan=-9.0), np.nan_to_num(down / depth, nan=-9.0)
    # Round-off in whole steps must not let border or neighbours in.
    across, down = np.round(across, 6), np.round(down, 6)
    inside = (across >= -0.5) & (across < width - 0.5) & (down >= -0.5) & (down < height - 0.5)
    if not blended:
        across, down = np.where(inside, across, 0), np.where(inside, down, 0)
    places = [torch.from_numpy(v.astype(np.float32)).to(x.device).expand(len(x), -1, -1) for v in (down, across)]
    if blended:
        return sample(x, places[0], places[1], "black")
    return sample(x, places[0], places[1], "symmetric") * torch.from_numpy(inside).to(x.device)


def about_centre(linear: Matrix, height: int, width: int) -> Matrix:
    """(3, 3) map that applies a (2, 2) one about the image's centre."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = middle - linear @ middle
    return matrix


@dataclass(frozen=True, kw_only=True)
class GeometricSequence(Sequence):
    """Each frame is the image seen through a map of its own.

    The map turns about the image's centre, as torchvision from 0.8 on has it. Earlier ones, with which the published
    files were made, turn about a point half a pixel to the right and below it, and their shear also shortens.
    """

    moves: ClassVar[bool] = True

    @abstractmethod
    def _back(self, frame: int, height: int, width: int) -> Matrix:
        """(3, 3): where to look in the image for each place of the frame; see ``seen_through``."""

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        for frame in range(self.count):
            yield self._seen(x, frame)

    def _seen(self, x: Images, frame: int) -> Images:
        return seen_through(x, self._back(frame, *x.shape[2:]), self.window(*x.shape[2:]))


@final
@dataclass(frozen=True, kw_only=True)
class TranslateSequence(GeometricSequence):
    """The image moves to the right by a pixel a frame; in frame ``rest`` it stands where it is."""

    name: ClassVar[str] = "translate"
    title: ClassVar[str] = "Translate"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"count": 41, "rest": 20},
        "imagenet-p-299": {"count": 41, "rest": 20},
        "tiny-p": {"count": 31, "rest": 15},
        "cifar-p": {"count": 16, "rest": 7},
    }

    rest: int = 20

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        matrix = np.eye(3)
        matrix[0, 2] = self.rest - frame
        return matrix


@dataclass(frozen=True, kw_only=True)
class TurnSequence(GeometricSequence):
    """A map by an angle that grows by ``step`` degrees a frame; the middle frame is the image."""

    tables: ClassVar[Tables] = {table: {} for table in ("imagenet-p", "imagenet-p-299", "tiny-p", "cifar-p")}

    step: float = 1.0

    def _angle(self, frame: int) -> float:
        return math.radians(self.step * (frame - self.count // 2))


@final
@dataclass(frozen=True, kw_only=True)
class RotateSequence(TurnSequence):
    """Rotation about the centre."""

    name: ClassVar[str] = "rotate"
    title: ClassVar[str] = "Rotate"

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        sine, cosine = math.sin(self._angle(frame)), math.cos(self._angle(frame))
        return about_centre(np.array([[cosine, sine], [-sine, cosine]]), height, width)


@final
@dataclass(frozen=True, kw_only=True)
class ShearSequence(TurnSequence):
    """Rows slide over each other."""

    name: ClassVar[str] = "shear"
    title: ClassVar[str] = "Shear"

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        return about_centre(np.array([[1, math.tan(self._angle(frame))], [0, 1]]), height, width)


@final
@dataclass(frozen=True, kw_only=True)
class TiltSequence(TurnSequence):
    """The picture's plane turns about both axes by the same angle, seen in perspective from a diagonal away.

    As OpenCV's warp: edges fade into the black, and frames are rounded to 8 bits.
    """

    name: ClassVar[str] = "tilt"
    title: ClassVar[str] = "Tilt"
    tables: ClassVar[Tables] = {**TurnSequence.tables, "cifar-p": {"step": 0.75}}

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        sine, cosine = math.sin(self._angle(frame)), math.cos(self._angle(frame))
        focal = math.hypot(width, height)
        # About width / 2, not (width - 1) / 2: the published script's P2 T RX RY P1, factor by factor.
        place = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
        pitch = np.array([[1, 0, 0, 0], [0, cosine, -sine, 0], [0, sine, cosine, 0], [0, 0, 0, 1]])
        yaw = np.array([[cosine, 0, -sine, 0], [0, 1, 0, 0], [sine, 0, cosine, 0], [0, 0, 0, 1]])
        away = np.eye(4)
        away[2, 3] = focal
        lens = np.array([[focal, 0, width / 2, 0], [0, focal, height / 2, 0], [0, 0, 1, 0]])
        return np.asarray(np.linalg.inv(lens @ away @ pitch @ yaw @ place))

    def _seen(self, x: Images, frame: int) -> Images:
        seen = seen_through(x, self._back(frame, *x.shape[2:]), self.window(*x.shape[2:]), blended=True)
        return seen.mul_(255).round_().div_(255)


@final
@dataclass(frozen=True, kw_only=True)
class ScaleSequence(GeometricSequence):
    """The image grows from ``start`` of its size by ``step`` a frame."""

    name: ClassVar[str] = "scale"
    title: ClassVar[str] = "Scale"
    tables: ClassVar[Tables] = {
        "imagenet-p": {"start": 0.4, "step": 0.025},
        "imagenet-p-299": {"start": 0.4, "step": 0.025},
        "tiny-p": {"start": 0.4, "step": 0.025},
        "cifar-p": {"start": 0.7, "step": 0.02},
    }

    start: float
    step: float

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        return about_centre(np.eye(2) / (self.start + self.step * frame), height, width)


@final
@dataclass(frozen=True, kw_only=True)
class ZoomBlurSequence(GeometricSequence):
    """The running mean of the image and of copies enlarged by ``step`` more a frame, each cut off to 8 bits."""

    name: ClassVar[str] = "zoom_blur"
    title: ClassVar[str] = "Zoom blur"
    tables: ClassVar[Tables] = {table: {} for table in ("imagenet-p", "imagenet-p-299", "tiny-p", "cifar-p")}

    step: float = 0.004

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        return about_centre(np.eye(2) / (1 + self.step * frame), height, width)

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        first = self.cropped(x)
        yield first
        total = _over_255(first)
        for frame in range(1, self.count):
            total = total + _over_255(truncated(self._seen(x, frame)))
            # Divided and cut off in float32, as published: a mean that should be a whole level may lose it.
            mean = total / torch.full((1,), frame + 1.0, device=x.device)
            yield mean.mul_(255).floor_().div_(255)


def _over_255(x: Images) -> Images:
    """8-bit levels divided by 255: the same bits on every device, as a division by a tensor is never a product."""
    return (x * 255).round_().div_(torch.full((1,), 255.0, device=x.device))

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
from brittlestar.shifts.base import Images, check_finite
from brittlestar.shifts.ops.warp import sample
from brittlestar.shifts.sequence_base import Sequence, Tables

Matrix = npt.NDArray[np.float64]


def seen_through(x: Images, back: Matrix) -> Images:
    """Images seen through a projective map, bilinear, black outside.

    Args:
        x: (n, c, h, w) float32.
        back: (3, 3): from places (column, row, 1) in the result, in pixels from the centre of the first one, to places
            in the image.
    """
    height, width = x.shape[2:]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    across, down, depth = np.tensordot(back, np.stack([columns, rows, np.ones_like(rows)]), 1)
    with np.errstate(all="ignore"):
        across, down = np.nan_to_num(across / depth, nan=-9.0), np.nan_to_num(down / depth, nan=-9.0)
    # Round-off in whole steps must not let border or neighbours in.
    across, down = np.round(across, 6), np.round(down, 6)
    inside = (across >= -0.5) & (across < width - 0.5) & (down >= -0.5) & (down < height - 0.5)
    across, down = np.where(inside, across, 0), np.where(inside, down, 0)
    places = [torch.from_numpy(v.astype(np.float32)).to(x.device).expand(len(x), -1, -1) for v in (down, across)]
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
    """Each frame is the image seen through a map of its own."""

    @abstractmethod
    def _back(self, frame: int, height: int, width: int) -> Matrix:
        """(3, 3): where to look in the image for each place of the frame; see ``seen_through``."""

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        for frame in range(self.count):
            yield self.cropped(seen_through(x, self._back(frame, *x.shape[2:])))


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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite(self.name, step=self.step)

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
    """The picture's plane turns about both axes by the same angle, seen in perspective from a diagonal away."""

    name: ClassVar[str] = "tilt"
    title: ClassVar[str] = "Tilt"
    tables: ClassVar[Tables] = {**TurnSequence.tables, "cifar-p": {"step": 0.75}}

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        sine, cosine = math.sin(self._angle(frame)), math.cos(self._angle(frame))
        focal = math.hypot(width, height)
        place = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
        pitch = np.array([[1, 0, 0, 0], [0, cosine, -sine, 0], [0, sine, cosine, 0], [0, 0, 0, 1]])
        yaw = np.array([[cosine, 0, -sine, 0], [0, 1, 0, 0], [sine, 0, cosine, 0], [0, 0, 0, 1]])
        away = np.eye(4)
        away[2, 3] = focal
        lens = np.array([[focal, 0, width / 2, 0], [0, focal, height / 2, 0], [0, 0, 1, 0]])
        return np.asarray(np.linalg.inv(lens @ away @ pitch @ yaw @ place))


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
    """The running mean of the image and of copies enlarged by ``step`` more a frame."""

    name: ClassVar[str] = "zoom_blur"
    title: ClassVar[str] = "Zoom blur"
    tables: ClassVar[Tables] = {table: {} for table in ("imagenet-p", "imagenet-p-299", "tiny-p", "cifar-p")}

    step: float = 0.004

    def _back(self, frame: int, height: int, width: int) -> Matrix:
        return about_centre(np.eye(2) / (1 + self.step * frame), height, width)

    def _frames(self, x: Images, keys: SampleKeys) -> Iterator[Images]:
        total = self.cropped(x).clone()
        yield total
        for frame in range(1, self.count):
            total = total + self.cropped(seen_through(x, self._back(frame, *x.shape[2:])))
            yield total / (frame + 1)

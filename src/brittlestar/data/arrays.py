"""The source that ``.npz`` files, arrays given from Python and the named sets share: pixels that lie in an array."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.preparation import Preparation
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import class_notes, data_fingerprint
from brittlestar.data.order import copies, digest_of, sample_ids


class ArraySource(Source):
    """Images that lie in an array; a memory map where the file allows it."""

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        kind: str,
        spec: str,
        name: str,
        classes: tuple[str, ...] | None = None,
        how: Preparation | None = None,
        notes: tuple[str, ...] = (),
        file: tuple[str, int] | None = None,
        groups: Any = None,
    ) -> None:
        labels = checked_labels(y, spec)
        require(len(x) == len(labels), f"{spec}: {len(x)} images and {len(labels)} labels", DataError)
        require(len(x) > 0, f"{spec} holds no images", DataError)
        self.layout = layout_of(x.shape, spec)
        self.how = how or Preparation()
        self.pixels: Any = x
        if x.dtype != np.uint8:
            self.pixels, rounded = _levels(x, spec)
            notes = (*notes, *rounded)
            # These pixels are not the file's any more, so they travel as they are.
            file = None
        self.labels = labels
        # In one layout and before any preparation: the same pixels have the same id however they are given.
        digests = [digest_of(self._plain(place).tobytes()) for place in range(len(labels))]
        self.ids = sample_ids(digests, labels)
        named = None if groups is None else np.asarray(groups).tolist()
        require(
            named is None or len(named) == len(labels),
            f"{spec}: {0 if named is None else len(named)} groups for {len(labels)} images",
            DataError,
        )
        self.groups, dependent = copies(digests, labels, named)
        require(
            len(np.unique(labels)) >= 2,
            f"{spec} has images of one class only; a classifier needs at least two",
            DataError,
        )
        named = classes or tuple(str(i) for i in range(int(labels.max()) + 1))
        require(int(labels.max()) < len(named), f"{spec}: label {labels.max()} and {len(named)} classes", DataError)
        shape = self._prepared(0, self.how).shape
        require(min(shape[1:]) >= 8, f"{spec}: images of {shape[1:]} are too small, at least 8 x 8", DataError)
        self.info = DataInfo(
            name=name,
            spec=spec,
            kind=kind,
            fingerprint=data_fingerprint(self.ids, labels, named, self.how.identity(shape[0])),
            classes=named,
            count=len(labels),
            shape=(shape[0], shape[1], shape[2]),
            preparation=self.how.words(),
            prepared=self.how.as_json(),
            notes=(*notes, *class_notes(labels), *dependent),
            cropped=self.how.crop is not None,
        )
        self._file = file

    def __getstate__(self) -> dict[str, Any]:
        """A memory map travels as its file's name and offset, not as its pixels."""
        state = self.__dict__.copy()
        if self._file is not None:
            state["pixels"] = (self.pixels.dtype.str, self.pixels.shape)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._file is not None:
            dtype, shape = state["pixels"]
            self.pixels = np.memmap(self._file[0], dtype, "r", self._file[1], shape)

    def _plain(self, place: int) -> Pixels:
        image = np.asarray(self.pixels[place])
        if self.layout == "HW":
            image = image[None]
        elif self.layout == "HWC":
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image)

    def _prepared(self, place: int, how: Preparation) -> Pixels:
        image = self._plain(place)
        if how.empty:
            return image
        return _prepare(image, how, f"image {place}")

    def load(self, index: npt.NDArray[np.int64]) -> Pixels:
        """See ``Source.load``."""
        return np.stack([self._prepared(int(place), self.how) for place in index])

    def pictures(self, index: npt.NDArray[np.int64]) -> list[Pixels]:
        """See ``Source.pictures``."""
        whole = replace(self.how, crop=None)
        return [self._prepared(int(place), whole) for place in index]


def layout_of(shape: tuple[int, ...], spec: str) -> str:
    """``HW``, ``HWC`` or ``CHW`` of the images in an array: 1 or 3 channels stand last or first."""
    if len(shape) == 3:
        return "HW"
    if len(shape) == 4 and shape[3] in (1, 3):
        return "HWC"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "CHW"
    raise DataError(f"{spec}: images of shape {shape}; use (n, h, w), (n, h, w, 1 or 3) or (n, 1 or 3, h, w)")


def checked_labels(y: Any, spec: str) -> npt.NDArray[np.int32]:
    """Labels as int32, or a DataError."""
    labels = np.asarray(y)
    require(labels.ndim == 1, f"{spec}: labels of shape {labels.shape}; they must be one number an image", DataError)
    require(labels.dtype.kind in "iu", f"{spec}: labels are {labels.dtype}, they must be whole numbers", DataError)
    require(
        len(labels) == 0 or int(labels.min()) >= 0,
        f"{spec}: a label is {labels.min() if len(labels) else 0}, the smallest is 0",
        DataError,
    )
    return labels.astype(np.int32)


def _levels(x: Any, spec: str) -> tuple[Pixels, tuple[str, ...]]:
    """Float or other integer pixels as uint8."""
    if x.dtype == np.bool_:
        return np.asarray(x, np.uint8) * np.uint8(255), ()
    require(
        x.dtype.kind == "f",
        f"{spec}: pixels are {x.dtype}; use uint8 from 0 to 255 or floats from 0 to 1",
        DataError,
    )
    levels = np.empty(x.shape, np.uint8)
    exact = True
    # Piece by piece, since float64 takes eight times the memory of the levels.
    for first in range(0, len(x), 256):
        piece = np.asarray(x[first : first + 256], np.float64)
        bad = ~np.isfinite(piece)
        if bad.any():
            raise DataError(f"{spec}: image {first + int(np.argwhere(bad)[0][0])} has NaN or infinite pixels")
        low, high = float(piece.min()), float(piece.max())
        require(
            # Float32's rounding may leave the range by a little.
            low >= -1e-6 and high <= 1 + 1e-6,
            f"{spec}: pixels go from {low:.4g} to {high:.4g}; floats must lie in [0, 1], before any normalisation",
            DataError,
        )
        scaled = np.clip(piece, 0, 1) * 255
        # Rounded, not cut off: a float32 that stands for k / 255 may lie just below it.
        levels[first : first + 256] = np.rint(scaled)
        exact = exact and bool(np.abs(scaled - np.rint(scaled)).max() < 1e-3)
    return levels, () if exact else ("float pixels were rounded to 8 bits",)


def _prepare(image: Pixels, how: Preparation, name: str) -> Pixels:
    import io

    from PIL import Image

    from brittlestar.data.decode import decode

    # By way of a file, so that arrays are prepared by the very code that files are; BMP loses nothing.
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "BMP")
    return decode(buffer.getvalue(), name, dataclasses.replace(how, channels=len(image)))

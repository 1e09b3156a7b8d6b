"""NumPy's ``.npz`` archives, with the names of arrays that people give."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.data.arrays import ArraySource, check_kind, levels_of
from brittlestar.data.decode import Pixels
from brittlestar.data.labels import checked_classes
from brittlestar.data.members import chosen, role
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.stored import (
    MOST_IN_MEMORY,
    Array,
    ArrayHeader,
    Stored,
    read_header,
    read_pieces,
    read_whole,
    too_large,
)

CLASSES = ("classes", "class_names", "label_names")
"""What an array of class names is called."""


def _open(path: Path, asked: OpenRequest) -> ArraySource:
    """Images, labels and, if there, class names. Uncompressed pixels stay on disk; ``asked.part`` names a split.

    ``asked.group`` names an array, one value an image, of what depends on each other, ``asked.contexts`` arrays of what
    else is known of each.
    """
    before = signature(path)
    with _archive(path) as archive:
        members = archive.members
        pair = chosen(path, members, asked.part)
        group = asked.group
        for name in (*([] if group is None else [group]), *asked.contexts):
            require(
                name in members,
                f"{path} holds no array {name}; it has {', '.join(sorted(members))}",
                DataError,
            )
        labels = archive.whole(pair.labels)
        contexts = {name: archive.whole(name) for name in asked.contexts}
        groups = None if group is None else archive.whole(group)
        named = next((name for name in CLASSES if name in members), None)
        classes = None if named is None else checked_classes(archive.whole(named), f"{path}: {named}")
        images, notes = archive.images(pair.images)
        source = ArraySource(
            images,
            labels,
            kind="npz",
            spec=f"{path}:{asked.part}" if asked.part else str(path),
            name=path.stem + (f"-{pair.split}" if pair.split else ""),
            classes=classes,
            how=asked.how,
            notes=(*pair.notes, *notes),
            groups=groups,
            one_class=asked.one_class,
            contexts=contexts,
        )
    require_unchanged(path, before)
    return source


def images_of(path: Path) -> tuple[Array | Stored, tuple[str, ...]]:
    """The images of an archive that need have no labels, and notes.

    Raises:
        DataError: None, or it cannot be told which arrays are meant.
    """
    before = signature(path)
    with _archive(path) as archive:
        named = [name for name in archive.members if (role(name) or ("", ""))[1] == "images"]
        listed = ", ".join(sorted(archive.members)) or "no arrays"
        require(
            len(named) == 1,
            f"{path} holds {listed}: one of them must be called x or images, and hold the images "
            "(np.savez(FILE, x=...))",
            DataError,
        )
        images, notes = archive.images(named[0])
    require_unchanged(path, before)
    return images, notes


@dataclass(frozen=True)
class _Archive:
    """An opened archive: what it holds by name."""

    path: Path
    file: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[IO[bytes], ArrayHeader, str]]:
        """The values of an array as a stream, its header, and its name for messages."""
        member, told = self.members[name], f"{self.path}: {name}"
        try:
            with self.file.open(member) as stream:
                yield stream, read_header(stream, told, member.file_size), told
        except DataError:
            raise
        # Encryption, unknown compression, a wrong CRC-32 and whatever a damaged stream does to its decompressor.
        except Exception as error:
            raise DataError(f"{told} cannot be read ({error}): get the file again") from error

    def whole(self, name: str) -> Array:
        """A small array."""
        with self.opened(name) as (stream, header, told):
            values = read_whole(stream, header, told)
            # The CRC-32 is looked at where the end is met.
            stream.read(1)
        return values

    def images(self, name: str) -> tuple[Array | Stored, tuple[str, ...]]:
        """Pixels where they lie; those that are compressed or in Fortran's order, in memory."""
        member = self.members[name]
        with self.opened(name) as (stream, header, told):
            check_kind(header.dtype, str(self.path))
            if member.compress_type == zipfile.ZIP_STORED and not header.fortran:
                offset = self._offset(member) + len(header.head)
                crc = member.CRC
                return Stored(str(self.path), told, offset, header.shape, header.dtype, header.head, crc), ()
            if header.fortran or header.dtype == np.uint8 or not header.shape:
                values = read_whole(stream, header, told)
                stream.read(1)
                return values, ()
            # As 8-bit levels piece by piece: what it takes in memory is known from its shape.
            size = header.size // header.dtype.itemsize
            require(size <= MOST_IN_MEMORY, too_large(told, size), DataError)
            levels, notes = levels_of(read_pieces(stream, header, told), header.shape, str(self.path))
            stream.read(1)
            return levels, notes

    def _offset(self, member: zipfile.ZipInfo) -> int:
        with self.path.open("rb") as file:
            # From the entry's own header, whose extra field need not be as long as that in the archive's directory:
            # 30 bytes, the name and the extra field, whose lengths stand at byte 26.
            file.seek(member.header_offset + 26)
            name_length, extra_length = np.frombuffer(file.read(4), "<u2")
        return member.header_offset + 30 + int(name_length) + int(extra_length)


@contextmanager
def _archive(path: Path) -> Iterator[_Archive]:
    try:
        with zipfile.ZipFile(path) as file:
            members: dict[str, zipfile.ZipInfo] = {}
            for member in file.infolist():
                name = member.filename.removesuffix(".npy")
                require(name not in members, f"{path} holds {name} twice", DataError)
                members[name] = member
            yield _Archive(path, file, members)
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read as an .npz archive ({error}): get the file again") from error


def signature(path: Path) -> tuple[int, int, int]:
    """What changes where a file is written again: its place on the disk, its size and its time."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def require_unchanged(path: Path, before: tuple[int, int, int]) -> None:
    """Refuse a file that was written while it was opened: labels and images could be of two versions."""
    require(signature(path) == before, f"{path} was written while it was opened: open it again", DataError)


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    path = folder / "images.npz"
    np.savez(path, x=images, y=np.asarray(labels))
    return path


NPZ = Reader(
    form="FILE.npz",
    text="x: (n, h, w[, c]) or (n, c, h, w), uint8 or floats in [0, 1]; y: (n,); classes: names, if there; "
    "also images and labels, MedMNIST's and Keras' names: FILE.npz:train",
    takes=lambda path: path.suffix == ".npz" and not path.is_dir(),
    open=_open,
    write=_write,
    parts=True,
)

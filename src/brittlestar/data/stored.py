"""Arrays that stay in their file, in NumPy's format: checked headers, and explicit reads instead of a memory map.

A mapped file that somebody cuts short kills the process that touches it; a read that comes out short says so.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.data.base import Changed

MOST_IN_MEMORY = 5 << 28
"""Bytes of pixels that are held in memory where they cannot stay in their file: 1.25 GiB, so that a run with a small
model stays below 2 GiB."""

PIECE = 1 << 23
"""Bytes that are read at a time."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ArrayHeader:
    """What an array in NumPy's format says of itself.

    Fields:
        shape, dtype: Of the array.
        fortran: Whether its first axis moves fastest.
        head: The bytes before its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    head: bytes

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes], name: str, size: int) -> ArrayHeader:
    """The header at the beginning of a stream, which then stands at the first value.

    Args:
        stream: Opened for reading.
        name: Of the file, and of the array in it.
        size: Bytes that the stream has.

    Raises:
        DataError: No array, an array of Python objects, or a header that contradicts what is there.
    """
    reader = _Kept(stream)
    try:
        version = np.lib.format.read_magic(reader)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"version {version}")
        shape, fortran, dtype = read(reader)
    # Whoever wrote the header chooses what its parser meets: any exception means that it is none.
    except Exception as error:
        raise DataError(f"{name} is no array that can be read ({_first_line(error)})") from error
    require(not dtype.hasobject, f"{name} holds Python objects, which are never opened", DataError)
    require(dtype.fields is None, f"{name} is a table of fields ({', '.join(dtype.names or ())}), no array", DataError)
    require(all(side >= 0 for side in shape), f"{name} says that its shape is {shape}", DataError)
    header = ArrayHeader(tuple(int(side) for side in shape), dtype, bool(fortran), bytes(reader.kept))
    left = size - len(header.head)
    require(
        header.size == left,
        f"{name} is damaged or truncated: {header.shape} of {dtype} are {header.size:,} bytes, and it holds {left:,}",
        DataError,
    )
    return header


def read_whole(stream: IO[bytes], header: ArrayHeader, name: str) -> Array:
    """The values behind a header, in memory.

    Raises:
        DataError: More than ``MOST_IN_MEMORY``, or fewer than the header says.
    """
    require(header.size <= MOST_IN_MEMORY, too_large(name, header.size), DataError)
    content = np.empty(header.size, np.uint8)
    for first in range(0, header.size, PIECE):
        content[first : first + PIECE] = np.frombuffer(exactly(stream, min(PIECE, header.size - first), name), np.uint8)
    return content.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


def read_pieces(stream: IO[bytes], header: ArrayHeader, name: str) -> Iterator[Array]:
    """The values behind the header of an array in C order, some items of its first axis at a time."""
    item, count = _item(header.shape, header.dtype), header.shape[0]
    some = max(1, PIECE // max(1, item))
    for first in range(0, count, some):
        number = min(some, count - first)
        content = exactly(stream, number * item, name)
        yield np.frombuffer(content, header.dtype).reshape(number, *header.shape[1:])


def too_large(name: str, size: int) -> str:
    """What to say of pixels that would have to be held in memory."""
    return (
        f"{name} would take {size / 2**30:.1f} GiB of memory, more than {MOST_IN_MEMORY / 2**30:.2f}: save it "
        "uncompressed as uint8 in C order (np.savez, np.save), which is read from the disk image by image"
    )


def exactly(stream: IO[bytes], count: int, name: str) -> bytes:
    """So many bytes of a stream; a DataError where there are fewer."""
    content = stream.read(count)
    require(len(content) == count, f"{name} is damaged or truncated: its end is missing", DataError)
    return content


@dataclass(frozen=True)
class Stored:
    """An array in C order that stays in its file; cheap to send to a worker.

    Fields:
        path: The file.
        name: Of the file, and of the array in it.
        offset: Of its first value in the file, in bytes.
        shape, dtype: Of the array.
        head, crc: The array's header and the CRC-32 of header and values together, where the file has one.
    """

    path: str
    name: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    head: bytes = b""
    crc: int | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def part(self, first: int, stop: int) -> Stored:
        """Items ``first`` to ``stop - 1`` of the first axis."""
        offset = self.offset + first * _item(self.shape, self.dtype)
        return replace(self, offset=offset, shape=(stop - first, *self.shape[1:]), crc=None)

    def pieces(self) -> Iterator[Array]:
        """All items, some at a time, held against the CRC-32 at the end.

        Raises:
            DataError: The file is gone or damaged.
        """
        crc = zlib.crc32(self.head)
        header = ArrayHeader(self.shape, self.dtype, False, self.head)
        with self._opened() as file:
            file.seek(self.offset)
            for piece in read_pieces(file, header, self.name):
                crc = zlib.crc32(piece.data if piece.size else b"", crc)
                yield piece
        require(
            self.crc is None or crc == self.crc,
            f"{self.name} is damaged (its CRC-32 is {crc:08x}, not {self.crc or 0:08x}), or was written meanwhile: "
            "get it again, or open it again",
            DataError,
        )

    def items(self, index: npt.NDArray[np.int64]) -> Iterator[Array]:
        """Single items of the first axis, as they are in the file now.

        Raises:
            Changed: The file is gone, or too short by now.
        """
        item = _item(self.shape, self.dtype)
        # Opened each time: whoever renames another file over this one is noticed, and nothing is shared by threads.
        with self._opened() as file:
            for place in index:
                file.seek(self.offset + int(place) * item)
                content = file.read(item)
                if len(content) < item:
                    raise Changed.of(f"{self.path}: image {place:,}")
                yield np.frombuffer(content, self.dtype).reshape(self.shape[1:])

    def _opened(self) -> IO[bytes]:
        try:
            return Path(self.path).open("rb")
        except FileNotFoundError:
            raise Changed(f"{self.path} is gone since this session began") from None
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror}") from error


class _Kept:
    """A stream that keeps what was read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.kept = stream, bytearray()

    def read(self, count: int = -1, /) -> bytes:
        content = self.stream.read(count)
        self.kept += content
        return content


def _item(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape[1:]) * dtype.itemsize


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

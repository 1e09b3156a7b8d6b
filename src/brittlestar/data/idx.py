"""MNIST's IDX files: a header of four bytes and the sides, then bytes."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.data.stored import MOST_IN_MEMORY

_BYTES = 8
"""The code of unsigned bytes."""


def idx_file(folder: Path, stem: str, kind: str) -> Path | None:
    """A file by the names that it has had: ``t10k-images-idx3-ubyte``, with a dot before ``idx3``, with ``.gz``."""
    dotted = kind.replace("-idx", ".idx")
    names = [f"{stem}-{name}-ubyte{end}" for name in (kind, dotted) for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of a file.

    Raises:
        DataError: Another kind of file, or one whose end is missing.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MOST_IN_MEMORY + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path} ({error}): get it again") from error
    require(len(content) <= MOST_IN_MEMORY, f"{path} is far too large for digits", DataError)
    sides = content[3] if len(content) > 3 and content[:2] == b"\0\0" and content[2] == _BYTES else 0
    head = 4 + 4 * sides
    require(1 <= sides <= 4 and len(content) >= head, f"{path} is no IDX file of bytes: get it again", DataError)
    shape = tuple(int(side) for side in np.frombuffer(content, ">u4", sides, 4))
    require(
        math.prod(shape) == len(content) - head,
        f"{path} is damaged: it says that its shape is {shape}, and holds {len(content) - head:,} bytes",
        DataError,
    )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)

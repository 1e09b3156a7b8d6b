"""Pixels are only ever given for the content that an id was made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brittlestar.data import open_source
from brittlestar.data.base import Changed
from brittlestar.data.encoded import EncodedSource
from brittlestar.data.folder import FOLDER
from brittlestar.data.parquet import PARQUET

IMAGES = np.random.default_rng(5).integers(0, 256, (12, 3, 12, 12), dtype=np.uint8)
LABELS = [i % 3 for i in range(12)]


def other(path: Path) -> None:
    """Another picture under the same name."""
    path.write_bytes((path.parent / "4.png").read_bytes())


def grown(path: Path) -> None:
    """The same picture, with something behind it."""
    with path.open("ab") as file:
        file.write(b"\0")


@pytest.mark.parametrize("change", [other, grown, Path.unlink])
def test_a_file_that_is_not_what_it_was_is_named(tmp_path: Path, change: Callable[[Path], None]) -> None:
    source = open_source(FOLDER.write(tmp_path, IMAGES, LABELS))
    place = list(source.names()).index("class 1/1.png")
    good = source.load(np.array([0, place]))
    change(tmp_path / "images" / "class 1" / "1.png")
    for read in (source.load, source.pictures):
        with pytest.raises(Changed, match=r"class 1/1\.png"):
            read(np.array([0, place]))
    assert (source.load(np.array([0])) == good[:1]).all(), "the others are read as before"


@pytest.mark.parametrize("count", [12, 5])
def test_a_parquet_file_that_was_written_again_is_named(tmp_path: Path, count: int) -> None:
    path = PARQUET.write(tmp_path, IMAGES, LABELS)
    source = open_source(path)
    assert isinstance(source, EncodedSource)
    changed = IMAGES.copy()
    changed[3:] ^= 1
    path.unlink()
    PARQUET.write(tmp_path, changed[:count], LABELS[:count])
    assert (source.load(np.array([2])) == IMAGES[2:3]).all()
    with pytest.raises(Changed, match=r"row 7 of images\.parquet"):
        source.load(np.array([2, 7]))

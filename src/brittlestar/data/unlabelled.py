"""Images without labels: folders of pictures however sorted, Parquet and arrays; labels that they have are not read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.preparation import Preparation
from brittlestar.core.text import readable
from brittlestar.data import open_source, preparation
from brittlestar.data.arrays import ArraySource
from brittlestar.data.base import Source
from brittlestar.data.columns import Columns, Query, columns_of
from brittlestar.data.encoded import class_notes
from brittlestar.data.folder import FolderSource, content_or_why
from brittlestar.data.given import open_given
from brittlestar.data.npz import images_of
from brittlestar.data.parquet import PARQUET, ParquetSource
from brittlestar.data.reader import OpenRequest
from brittlestar.data.tree import is_run, left_out, walk

_CLASS = ("unlabelled",)


class UnlabelledFolder(FolderSource):
    """All pictures of a folder and of the folders below it."""

    def __init__(self, root: Path, asked: OpenRequest) -> None:
        folders = list(walk(root))
        paths = [path for folder in folders for path in folder.images]
        require(bool(paths), f"{readable(str(root))} and the folders below it hold no images", DataError)
        self.root = root
        names = [str(path.relative_to(root)) for path in paths]
        listing = ((content_or_why(path), name, 0) for path, name in zip(paths, names, strict=True))
        notes = left_out(folders, 0)
        kept = self._index(
            listing, len(paths), "folder", str(root), readable(root.resolve().name), _CLASS, asked, notes=notes
        )
        self.files = [names[place] for place in kept]


class UnlabelledParquet(ParquetSource):
    """Parquet of which only the images are read."""

    def _columns(
        self, types: Sequence[dict[str, str]], named: Sequence[dict[str, tuple[str, ...]]], asked: OpenRequest
    ) -> Columns:
        # The label's column is never asked for; naming one is what choosing the other needs.
        return columns_of(types[0] | {"label": "BIGINT"}, self.paths[0], asked.image_column, "label", [])

    def _labels(
        self, types: Sequence[dict[str, str]], named: Sequence[dict[str, tuple[str, ...]]], query: Query
    ) -> tuple[npt.NDArray[np.int32], tuple[str, ...], list[str]]:
        return np.zeros(len(self.sizes), np.int32), _CLASS, []


def open_unlabelled(
    spec: Any,
    *,
    resize: int | None = None,
    crop: int | None = None,
    filter: str | None = None,
    rounding: str | None = None,
    prepare: str | None = None,
    skip_bad: bool = False,
    image_column: str | None = None,
) -> Source:
    """Open images whose labels nobody knows, or which are not to be read. All labels of the source are 0.

    Args:
        spec: A folder of pictures, flat or not; a Parquet file or a folder of them; an ``.npz`` with ``x``; an
            ``.npy``; images from Python (an array, a tensor, a list of pictures); and whatever ``open_source`` takes.
        resize, crop, filter, rounding, prepare, skip_bad, image_column: As for ``open_source``.

    Raises:
        DataError: Nothing there, or nothing that can be used.
    """
    how = preparation(resize, crop, filter, rounding, prepare)
    if isinstance(spec, str | Path):
        asked = OpenRequest(how=how, skip_bad=skip_bad, one_class=True, image_column=image_column)
        source = _from_disk(str(spec), asked)
    else:
        source = _given(spec, how)
    if source is None:
        options: dict[str, Any] = {"resize": resize, "crop": crop, "filter": filter, "rounding": rounding}
        opened = not isinstance(spec, Source)
        source = open_source(spec, **options, prepare=prepare, skip_bad=skip_bad, one_class=True) if opened else spec
    return _stripped(source)


def _from_disk(spec: str, asked: OpenRequest) -> Source | None:
    """The images; ``None`` for what has labels in any case, a named set or a part of a published one."""
    path, part = Path(spec), ""
    if not path.exists() and ":" in spec:
        before, _, part = spec.rpartition(":")
        path = Path(before)
    if not path.exists():
        return None
    asked = dataclasses.replace(asked, part=part)
    recorded = f"{path} is a run folder of Brittlestar, not data"
    require(not (path.is_dir() and is_run(path)), recorded, DataError)
    if PARQUET.takes(path):
        return UnlabelledParquet(path, asked)
    if not part and path.suffix in (".npz", ".npy") and path.is_file():
        images, notes = images_of(path) if path.suffix == ".npz" else (_npy(path), ())
        return _arrays(images, "array", str(path), path.stem, asked.how, notes)
    # Folders of arrays are published sets, which have labels.
    return UnlabelledFolder(path, asked) if path.is_dir() and not any(path.glob("*.npy")) else None


def _npy(path: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an .npy file of images ({error})") from error


def _given(spec: Any, how: Preparation) -> Source | None:
    """Images from Python that come without labels."""
    lone = isinstance(spec, np.ndarray) or (hasattr(spec, "detach") and hasattr(spec, "shape"))
    if lone or (isinstance(spec, list) and len(spec) and not isinstance(spec[0], tuple | list)):
        return open_given((spec, np.zeros(len(spec), np.int32)), how, one_class=True)
    return None


def _arrays(images: Any, kind: str, spec: str, name: str, how: Preparation, notes: Sequence[str]) -> Source:
    labels = np.zeros(len(images), np.int32)
    return ArraySource(
        images, labels, kind=kind, spec=spec, name=name, classes=_CLASS, how=how, notes=tuple(notes), one_class=True
    )


def _stripped(source: Source) -> Source:
    """A source whose facts say nothing of classes."""
    about_classes = class_notes(source.labels)
    notes = tuple(note for note in source.info.notes if note not in about_classes)
    source.info = dataclasses.replace(source.info, notes=notes)
    return source

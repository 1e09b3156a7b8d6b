"""Sources of encoded images: folders of files and Parquet files. Pixels are decoded when a block is loaded."""

from __future__ import annotations

import dataclasses
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.preparation import Preparation
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.decode import Header, Pixels, decode, looks_whole, read_header
from brittlestar.data.order import copies, digest_of, sample_ids

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}

Progress = Callable[[int, int], None]


def class_notes(labels: npt.NDArray[np.int32]) -> tuple[str, ...]:
    """A note where classes differ in size by more than a tenth."""
    counts = np.unique(labels, return_counts=True)[1]
    if counts.max() <= 1.1 * counts.min():
        return ()
    return (
        f"classes differ in size ({counts.min()} to {counts.max()} images): numbers are for the whole set's mix of "
        "classes, also where only a part was answered",
    )


def data_fingerprint(
    ids: npt.NDArray[np.str_], labels: npt.NDArray[np.int32], classes: tuple[str, ...], preparation: list[Any]
) -> str:
    """Over contents, labels, classes and preparation, whatever the listing's order."""
    pairs = sorted(f"{i}:{label}" for i, label in zip(ids, labels, strict=True))
    return fingerprint_of([pairs, list(classes), preparation])


class EncodedSource(Source):
    """Shared by folders and Parquet: hashes and headers once at the start, pixels on demand."""

    how: Preparation

    @abstractmethod
    def contents(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """(encoded bytes, name) for places in the listing."""

    def load(self, index: npt.NDArray[np.int64]) -> Pixels:
        """See ``Source.load``."""
        return np.stack([decode(content, name, self.how) for content, name in self.contents(index)])

    def pictures(self, index: npt.NDArray[np.int64]) -> list[Pixels]:
        """See ``Source.pictures``."""
        whole = replace(self.how, crop=None)
        return [decode(content, name, whole) for content, name in self.contents(index)]

    def _index(
        self,
        listing: Iterator[tuple[bytes, str, int]],
        total: int,
        kind: str,
        spec: str,
        name: str,
        classes: tuple[str, ...],
        want: Preparation,
        otherwise: Preparation | None,
        skip_bad: bool,
        progress: Progress | None,
        named: Sequence[Any] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Hash every image and read its header; decode it where its end is missing or ``skip_bad`` is set.

        Gives the places that are kept.
        """
        digests: list[bytes] = []
        labels: list[int] = []
        kept: list[int] = []
        skipped: list[str] = []
        sizes: dict[tuple[int, int], str] = {}
        kinds: Counter[str] = Counter()
        for place, (content, file, label) in enumerate(listing):
            try:
                header: Header = read_header(content, file)
                if skip_bad or not looks_whole(content):
                    decode(content, file, want)
            except DataError:
                if not skip_bad:
                    raise
                skipped.append(file)
                continue
            sizes.setdefault(header.size, file)
            kinds["turned"] += header.turned
            kinds["jpeg"] += header.jpeg
            kinds["grey"] += header.channels == 1
            digests.append(digest_of(content))
            labels.append(label)
            kept.append(place)
            if progress is not None and place % 500 == 0:
                progress(place, total)
        require(bool(digests), f"{spec} holds no readable image", DataError)
        if want.empty and otherwise is not None and len(sizes) > 1:
            want = otherwise
        prepared: dict[tuple[int, int], str] = {}
        for size, file in sizes.items():
            prepared.setdefault(want.size(*size), file)
        if len(prepared) > 1:
            (one, a), (two, b) = list(prepared.items())[:2]
            raise DataError(
                f"images of different sizes: {a} is {one[0]} x {one[1]}, {b} is {two[0]} x {two[1]}; "
                f"give {option('resize')} and {option('crop')}"
            )
        width, height = next(iter(prepared))
        require(min(width, height) >= 8, f"images of {width} x {height} are too small, at least 8 x 8", DataError)
        channels = 1 if kinds["grey"] == len(digests) else 3
        self.how = dataclasses.replace(want, channels=channels)
        self.labels = np.array(labels, dtype=np.int32)
        self.ids = sample_ids(digests, self.labels)
        self.groups, dependent = copies(digests, self.labels, None if named is None else [named[k] for k in kept])
        present = len(np.unique(self.labels))
        require(present >= 2, f"{spec} has images of one class only; a classifier needs at least two", DataError)
        notes = [*class_notes(self.labels), *dependent]
        if kinds["jpeg"]:
            notes.append("stored as JPEG: high frequencies are thinned before any shift")
        if 0 < kinds["grey"] < len(digests):
            notes.append("grey and colour files are mixed: all are treated as RGB")
        if kinds["turned"]:
            notes.append(f"{kinds['turned']:,} images are turned upright, as their EXIF tag says")
        self.info = DataInfo(
            name=name,
            spec=spec,
            kind=kind,
            fingerprint=data_fingerprint(self.ids, self.labels, classes, self.how.identity(channels)),
            classes=classes,
            count=len(digests),
            shape=(channels, height, width),
            preparation=self.how.words(),
            prepared=self.how.as_json() | ({"turned": kinds["turned"]} if kinds["turned"] else {}),
            skipped=tuple(skipped),
            notes=tuple(notes),
            cropped=self.how.crop is not None,
        )
        return np.array(kept, dtype=np.int64)


class FolderSource(EncodedSource):
    """A folder with one sub-folder a class; classes are the sub-folders' names in sorted order."""

    def __init__(
        self,
        root: Path,
        *,
        how: Preparation,
        otherwise: Preparation | None,
        skip_bad: bool,
        progress: Progress | None,
    ) -> None:
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
        require(
            bool(folders),
            f"{root} has no sub-folders: an image folder holds one sub-folder a class with its images inside",
            DataError,
        )
        files: list[tuple[Path, int]] = []
        for label, folder in enumerate(folders):
            found = sorted(
                p
                for p in folder.rglob("*")
                if p.suffix.lower() in EXTENSIONS and not p.name.startswith(".") and p.is_file()
            )
            require(bool(found), f"{folder} holds no images ({', '.join(sorted(EXTENSIONS))})", DataError)
            files += [(p, label) for p in found]
        self.root = root
        classes = tuple(folder.name for folder in folders)
        listing = ((_read(p), str(p.relative_to(root)), label) for p, label in files)
        kept = self._index(
            listing, len(files), "folder", str(root), root.resolve().name, classes, how, otherwise, skip_bad, progress
        )
        self.files = [str(files[place][0].relative_to(root)) for place in kept]

    def names(self) -> Sequence[str]:
        """See ``Source.names``."""
        return [Path(file).as_posix() for file in self.files]

    def contents(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """See ``EncodedSource.contents``."""
        for place in index:
            yield _read(self.root / self.files[place]), self.files[place]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


class ParquetSource(EncodedSource):
    """Parquet in the Hugging Face layout: ``image`` a struct with ``bytes`` (or bytes alone), ``label`` a number."""

    def __init__(
        self,
        path: Path,
        *,
        how: Preparation,
        otherwise: Preparation | None,
        skip_bad: bool,
        progress: Progress | None,
        group: str | None = None,
    ) -> None:
        self.paths = sorted(map(str, path.glob("*.parquet"))) if path.is_dir() else [str(path)]
        require(bool(self.paths), f"{path} holds no .parquet files", DataError)
        con = _connection()
        self.column = _image_column(con, self.paths[0])
        starts = [0]
        for file in self.paths:
            ((rows,),) = _query(con, file, "SELECT count(*)")
            starts.append(starts[-1] + rows)
        self.starts = np.array(starts, dtype=np.int64)
        labels = [label for file in self.paths for (label,) in _query(con, file, "SELECT label")]
        require(
            all(isinstance(label, int) and label >= 0 for label in labels),
            f"{path}: labels must be whole numbers from 0, none missing",
            DataError,
        )
        classes = _class_names(con, self.paths[0]) or tuple(str(i) for i in range(max(labels, default=0) + 1))
        require(
            max(labels, default=0) < len(classes),
            f"{path}: a label is {max(labels, default=0)} of {len(classes)} classes",
            DataError,
        )
        listing = ((content, name, labels[place]) for place, (content, name) in enumerate(self._all(con)))
        self.places = np.arange(len(labels), dtype=np.int64)
        kept = self._index(
            listing,
            len(labels),
            "parquet",
            str(path),
            path.resolve().stem,
            classes,
            how,
            otherwise,
            skip_bad,
            progress,
            None if group is None else [v for file in self.paths for v in _group_column(con, file, group)],
        )
        self.places = kept

    def names(self) -> Sequence[str]:
        """See ``Source.names``."""
        numbers = np.searchsorted(self.starts, self.places, side="right") - 1
        return [
            _row_name(int(place - self.starts[number]), self.paths[number])
            for place, number in zip(self.places, numbers, strict=True)
        ]

    def _all(self, con: duckdb.DuckDBPyConnection) -> Iterator[tuple[bytes, str]]:
        for number, file in enumerate(self.paths):
            for first in range(0, int(self.starts[number + 1] - self.starts[number]), 500):
                where = f"WHERE file_row_number >= {first} AND file_row_number < {first + 500} ORDER BY file_row_number"
                for row, content in _query(con, file, f"SELECT file_row_number, {self.column}", where):
                    yield _content(content, row, file), _row_name(row, file)

    def contents(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """See ``EncodedSource.contents``."""
        con = _connection()
        places = self.places[index]
        file_of = np.searchsorted(self.starts, places, side="right") - 1
        found: dict[int, tuple[bytes, str]] = {}
        for number in np.unique(file_of):
            file = self.paths[number]
            rows = np.sort(places[file_of == number] - self.starts[number])
            where = f"WHERE file_row_number IN ({', '.join(map(str, np.unique(rows)))})"
            for row, content in _query(con, file, f"SELECT file_row_number, {self.column}", where):
                found[int(self.starts[number]) + row] = (
                    _content(content, row, file),
                    _row_name(row, file),
                )
        for place in places:
            yield found[int(place)]


def _row_name(row: int, file: str) -> str:
    return f"row {row} of {Path(file).name}"


def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "threads": 1,
            "temp_directory": "",
            "enable_external_file_cache": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def _query(con: duckdb.DuckDBPyConnection, file: str, select: str, where: str = "") -> list[Any]:
    quoted = file.replace("'", "''")
    try:
        return con.execute(f"{select} FROM read_parquet('{quoted}', file_row_number=true) {where}").fetchall()
    except duckdb.Error as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _image_column(con: duckdb.DuckDBPyConnection, file: str) -> str:
    columns = {row[0]: row[1] for row in _query(con, file, "DESCRIBE SELECT *")}
    require(
        "image" in columns and "label" in columns,
        f"{file} has columns {', '.join(columns)}; it needs image (bytes) and label",
        DataError,
    )
    kind = str(columns["image"])
    require(kind == "BLOB" or "bytes BLOB" in kind, f"{file}: column image is {kind}, it must hold bytes", DataError)
    return "image" if kind == "BLOB" else "image.bytes"


def _group_column(con: duckdb.DuckDBPyConnection, file: str, column: str) -> list[Any]:
    columns = [row[0] for row in _query(con, file, "DESCRIBE SELECT *")]
    require(
        column in columns,
        f"{file} has no column {column} to group samples by; it has {', '.join(columns)}",
        DataError,
    )
    quoted = column.replace('"', '""')
    return [value for (value,) in _query(con, file, f'SELECT "{quoted}"', "ORDER BY file_row_number")]


def _content(content: Any, row: int, file: str) -> bytes:
    require(content is not None, f"row {row} of {file} has no image bytes (only a path?)", DataError)
    return bytes(content)


def _class_names(con: duckdb.DuckDBPyConnection, file: str) -> tuple[str, ...]:
    quoted = file.replace("'", "''")
    for (value,) in con.execute(
        f"SELECT value FROM parquet_kv_metadata('{quoted}') WHERE decode(key) = 'huggingface'"
    ).fetchall():
        try:
            names = json.loads(value)["info"]["features"]["label"]["names"]
        except (ValueError, KeyError, TypeError):
            return ()
        return tuple(str(name) for name in names)
    return ()

"""Parquet files and folders of them, in the layout of Hugging Face."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.sql import column_in_sql, path_in_sql, text_in_sql
from brittlestar.core.text import readable
from brittlestar.data.base import Changed, Unreadable
from brittlestar.data.columns import Columns, Query, class_columns, columns_of, labels_of
from brittlestar.data.contexts import columns_of_text
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import EncodedSource, png
from brittlestar.data.instead import what_it_is
from brittlestar.data.reader import OpenRequest, Reader
from brittlestar.data.shards import files_of, is_parquet

PIECE = 64 << 20
"""Bytes of encoded images that are read at once; a larger one is read alone."""

LARGEST_FILE = 128 << 20
"""Bytes that one encoded image may have."""

_ROWS = 5000


class ParquetSource(EncodedSource):
    """Parquet in the Hugging Face layout: a column of images, structs with ``bytes`` and ``path``, and one of labels.

    Images without bytes are files beside the Parquet file, in its folder or below.
    """

    def __init__(self, path: Path, asked: OpenRequest) -> None:
        files, notes = files_of(path, asked.part)
        self.paths = [str(file) for file in files]
        con = _connection()
        types = [_types(con, file) for file in self.paths]
        named = [class_columns(_metadata(con, file)) for file in self.paths]
        self.columns = self._columns(types, named, asked)

        def query(file: str, select: str, where: str) -> list[Any]:
            return _query(con, file, f"SELECT {select}", where)

        sizes = [
            np.array(query(file, f"coalesce(octet_length({self.columns.content}), 0)", _IN_ORDER), np.int64).reshape(-1)
            for file in self.paths
        ]
        self.starts = np.cumsum([0, *map(len, sizes)])
        self.sizes = np.concatenate(sizes)
        require(len(self.sizes) > 0, f"{readable(str(path))} has no rows", DataError)
        labels, classes, more = self._labels(types, named, query)
        require(len(labels) == len(self.sizes), f"{readable(str(path))} changed while it was opened", Changed)
        self.places = np.arange(len(labels), dtype=np.int64)
        listing = ((content, name, int(labels[place])) for place, (content, name) in enumerate(self._all()))
        groups = [v for file in self.paths for v in _group_column(con, file, asked.group)] if asked.group else None
        told = {name: self._context(con, name, named[0].get(name, ())) for name in asked.contexts}
        self.places = self._index(
            listing,
            len(labels),
            "parquet",
            f"{path}:{asked.part}" if asked.part else str(path),
            readable(path.resolve().stem + (f"-{asked.part}" if asked.part else "")),
            classes,
            asked,
            groups,
            notes=(*notes, *self.columns.notes, *more),
        )
        self.contexts = {
            name: column[self.places] for name, column in columns_of_text(told, len(labels), str(path)).items()
        }

    def _context(self, con: duckdb.DuckDBPyConnection, name: str, names: Sequence[str]) -> list[Any]:
        """A column's values in all files, by their names where the file says that they are classes."""
        values = [value for file in self.paths for value in _group_column(con, file, name)]
        return [names[v] if isinstance(v, int) and 0 <= v < len(names) else v for v in values]

    def _columns(
        self, types: Sequence[dict[str, str]], named: Sequence[dict[str, tuple[str, ...]]], asked: OpenRequest
    ) -> Columns:
        """What is read of the files."""
        columns = columns_of(types[0], self.paths[0], asked.image_column, asked.label_column, list(named[0]))
        label = columns.label
        _require_alike(self.paths, types, [one.get(label, ()) for one in named], label)
        return columns

    def _labels(
        self, types: Sequence[dict[str, str]], named: Sequence[dict[str, tuple[str, ...]]], query: Query
    ) -> tuple[npt.NDArray[np.int32], tuple[str, ...], list[str]]:
        """(n,) labels of all rows in order, the classes' names, and notes."""
        label = self.columns.label
        return labels_of(self.paths, label, types[0][label], named[0].get(label, ()), query)

    def names(self) -> Sequence[str]:
        """See ``Source.names``."""
        return [self._name(int(place)) for place in self.places]

    def _name(self, place: int) -> str:
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        return f"row {place - self.starts[number]} of {Path(self.paths[number]).name}"

    def _all(self) -> Iterator[tuple[bytes | DataError, str]]:
        """Every row's content, or why there is none."""
        for piece in self._pieces(np.arange(len(self.sizes))):
            found = self._read(piece)
            for place in piece:
                try:
                    yield self._content(int(place), found), self._name(int(place))
                except DataError as error:
                    yield error, self._name(int(place))

    def contents(self, index: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, str]]:
        """See ``EncodedSource.contents``."""
        for piece in self._pieces(self.places[index]):
            found = self._read(piece)
            # The query promises no order of rows; this is the one asked for.
            for place in piece:
                yield self._content(int(place), found), self._name(int(place))

    def _pieces(self, places: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """The places in order, as many at once as are within ``PIECE``."""
        first, size = 0, 0
        for last, place in enumerate(places):
            size += int(self.sizes[place])
            if last > first and (size > PIECE or last - first >= _ROWS):
                yield places[first:last]
                first, size = last, int(self.sizes[place])
        yield places[first:]

    def _read(self, places: npt.NDArray[np.int64]) -> dict[int, tuple[Any, Any]]:
        """(bytes, path) of rows by their place, but for those that are too large to be images."""
        con, found = _connection(), {}
        small = np.unique(places[self.sizes[places] <= LARGEST_FILE])
        file_of = np.searchsorted(self.starts, small, side="right") - 1
        for number in np.unique(file_of):
            start = int(self.starts[number])
            rows = (small[file_of == number] - start).tolist()
            where = f"IN ({', '.join(map(str, rows))})"
            if len(rows) == rows[-1] - rows[0] + 1:
                where = f"BETWEEN {rows[0]} AND {rows[-1]}"
            select = f"SELECT file_row_number, {self.columns.content}, {self.columns.path}"
            # Longer ones that stand there by now are not read: whoever asks is told that the row has changed.
            limit = f"coalesce(octet_length({self.columns.content}), 0) <= {LARGEST_FILE}"
            for row, content, path in _query(
                con, self.paths[number], select, f"WHERE file_row_number {where} AND {limit}"
            ):
                found[start + row] = content, path
        return found

    def _content(self, place: int, found: dict[int, tuple[Any, Any]]) -> bytes:
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        file, name = Path(self.paths[number]), self._name(place)
        leave = f"leave it out with {option('skip_bad', True)}"
        if self.sizes[place] > LARGEST_FILE:
            size = f"{name} holds {self.sizes[place]:,} bytes, more than any image that could be decoded here"
            raise Unreadable(size, leave)
        if place not in found:
            raise Changed.of(name)
        content, path = found[place]
        if content is not None:
            return bytes(content)
        if not path:
            raise Unreadable(f"{name} has no image", leave)
        return _beside(file, str(path), name)


_IN_ORDER = "ORDER BY file_row_number"


def _beside(file: Path, path: str, name: str) -> bytes:
    """The image file that a row names: in the folder of the Parquet file or below, wherever else the path may lead."""
    leave = f"put it there, or leave it out with {option('skip_bad', True)}"
    root = file.parent.resolve()
    try:
        there = (root / path).resolve()
        if there.is_relative_to(root) and there.is_file() and there.stat().st_size <= LARGEST_FILE:
            return there.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise Unreadable(f"{name}: cannot read {readable(path)} ({error})", leave) from error
    below = f"is no image file below {readable(str(root))}"
    raise Unreadable(f"{name} has no image bytes, and its path {readable(path)} {below}", leave)


def _require_alike(
    files: Sequence[str], types: Sequence[dict[str, str]], names: Sequence[tuple[str, ...]], label: str
) -> None:
    """Refuse files that are not of one set: other columns, or classes of other names or in another order."""
    for file, kinds, classes in zip(files, types, names, strict=True):
        lacks = [name for name in types[0] if name not in kinds]
        require(not lacks, f"{file} has no column {', '.join(map(readable, lacks))}, which {files[0]} has", DataError)
        other = [name for name in (label,) if kinds[name] != types[0][name]]
        require(
            not other,
            f"column {readable(label)} is {kinds[label]} in {file} and {types[0][label]} in {files[0]}: they are not "
            "of one set",
            DataError,
        )
        if classes != names[0]:
            raise DataError(
                f"{file} numbers its classes otherwise than {files[0]}: {_listing(classes)}, there "
                f"{_listing(names[0])}; they are not of one set: give them apart"
            )


def _listing(names: Sequence[str]) -> str:
    return ", ".join(map(readable, names[:3])) + (", ..." if len(names) > 3 else "") if names else "without names"


def _connection() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(
        config={
            # One thread, as workers share the cores; nothing is put on disk, kept between queries or downloaded.
            "threads": 1,
            "memory_limit": "1GB",
            "temp_directory": "",
            "enable_external_file_cache": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    # A query of more than two seconds would print a bar into what people or programs read from our output.
    con.execute("SET enable_progress_bar = false")
    return con


def _query(con: duckdb.DuckDBPyConnection, file: str, select: str, where: str = "") -> list[Any]:
    source = f"read_parquet({path_in_sql(file)}, file_row_number=true, hive_partitioning=false)"
    return _rows(con, file, f"{select} FROM {source} {where}")


def _rows(con: duckdb.DuckDBPyConnection, file: str, sql: str) -> list[Any]:
    surrogates = any("\ud800" <= character <= "\udfff" for character in file)
    require(not surrogates, f"{readable(file)} has a name that is not UTF-8: rename it", DataError)
    try:
        return con.execute(sql).fetchall()
    except duckdb.Error as error:
        if not Path(file).exists():
            raise Changed(f"{readable(file)} is gone") from error
        with contextlib.suppress(OSError), Path(file).open("rb") as stream:
            told = what_it_is(stream.read(4096))
            require(not told, f"{readable(file)} is {told}", DataError)
        raise DataError(f"{readable(file)} cannot be read: {readable(str(error).splitlines()[0])}") from error


def _types(con: duckdb.DuckDBPyConnection, file: str) -> dict[str, str]:
    rows = _query(con, file, "DESCRIBE SELECT * EXCLUDE (file_row_number)")
    return {str(row[0]): str(row[1]) for row in rows}


def _metadata(con: duckdb.DuckDBPyConnection, file: str) -> list[bytes]:
    sql = f"SELECT value FROM parquet_kv_metadata({path_in_sql(file)}) WHERE key = 'huggingface'::BLOB"
    return [bytes(value) for (value,) in _rows(con, file, sql)]


def _group_column(con: duckdb.DuckDBPyConnection, file: str, column: str) -> list[Any]:
    columns = _types(con, file)
    require(
        column in columns,
        f"{file} has no column {column}; it has {', '.join(map(readable, columns))}",
        DataError,
    )
    return [value for (value,) in _query(con, file, f"SELECT {column_in_sql(column)}", _IN_ORDER)]


def _takes(path: Path) -> bool:
    return any(map(is_parquet, path.iterdir())) if path.is_dir() else is_parquet(path)


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    path = folder / "images.parquet"
    con = _connection()
    con.execute("CREATE TABLE images (image STRUCT(bytes BLOB, path VARCHAR), label BIGINT)")
    for image, label in zip(images, labels, strict=True):
        con.execute("INSERT INTO images VALUES ({'bytes': ?::BLOB, 'path': NULL}, ?)", [png(image), int(label)])
    con.execute(f"COPY images TO {text_in_sql(path)} (FORMAT parquet)")
    return path


PARQUET = Reader(
    form="FILE.parquet",
    text="or a folder of them (FOLDER:train), Hugging Face layout: image {bytes, path}, label",
    takes=_takes,
    open=ParquetSource,
    write=_write,
    parts=True,
    columns=True,
)

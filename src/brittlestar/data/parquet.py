"""Parquet files and folders of them, in the layout of Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.data.base import Changed
from brittlestar.data.decode import Pixels
from brittlestar.data.encoded import EncodedSource, png
from brittlestar.data.reader import OpenRequest, Reader


class ParquetSource(EncodedSource):
    """Parquet in the Hugging Face layout: ``image`` a struct with ``bytes`` (or bytes alone), ``label`` a number."""

    def __init__(
        self,
        path: Path,
        asked: OpenRequest,
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
            asked,
            [v for file in self.paths for v in _group_column(con, file, asked.group)] if asked.group else None,
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
            # In pieces: whole files may be larger than the memory.
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
            if int(place) not in found:
                number = int(np.searchsorted(self.starts, place, side="right")) - 1
                raise Changed.of(_row_name(int(place - self.starts[number]), self.paths[number]))
            # The query promises no order of rows; this is the one asked for.
            yield found[int(place)]


def _row_name(row: int, file: str) -> str:
    return f"row {row} of {Path(file).name}"


def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            # One thread, as workers share the cores; nothing is put on disk, kept between queries or downloaded.
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


def _takes(path: Path) -> bool:
    return any(path.glob("*.parquet")) if path.is_dir() else path.suffix == ".parquet"


def _write(folder: Path, images: Pixels, labels: Sequence[int]) -> Path:
    path = folder / "images.parquet"
    con = _connection()
    con.execute("CREATE TABLE images (image STRUCT(bytes BLOB, path VARCHAR), label BIGINT)")
    for image, label in zip(images, labels, strict=True):
        con.execute("INSERT INTO images VALUES ({'bytes': ?::BLOB, 'path': NULL}, ?)", [png(image), int(label)])
    quoted = str(path).replace("'", "''")
    con.execute(f"COPY images TO '{quoted}' (FORMAT parquet)")
    return path


PARQUET = Reader(
    form="FILE.parquet",
    text="or a folder of them, Hugging Face layout: image {bytes, path}, label",
    takes=_takes,
    open=ParquetSource,
    write=_write,
)

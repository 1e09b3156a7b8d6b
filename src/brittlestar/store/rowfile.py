"""Row files: Parquet written and read through DuckDB, from and to numpy columns."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import StoreError
from brittlestar.core.files import make_folder, scratch, write_atomic
from brittlestar.core.places import ObjectPath
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged, name_digest
from brittlestar.core.sql import path_in_sql, text_in_sql
from brittlestar.store.damage import AGAIN

SIMPLE = ("position", "frame", "label", "prediction", "label_logit", "top_logit", "log_sum_exp")
_INTEGERS = ("position", "frame", "label", "prediction")
# Field, prefix of its columns, and the first number: ranks count from 1, classes from 0.
_WIDE = (
    ("top_classes", "class_", 1, np.int32),
    ("top_logits", "logit_", 1, np.float32),
    ("logits", "z_", 0, np.float32),
    ("change", "change_", 1, np.float32),
    ("others", "other_", 0, np.int32),
)
AT_ONCE = 500
"""How many files one query reads."""

_KEY = "brittlestar"
"""Under which a Parquet file's metadata hold what we say about it."""

_local = threading.local()


def connection() -> duckdb.DuckDBPyConnection:
    """This thread's own DuckDB: in memory, one thread, nothing spilled to disk, no access to the network."""
    # A connection is of no use in a forked child, which makes its own.
    if getattr(_local, "process", None) != os.getpid():
        _local.connection = duckdb.connect(
            config={
                "threads": 1,
                "temp_directory": "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        # A query of more than two seconds would print a bar into what people or programs read from our output.
        _local.connection.execute("SET enable_progress_bar = false")
        _local.process = os.getpid()
        _local.reached = set()
    opened: duckdb.DuckDBPyConnection = _local.connection
    return opened


def _reaching(paths: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    """The connection, once it reads where these lie: object storage through fsspec, as all else that is read there."""
    con = connection()
    for path in paths:
        if isinstance(path, ObjectPath) and path.parts[0] not in _local.reached:
            con.register_filesystem(path.system)
            _local.reached.add(path.parts[0])
    return con


def parquet_bytes(path: Path, columns: dict[str, Any], about: str) -> bytes:
    """Columns as the content of one Parquet file.

    Args:
        path: Where it is to lie, in a folder that exists; nothing is left there.
        columns: By name.
        about: Kept in the file's metadata.

    Raises:
        StoreError: The disk is full or the folder cannot be written.
    """
    con = connection()
    con.register("written", columns)
    try:
        # Nobody reads it under this name, so DuckDB need not write beside and rename.
        options = f"FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false, KV_METADATA {{{_KEY}: {text_in_sql(about)}}}"
        with scratch(path) as beside:
            con.execute(f"COPY (SELECT * FROM written) TO {text_in_sql(beside)} ({options})")
            return beside.read_bytes()
    except (duckdb.Error, OSError) as error:
        raise StoreError(f"cannot write {path}: {_first_line(error)}; free some space or check permissions") from error
    finally:
        con.unregister("written")


def write_rows(folder: Path, stem: str, parts: Sequence[Rows], about: Mapping[str, Any]) -> Path:
    """Write the parts as one row file, whole or not at all; ``condition`` is the part's place.

    Args:
        folder: Where to.
        stem: What its name begins with; the digest of its content follows.
        parts: Rows, one condition a part.
        about: Of the file, for ``about_rows`` (see ``about_text``).

    Returns:
        The file's path.
    """
    make_folder(folder)
    content = parquet_bytes(folder / stem, _columns_of(parts), about_text(about))
    path = folder / f"{stem}-{name_digest(content)}.parquet"
    write_atomic(path, content)
    return path


def about_text(about: Mapping[str, Any] | Sequence[str]) -> str:
    """What is kept in a file's metadata, in the one way in which it is written."""
    return json.dumps(about, separators=(",", ":"))


def about_rows(path: Path) -> dict[str, Any]:
    """What a row file's metadata say about it; empty for files of earlier versions and for damaged ones."""
    try:
        found = _reaching([path]).execute(f"SELECT key, value FROM parquet_kv_metadata({path_in_sql(path)})").fetchall()
        told = json.loads(dict(found)[_KEY.encode()])
    except (duckdb.Error, KeyError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def read_rows(
    paths: Sequence[Path],
    wanted: Sequence[int] | None = None,
    *,
    detail: bool = False,
    known: dict[bytes, npt.NDArray[Any]] | None = None,
) -> list[tuple[int, Rows]]:
    """(place in the group, rows) of files of one group, in the order of the files where a place comes several times.

    Args:
        paths: Row files of one model and one group.
        wanted: Places to read; ``None`` for all.
        detail: Whether to read the wide columns too.
        known: Positions and frames by their bytes, to be added to: rows of the same samples get the same array, so
            that whoever pairs them sees it at once.

    Raises:
        StoreError: A file is damaged.
    """
    names = "*" if detail else ", ".join(["condition", *SIMPLE])
    where = "" if wanted is None else f"WHERE condition IN ({', '.join(map(str, wanted))})"
    select = f"SELECT {names} FROM {{files}} {where}"
    known = {} if known is None else known
    found: list[tuple[int, Rows]] = []
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first : first + AT_ONCE]
        together = _complete(some, select) if detail and len(some) > 1 else None
        if together is not None or not detail:
            found += _parts(together or query(some, select), known)
            continue
        for path in some:
            found += _parts(query([path], select), known)
    return found


def _complete(paths: Sequence[Path], select: str) -> dict[str, Any] | None:
    """The columns of all files; ``None`` where a file lacks one or a wide one has gaps: what is missing is told by the
    file."""
    try:
        table = query(paths, select)
    except StoreError:
        return None
    wide = (column for name, column in table.items() if name.startswith(tuple(prefix for _, prefix, *_ in _WIDE)))
    return None if any(np.ma.getmaskarray(column).any() for column in wide if _masked(column)) else table


def _masked(column: Any) -> bool:
    return isinstance(column, np.ma.MaskedArray)


def query(paths: Sequence[Path], sql: str) -> dict[str, Any]:
    """The numpy columns of a query whose ``{files}`` are the rows of all ``paths``.

    Raises:
        Damaged: A file is damaged; the text names it.
        StoreError: Object storage is out of reach.
    """
    try:
        return _reaching(paths).execute(sql.format(files=_files(paths))).fetchnumpy()
    # Texts that are no UTF-8 are found when they become Python's.
    except (duckdb.Error, ValueError, RuntimeError) as error:
        if isinstance(paths[0], ObjectPath) and isinstance(error, duckdb.IOException):
            # The connection's fault: contents were held against their digests before.
            raise StoreError(f"cannot read {paths[0].parent}: {_first_line(error)}") from error
        # A query of many files does not say which of them is damaged; each by itself does.
        for path in paths if len(paths) > 1 else ():
            query([path], "SELECT count(COLUMNS(*)) FROM {files}")
        raise Damaged(paths[0], _first_line(error), AGAIN) from error


def _columns_of(parts: Sequence[Rows]) -> dict[str, Any]:
    """Flat columns of several conditions' rows; a wide column that a part lacks is NULL there."""
    place = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    columns: dict[str, Any] = {"condition": place}
    for name in SIMPLE:
        columns[name] = np.concatenate([getattr(part, name) for part in parts])
    for name, prefix, first, dtype in _WIDE:
        width = max((v.shape[1] for part in parts if (v := getattr(part, name)) is not None), default=0)
        if not width:
            continue
        values, masks = [], []
        for part in parts:
            wide = getattr(part, name)
            have = 0 if wide is None else wide.shape[1]
            value, mask = np.zeros((len(part), width), dtype), np.ones((len(part), width), bool)
            value[:, :have], mask[:, :have] = (wide if have else 0), False
            values.append(value)
            masks.append(mask)
        value, mask = np.concatenate(values), np.concatenate(masks)
        for k in range(width):
            column = np.ascontiguousarray(value[:, k])
            columns[f"{prefix}{k + first}"] = np.ma.masked_array(column, mask[:, k]) if mask[:, k].any() else column
    return columns


def _parts(table: dict[str, Any], known: dict[bytes, npt.NDArray[Any]]) -> list[tuple[int, Rows]]:
    place = np.ma.getdata(table["condition"])
    if not len(place):
        return []
    simple = {name: _plain(table[name], name) for name in SIMPLE}
    wide = {name: _stacked(table, prefix, first) for name, prefix, first, _ in _WIDE if f"{prefix}{first}" in table}
    if not (np.diff(place) >= 0).all():
        # Of several files: one sort of the whole table puts a condition's rows together, where joining them condition
        # by condition would take tens of thousands of small steps.
        order = np.argsort(place, kind="stable")
        place = place[order]
        simple = {name: column[order] for name, column in simple.items()}
        wide = {name: (value[order], missing[order]) for name, (value, missing) in wide.items()}
    edges = np.flatnonzero(np.diff(place)) + 1
    parts = []
    for a, b in zip([0, *edges.tolist()], [*edges.tolist(), len(place)], strict=True):
        columns: dict[str, Any] = {name: column[a:b] for name, column in simple.items()}
        for name in ("position", "frame"):
            columns[name] = known.setdefault(columns[name].tobytes(), columns[name])
        for name, (value, missing) in wide.items():
            kept = ~missing[a:b].all(axis=0)
            if kept.any():
                columns[name] = value[a:b, kept]
        parts.append((int(place[a]), Rows(**columns)))
    return parts


def _plain(column: Any, name: str) -> Any:
    """Without a mask: DuckDB takes NaN for NULL, so a NULL among floats is NaN."""
    if not isinstance(column, np.ma.MaskedArray):
        return column
    if column.mask is np.ma.nomask or name in _INTEGERS:
        return column.data
    return np.where(column.mask, np.float32(np.nan), column.data)


def _stacked(table: dict[str, Any], prefix: str, first: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    columns: list[Any] = []
    while f"{prefix}{first + len(columns)}" in table:
        columns.append(np.ma.asarray(table[f"{prefix}{first + len(columns)}"]))
    missing = np.stack([np.ma.getmaskarray(column) for column in columns], 1)
    value = np.stack([column.data for column in columns], 1)
    if value.dtype == np.float32:
        value[missing] = np.nan
    return value, missing


def _files(paths: Sequence[Path]) -> str:
    # Without hive_partitioning = false, a folder called a=b would become a column a.
    return f"read_parquet([{', '.join(path_in_sql(path) for path in paths)}], hive_partitioning = false)"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

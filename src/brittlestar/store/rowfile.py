"""Row files: Parquet written and read through DuckDB, from and to numpy columns."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from brittlestar.core.errors import StoreError
from brittlestar.core.files import replacing
from brittlestar.core.rows import Rows

_SIMPLE = ("position", "frame", "label", "prediction", "label_logit", "top_logit", "log_sum_exp")
_local = threading.local()


def connection() -> duckdb.DuckDBPyConnection:
    """This thread's own DuckDB, in memory, one thread, no access to the network."""
    if not hasattr(_local, "connection"):
        _local.connection = duckdb.connect(
            config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
    opened: duckdb.DuckDBPyConnection = _local.connection
    return opened


def quoted(path: Path | str) -> str:
    """A path as an SQL string; glob characters are taken literally by callers that list files themselves."""
    return "'" + str(path).replace("'", "''") + "'"


def columns_of(parts: Sequence[Rows]) -> dict[str, Any]:
    """Flat columns of several conditions' rows; a wide column that a part lacks is NULL (a masked array) there."""
    columns: dict[str, Any] = {
        "condition": np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    }
    for name in _SIMPLE:
        columns[name] = np.concatenate([getattr(part, name) for part in parts])
    for name, prefix, dtype in (
        ("top_classes", "class_", np.int32),
        ("top_logits", "logit_", np.float32),
        ("logits", "z_", np.float32),
    ):
        first = 0 if name == "logits" else 1
        width = max((v.shape[1] for part in parts if (v := getattr(part, name)) is not None), default=0)
        for k in range(width):
            values, masks = [], []
            for part in parts:
                wide = getattr(part, name)
                values.append(np.zeros(len(part), dtype) if wide is None else wide[:, k])
                masks.append(np.full(len(part), wide is None))
            columns[f"{prefix}{k + first}"] = np.ma.masked_array(np.concatenate(values), np.concatenate(masks))
    return columns


def write_rows(path: Path, parts: Sequence[Rows]) -> None:
    """Write the parts as one file, whole or not at all; ``condition`` is the part's place."""
    with replacing(path) as beside:
        con = connection()
        con.register("columns", columns_of(parts))
        try:
            con.execute(f"COPY (SELECT * FROM columns) TO {quoted(beside)} (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.Error as error:
            raise StoreError(f"cannot write {path}: {error}; free some space or check permissions") from error
        finally:
            con.unregister("columns")


def read_rows(path: Path, wanted: Sequence[int] | None, detail: bool) -> dict[int, Rows]:
    """Rows by place in the file's group; ``wanted`` places only.

    Raises:
        StoreError: The file is damaged.
    """
    con = connection()
    try:
        head = con.execute(f"DESCRIBE SELECT * FROM read_parquet({quoted(path)})").fetchall()
        names = [row[0] for row in head]
        kept = names if detail else ["condition", *_SIMPLE]
        where = "" if wanted is None else f"WHERE condition IN ({', '.join(map(str, wanted))})"
        listed = ", ".join(f'"{name}"' for name in kept)
        table = con.execute(f"SELECT {listed} FROM read_parquet({quoted(path)}) {where}").fetchnumpy()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise StoreError(
            f"{path} is damaged ({first}); delete it and run again to have its cells computed again"
        ) from error
    places = np.ma.getdata(table["condition"])
    order = np.argsort(places, kind="stable")
    found, starts = np.unique(places[order], return_index=True)
    ends = [*starts[1:], len(order)]
    return {int(p): _rows(table, order[a:b]) for p, a, b in zip(found, starts, ends, strict=True)}


def _rows(table: dict[str, Any], index: Any) -> Rows:
    columns: dict[str, Any] = {name: np.ma.getdata(table[name])[index] for name in _SIMPLE}
    for name, prefix, first in (("top_classes", "class_", 1), ("top_logits", "logit_", 1), ("logits", "z_", 0)):
        wide: list[Any] = []
        while f"{prefix}{first + len(wide)}" in table:
            column = table[f"{prefix}{first + len(wide)}"]
            if np.ma.getmaskarray(column)[index].any():
                break
            wide.append(np.ma.getdata(column)[index])
        if wide:
            columns[name] = np.stack(wide, 1)
    return Rows(**columns)

"""``samples.parquet``: the seeded order of the samples, with their labels and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import StoreError, require
from brittlestar.core.files import make_folder, write_atomic
from brittlestar.core.sealed import Damaged, check_inside, placeholder, read_bytes, sealed_inside
from brittlestar.core.text import readable
from brittlestar.store.design import Design
from brittlestar.store.rowfile import parquet_bytes, query

NAME = "samples.parquet"

CONTEXT = "context:"
"""What the names of columns begin with that hold contexts."""


class OrderFile:
    """The file in a run folder; held against its digest once, before anything is read from it.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._design: Design | None = None
        self._checked = False

    def design(self, required: bool) -> Design:
        """How the samples were drawn; folders of old versions have no groups (arguments and errors: ``_table``)."""
        if self._design is None:
            table = self._table("*", required)
            groups = np.ma.getdata(table["group"]).astype(np.int64) if "group" in table else None
            self._design = Design(np.ma.getdata(table["label"]).astype(np.int32), groups)
        return self._design

    def ids(self, required: bool) -> npt.NDArray[np.str_]:
        """Ids in the seeded order."""
        return np.ma.getdata(self._table("id", required)["id"]).astype(str)

    def names(self, required: bool) -> list[str] | None:
        """Where each image is found, in the seeded order; ``None`` in folders of old versions."""
        table = self._table("*", required)
        return [str(name) for name in np.ma.getdata(table["name"])] if "name" in table else None

    def contexts(self, required: bool) -> dict[str, npt.NDArray[np.str_]]:
        """What else is known of the samples, by name, in the seeded order; empty in folders that have none."""
        table = self._table("*", required)
        columns = {name.removeprefix(CONTEXT): column for name, column in table.items() if name.startswith(CONTEXT)}
        return {name: np.ma.getdata(column).astype(np.str_) for name, column in columns.items()}

    def _table(self, columns: str, required: bool) -> dict[str, Any]:
        """Columns in the seeded order.

        Args:
            columns: Names.
            required: Whether a file without a digest is damaged.

        Raises:
            StoreError: Nothing was recorded yet.
            Damaged: It is not what was written.
        """
        told = f"{self.path.parent} has no samples yet: nothing was run in it"
        require(self.path.exists() or any((self.path.parent / "rows").glob("*/*.parquet")), told, StoreError)
        remedy = "give the same `brittlestar run` command again: it writes the file anew and keeps all rows"
        try:
            if not self._checked:
                check_inside(self.path, read_bytes(self.path), required=required)
            # By position, or in the order of the file where an old file's positions are not what they must be.
            table = query([self.path], f"SELECT {columns}, position AS place FROM {{files}} ORDER BY position")
        except Damaged as error:
            raise Damaged(self.path, error.why, remedy) from error
        if not np.array_equal(np.ma.getdata(table["place"]), np.arange(len(table["place"]))):
            raise Damaged(self.path, "its positions are not 0, 1, 2, ...", remedy)
        self._checked = True
        return table

    def write(
        self,
        ids: npt.NDArray[np.str_],
        labels: npt.NDArray[np.int32],
        groups: npt.NDArray[np.int64] | None,
        names: Sequence[str] | None,
        truths: npt.NDArray[np.int32] | None,
        contexts: Mapping[str, npt.NDArray[np.str_]],
    ) -> None:
        """Write it, whole or not at all."""
        columns: dict[str, Any] = {"position": np.arange(len(ids), dtype=np.int32), "id": ids.astype(object)}
        columns["label"] = labels
        if groups is not None:
            columns["group"] = groups.astype(np.int64)
        if names is not None:
            columns["name"] = np.array([readable(name) for name in names], dtype=object)
        if truths is not None:
            texts = [" ".join(map(str, sorted({*map(int, own)}))) for own in truths]
            columns["truths"] = np.array(texts, dtype=object)
        for name, column in contexts.items():
            columns[CONTEXT + readable(name)] = np.array([readable(value) for value in column.tolist()], dtype=object)
        make_folder(self.path.parent)
        write_atomic(self.path, sealed_inside(parquet_bytes(self.path, columns, placeholder())))
        self._design, self._checked = None, False


def joined(
    known: Mapping[str, npt.NDArray[np.str_]], told: Mapping[str, npt.NDArray[np.str_]]
) -> dict[str, npt.NDArray[np.str_]]:
    """Contexts that are known with those that are told now, which go before; an empty value tells nothing."""
    found = dict(known)
    for name, column in told.items():
        key, now = readable(name), np.array([readable(value) for value in column.tolist()], np.str_)
        found[key] = np.where(now == "", known[key], now) if key in known else now
    return found

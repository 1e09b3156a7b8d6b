"""Columns of Parquet files: which one holds the images, which one the labels, and what the labels mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.sql import column_in_sql
from brittlestar.core.text import readable
from brittlestar.data.labels import MOST_CLASSES, checked_classes, numbered
from brittlestar.data.tree import order_notes, ordered

IMAGES = ("image", "img")
LABELS = ("label", "labels", "fine_label")
"""Names that columns usually have, the first that is there counts."""

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = {*_WHOLE, *("U" + kind for kind in _WHOLE), "BOOLEAN", "FLOAT", "DOUBLE"}

Query = Callable[[str, str, str], list[Any]]
"""Gives the rows of ``SELECT {1} FROM <file {0}> {2}``."""


@dataclass(frozen=True)
class Columns:
    """What is read of a file, in SQL.

    Fields:
        content: The encoded images; ``NULL`` where there are none.
        path: The paths of images that lie beside the file; ``NULL`` where there are none.
        label: The column of the labels, as it is called.
        notes: How they were chosen, where that is not plain.
    """

    content: str
    path: str
    label: str
    notes: tuple[str, ...]


def columns_of(
    types: dict[str, str], file: str, image: str | None, label: str | None, classes: Sequence[str]
) -> Columns:
    """Choose the columns of a file.

    Args:
        types: DuckDB's type of each column, by name.
        file: What the file is called, for messages.
        image, label: The person's word.
        classes: Columns that the file's metadata call class labels.

    Raises:
        DataError: There are none, or it cannot be told which ones are meant.
    """
    there = f"{file} has the columns {', '.join(map(readable, types))}"
    for asked, name in ((image, "image_column"), (label, "label_column")):
        require(asked is None or asked in types, f"{there}, and no {option(name, asked)}", DataError)
    pictures = [name for name, kind in types.items() if _holds_images(kind)]
    chosen = image or next((name for name in IMAGES if name in types), None)
    if chosen is None:
        require(
            len(pictures) == 1,
            f"{there}; which one holds the images? Name it: {option('image_column', 'NAME')}",
            DataError,
        )
        chosen = pictures[0]
    kind = types[chosen]
    require(not kind.endswith("[]"), f"{file}: column {readable(chosen)} holds several images a row", DataError)
    require(
        _holds_images(kind) or kind == "VARCHAR",
        f"{file}: column {readable(chosen)} is {readable(kind)[:80]}; it must hold the bytes of image files, or their "
        f"paths{'; another column is ' + option('image_column', pictures[0]) if pictures else ''}",
        DataError,
    )
    column, notes = column_in_sql(chosen), []
    if image is None and chosen not in IMAGES:
        notes.append(f"images are those of column {readable(chosen)}")
    named = label or next((name for name in LABELS if name in types), None)
    if named is None and len(classes) == 1:
        named = classes[0]
    require(
        named is not None, f"{there}; which one holds the labels? Name it: {option('label_column', 'NAME')}", DataError
    )
    others = [name for name in classes if name != named]
    others += [name for name in ("coarse_label",) if name in types and name != named and name not in others]
    if label is None and (others or named != "label"):
        more = f", not of {', '.join(map(readable, others))} ({option('label_column', 'NAME')})" if others else ""
        notes.append(f"labels are those of column {readable(str(named))}{more}")
    fields = kind.startswith("STRUCT")
    content = "NULL::BLOB" if kind == "VARCHAR" else f"{column}.bytes" if fields else column
    path = column if kind == "VARCHAR" else f"{column}.path" if "path VARCHAR" in kind and fields else "NULL::VARCHAR"
    return Columns(content, path, str(named), tuple(notes))


def _holds_images(kind: str) -> bool:
    return kind == "BLOB" or (kind.startswith("STRUCT") and not kind.endswith("[]") and "bytes BLOB" in kind)


def class_columns(metadata: Sequence[bytes]) -> dict[str, tuple[str, ...]]:
    """Columns that Hugging Face's metadata call class labels, with their names."""
    found: dict[str, tuple[str, ...]] = {}
    for value in metadata:
        try:
            features = json.loads(value)["info"]["features"]
            named = {column: about["names"] for column, about in features.items() if "names" in about}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        found |= {str(c): tuple(map(str, names)) for c, names in named.items() if isinstance(names, list) and names}
    return found


def labels_of(
    files: Sequence[str], label: str, kind: str, names: tuple[str, ...], query: Query
) -> tuple[npt.NDArray[np.int32], tuple[str, ...], list[str]]:
    """(n,) labels of all rows in order, the classes' names, and notes.

    Raises:
        DataError: A label is missing, is no class, or is far beyond any.
    """
    column, shown = column_in_sql(label), readable(label)
    require(
        not kind.endswith("]") and not kind.startswith(("STRUCT", "MAP")),
        f"{files[0]}: column {shown} holds several labels a row ({readable(kind)[:60]}); name one with one: "
        f"{option('label_column', 'NAME')}",
        DataError,
    )
    text = kind == "VARCHAR" or kind.startswith("ENUM")
    require(
        text or kind in _NUMBERS,
        f"{files[0]}: column {shown} is {readable(kind)[:60]}; labels are whole numbers from 0, or names",
        DataError,
    )
    for file in files:
        _refuse(file, f"{column} IS NULL", f"has no {shown}: leave such rows out", query)
    if text:
        return _of_names(files, label, names, query)
    classes = checked_classes(list(names), f"the classes of {shown}") if names else ()
    most = len(classes) or MOST_CLASSES
    for file in files:
        if kind in ("FLOAT", "DOUBLE"):
            _refuse(
                file,
                f"NOT isfinite({column}) OR {column} <> floor({column})",
                f"has a label that is no number of a class: {{}} in {shown}",
                query,
                column,
            )
        value = f"{column}::INTEGER" if kind == "BOOLEAN" else column
        _refuse(
            file,
            f"{value} < 0",
            "has the label {}: parts whose labels are kept secret (tests of contests) say so, and cannot be measured",
            query,
            value,
        )
        _refuse(
            file,
            f"{value} >= {most}",
            f"has the label {{}}; {shown} has {most:,} classes{'' if classes else ' at the most'}, counted from 0",
            query,
            value,
        )
    parts = [np.array(query(file, f"{column}::INTEGER", "ORDER BY file_row_number"), np.int32) for file in files]
    labels = np.concatenate(parts).reshape(-1)
    notes = [f"labels are {kind.lower()}s, taken as whole numbers"] if kind in ("FLOAT", "DOUBLE") else []
    return labels, classes or numbered(int(labels.max(initial=0)) + 1), notes


def _of_names(
    files: Sequence[str], label: str, names: tuple[str, ...], query: Query
) -> tuple[npt.NDArray[np.int32], tuple[str, ...], list[str]]:
    column, shown = column_in_sql(label), readable(label)
    present: set[str] = set()
    for file in files:
        some = query(file, f"DISTINCT {column}::VARCHAR", f"LIMIT {MOST_CLASSES + 1}")
        present.update(value for (value,) in some)
        require(
            len(present) <= MOST_CLASSES,
            f"{file}: {shown} has more than {MOST_CLASSES:,} different values, which are no classes",
            DataError,
        )
    strange = sorted(present - set(names)) if names else []
    require(not strange, f"{files[0]}: {shown} {readable(''.join(strange[:1]))!r} is none of its classes", DataError)
    classes = checked_classes(list(names or ordered(sorted(present))), f"the values of {shown}")
    place = {name: number for number, name in enumerate(classes)}
    labels = [place[v] for file in files for (v,) in query(file, f"{column}::VARCHAR", "ORDER BY file_row_number")]
    how = "in the order of the file's metadata" if names else "in the order of their names"
    odd = [] if names else order_notes(classes)
    return np.array(labels, np.int32), classes, [f"labels are names, numbered {how}", *odd]


def _refuse(file: str, where: str, why: str, query: Query, value: str = "NULL") -> None:
    """Raise a DataError for the first row of a file that a condition holds for."""
    rows = query(file, f"file_row_number, ({value})::VARCHAR", f"WHERE {where} ORDER BY file_row_number LIMIT 1")
    for row, found in rows:
        raise DataError(f"row {row} of {readable(file)} {why.replace('{}', str(found))}")

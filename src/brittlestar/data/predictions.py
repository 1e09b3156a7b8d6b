"""Predictions that somebody else's pipeline made: tables of logits, probabilities or labels, matched with samples.

A table says by its columns what it holds. ``name`` (where the image is found, as run folders write it) or ``id`` says
which sample a row is of; ``z_0, z_1, ...`` are logits, ``p_0, p_1, ...`` probabilities, ``prediction`` is the answered
class, by name or number. ``condition`` says under what a row was answered; without, the images were clean. In an
``.npz`` logits and probabilities are the arrays ``logits`` and ``probabilities``.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable
from brittlestar.data.base import Source

Kind = Literal["logits", "probabilities", "labels"]
CLEAN = "clean"

_TINY = float(np.finfo(np.float32).tiny)
_WIDE = {"z_": "logits", "p_": "probabilities"}
_PLAIN = ("name", "id", "prediction", "condition")


@dataclass(frozen=True)
class Predictions:
    """A table, as it was read.

    Fields:
        path: The file.
        kind: What ``values`` are.
        values: (n, outputs) float64 logits, the logarithms of probabilities, or (n,) answered classes as text.
        keys: (n,) names or ids; ``None`` where there are none.
        by: ``name`` or ``id``, which of them.
        conditions: (n,) ids of conditions.
    """

    path: Path
    kind: Kind
    values: npt.NDArray[Any]
    keys: npt.NDArray[np.str_] | None
    by: str
    conditions: npt.NDArray[np.str_]

    def of(self, condition: str) -> Predictions:
        """The rows of one condition."""
        at = self.conditions == condition
        keys = None if self.keys is None else self.keys[at]
        return Predictions(self.path, self.kind, self.values[at], keys, self.by, self.conditions[at])


def read_predictions(path: Path) -> Predictions:
    """Read a table: ``.csv``, ``.npz`` or ``.parquet``.

    Raises:
        DataError: It cannot be read, or does not say what it holds; the text says what to write.
    """
    require(path.is_file(), f"no such file: {path}", DataError)
    readers = {".csv": _csv, ".npz": _npz, ".parquet": _parquet}
    require(path.suffix in readers, f"{path}: predictions are a .csv, .npz or .parquet file", DataError)
    columns = readers[path.suffix](path)
    counts = {len(column) for column in columns.values()}
    require(len(counts) == 1 and counts != {0}, f"{path} has no rows, or columns of different lengths", DataError)
    kind, values = _values(path, columns)
    by = next((name for name in ("name", "id") if name in columns), "")
    given = columns.get("condition")
    return Predictions(
        path,
        kind,
        values,
        _texts(columns[by]) if by else None,
        by,
        np.full(len(values), CLEAN) if given is None else _texts(given),
    )


def places_of(table: Predictions, source: Source, in_order: bool) -> npt.NDArray[np.int64]:
    """(n,) where each row's sample stands in the source's listing: every sample once.

    Args:
        table: Rows of one condition.
        source: The opened data.
        in_order: Whether rows are in the listing's order, and names are not looked at.

    Raises:
        DataError: Samples are missing, stand there twice or are none of the data's, with how many.
    """
    count, rows = len(source.ids), len(table.values)
    if in_order:
        exact = (
            f"{table.path} has {rows:,} rows and the data {count:,} images: {option('in_order', True)} needs one each"
        )
        require(rows == count, exact, DataError)
        return np.arange(count)
    require(
        table.keys is not None,
        f"{table.path} does not say which row is of which image: give it a column name or id, or "
        f"{option('in_order', True)} if its rows are in the order of the data's listing",
        DataError,
    )
    assert table.keys is not None
    known = [str(one) for one in (source.ids if table.by == "id" else map(readable, source.names()))]
    keys = [str(key) for key in table.keys]
    if table.by == "name" and not set(keys) & set(known):
        # Somebody else's root is another: the file's own name will do where it is the only one of its kind.
        short = [PurePosixPath(name).name for name in known]
        if len(set(short)) == len(short):
            known, keys = short, [PurePosixPath(key.replace("\\", "/")).name for key in keys]
    place = {key: at for at, key in enumerate(known)}
    twice = [key for key, n in Counter(keys).items() if n > 1]
    strange = [key for key in keys if key not in place]
    missing = set(known) - set(keys)
    problems = [
        f"{len(own):,} {text}: {', '.join(map(readable, sorted(own)[:3]))}{', ...' if len(own) > 3 else ''}"
        for own, text in (
            (twice, "stand there twice or more"),
            (strange, f"are none of the data's {table.by}s"),
            (missing, "of the data's images are missing"),
        )
        if own
    ]
    require(len(place) == len(known), f"the data hold images of equal {table.by}: rows cannot be matched", DataError)
    lead = f"{table.path}, {rows:,} rows for {count:,} images"
    require(not problems, f"{lead}: {'; '.join(problems)}", DataError)
    return np.array([place[key] for key in keys], np.int64)


def answered(table: Predictions, classes: Sequence[str], titles: Sequence[str]) -> npt.NDArray[np.int32]:
    """(n,) the classes that a table of labels answers.

    Args:
        table: Of labels.
        classes: Names in the order of the labels.
        titles: What people call them; may be empty.

    Raises:
        DataError: An answer is none of the classes.
    """
    # What people call classes may be one text for two (ImageNet has two cranes), or another's name.
    several = {name for name, n in Counter(titles).items() if n > 1}
    named = {name: place for place, name in enumerate(titles) if name not in several}
    named |= {name: place for place, name in enumerate(classes)}
    texts = [str(one) for one in table.values]
    if not any(text in named for text in texts):
        named = {str(place): place for place in range(len(classes))}
        texts = [text.removesuffix(".0") for text in texts]
    strange = sorted({text for text in texts if text not in named})
    require(
        not strange,
        f"{table.path}: {len(strange):,} of the answers are none of the {len(classes):,} classes: "
        f"{', '.join(map(readable, strange[:3]))}; write names as the data have them, or numbers from 0",
        DataError,
    )
    return np.array([named[text] for text in texts], np.int32)


def _values(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> tuple[Kind, npt.NDArray[Any]]:
    found = [kind for kind in ("logits", "probabilities", "prediction") if kind in columns]
    strange = sorted(set(columns) - {*_PLAIN, "logits", "probabilities"})
    require(
        len(found) == 1,
        f"{path} holds {' and '.join(found) or 'no answers'}"
        + (f" (its columns are {', '.join(map(readable, strange[:6]))})" if strange else "")
        + ": give z_0, z_1, ... (logits), p_0, p_1, ... (probabilities) or prediction (a class), and one of them alone",
        DataError,
    )
    if found[0] == "prediction":
        texts = _texts(columns["prediction"])
        require(not (texts == "").any(), f"{path}: {int((texts == '').sum()):,} rows have no prediction", DataError)
        return "labels", texts
    try:
        values = np.asarray(columns[found[0]], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: its {found[0]} are no numbers ({error})") from error
    shaped = values.ndim == 2 and values.shape[1] >= 2
    require(shaped, f"{path}: {found[0]} of shape {values.shape}; they must be (n, classes)", DataError)
    bad = int((~np.isfinite(values)).any(1).sum())
    require(not bad, f"{path}: {found[0]} of {bad:,} rows are missing or not finite", DataError)
    if found[0] == "logits":
        return "logits", values
    off = (values < 0).any(1) | (np.abs(values.sum(1) - 1) > 1e-2)
    require(
        not off.any(),
        f"{path}: probabilities of {int(off.sum()):,} rows are below 0 or do not sum to 1: name logits "
        "z_0, z_1, ... (logits in an .npz)",
        DataError,
    )
    return "probabilities", np.log(np.maximum(values, _TINY))


def _wide(columns: Mapping[str, npt.NDArray[Any]], path: Path) -> dict[str, npt.NDArray[Any]]:
    """Columns with ``z_0, z_1, ...`` and ``p_0, ...`` put together."""
    kept = {name: column for name, column in columns.items() if not re.fullmatch(r"[zp]_\d+", name)}
    for lead, kind in _WIDE.items():
        numbers = sorted(int(name[2:]) for name in columns if re.fullmatch(rf"{lead}\d+", name))
        gaps = f"{path}: columns {lead}0 to {lead}{len(numbers) - 1} must all be there, each once"
        require(numbers == list(range(len(numbers))), gaps, DataError)
        if numbers:
            try:
                kept[kind] = np.stack([np.asarray(columns[f"{lead}{k}"], np.float64) for k in numbers], 1)
            except (TypeError, ValueError) as error:
                raise DataError(f"{path}: its {kind} are no numbers ({error})") from error
    return kept


def _csv(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    require(len(lines) > 1, f"{path} has no rows under its header", DataError)
    header = [name.strip() for name in lines[0]]
    require(len(set(header)) == len(header), f"{path} has two columns of one name", DataError)
    ragged = [number for number, line in enumerate(lines[1:], 2) if len(line) != len(header)]
    require(
        not ragged, f"{path}: line {ragged[0] if ragged else 0} has another number of cells than the header", DataError
    )
    return _wide({name: np.array([line[k] for line in lines[1:]]) for k, name in enumerate(header)}, path)


def _npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as .npz without pickles: {error}") from error


def _parquet(path: Path) -> dict[str, npt.NDArray[Any]]:
    import duckdb

    try:
        found = duckdb.connect(config={"threads": 1}).execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchnumpy()
    except (duckdb.Error, ValueError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {next(iter(str(error).splitlines()), '')}") from error
    empty = [name for name, column in found.items() if np.ma.getmaskarray(column).any()]
    require(not empty, f"{path}: column {empty[0] if empty else ''} has rows without a value", DataError)
    return _wide({name: np.ma.getdata(column) for name, column in found.items()}, path)


def _texts(column: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    return np.array([one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in column.tolist()])

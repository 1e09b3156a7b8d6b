"""CSV files that people give: rows with their numbers, and cells that must be accuracies."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from brittlestar.core.errors import DataError, require

Row = tuple[int, list[str]]
"""(its number in the file from 1, its cells without spaces around them)."""

MISSING = ("", "nan", "na", "n/a", "none", "-")
"""Cells that stand for no number, in any letters."""


def csv_rows(path: Path) -> list[Row]:
    """The rows of a CSV file that are not empty.

    Raises:
        DataError: No such file, or no CSV in UTF-8.
    """
    require(path.is_file(), f"no such file: {path}", DataError)
    try:
        # Spreadsheets begin UTF-8 files with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, [c.strip() for c in row]) for number, row in enumerate(csv.reader(file), 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 ({error})") from None
    return [(number, row) for number, row in rows if any(row)]


def number_or_none(text: str) -> float | None:
    """The number that a text is, or nothing."""
    try:
        return float(text)
    except ValueError:
        return None


def number_or_nan(path: Path, row: int, column: str, text: str, most: float) -> float:
    """A cell from 0 to ``most``, NaN where it is empty.

    Raises:
        DataError: Something else.
    """
    if text.lower() in MISSING:
        return math.nan
    value = number_or_none(text)
    require(
        value is not None and 0 <= value <= most,
        f"{path} row {row}, {column}: an accuracy from 0 to {most:g} is due, got {text!r}"
        + ("; divide percent by 100" if value is not None and most == 1 and 1 < value <= 100 else ""),
        DataError,
    )
    assert value is not None
    return value


def header_of(path: Path, rows: list[Row]) -> list[str]:
    """The header of a table whose rows all have as many cells.

    Raises:
        DataError: No rows below it, or a row of another length.
    """
    require(len(rows) >= 2, f"{path} has no rows below a header", DataError)
    header = rows[0][1]
    for number, row in rows[1:]:
        require(
            len(row) == len(header),
            f"{path} row {number} has {len(row)} cells, the header {len(header)}: give as many",
            DataError,
        )
    return header

"""Texts and paths in DuckDB's SQL."""

from __future__ import annotations

from pathlib import Path


def text_in_sql(value: Path | str) -> str:
    """A text as it stands in SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def path_in_sql(path: Path | str) -> str:
    """The path of a file that is read: DuckDB expands nothing in it."""
    return text_in_sql("".join(f"[{c}]" if c in "*?[" else c for c in str(path)))


def column_in_sql(name: str) -> str:
    """A column's name."""
    return '"' + name.replace('"', '""') + '"'

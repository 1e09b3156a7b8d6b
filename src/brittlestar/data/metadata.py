"""A table beside an image folder: one row an image, found by its file name."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable

KEYS = ("file_name", "filename", "file", "path", "image_path", "filepath", "image", "img", "name")
"""What the column of file names is called, the first that is there counts; else it is the first column."""

MOST = 64 << 20
"""Bytes that such a table may have."""


@dataclass(frozen=True)
class Metadata:
    """A table that was read.

    Fields:
        path: Of the file.
        key: The column of file names.
        columns: The others.
        rows: By file name as written, with forward slashes: values by column.
        last: The rows by the last part of the name; those that share one are ``None``.
    """

    path: Path
    key: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, str]]
    last: dict[str, dict[str, str] | None]

    @classmethod
    def read(cls, path: Path) -> Metadata:
        """Read a CSV or TSV file with a header.

        Raises:
            DataError: It cannot be read, has no header, or tells two things of one file.
        """
        shown = readable(str(path))
        try:
            require(
                path.stat().st_size <= MOST, f"{shown} has more than {MOST >> 20} MB: no table of images", DataError
            )
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {shown} ({getattr(error, 'strerror', None) or error})") from error
        try:
            lines = list(
                csv.reader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            )
        except csv.Error as error:
            raise DataError(f"{shown} is no CSV file: {error}") from error
        require(len(lines) > 1, f"{shown} has no rows: a header and one row an image", DataError)
        header = [name.strip() for name in lines[0]]
        twice = [name for name, n in Counter(header).items() if n > 1]
        require(not twice, f"{shown} has two columns {readable(''.join(twice[:1]))!r}", DataError)
        key = next((name for name in KEYS if name in header), header[0])
        place = header.index(key)
        rows: dict[str, dict[str, str]] = {}
        for number, line in enumerate(lines[1:], start=2):
            if not line:
                continue
            require(
                len(line) == len(header),
                f"{shown}: line {number:,} has {len(line)} of {len(header)} columns",
                DataError,
            )
            name = str(PurePosixPath(line[place].strip().replace("\\", "/")))
            row = {column: value.strip() for column, value in zip(header, line, strict=True) if column != key}
            require(
                rows.setdefault(name, row) == row,
                f"{shown}: line {number:,} tells other things of {readable(name)} than an earlier one",
                DataError,
            )
        last: dict[str, dict[str, str] | None] = {}
        for name, row in rows.items():
            short = PurePosixPath(name).name
            last[short] = None if short in last else row
        return cls(path, key, tuple(c for c in header if c != key), rows, last)

    def column(self, name: str, files: Sequence[str], root: Path) -> list[str]:
        """A column's value for each file.

        Args:
            name: Of the column.
            files: Paths relative to the data's root, with forward slashes.
            root: Of the data: names in the table may also be relative to the table's own folder, or be the last part
                of the path alone, where that is unique.

        Raises:
            DataError: No such column, or files without a row.
        """
        shown = readable(str(self.path))
        require(
            name in self.columns,
            f"{shown} has no column {readable(name)}; it has {', '.join(map(readable, self.columns))} beside the file "
            f"names ({readable(self.key)})",
            DataError,
        )
        try:
            before = f"{root.resolve().relative_to(self.path.resolve().parent).as_posix()}/"
        except ValueError:
            before = ""
        alike = Counter(PurePosixPath(file).name for file in files)
        found = [self._row(file, before, alike[PurePosixPath(file).name] == 1) for file in files]
        lost = [file for file, row in zip(files, found, strict=True) if row is None]
        require(
            not lost,
            f"{shown} has no row for {len(lost):,} of the {len(files):,} images, for instance "
            f"{', '.join(map(readable, lost[:3]))}: its column {readable(self.key)} holds names such as "
            f"{readable(next(iter(self.rows)))}; they are paths in {readable(str(root))}, or file names where these "
            "are unique",
            DataError,
        )
        return [row[name] for row in found if row is not None]

    def _row(self, file: str, before: str, alone: bool) -> dict[str, str] | None:
        for name in (file, before.removeprefix("./") + file):
            if name in self.rows:
                return self.rows[name]
        return self.last.get(PurePosixPath(file).name) if alone else None


def require_no_metadata(metadata: str | None, where: object) -> None:
    """Refuse a table beside data that are no image folder."""
    require(
        metadata is None,
        f"{option('metadata', metadata)} goes with an image folder; {where} has columns of its own, or none",
        DataError,
    )

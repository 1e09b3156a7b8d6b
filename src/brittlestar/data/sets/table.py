"""A table of images in the way of WILDS: a path, a label and a split a row, and all other columns as contexts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.data.labels import numbered
from brittlestar.data.published_set import ClassList, Listed, PublishedSet, SetFiles
from brittlestar.data.reader import OpenRequest
from brittlestar.data.tree import ordered

PATHS = ("path", "filename", "file_name", "filepath", "image_path", "file", "image", "img_filename")
LABELS = ("y", "label", "target", "category_id", "class")
SPLITS = ("split", "partition", "set")
"""What columns are called; the first that is there counts."""

FOLDERS = ("", "images", "train", "data")
"""Folders beside the table that its paths may be relative to."""

_LARGEST = 256 << 20
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class ImageTable(PublishedSet):
    """Any table of images: its columns are found by their usual names, or are named."""

    @property
    def counts(self) -> str:
        """See ``PublishedSet.counts``."""
        return "one row an image"

    def open(self, path: Path, asked: OpenRequest) -> Source:
        """See ``PublishedSet.open``; ``asked.part`` is a value of the column of splits."""
        file = path / "metadata.csv" if path.is_dir() else path
        require(file.is_file(), f"{readable(str(path))} holds no metadata.csv: give the table", DataError)
        header, rows = _rows(file)
        shown = readable(str(file))
        image = _column(shown, header, asked.image_column, PATHS, "image_column", "paths of images")
        label = _column(shown, header, asked.label_column, LABELS, "label_column", "labels")
        split = next((name for name in SPLITS if name in header and name not in (image, label)), None)
        place = {name: header.index(name) for name in header}
        values = [row[place[split]] for row in rows] if split is not None else [""] * len(rows)
        there = list(dict.fromkeys(values))
        if asked.part:
            has = ", ".join(map(repr, there)) if split else "no column of them"
            known = f"{shown} has no split {asked.part!r}; it has {has}"
            require(split is not None and asked.part in there, known, DataError)
        elif len(there) > 1:
            raise DataError(f"{shown} holds the splits {', '.join(there)}: name one, {self.spec(path, there[-1])}")
        chosen = [row for row, value in zip(rows, values, strict=True) if not asked.part or value == asked.part]
        names = _classes(shown, [row[place[label]] for row in rows])
        files = _files(file.parent, [row[place[image]] for row in chosen], shown)
        others = [name for name in header if name and name not in (image, label, split)]
        listed = Listed(
            root=file.parent,
            files=[(one, names.index(row[place[label]])) for one, row in zip(files, chosen, strict=True)],
            classes=ClassList(names=names),
            part=asked.part,
            name=readable(file.parent.resolve().name) + (f"-{asked.part}" if asked.part else ""),
            notes=(
                f"of {shown}: images {image}, labels {label}"
                + (f", {split} {asked.part}" if asked.part else "")
                + (f"; contexts {', '.join(map(readable, others))}" if others else ""),
            ),
            contexts={name: [row[place[name]].strip()[:_LONGEST] for row in chosen] for name in others},
        )
        return SetFiles(self, path, listed, asked)


def _rows(file: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows.

    Raises:
        DataError: No table of which all rows are alike.
    """
    shown = readable(str(file))
    try:
        require(file.stat().st_size <= _LARGEST, f"{shown} is far too large for a table of images", DataError)
        text = file.read_text(encoding="utf-8-sig")
        lines = list(csv.reader(text.splitlines(), delimiter="\t" if file.suffix.lower() == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {shown} as a table: {error}") from error
    rows = [(number, row) for number, row in enumerate(lines[1:], start=2) if row]
    require(len(lines) > 1 and bool(rows), f"{shown} has no rows: a header and one row an image", DataError)
    header = [name.strip() for name in lines[0]]
    twice = next((name for name in header if header.count(name) > 1), "")
    require(not twice, f"{shown} has two columns {readable(twice)}", DataError)
    odd = next((number for number, row in rows if len(row) != len(header)), 0)
    require(not odd, f"{shown}: line {odd:,} has another number of columns than its {len(header)}", DataError)
    return header, [row for _, row in rows]


def _column(shown: str, header: Sequence[str], named: str | None, usual: Sequence[str], key: str, what: str) -> str:
    has = f"it has {', '.join(map(readable, header))}"
    if named is not None:
        require(named in header, f"{shown} has no column {readable(named)}; {has}", DataError)
        return named
    found = next((name for name in usual if name in header), None)
    require(
        found is not None,
        f"{shown} has no column of {what} ({', '.join(usual)}); {has}: name one, {option(key)}",
        DataError,
    )
    assert found is not None
    return found


def _classes(shown: str, values: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes in label order: whole numbers from 0 as they are, names in their order."""
    there = set(values)
    require("" not in there, f"{shown} has rows without a label", DataError)
    if all(value.isdecimal() and str(int(value)) == value for value in there):
        most = max(map(int, there))
        require(most < 100_000, f"{shown} has the label {most}: number the classes from 0, without gaps", DataError)
        return numbered(most + 1)
    number = next((value for value in there if _is_number(value)), None)
    require(number is None, f"{shown} has the label {number}: labels are whole numbers from 0, or names", DataError)
    return tuple(ordered(sorted(there)))


def _is_number(text: str) -> bool:
    try:
        return not np.isnan(float(text))
    except ValueError:
        return False


def _files(root: Path, names: Sequence[str], shown: str) -> list[Path]:
    """The image of each row, in the folder of the table or below.

    Raises:
        DataError: Some are not there, or lie elsewhere.
    """
    base = root.resolve()
    below = [folder for folder in FOLDERS if (root / folder).is_dir()]
    found: list[Path] = []
    for name in names:
        places = [root / folder / name.replace("\\", "/") for folder in below]
        file = next((place for place in places if place.is_file() and place.resolve().is_relative_to(base)), None)
        require(
            file is not None,
            f"{shown} names {readable(name)}, which is no file in {readable(str(root))} or below: put the images "
            "beside the table, with paths relative to it",
            DataError,
        )
        assert file is not None
        found.append(file)
    return found


WILDS = ImageTable(
    name="wilds",
    title="A table in the way of WILDS",
    layout="metadata.csv with columns of paths, labels and splits, by usual names or as named; all others are contexts",
    where="wilds.stanford.edu, or made by yourself",
    licence="of each set",
    parts="a split",
    columns=True,
)

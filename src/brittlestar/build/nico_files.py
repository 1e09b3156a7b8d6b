"""A split of data by classes and contexts as files: two sets that every command reads, their lists, what was drawn."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from brittlestar.build.context_table import Places
from brittlestar.build.nico import Split
from brittlestar.core.errors import StoreError, require
from brittlestar.core.files import make_folder, replacing
from brittlestar.core.options import option
from brittlestar.core.text import table_cell
from brittlestar.core.version import VERSION
from brittlestar.data.base import Source

PARTS = ("train", "test")
FACTS = "nico.json"


def write_split(split: Split, source: Source, context: str, folder: Path) -> Path:
    """``train.npz`` and ``test.npz`` (x, y, classes and the context), ``train.csv`` and ``test.csv``, ``nico.json``.

    Args:
        split: Of the source's samples.
        source: Opened data, whose images are stored as prepared.
        context: Name of the context.
        folder: New, empty, or of an earlier split, which is replaced.

    Raises:
        StoreError: The folder holds something else, or cannot be written.
    """
    make_folder(folder)
    known = {FACTS, *(f"{part}.{kind}" for part in PARTS for kind in ("npz", "csv"))}
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in known)
    require(
        not foreign, f"{folder} holds other files ({', '.join(foreign[:3])}): take another {option('out')}", StoreError
    )
    names = source.names()
    for part, places in zip(PARTS, (split.train, split.test), strict=True):
        _write_part(folder, part, places, source, context, [names[place] for place in places])
    facts = {**split.facts, "context": context, "data": source.info.as_json(), "version": VERSION}
    with replacing(folder / FACTS) as beside:
        beside.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return folder / FACTS


def _write_part(folder: Path, part: str, places: Places, source: Source, context: str, names: list[str]) -> None:
    values = source.contexts[context][places]
    labels, classes = source.labels[places], source.info.classes
    arrays = {"x": source.load(places), "y": labels, "classes": np.array(classes), context: values}
    with replacing(folder / f"{part}.npz") as beside, beside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    with replacing(folder / f"{part}.csv") as beside, beside.open("w", encoding="utf-8", newline="") as table:
        lines = csv.writer(table)
        lines.writerow(["file_name", "label", "class", context])
        for name, label, value in zip(names, labels.tolist(), values.tolist(), strict=True):
            lines.writerow([table_cell(name), label, table_cell(classes[label]), table_cell(value)])

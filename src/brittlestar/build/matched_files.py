"""Files of a matched set: tables of candidates and of a reference, and the list or folder that is made."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from brittlestar.build.matched import Floats, MatchedDraw, MatchedSet, draw_matched
from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.files import make_folder, replacing
from brittlestar.core.options import option
from brittlestar.core.sealed import write_json
from brittlestar.core.sql import path_in_sql


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Items with their class and score: ``names`` (paths or ids), ``labels`` and ``scores``, one each."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Floats


def read_scores(
    path: Path, *, score: str, label: str = "label", name: str = "name", needed: bool = False
) -> ScoreTable:
    """A CSV or Parquet table's columns.

    Args:
        path: ``.csv`` or ``.parquet``.
        score, label, name: Of the columns; without a column ``name`` rows are named by their number from 0.
        needed: Whether the column ``name`` must be there.

    Raises:
        DataError: No such file or column, an item twice, an empty class, or a score that is no number.
    """
    require(path.is_file(), f"no such file: {path}", DataError)
    header, rows = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    for wanted in (score, label, *((name,) if needed else ())):
        require(
            wanted in header, f"{path} has no column {wanted!r}; its columns are {', '.join(header[:12])}", DataError
        )
    require(bool(rows), f"{path} has no rows", DataError)
    labels = tuple(str(row[header.index(label)]).strip() for row in rows)
    at = header.index(name) if name in header else None
    names = tuple(str(place if at is None else row[at]) for place, row in enumerate(rows))
    require(all(labels), f"{path}: a row has no {label}", DataError)
    require(len(set(names)) == len(names), f"{path}: an item is there twice (column {name}): keep one", DataError)
    return ScoreTable(names=names, labels=labels, scores=_numbers(path, score, [r[header.index(score)] for r in rows]))


def _csv(path: Path) -> tuple[list[str], list[Sequence[Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 ({error}); a table is .csv or .parquet") from None
    require(bool(rows), f"{path} is empty", DataError)
    uneven = next((i for i, row in enumerate(rows, 1) if len(row) != len(rows[0])), 0)
    require(not uneven, f"{path}: row {uneven} has another number of cells than the header", DataError)
    return [cell.strip() for cell in rows[0]], list(rows[1:])


def _parquet(path: Path) -> tuple[list[str], list[Sequence[Any]]]:
    import duckdb

    try:
        found = duckdb.connect().execute(f"SELECT * FROM read_parquet({path_in_sql(path)})")
        return [column[0] for column in found.description], list(found.fetchall())
    except duckdb.Error as error:
        raise DataError(f"{path} is no Parquet file ({str(error).splitlines()[0]})") from None


def _numbers(path: Path, score: str, cells: Sequence[Any]) -> Floats:
    found = []
    for place, cell in enumerate(cells, 1):
        try:
            value = float(cell)
        except (TypeError, ValueError):
            value = float("nan")
        require(np.isfinite(value), f"{path}: {score} of item {place} is no number: {cell!r}", DataError)
        found.append(value)
    return np.asarray(found, dtype=np.float64)


def build_matched(
    what: MatchedSet, candidates: ScoreTable, reference: ScoreTable | None, out: Path, images: Path | None = None
) -> MatchedDraw:
    """Draw a set and write it, with a manifest beside it.

    Args:
        what: How.
        candidates, reference: Their tables.
        out: ``.csv`` for a list (name, label, score), else a folder that gets a copy of every image, ``CLASS/FILE``.
        images: The folder that names of candidates are relative to; needed for a folder.

    Raises:
        UsageError: A folder without ``images``, or one that is there and not empty.
        DataError: Candidates that do not suffice, or whose files are missing.
    """
    draw = draw_matched(
        what,
        candidates.labels,
        candidates.scores,
        () if reference is None else reference.labels,
        () if reference is None else reference.scores,
    )
    if out.suffix.lower() == ".csv":
        with replacing(out) as beside:
            beside.write_text(_list(candidates, draw), encoding="utf-8")
        manifest = out.with_suffix(".json")
    else:
        _copied(candidates, draw, out, images)
        manifest = out / "matched.json"
    facts = {
        **asdict(what),
        "items": len(draw.chosen),
        "names": [candidates.names[i] for i in draw.chosen],
        "classes": [asdict(c) for c in draw.classes],
    }
    write_json(manifest, facts, indent=1)
    return draw


def _list(candidates: ScoreTable, draw: MatchedDraw) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "label", "score"])
    for i in draw.chosen:
        writer.writerow([candidates.names[i], candidates.labels[i], f"{candidates.scores[i]:.10g}"])
    return text.getvalue()


def _copied(candidates: ScoreTable, draw: MatchedDraw, out: Path, images: Path | None) -> None:
    require(images is not None, f"a folder of images needs {option('images')}, where the candidates lie", UsageError)
    assert images is not None
    require(not out.exists() or not any(out.iterdir()), f"{out} is not empty: name a new folder", UsageError)
    pairs: dict[Path, Path] = {}
    for i in draw.chosen:
        source, label = images / candidates.names[i], candidates.labels[i]
        inside = (
            ".." not in PurePosixPath(candidates.names[i]).parts
            and not PurePosixPath(candidates.names[i]).is_absolute()
        )
        plain = label not in (".", "..") and "/" not in label and "\\" not in label
        require(inside and plain, f"{candidates.names[i]!r} of {label!r} is no name inside of {images}", DataError)
        require(source.is_file(), f"no such image: {source}", DataError)
        target = out / label / source.name
        require(target not in pairs, f"two images of {label} are called {source.name}: write a list (.csv)", DataError)
        pairs[target] = source
    for target, source in pairs.items():
        make_folder(target.parent)
        with replacing(target) as beside:
            shutil.copyfile(source, beside)

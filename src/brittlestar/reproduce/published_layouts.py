"""Layouts of files with published accuracies: RobustBench's, the ImageNet testbed's, lists of clean accuracies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brittlestar.core.errors import DataError, require
from brittlestar.population.csvfile import Row, csv_rows, number_or_none

SEVERITIES = (1, 2, 3, 4, 5)
NEEDED = ("fog", "contrast", "gaussian_noise", "impulse_noise")
VALIDATION = "val"
"""The testbed's column of clean accuracy."""

_TESTBED_COLUMN = re.compile(r"imagenet-c\.(\w+)\.([1-5])_(on-disk|in-memory)")


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """What a file says of models.

    Fields:
        models: By name, accuracy in [0, 1] by (corruption, severity).
        clean: By name, accuracy in [0, 1] on clean images, where the file has it.
        testbed: Whether the file has the testbed's layout.
        notes: What was passed over and what was taken, a sentence each.
    """

    models: Mapping[str, Mapping[tuple[str, int], float]]
    clean: Mapping[str, float] = field(default_factory=dict)
    testbed: bool = False
    notes: tuple[str, ...] = ()


def read_accuracies(path: Path) -> Accuracies:
    """Accuracies under corruptions, of RobustBench's layout or the testbed's.

    RobustBench: the header names a corruption for every column (``fog`` five times, or ``fog``, ``fog.1`` ...
    ``fog.4``), the next row its severity, every further row a model: its name, then accuracies from 0 to 1. Testbed: a
    header with ``model``, ``val`` and ``imagenet-c.CORRUPTION.SEVERITY_on-disk`` or ``_in-memory``, every further row a
    model, in percent; models without those corruptions are left out. Empty rows are passed over.

    Raises:
        DataError: No such file, another layout, a corruption missing, or a cell that is no accuracy.
    """
    filled = csv_rows(path)
    testbed = any(_TESTBED_COLUMN.fullmatch(text) for text in filled[0][1]) if filled else False
    return _testbed(path, filled) if testbed else _robustbench(path, filled)


def read_clean(path: Path) -> dict[str, float]:
    """Accuracies in [0, 1] on clean images by model.

    Either a header with a column ``val``, in percent (the testbed's layout), or two columns, a name and an accuracy,
    with or without a header; all in percent, above 1, or all shares.

    Raises:
        DataError: No such file, another layout, a model twice, or a cell that is no accuracy.
    """
    filled = csv_rows(path)
    require(bool(filled), f"{path} is empty", DataError)
    header = filled[0][1]
    if VALIDATION in header:
        place, percent, body = header.index(VALIDATION), True, filled[1:]
    else:
        require(
            all(len(row) == 2 for _, row in filled),
            f"{path} needs a column {VALIDATION!r} (percent) or two columns, a model's name and its clean accuracy; "
            f"its header is {', '.join(header[:6])}",
            DataError,
        )
        place, body = 1, filled if number_or_none(header[1]) is not None else filled[1:]
        values = {row[0]: number_or_none(row[1]) or 0 for _, row in body}
        percent = any(value > 1 for value in values.values())
        small = [f"{name} {value:g}" for name, value in values.items() if 0 < value <= 1]
        require(
            not percent or not small,
            f"{path} mixes percent and shares ({', '.join(small[:3])}): give all as shares, or all in percent",
            DataError,
        )
    found: dict[str, float] = {}
    for number, row in body:
        name = _name(path, number, row, len(header), found)
        if row[place]:
            found[name] = _accuracy(path, number, "clean", row[place], 100 if percent else 1)
    require(bool(found), f"{path} gives no model's clean accuracy", DataError)
    if VALIDATION in header:
        _in_percent(path, VALIDATION, found.values())
    return found


def _in_percent(path: Path, column: str, shares: Iterable[float]) -> None:
    """Refuse a column of shares where percent are due: all models would count as near chance."""
    most = max(shares, default=1.0)
    require(most > 0.01, f"{path}: {column} is in percent, and none is above {100 * most:g}: give percent", DataError)


def _robustbench(path: Path, filled: list[Row]) -> Accuracies:
    require(
        len(filled) >= 3, f"{path}: needs a header, a row of severities and models, got {len(filled)} rows", DataError
    )
    (_, header), (second, severities) = filled[:2]
    columns = _columns(path, header, second, severities)
    models: dict[str, dict[tuple[str, int], float]] = {}
    for number, row in filled[2:]:
        name = _name(path, number, row, len(header), models)
        models[name] = {
            column: _accuracy(path, number, f"{column[0]} severity {column[1]}", text)
            for column, text in zip(columns, row[1:], strict=True)
        }
    return Accuracies(models=models)


def _testbed(path: Path, filled: list[Row]) -> Accuracies:
    header = filled[0][1]
    storages = {kind: _stored(header, kind) for kind in ("on-disk", "in-memory")}
    lacking = {kind: _lacking(list(found)) for kind, found in storages.items()}
    # On disk lies the published set. In memory, the testbed's zoom_blur of severity 1 does nothing for many models.
    kind = "on-disk" if not lacking["on-disk"] else "in-memory"
    require(not lacking[kind], f"{path} lacks {', '.join(lacking['on-disk'][:3])} (on-disk or in-memory)", DataError)
    columns = storages[kind]
    clean_at = header.index(VALIDATION) if VALIDATION in header else None
    models: dict[str, dict[tuple[str, int], float]] = {}
    clean: dict[str, float] = {}
    seen: dict[str, None] = {}
    for number, row in filled[1:]:
        name = _name(path, number, row, len(header), seen)
        seen[name] = None
        if any(not row[place] for place in columns.values()):
            continue
        models[name] = {
            column: _accuracy(path, number, f"{column[0]} severity {column[1]}", row[place], 100)
            for column, place in columns.items()
        }
        if clean_at is not None and row[clean_at]:
            clean[name] = _accuracy(path, number, VALIDATION, row[clean_at], 100)
    require(bool(models), f"{path}: no model has an accuracy under every corruption ({kind})", DataError)
    _in_percent(path, "an accuracy under a corruption", (v for own in models.values() for v in own.values()))
    _in_percent(path, VALIDATION, clean.values())
    note = f"{len(models)} of the {len(seen)} models of {path.name} have accuracies under every corruption ({kind})"
    return Accuracies(models=models, clean=clean, testbed=True, notes=(note,))


def _stored(header: Sequence[str], kind: str) -> dict[tuple[str, int], int]:
    matches = ((place, _TESTBED_COLUMN.fullmatch(text)) for place, text in enumerate(header))
    return {(m[1], int(m[2])): place for place, m in matches if m and m[3] == kind}


def _columns(path: Path, header: Sequence[str], number: int, severities: Sequence[str]) -> list[tuple[str, int]]:
    names = [re.sub(r"\.\d+$", "", text) for text in header[1:]]
    levels = severities[1:]
    require(
        len(levels) == len(names) and all(s in {str(v) for v in SEVERITIES} for s in levels),
        f"{path} row {number} must give a severity from 1 to 5 for each of the header's {len(names)} columns, "
        f"got {', '.join(levels[:6])}",
        DataError,
    )
    columns = [(name, int(level)) for name, level in zip(names, levels, strict=True)]
    require(len(set(columns)) == len(columns), f"{path} has a corruption and severity twice", DataError)
    lacking = _lacking(columns)
    require(
        not lacking,
        f"{path} lacks {', '.join(lacking[:3])}{' ...' if len(lacking) > 3 else ''}; its corruptions are "
        f"{', '.join(dict.fromkeys(names))}",
        DataError,
    )
    return columns


def _lacking(columns: Sequence[tuple[str, int]]) -> list[str]:
    return [f"{c} severity {s}" for c in NEEDED for s in SEVERITIES if (c, s) not in columns]


def _name(path: Path, number: int, row: Sequence[str], cells: int, known: Mapping[str, object]) -> str:
    require(len(row) == cells, f"{path} row {number} has {len(row)} cells, the header {cells}: give as many", DataError)
    name = row[0]
    require(bool(name), f"{path} row {number} names no model in its first cell", DataError)
    require(name not in known, f"{path} row {number}: {name} is there twice", DataError)
    return name


def _accuracy(path: Path, number: int, column: str, text: str, most: int = 1) -> float:
    value = number_or_none(text)
    value = -1.0 if value is None else value
    unit = "shares from 0 to 1" if most == 1 else "percent from 0 to 100"
    require(
        0 <= value <= most,
        f"{path} row {number}, {column}: accuracies are {unit}, got {text!r}"
        + ("; divide percent by 100" if most < value <= 100 else ""),
        DataError,
    )
    return value / most

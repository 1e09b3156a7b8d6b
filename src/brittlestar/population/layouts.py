"""Tables that a person gives: each layout is told by its columns. None is shipped; messages say where each is had."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from brittlestar.core.errors import DataError, require
from brittlestar.population import open_clip_results, own_table, testbed, timm_results
from brittlestar.population.csvfile import csv_rows
from brittlestar.population.table import Population, joined

LAYOUTS = (
    f"the ImageNet testbed's table ({testbed.WHERE}), "
    f"timm's result tables ({timm_results.WHERE}), "
    f"open_clip's results ({open_clip_results.WHERE}), "
    f"or a table of your own ({own_table.LAYOUT})"
)


def read_types(path: Path) -> dict[str, str]:
    """Kinds of training by model, a JSON object such as ``{"resnet50_l2_eps3_robust": "LP_ADV"}``.

    Raises:
        DataError: No such file, or another content.
    """
    require(path.is_file(), f"no such file: {path}", DataError)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error})") from None
    require(
        isinstance(found, dict) and all(isinstance(v, str) for v in found.values()),
        f'{path} must hold an object of names and kinds, such as {{"resnet50": "STANDARD"}}',
        DataError,
    )
    return dict(found)


def read_population(
    tables: Sequence[Path], *, types: Path | None = None, clean: str | None = None, standard: str | None = None
) -> Population:
    """One or several tables as one population.

    Args:
        tables: CSV files, and folders of timm's; a JSON file among them is ``types``.
        types: Kinds of training by model, JSON; ``None``: ``testbed-model-types.json`` beside the testbed's table.
        clean, standard: Of a table of one's own (``own_table.read_own``).

    Raises:
        DataError: No such file, another layout, or unusable content; the text says where known tables are had.
    """
    kinds = [t for t in tables if t.suffix == ".json"]
    given = [t for t in tables if t.suffix != ".json"]
    require(len(kinds) + (types is not None) <= 1, "kinds of training are one JSON file, got several", DataError)
    require(bool(given), f"no table was given: {LAYOUTS}", DataError)
    known = types or (kinds[0] if kinds else None)
    found = [_read(table, known, clean, standard) for table in given]
    layouts = [p.layout for p in found]
    require(len(set(layouts)) == len(layouts), f"two tables of one layout ({', '.join(layouts)}): give one", DataError)
    return joined(found)


def _read(table: Path, types: Path | None, clean: str | None, standard: str | None) -> Population:
    require(table.exists(), f"no such file: {table}; known are {LAYOUTS}", DataError)
    if table.is_dir():
        require(
            timm_results.is_timm(table),
            f"{table} is a folder without timm's results-imagenet.csv; known are {LAYOUTS}",
            DataError,
        )
        return timm_results.read_timm(table)
    rows = csv_rows(table)
    require(len(rows) >= 2, f"{table} has no rows below a header", DataError)
    header = rows[0][1]
    if testbed.is_testbed(header):
        beside = table.with_name("testbed-model-types.json")
        known = types or (beside if beside.is_file() else None)
        return testbed.read_testbed(table, rows, {} if known is None else read_types(known))
    if open_clip_results.is_open_clip(header):
        return open_clip_results.read_open_clip(table, rows)
    require(
        timm_results.setting_name(table) == "",
        f"{table} is one of timm's tables: give the folder that holds them all, {table.parent}",
        DataError,
    )
    require(
        own_table.is_own(header),
        f"{table} is of no known layout: its columns are {', '.join(header[:6])}; known are {LAYOUTS}",
        DataError,
    )
    return own_table.read_own(table, rows, clean, standard)

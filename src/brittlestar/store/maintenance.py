"""Maintenance of a run folder: merge its row files into few, and look for damage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from brittlestar.core.errors import StoreError
from brittlestar.store.rowfile import query
from brittlestar.store.skipped import covers, skipped_of
from brittlestar.store.store import RowFile, RunStore, ranges_by_condition

ROWS_A_FILE = 400_000
"""A merged file has at most about this many rows, so that memory stays small."""


def compact(store: RunStore) -> None:
    """Merge each model's row files: conditions stored over the same ranges come together, neighbouring blocks as one.

    ``store.read`` gives the same before, after and between: a merged file is whole before the files whose rows it
    holds are removed, and reading takes each (position, frame) once. Interrupted or not, a second call finds nothing
    to merge twice. Call it while the folder is ``locked``.
    """
    for model in store.stored_models():
        _compact_model(store, model)


def _compact_model(store: RunStore, model: str) -> None:
    files = store.files(model)
    listed = {info.fingerprint: place for place, info in enumerate(store.manifest.conditions.values())}
    present = {(file.start, file.stop, file.conditions) for file in files}
    kept: set[Path] = set()
    for ranges, conditions in ranges_by_condition(files).items():
        # A fixed order: a second call makes the same groups, and finds its files already there.
        conditions.sort(key=lambda c: (listed.get(c, len(listed)), c))
        whole = _joined(ranges)
        size = max(1, ROWS_A_FILE // sum(stop - start for start, stop in whole))
        for first in range(0, len(conditions), size):
            chunk = tuple(conditions[first : first + size])
            if present.issuperset((start, stop, chunk) for start, stop in whole):
                kept.update(f.path for f in files if f.conditions == chunk and (f.start, f.stop) in whole)
                continue
            rows = store.read(model, chunk)
            for start, stop in whole:
                cells = [(c, rows[c].take((rows[c].position >= start) & (rows[c].position < stop))) for c in chunk]
                kept.add(store.write_cells(model, start, stop, cells))
    # Last, so that at every moment each row lies in a whole file.
    for file in files:
        if file.path not in kept:
            file.path.unlink()


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted ranges, touching or overlapping ones as one."""
    whole: list[tuple[int, int]] = []
    for start, stop in ranges:
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], stop))
        else:
            whole.append((start, stop))
    return whole


def verify(store: RunStore) -> list[str]:
    """Open every file and compare its rows with what its name promises; the problems, one line each.

    Every column is read. A condition must have each position of the block, no other, and no (position, frame) twice.
    """
    problems = []
    try:
        count = len(store.samples()[0])
    except StoreError as error:
        problems.append(str(error))
        count = None
    for model in store.stored_models():
        try:
            files = store.files(model)
        except StoreError as error:
            problems.append(str(error))
            continue
        for file in files:
            try:
                query([file.path], "SELECT count(COLUMNS(*)) FROM {files}")
                lacking = store.manifest.skipped and _skipping(store, file)
                table = query(
                    [file.path],
                    "SELECT condition, count(DISTINCT position) AS positions, min(position) AS low, max(position) AS "
                    "high, count(*) - count(DISTINCT (position, frame)) AS twice FROM {files} GROUP BY condition",
                )
            except StoreError as error:
                problems.append(str(error))
                continue
            whole = (
                (table["positions"] == file.stop - file.start)
                & (table["low"] == file.start)
                & (table["high"] == file.stop - 1)
            )
            good = (
                (whole | np.isin(table["condition"], lacking or []))
                & (table["twice"] == 0)
                & (table["condition"] < len(file.conditions))
            )
            bad = len(file.conditions) - int(np.sum(good))
            if bad or len(table["condition"]) != len(file.conditions):
                problems.append(
                    f"{file.path}: {bad} of {len(file.conditions)} conditions do not cover samples {file.start} to "
                    f"{file.stop} once each; delete it and run again to have its cells computed again"
                )
            if count is not None and file.stop > count:
                problems.append(f"{file.path}: goes to sample {file.stop}, samples.parquet has {count}")
    return problems


def _skipping(store: RunStore, file: RowFile) -> list[int]:
    """Conditions of a file, by their place in its group, that lack nothing but skipped samples."""
    skipped = skipped_of(store.manifest)
    table = query([file.path], "SELECT DISTINCT condition, position FROM {files}")
    condition, position = (np.ma.getdata(table[name]) for name in ("condition", "position"))
    return [int(c) for c in np.unique(condition) if covers(position[condition == c], file.start, file.stop, skipped)]

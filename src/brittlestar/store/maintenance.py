"""Maintenance of a run folder: merge its row files into few, and look for damage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brittlestar.core.errors import StoreError, require
from brittlestar.core.sealed import Damaged
from brittlestar.core.sums import differing
from brittlestar.store.listing import ranges_by_condition
from brittlestar.store.repair import examined
from brittlestar.store.store import RunStore

ROWS_A_FILE = 400_000
"""A merged file has at most about this many rows, so that memory stays small."""


def compact(store: RunStore) -> None:
    """Merge each model's row files: conditions stored over the same ranges come together, neighbouring blocks as one.

    ``store.read`` gives the same before, after and between: a merged file is whole before the files whose rows it
    holds are removed, and reading takes each (position, frame) once. Interrupted or not, a second call finds nothing
    to merge twice. Call it while the folder is ``locked``.

    Raises:
        StoreError: A row file is damaged: merging would hide which rows are lacking.
    """
    damaged = [str(damage) for damage in examined(store) if damage.model]
    told = f"nothing is merged in {store.path}, as rows are damaged"
    require(not damaged, "\n  ".join([f"{told}:", *damaged]), StoreError)
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
                # One a block: a process that was killed may have left the file that another took the place of.
                one = {(f.start, f.stop): f.path for f in files if f.conditions == chunk and (f.start, f.stop) in whole}
                kept.update(one.values())
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
    """Hold every file of a run folder against its digest and what its name promises; the problems, one line each.

    Rows are read in all columns. A condition must have each position of the block, no other, and no (position, frame)
    twice; predictions must be those of their logits, labels those of the samples. The report is held against its
    ``SHA256SUMS``.
    """
    problems = [str(damage) for damage in examined(store)]
    if not problems and not store.stored_models():
        try:
            store.samples()
        except StoreError as error:
            problems.append(str(error))
    written = (Damaged(e.path, e.why, f"write it again: `brittlestar report {store.path}`") for e in _report(store))
    return [*problems, *map(str, written)]


def _report(store: RunStore) -> list[Damaged]:
    return differing(store.path / "report")

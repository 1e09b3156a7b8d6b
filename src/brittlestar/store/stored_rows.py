"""The rows of a run folder: written by any process, found by their names, held against their digests when read."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import TIME
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import StoreError
from brittlestar.core.files import write_atomic
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import CHANGED, Damaged, name_digest, read_bytes
from brittlestar.core.version import VERSION
from brittlestar.store.checks import Checks
from brittlestar.store.damage import AGAIN, FROM_ROWS, Damage
from brittlestar.store.listing import FileName, RowFile, by_group, overlapping, row_names
from brittlestar.store.manifest import Manifest
from brittlestar.store.order_file import OrderFile
from brittlestar.store.rowfile import AT_ONCE, about_rows, about_text, query, read_rows, write_rows
from brittlestar.store.skipped import covers, skipped_of

ROWS_AT_ONCE = 200_000
"""So many rows of all columns are checked at once, so that memory stays small."""

FinishedGroup = tuple[int, int, tuple[str, ...]]


class StoredRows:
    """The half of a run folder that holds rows (``RunStore`` is the whole).

    Damaged files are left out of what is read, and noted in ``damage``.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.damage: dict[Path, Damage] = {}
        self._order = OrderFile(path)
        self._groups: dict[str, tuple[str, ...] | None] = {}
        self._verified: dict[Path, bool] = {}
        self._known: dict[bytes, npt.NDArray[Any]] = {}

    def note(self, damage: Damage) -> None:
        """Keep that a file is damaged."""
        self.damage.setdefault(damage.path, damage)

    def write_cells(self, model: str, start: int, stop: int, cells: Sequence[tuple[str, Rows]]) -> Path:
        """Store the rows of a cell group as one file; any process may, at any time. Takes the place of files that hold
        the same cells.

        Args:
            model: The model's fingerprint.
            start, stop: The block; every cell has rows for all of its positions but skipped ones, and no other.
            cells: (condition fingerprint, rows), in order.
        """
        skipped = skipped_of(self.manifest)
        for condition, rows in cells:
            if not covers(rows.position, start, stop, skipped):
                raise ValueError(f"the rows of condition {condition} are not those of block [{start}, {stop})")
        group = tuple(condition for condition, _ in cells)
        name = FileName(start, stop, fingerprint_of(group), "")
        if self._groups.get(name.group) is None:
            # The list comes before the rows, although they could do without it: it is read in their place.
            listing = self.path / "groups" / f"{name.group}.json"
            if not listing.exists():
                write_atomic(listing, json.dumps(group))
            self._groups[name.group] = group
        folder = self.path / "rows" / model
        about = _about(model, start, stop, group) | {
            "data": self.manifest.data.get("fingerprint", ""),
            "seed": self.manifest.seed,
            "version": VERSION,
        }
        path = write_rows(folder, name.stem, [rows for _, rows in cells], about)
        for other in folder.iterdir():
            if other.name.startswith(name.stem) and other != path and FileName.parse(other.name) is not None:
                other.unlink(missing_ok=True)
        return path

    def finished_groups(self, model: str) -> list[FinishedGroup]:
        """(start, stop, condition fingerprints) of every stored file of a model; opens no row file."""
        return [(file.start, file.stop, file.conditions) for file in self.files(model)]

    def files(self, model: str) -> list[RowFile]:
        """The row files of a model, ordered by name; opens none of them."""
        folder = self.path / "rows" / model
        found = []
        for text in row_names(folder):
            name = FileName.parse(text)
            assert name is not None
            conditions = self.conditions_of_group(name.group)
            if conditions is not None:
                found.append(RowFile(name.start, name.stop, conditions, folder / text))
                continue
            why = f"the list of its conditions, groups/{name.group}.json, is damaged or lost"
            self.note(Damage(folder / text, why, model=model, rows=(name.start, name.stop)))
        return found

    def stored_models(self) -> list[str]:
        """Fingerprints of all models that have rows, also of those that the manifest no longer names."""
        folder = self.path / "rows"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def conditions_of_group(self, name: str) -> tuple[str, ...] | None:
        """The conditions of a group, in order; ``None`` where neither its list nor its row files tell them."""
        if name in self._groups:
            return self._groups[name]
        path = self.path / "groups" / f"{name}.json"
        found: tuple[str, ...] | None = None
        try:
            found = tuple(json.loads(path.read_bytes()))
            why = "its conditions are not those of its name"
        except FileNotFoundError:
            why = "it is missing"
        except (OSError, ValueError, TypeError, RecursionError) as error:
            why = str(error)
        if found is None or fingerprint_of(found) != name:
            rows = sorted(self.path.glob(f"rows/*/b*-*-{name}*.parquet"))
            told = (tuple(about_rows(one).get("conditions", ())) for one in rows)
            found = next((group for group in told if fingerprint_of(group) == name), None)
            self.note(Damage(path, why, FROM_ROWS if found is not None else AGAIN))
        self._groups[name] = found
        return found

    def whole_files(self, model: str) -> list[RowFile]:
        """The row files of a model that are what was written; notes the others in ``damage``.

        Each is read once: those with a digest in their names are held against it, those of earlier versions are held
        against the checks of ``Checks``.
        """
        return [file for file in self.files(model) if self._is_whole(file)]

    def _is_whole(self, file: RowFile) -> bool:
        if file.path not in self._verified:
            name = FileName.parse(file.path.name)
            assert name is not None
            why = self._broken(file) if name.digest else self._fault(file, self._checks())
            if not name.digest and self.manifest.sealed:
                why = "its name has no digest of its content"
            self._verified[file.path] = not why
            if why:
                self._leave_out(file, why)
        return self._verified[file.path]

    def check_rows(self, model: str) -> None:
        """Read all rows of a model in all columns; notes what is damaged."""
        checks = self._checks()
        for group, files in by_group(self.whole_files(model)).items():
            size = max(1, ROWS_AT_ONCE // (len(group) * max(file.stop - file.start for file in files)))
            for first in range(0, len(files), size):
                self._agreeing(files[first : first + size], range(len(group)), True, checks)

    def forget(self) -> None:
        """Forget which files were read and what was damaged, as files were moved."""
        self.damage.clear()
        self._verified.clear()
        self._groups.clear()
        self._known.clear()

    def _leave_out(self, file: RowFile, why: str) -> None:
        self._verified[file.path] = False
        block = file.start, file.stop
        self.note(Damage(file.path, why, model=file.path.parent.name, conditions=file.conditions, rows=block))

    def _broken(self, file: RowFile) -> str:
        """What is wrong with a row file that has its digest in its name; empty if nothing."""
        try:
            content = read_bytes(file.path)
        except Damaged as error:
            return error.why
        if not file.path.stem.endswith(name_digest(content)):
            return CHANGED
        # A file that was renamed, or moved to another model, has its digest all the same.
        about = _beginning(file.path.parent.name, file.start, file.stop, file.conditions)
        # It stands at the end: searched for from there.
        return "" if content.rfind(about) >= 0 else "it holds other cells than its name says"

    def _fault(self, file: RowFile, checks: Checks) -> str:
        """What is wrong with a row file's columns; empty if nothing."""
        try:
            parts = read_rows([file.path], detail=True)
            places = range(len(file.conditions))
            return checks.fault(parts, places, [(file.start, file.stop)], self._uneven(file.conditions))
        except Damaged as error:
            return error.why
        # Columns that are lacking, or of another type.
        except (KeyError, ValueError, TypeError, IndexError) as error:
            return f"its columns are not those of a row file: {error}"

    def _uneven(self, conditions: Sequence[str]) -> set[int]:
        """Places of those conditions that show each sample with as many frames as it has."""
        known = {info.fingerprint for info in self.manifest.conditions.values() if info.kind == TIME}
        return {place for place, condition in enumerate(conditions) if condition in known}

    def _checks(self) -> Checks:
        return Checks(self._labels(), skipped_of(self.manifest))

    def _labels(self) -> npt.NDArray[np.int32] | None:
        with contextlib.suppress(StoreError):
            return self._order.design(self.manifest.sealed).labels
        return None

    def read(self, model: str, conditions: Sequence[str] | None, *, detail: bool = True) -> dict[str, Rows]:
        """Rows by condition fingerprint, each sorted by (position, frame) and each pair once.

        A wide column that some of a condition's rows lack is ``None``. How the samples were drawn is attached. Rows of
        damaged files are left out, and noted in ``damage``.

        Args:
            model: The model's fingerprint.
            conditions: Fingerprints, or ``None`` for all conditions of the manifest.
            detail: ``False`` leaves the wide columns out, which is much faster.

        Raises:
            StoreError: The file of the samples is damaged.
        """
        if conditions is None:
            conditions = [info.fingerprint for info in self.manifest.conditions.values()]
        wanted = set(conditions)
        parts: dict[str, list[Rows]] = {}
        checks = self._checks()
        for group, files in by_group(self.whole_files(model)).items():
            places = [place for place, condition in enumerate(group) if condition in wanted]
            for first in range(0, len(files) if places else 0, AT_ONCE):
                for place, rows in self._agreeing(files[first : first + AT_ONCE], places, detail, checks):
                    parts.setdefault(group[place], []).append(rows)
        found = {c: _one_each(parts[c]) for c in conditions if c in parts}
        if not found or not self._order.path.exists():
            return found
        design = self._order.design(self.manifest.sealed)
        return {c: design.attached(rows) for c, rows in found.items()}

    def _agreeing(
        self, files: Sequence[RowFile], places: Sequence[int], detail: bool, checks: Checks
    ) -> list[tuple[int, Rows]]:
        """(place in the group, rows) of files of one group but for those whose rows contradict themselves."""

        def read(some: Sequence[RowFile]) -> list[tuple[int, Rows]]:
            chosen = None if len(places) == len(files[0].conditions) else places
            return read_rows([file.path for file in some], chosen, detail=detail, known=self._known)

        with contextlib.suppress(Damaged, KeyError, ValueError, TypeError, IndexError):
            parts = read(files)
            blocks = [(file.start, file.stop) for file in files]
            if not checks.fault(parts, places, blocks, self._uneven(files[0].conditions)):
                return parts
        # Which of them it is, each tells by itself.
        whole = []
        for file in files:
            if why := self._fault(file, checks):
                self._leave_out(file, why)
            else:
                whole.append(file)
        return read(whole) if whole else []

    def tallies(self, model: str) -> dict[str, tuple[int, int]]:
        """(rows, errors) by condition fingerprint for the conditions of the manifest; counted by the database."""
        wanted = {info.fingerprint for info in self.manifest.conditions.values()}
        files = self.whole_files(model)
        # An interrupted compaction leaves rows twice, which a count cannot tell.
        twice = wanted & overlapping(files)
        counts: dict[str, tuple[int, int]] = {}
        for group, members in by_group(files).items():
            if wanted.isdisjoint(group):
                continue
            table = query(
                [file.path for file in members],
                "SELECT condition, count(*) AS n, count(*) FILTER (prediction <> label) AS errors "
                "FROM {files} GROUP BY condition",
            )
            for place, n, errors in zip(table["condition"], table["n"], table["errors"], strict=True):
                condition = group[int(place)]
                if condition in wanted:
                    before = counts.get(condition, (0, 0))
                    counts[condition] = (before[0] + int(n), before[1] + int(errors))
        for condition, rows in self.read(model, sorted(twice), detail=False).items() if twice else ():
            counts[condition] = (len(rows), int((~rows.correct).sum()))
        return counts


def _beginning(model: str, start: int, stop: int, conditions: tuple[str, ...]) -> bytes:
    """What the text of ``_about`` begins with, as it stands in the file."""
    return f'{{"model":"{model}","start":{start},"stop":{stop},"conditions":{_listed(conditions)}'.encode()


@functools.lru_cache(maxsize=4096)
def _listed(conditions: tuple[str, ...]) -> str:
    return about_text(conditions)


def _about(model: str, start: int, stop: int, conditions: Sequence[str]) -> dict[str, Any]:
    """What every row file says about itself; this comes first, as it is looked for in the file's bytes."""
    return {"model": model, "start": start, "stop": stop, "conditions": list(conditions)}


def _one_each(parts: list[Rows]) -> Rows:
    """Sorted by (position, frame), each pair once (an interrupted compaction leaves equal rows twice)."""
    rows = parts[0] if len(parts) == 1 else Rows.concatenate(sorted(parts, key=lambda part: int(part.position[0])))
    # Frames are int16, so one integer holds both.
    key = (rows.position.astype(np.int64) << 16) + rows.frame
    if (np.diff(key) > 0).all():
        return rows
    _, first = np.unique(key, return_index=True)
    return rows.take(first)

"""The run folder: what is done, what it says about itself, and its rows."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import StoreError, require
from brittlestar.core.files import locked, replacing, write_atomic
from brittlestar.core.rows import Rows
from brittlestar.store.manifest import NAME, Manifest, SessionRecord, now
from brittlestar.store.rowfile import connection, quoted, read_rows, write_rows

_FILE = re.compile(r"b(\d+)-(\d+)-([0-9a-f]{16})\.parquet")

FinishedGroup = tuple[int, int, tuple[str, ...]]


class RunStore:
    """A run folder. ``open`` to read; ``start`` and ``locked`` to write.

    Attributes:
        path: The folder.
        manifest: What it says about itself; brought up to date by the writing methods.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._groups: dict[str, tuple[str, ...]] = {}

    @classmethod
    def open(cls, path: Path | str) -> RunStore:
        """Open an existing run folder (see ``Manifest.load`` for the errors)."""
        return cls(Path(path), Manifest.load(Path(path)))

    @classmethod
    def start(cls, path: Path | str, *, data: dict[str, Any], seed: int) -> RunStore:
        """Create a run folder, or open one that holds the same data and seed.

        Raises:
            StoreError: The folder holds something else, or rows of other data or of another seed.
        """
        folder = Path(path)
        if (folder / NAME).exists():
            store = cls.open(folder)
            known = store.manifest
            require(
                known.data.get("fingerprint") == data["fingerprint"],
                f"{folder} holds results on other data ({known.data.get('spec')}, fingerprint "
                f"{known.data.get('fingerprint')}; now {data.get('spec')}, {data['fingerprint']}): "
                "choose another --out",
                StoreError,
            )
            require(
                known.seed == seed,
                f"{folder} was made with --seed {known.seed}, not {seed}: use that seed or another --out",
                StoreError,
            )
            return store
        if folder.exists():
            require(folder.is_dir(), f"{folder} is a file, not a folder", StoreError)
            extra = [p.name for p in folder.iterdir() if p.name != "lock" and not p.name.endswith(".tmp")]
            require(
                not extra, f"{folder} is not empty and is not a run folder (it holds {sorted(extra)[:3]})", StoreError
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create {folder}: {error.strerror}") from error
        manifest = Manifest(created=now(), seed=seed, data=data)
        manifest.save(folder)
        return cls(folder, manifest)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing; ``StoreError`` at once if another process does. Reads the manifest again."""
        with locked(self.path / "lock", "run"):
            self.manifest = Manifest.load(self.path)
            for left in self.path.rglob("*.tmp"):
                if left.is_file():
                    left.unlink(missing_ok=True)
            yield

    def _change(self, **fields: Any) -> None:
        self.manifest = dataclasses.replace(self.manifest, **fields)
        self.manifest.save(self.path)

    def register_model(self, info: dict[str, Any]) -> None:
        """Record a model; ``StoreError`` if its name belongs to another one here."""
        known = self.manifest.models.get(info["name"])
        require(
            known is None or known["fingerprint"] == info["fingerprint"],
            f"model {info['name']} has changed since {self.path} was made (weights, code or preprocessing): "
            f"give it another name (--model NEWNAME=...) or use another --out",
            StoreError,
        )
        self._change(models=self.manifest.models | {info["name"]: json.loads(json.dumps(info))})

    def register_conditions(self, infos: Sequence[ConditionInfo]) -> None:
        """Record conditions in order; one whose definition changed takes the place of the old one."""
        self._change(conditions=self.manifest.conditions | {info.id: info for info in infos})

    def begin_session(self, record: SessionRecord) -> None:
        """Record that a session begins."""
        suites = [s for s in record.suite.split(", ") if s and s not in self.manifest.suites]
        self._change(sessions=[*self.manifest.sessions, record], suites=[*self.manifest.suites, *suites])

    def end_session(self, *, stop: str, wall_s: float, images: int) -> None:
        """Record how the last session ended."""
        last = dataclasses.replace(self.manifest.sessions[-1], ended=now(), stop=stop, wall_s=wall_s, images=images)
        self._change(sessions=[*self.manifest.sessions[:-1], last])

    def write_samples(self, ids: npt.NDArray[np.str_], labels: npt.NDArray[np.int32]) -> None:
        """Record the seeded order (once): position, id, label."""
        path = self.path / "samples.parquet"
        if path.exists():
            return
        con = connection()
        position = np.arange(len(ids), dtype=np.int32)
        con.register("samples", {"position": position, "id": ids.astype(object), "label": labels})
        with replacing(path) as beside:
            con.execute(f"COPY (SELECT * FROM samples) TO {quoted(beside)} (FORMAT parquet)")
        con.unregister("samples")

    def samples(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
        """Ids and labels in the seeded order."""
        table = (
            connection()
            .execute(f"SELECT id, label FROM read_parquet({quoted(self.path / 'samples.parquet')}) ORDER BY position")
            .fetchnumpy()
        )
        return np.ma.getdata(table["id"]), np.ma.getdata(table["label"])

    def write_cells(self, model: str, start: int, stop: int, cells: Sequence[tuple[str, Rows]]) -> Path:
        """Store the rows of a cell group (condition fingerprint, rows) of one model and block as one file."""
        group = [condition for condition, _ in cells]
        name = fingerprint_of(group)
        listing = self.path / "groups" / f"{name}.json"
        if not listing.exists():
            write_atomic(listing, json.dumps(group))
        path = self.path / "rows" / model / f"b{start:08d}-{stop:08d}-{name}.parquet"
        write_rows(path, [rows for _, rows in cells])
        return path

    def finished_groups(self, model: str) -> list[FinishedGroup]:
        """(start, stop, condition fingerprints) of every stored file of a model; opens no row file."""
        return [(start, stop, group) for start, stop, group, _ in self._files(model)]

    def _files(self, model: str) -> list[tuple[int, int, tuple[str, ...], Path]]:
        folder = self.path / "rows" / model
        found = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            match = _FILE.fullmatch(path.name)
            if match is not None:
                found.append((int(match[1]), int(match[2]), self._group(match[3]), path))
        return found

    def _group(self, name: str) -> tuple[str, ...]:
        if name not in self._groups:
            path = self.path / "groups" / f"{name}.json"
            try:
                self._groups[name] = tuple(json.loads(path.read_text()))
            except (OSError, ValueError) as error:
                raise StoreError(f"{path} is missing or damaged; {self.path} cannot be read without it") from error
        return self._groups[name]

    def read(self, model: str, conditions: Sequence[str] | None, *, detail: bool = True) -> dict[str, Rows]:
        """Rows by condition fingerprint, each sorted by (position, frame).

        Args:
            model: The model's fingerprint.
            conditions: Fingerprints, or ``None`` for all conditions of the manifest.
            detail: ``False`` leaves the wide columns out, which is much faster.
        """
        if conditions is None:
            conditions = [info.fingerprint for info in self.manifest.conditions.values()]
        wanted = set(conditions)
        parts: dict[str, list[Rows]] = {}
        for _, _, group, path in self._files(model):
            places = [place for place, condition in enumerate(group) if condition in wanted]
            if places:
                chosen = None if len(places) == len(group) else places
                for place, rows in read_rows(path, chosen, detail).items():
                    parts.setdefault(group[place], []).append(rows)
        return {c: _one_each(Rows.concatenate(parts[c])) for c in conditions if c in parts}

    def tallies(self, model: str) -> dict[str, tuple[int, int]]:
        """(samples, errors) by condition fingerprint, a few hundred conditions at a time."""
        known = [info.fingerprint for info in self.manifest.conditions.values()]
        counts = {}
        for first in range(0, len(known), 400):
            for condition, rows in self.read(model, known[first : first + 400], detail=False).items():
                counts[condition] = (len(rows), int((~rows.correct).sum()))
        return counts

    def compact(self) -> None:
        """Merge a model's files: one file a block range and group of conditions with equal ranges.

        A merged file is written whole before the files it replaces are removed; a crash between leaves both, with
        equal rows, and reading takes each row once.
        """
        for model in sorted(p.name for p in (self.path / "rows").iterdir()) if (self.path / "rows").is_dir() else []:
            files = self._files(model)
            ranges: dict[str, list[tuple[int, int]]] = {}
            for start, stop, group, _ in files:
                for condition in group:
                    ranges.setdefault(condition, []).append((start, stop))
            merged: dict[tuple[int, int], list[str]] = {}
            for condition, parts in ranges.items():
                for whole in _joined(parts):
                    merged.setdefault(whole, []).append(condition)
            kept: set[Path] = set()
            for (start, stop), conditions in sorted(merged.items()):
                for first in range(0, len(conditions), 200):
                    chunk = conditions[first : first + 200]
                    rows = self.read(model, chunk)
                    cells = [(c, _between(rows[c], start, stop)) for c in chunk]
                    kept.add(self.write_cells(model, start, stop, cells))
            for _, _, _, path in files:
                if path not in kept:
                    path.unlink()

    def verify(self) -> list[str]:
        """Open every row file and compare its rows with what its name promises; the problems, one line each."""
        problems = []
        for model in sorted(p.name for p in (self.path / "rows").iterdir()) if (self.path / "rows").is_dir() else []:
            for start, stop, group, path in self._files(model):
                try:
                    rows = read_rows(path, None, False)
                except StoreError as error:
                    problems.append(str(error))
                    continue
                places = set(range(start, stop))
                short = [p for p in range(len(group)) if p not in rows or set(rows[p].position.tolist()) != places]
                if short:
                    problems.append(f"{path}: {len(short)} of {len(group)} conditions do not cover {start} to {stop}")
        return problems


def _one_each(rows: Rows) -> Rows:
    """Sorted by (position, frame), each pair once (a crashed compaction leaves equal rows twice)."""
    rows = rows.sorted()
    if len(rows) < 2:
        return rows
    new = np.ones(len(rows), bool)
    new[1:] = (np.diff(rows.position) != 0) | (np.diff(rows.frame) != 0)
    return rows if new.all() else rows.take(new)


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Touching or overlapping ranges as one."""
    whole: list[tuple[int, int]] = []
    for start, stop in sorted(set(ranges)):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], stop))
        else:
            whole.append((start, stop))
    return whole


def _between(rows: Rows, start: int, stop: int) -> Rows:
    return rows.take((rows.position >= start) & (rows.position < stop))

"""The run folder: what is done, what it says about itself, and its rows."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import StoreError, require
from brittlestar.core.files import locked, write_atomic
from brittlestar.core.options import option
from brittlestar.core.rows import Rows
from brittlestar.core.text import readable
from brittlestar.store.design import Design, joins
from brittlestar.store.manifest import NAME, Manifest, SessionRecord, now
from brittlestar.store.rowfile import query, read_rows, write_rows, write_table
from brittlestar.store.skipped import Skipped, covers, skipped_of, with_skipped

_FILE = re.compile(r"b(\d+)-(\d+)-([0-9a-f]{16})\.parquet")

FinishedGroup = tuple[int, int, tuple[str, ...]]


class RowFile(NamedTuple):
    """A stored file: the cells of these conditions at positions ``[start, stop)``."""

    start: int
    stop: int
    conditions: tuple[str, ...]
    path: Path


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
        self._design: Design | None = None
        self._known: dict[bytes, npt.NDArray[Any]] = {}

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
        if not (folder / NAME).exists():
            _make_room(folder)
            with locked(folder / "lock", "run"):
                # Asked again under the lock: another process may have been here in between.
                if not (folder / NAME).exists():
                    Manifest(created=now(), seed=seed, data=data).save(folder)
        store = cls.open(folder)
        known = store.manifest
        require(
            known.data.get("fingerprint") == data["fingerprint"],
            f"{folder} holds results on other data ({known.data.get('spec')}, fingerprint "
            f"{known.data.get('fingerprint')}; now {data.get('spec')}, {data['fingerprint']}): take another "
            f"{option('out')}",
            StoreError,
        )
        require(
            known.seed == seed,
            f"{folder} was made with {option('seed', known.seed)}, not {seed}: use that seed or another "
            f"{option('out')}",
            StoreError,
        )
        return store

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing; ``StoreError`` at once if another process does. Reads the manifest again."""
        with locked(self.path / "lock", "run"):
            self.manifest = Manifest.load(self.path)
            # Whoever wrote these is dead, or it would still hold the lock.
            for left in [*self.path.rglob(".*.tmp")]:
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
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
            f"give it another name ({option('model', 'NEWNAME=...')}) or use another {option('out')}",
            StoreError,
        )
        self._change(models=self.manifest.models | {info["name"]: json.loads(json.dumps(info))})

    def register_conditions(self, infos: Sequence[ConditionInfo]) -> None:
        """Record conditions in order; one whose definition changed takes the place of the old one."""
        self._change(conditions=self.manifest.conditions | {info.id: info for info in infos})

    def skip(self, samples: Iterable[Skipped]) -> None:
        """Record samples that the run goes on without."""
        self._change(skipped=with_skipped(self.manifest, samples))

    def begin_session(self, record: SessionRecord) -> None:
        """Record that a session begins."""
        suites = [s for s in record.suite.split(", ") if s and s not in self.manifest.suites]
        self._change(sessions=[*self.manifest.sessions, record], suites=[*self.manifest.suites, *suites])

    def end_session(self, *, stop: str, wall_s: float, images: int, why: str = "") -> None:
        """Record how the last session ended."""
        last = dataclasses.replace(
            self.manifest.sessions[-1], ended=now(), stop=stop, wall_s=wall_s, images=images, why=why
        )
        self._change(sessions=[*self.manifest.sessions[:-1], last])

    def write_samples(
        self,
        ids: npt.NDArray[np.str_],
        labels: npt.NDArray[np.int32],
        groups: npt.NDArray[np.int64] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Record the seeded order: position, id, label and, where there are any, group (what depends on each other) and
        name (where the image is found, for people).

        Later calls must give the same ids and labels. Groups may be joined by later ones, and are kept by calls that
        give none or smaller ones; so are names.

        Raises:
            StoreError: The folder has another order, other labels or other groups, so that its rows cannot be added to.
        """
        if self._samples.exists():
            known_ids, known_labels = self.samples()
            require(
                np.array_equal(known_ids, ids) and np.array_equal(known_labels, labels),
                f"{self.path} holds results for other samples or labels (it has {len(known_ids)}, now {len(ids)}; the "
                f"classes may be numbered otherwise): take another {option('out')}",
                StoreError,
            )
            known, named = self.design().groups, self.names()
            if groups is None or (known is not None and joins(known, groups)):
                groups = known
            require(
                groups is None or known is None or joins(groups, known),
                f"{self.path} has its samples in other groups: give the same groups, or take another {option('out')}",
                StoreError,
            )
            names = named if names is None else names
            if groups is known and named == (None if names is None else [readable(name) for name in names]):
                return
        columns: dict[str, Any] = {"position": np.arange(len(ids), dtype=np.int32), "id": ids.astype(object)}
        columns["label"] = labels
        if groups is not None:
            columns["group"] = groups.astype(np.int64)
        if names is not None:
            columns["name"] = np.array([readable(name) for name in names], dtype=object)
        write_table(self._samples, columns)
        self._design = None

    def design(self) -> Design:
        """How the samples were drawn, as ``read`` attaches it to rows; folders of old versions have no groups.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        if self._design is None:
            require(self._samples.exists(), f"{self.path} has no samples yet: nothing was run in it", StoreError)
            table = query([self._samples], "SELECT * FROM {files} ORDER BY position")
            labels = np.ma.getdata(table["label"]).astype(np.int32)
            groups = np.ma.getdata(table["group"]).astype(np.int64) if "group" in table else None
            self._design = Design(labels, groups)
        return self._design

    def samples(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int32]]:
        """Ids and labels in the seeded order.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        require(self._samples.exists(), f"{self.path} has no samples yet: nothing was run in it", StoreError)
        table = query([self._samples], "SELECT id, label FROM {files} ORDER BY position")
        return np.ma.getdata(table["id"]).astype(str), np.ma.getdata(table["label"]).astype(np.int32)

    def names(self) -> list[str] | None:
        """Where each image is found (a file, a row of one), in the seeded order; ``None`` in folders of old versions.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        require(self._samples.exists(), f"{self.path} has no samples yet: nothing was run in it", StoreError)
        table = query([self._samples], "SELECT * FROM {files} ORDER BY position")
        return [str(name) for name in np.ma.getdata(table["name"])] if "name" in table else None

    def name_classes(self, titles: Sequence[str]) -> None:
        """Record what people call the classes, in label order."""
        if list(self.manifest.data.get("titles", ())) != list(titles):
            self._change(data=self.manifest.data | {"titles": list(titles)})

    @property
    def _samples(self) -> Path:
        return self.path / "samples.parquet"

    def write_cells(self, model: str, start: int, stop: int, cells: Sequence[tuple[str, Rows]]) -> Path:
        """Store the rows of a cell group as one file; any process may, at any time.

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
        name = fingerprint_of(group)
        if name not in self._groups:
            # The list comes before the rows: a row file whose group is missing cannot be read.
            listing = self.path / "groups" / f"{name}.json"
            if not listing.exists():
                write_atomic(listing, json.dumps(group))
            self._groups[name] = group
        path = self.path / "rows" / model / f"b{start:08d}-{stop:08d}-{name}.parquet"  # padded: names sort by position
        write_rows(path, [rows for _, rows in cells])
        return path

    def finished_groups(self, model: str) -> list[FinishedGroup]:
        """(start, stop, condition fingerprints) of every stored file of a model; opens no row file."""
        return [(file.start, file.stop, file.conditions) for file in self.files(model)]

    def files(self, model: str) -> list[RowFile]:
        """The row files of a model, ordered by name; opens none of them."""
        folder = self.path / "rows" / model
        found = []
        for name in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
            match = _FILE.fullmatch(name)
            if match is not None:
                found.append(RowFile(int(match[1]), int(match[2]), self._group(match[3]), folder / name))
        return found

    def stored_models(self) -> list[str]:
        """Fingerprints of all models that have rows, also of those that the manifest no longer names."""
        folder = self.path / "rows"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def _group(self, name: str) -> tuple[str, ...]:
        if name not in self._groups:
            path = self.path / "groups" / f"{name}.json"
            try:
                group = tuple(json.loads(path.read_text()))
            except (OSError, ValueError) as error:
                raise StoreError(f"{path} is missing or damaged; {self.path} cannot be read without it") from error
            require(
                fingerprint_of(group) == name, f"{path} was changed; {self.path} cannot be read without it", StoreError
            )
            self._groups[name] = group
        return self._groups[name]

    def read(self, model: str, conditions: Sequence[str] | None, *, detail: bool = True) -> dict[str, Rows]:
        """Rows by condition fingerprint, each sorted by (position, frame) and each pair once.

        A wide column that some of a condition's rows lack is ``None``. How the samples were drawn is attached.

        Args:
            model: The model's fingerprint.
            conditions: Fingerprints, or ``None`` for all conditions of the manifest.
            detail: ``False`` leaves the wide columns out, which is much faster.

        Raises:
            StoreError: A file is damaged; the text names it.
        """
        if conditions is None:
            conditions = [info.fingerprint for info in self.manifest.conditions.values()]
        wanted = set(conditions)
        parts: dict[str, list[Rows]] = {}
        for group, files in by_group(self.files(model)).items():
            places = [place for place, condition in enumerate(group) if condition in wanted]
            if places:
                chosen = None if len(places) == len(group) else places
                paths = [file.path for file in files]
                for place, rows in read_rows(paths, chosen, detail=detail, known=self._known):
                    parts.setdefault(group[place], []).append(rows)
        found = {c: _one_each(parts[c]) for c in conditions if c in parts}
        if not found or not self._samples.exists():
            return found
        design = self.design()
        return {c: design.attached(rows) for c, rows in found.items()}

    def tallies(self, model: str) -> dict[str, tuple[int, int]]:
        """(rows, errors) by condition fingerprint for the conditions of the manifest; counted by the database."""
        wanted = {info.fingerprint for info in self.manifest.conditions.values()}
        files = self.files(model)
        # An interrupted compaction leaves rows twice, which a count cannot tell.
        twice = wanted & _overlapping(files)
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


def _make_room(folder: Path) -> None:
    """Make the folder, or refuse one that holds something else than the beginning of a run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(p.name for p in folder.iterdir() if p.name != "lock" and not p.match(".*.tmp"))
    except FileExistsError as error:
        raise StoreError(f"{folder} is a file, not a folder: take another {option('out')}") from error
    except OSError as error:
        raise StoreError(f"cannot make {folder}: {error.strerror or error}") from error
    # A manifest alone means that another process began the same run a moment ago.
    if found and found != [NAME]:
        listed = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise StoreError(
            f"{folder} is not a run folder and not empty (it holds {listed}): take another {option('out')}"
        )


def by_group(files: Iterable[RowFile]) -> dict[tuple[str, ...], list[RowFile]]:
    """Files by their conditions: those of one group have the same columns and are read together."""
    groups: dict[tuple[str, ...], list[RowFile]] = {}
    for file in files:
        groups.setdefault(file.conditions, []).append(file)
    return groups


def ranges_by_condition(files: Iterable[RowFile]) -> dict[tuple[tuple[int, int], ...], list[str]]:
    """Conditions by the sorted ranges that are stored of them."""
    member_of: dict[str, list[int]] = {}
    ranges: list[list[tuple[int, int]]] = []
    for group, members in by_group(files).items():
        for condition in group:
            member_of.setdefault(condition, []).append(len(ranges))
        ranges.append([(file.start, file.stop) for file in members])
    together: dict[tuple[int, ...], list[str]] = {}
    for condition, groups in member_of.items():
        together.setdefault(tuple(groups), []).append(condition)
    found: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for groups_, conditions in together.items():
        found.setdefault(tuple(sorted(r for g in groups_ for r in ranges[g])), []).extend(conditions)
    return found


def _overlapping(files: Iterable[RowFile]) -> set[str]:
    """Conditions of which some position may be stored twice."""
    return {
        condition
        for ranges, conditions in ranges_by_condition(files).items()
        if any(after[0] < before[1] for before, after in pairwise(ranges))
        for condition in conditions
    }


def _one_each(parts: list[Rows]) -> Rows:
    """Sorted by (position, frame), each pair once (an interrupted compaction leaves equal rows twice)."""
    rows = parts[0] if len(parts) == 1 else Rows.concatenate(sorted(parts, key=lambda part: int(part.position[0])))
    # Frames are int16, so one integer holds both.
    key = (rows.position.astype(np.int64) << 16) + rows.frame
    if (np.diff(key) > 0).all():
        return rows
    _, first = np.unique(key, return_index=True)
    return rows.take(first)

"""The run folder: what it says about itself, its samples and its sessions."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import StoreError, require
from brittlestar.core.files import held, locked
from brittlestar.core.options import option
from brittlestar.core.places import place
from brittlestar.core.sealed import Damaged
from brittlestar.core.text import readable
from brittlestar.store.checks import Checks
from brittlestar.store.damage import FROM_COPY, Damage, set_aside
from brittlestar.store.design import Design, joins
from brittlestar.store.listing import FileName
from brittlestar.store.manifest import COPY, LOST, NAME, Manifest, SessionRecord, holds_rows, is_run, load_either, now
from brittlestar.store.order_file import joined
from brittlestar.store.rowfile import about_rows
from brittlestar.store.skipped import Skipped, skipped_of, with_skipped
from brittlestar.store.stored_rows import StoredRows


class RunStore(StoredRows):
    """A run folder. ``open`` to read; ``start`` and ``locked`` to write. Its rows: see ``StoredRows``.

    Attributes:
        path: The folder.
        manifest: What it says about itself; brought up to date by the writing methods.
        damage: By path, what was found damaged so far. Reading leaves damaged rows out, so whoever shows numbers shows
            this too.
    """

    @classmethod
    def open(cls, path: Path | str) -> RunStore:
        """Open an existing run folder (see ``load_either`` for the errors)."""
        folder = place(path)
        manifest, damaged = load_either(folder)
        if any(s.stop == "running" for s in manifest.sessions) and not held(folder / "lock"):
            manifest = manifest.with_dead_sessions()
        store = cls(folder, manifest)
        store._note_manifest(damaged)
        return store

    @classmethod
    def start(cls, path: Path | str, *, data: dict[str, Any], seed: int) -> RunStore:
        """Create a run folder, or open one that holds the same data and seed.

        Where the manifest and its copy are damaged or lost, a new one is begun, and the rows are used again.

        Raises:
            StoreError: The folder holds something else, or rows of other data or of another seed.
        """
        folder = place(path)
        if not is_run(folder) and not holds_rows(folder):
            _make_room(folder)
            with locked(folder / "lock", "run"):
                # Asked again under the lock: another process may have been here in between.
                if not (folder / NAME).exists():
                    Manifest(created=now(), seed=seed, data=data, sealed=True).save(folder)
        try:
            store = cls.open(folder)
        except Damaged:
            store = _begun_again(folder, data, seed)
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
        """Hold the folder for writing; ``StoreError`` at once if another process does. Reads the manifest again, mends
        it where it or its copy is damaged, and records sessions that died."""
        with locked(self.path / "lock", "run"):
            self.manifest, damaged = load_either(self.path)
            self._note_manifest(damaged)
            for error in damaged:
                set_aside(self.path, error.path)
            alive = self.manifest.with_dead_sessions()
            if damaged or alive != self.manifest:
                self._change(sessions=alive.sessions)
            # Whoever wrote these is dead, or it would still hold the lock.
            for left in [*self.path.rglob(".*.tmp")]:
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
            yield

    def _note_manifest(self, damaged: Sequence[Damaged]) -> None:
        for error in damaged:
            self.note(Damage(error.path, error.why, FROM_COPY))

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
        """Record how the last session ended, with an error's text as ``why``."""
        ended: dict[str, Any] = {"ended": now(), "stop": stop, "wall_s": wall_s, "images": images, "why": why}
        last = dataclasses.replace(self.manifest.sessions[-1], **ended)
        self._change(sessions=[*self.manifest.sessions[:-1], last])

    def write_samples(
        self,
        ids: npt.NDArray[np.str_],
        labels: npt.NDArray[np.int32],
        groups: npt.NDArray[np.int64] | None = None,
        names: Sequence[str] | None = None,
        truths: npt.NDArray[np.int32] | None = None,
        contexts: Mapping[str, npt.NDArray[np.str_]] | None = None,
    ) -> None:
        """Record the seeded order: position, id, label and, where there are any, group (what depends on each other),
        name (where the image is found, for people), truths, (n, most) right classes where a sample has several, and
        contexts (what else is known of each).

        Later calls must give the same ids and labels. Groups may be joined by later ones, and are kept by calls that
        give none or smaller ones; so are names. Contexts are kept by calls that give none of their name, or an empty
        value for a sample.

        Raises:
            StoreError: The folder has another order, other labels or other groups, so that its rows cannot be added to.
        """
        if self._order.path.exists():
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
            before = self.contexts()
            contexts = joined(before, contexts or {})
            same = contexts.keys() == before.keys() and all(np.array_equal(c, before[n]) for n, c in contexts.items())
            if same and groups is known and named == (None if names is None else [readable(name) for name in names]):
                return
        else:
            self._check_labels(labels)
        self._order.write(ids, labels, groups, names, truths, contexts or {})

    def _check_labels(self, labels: npt.NDArray[np.int32]) -> None:
        """Refuse labels that a folder's rows do not have, where the file is lost that would tell."""
        for model in self.stored_models():
            for file in self.whole_files(model)[:1]:
                told = self._fault(file, Checks(labels, skipped_of(self.manifest)))
                require(
                    not told,
                    f"{self.path} has lost {self._order.path.name}, and its rows do not fit these samples and labels "
                    f"({file.path.name}: {told}): give the same data and classes, or take another {option('out')}",
                    StoreError,
                )

    def design(self) -> Design:
        """How the samples were drawn, as ``read`` attaches it to rows; folders of old versions have no groups.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        return self._order.design(self.manifest.sealed)

    def samples(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int32]]:
        """Ids and labels in the seeded order.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        return self._order.ids(self.manifest.sealed), self.design().labels

    def names(self) -> list[str] | None:
        """Where each image is found (a file, a row of one), in the seeded order; ``None`` in folders of old versions.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        return self._order.names(self.manifest.sealed)

    def contexts(self) -> dict[str, npt.NDArray[np.str_]]:
        """What else is known of the samples (background, site), by name, in the seeded order; empty where nothing was
        told, as in folders of old versions. A sample of which it is not known has an empty text.

        Raises:
            StoreError: Nothing was recorded yet, or the file is damaged.
        """
        return self._order.contexts(self.manifest.sealed)

    def name_classes(self, titles: Sequence[str]) -> None:
        """Record what people call the classes, in label order."""
        if list(self.manifest.data.get("titles", ())) != list(titles):
            self._change(data=self.manifest.data | {"titles": list(titles)})


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


def _begun_again(folder: Path, data: dict[str, Any], seed: int) -> RunStore:
    """A folder whose manifest and copy are lost, with a new one that says so; its rows are used again.

    Raises:
        StoreError: Its rows are of other data or of another seed.
    """
    with locked(folder / "lock", "run"):
        rows = sorted((folder / "rows").glob("*/b*-*.parquet"))
        told = next((about for path in rows if (about := about_rows(path))), {})
        for name, own in (("data", data["fingerprint"]), ("seed", seed)):
            require(
                told.get(name, own) == own,
                f"{folder} has lost its {NAME}, and its rows are of other {name} ({told.get(name)}, now {own}): give "
                f"the command that made it, or take another {option('out')}",
                StoreError,
            )
        damaged = [(folder / name, set_aside(folder, folder / name)) for name in (NAME, COPY)]
        names = [FileName.parse(path.name) for path in rows]
        lost = SessionRecord(
            started=now(),
            ended=now(),
            stop=LOST,
            # How many images were asked for may have depended on results that nobody knows of.
            rule="anytime",
            why=f"{NAME} and its copy were damaged or lost, and with them the record of all earlier sessions",
        )
        sealed = all(name is not None and name.digest for name in names)
        Manifest(created=now(), seed=seed, data=data, sealed=sealed, sessions=[lost]).save(folder)
    store = RunStore.open(folder)
    for path, moved in damaged:
        why = "damaged" if moved else "lost"
        store.note(
            Damage(path, why, "a new one was begun: the record of earlier sessions is lost, rows are used again")
        )
    return store

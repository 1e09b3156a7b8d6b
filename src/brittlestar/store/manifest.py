"""The manifest: what a run folder says about itself. Plain JSON."""

from __future__ import annotations

import dataclasses
import datetime
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import StoreError
from brittlestar.core.sealed import Damaged, read_json, write_json
from brittlestar.store.kinds import DATA, LOADED, MODEL, OPENED, SKIPPED, SPACE, WAVE, Kinds, other_kind

SCHEMA = 1
NAME = "manifest.json"
COPY = "manifest-copy.json"
"""Written after every change of the other, so that of the two one is always whole and at most one change behind."""

DIED = "ended without a word: killed, out of memory or power lost"
LOST = "lost"
"""How a session is said to have ended that stands for all those whose record was lost."""


def now() -> str:
    """The time in ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """One call of `run` on the folder.

    Fields:
        started, ended: ISO times; ``ended`` is empty while it runs and stays so if it died.
        command: What repeats it.
        suite: Names of the suites.
        rule: ``fixed`` (the number of samples did not depend on results) or ``anytime`` (it stopped at a precision).
        stop: ``running``, ``complete``, ``budget``, ``precision``, ``interrupted``, ``failed``, ``unread`` (some images
            could not be read, and all else is done), ``died`` (it ended without a word, which a later one found out) or
            ``lost`` (it stands for all sessions before a manifest was lost).
        samples: How many samples were asked for.
        budget_s, precision: The stop rules, or ``None``.
        workers, device, batch: How it was computed.
        tuning: By model, how it answered faster than as it was given; empty where it did not.
        versions, hardware: What it was computed with.
        wall_s: Seconds it took.
        images: Shifted images evaluated.
        conditions, models: What was asked, by id and by name; empty in records of earlier versions, which asked
            everything that the manifest lists.
        why: What ended it, in words, where that was neither its plan nor its stop rules: an error's text, or what is
            known of one that died.
        shifted: Whether the images were declared to be unlike those that the models were made for.
        near_chance: By model, how many of how many first clean images were right, where that is near chance.
    """

    started: str
    ended: str = ""
    command: str = ""
    suite: str = ""
    rule: str = "fixed"
    stop: str = "running"
    why: str = ""
    samples: int = 0
    budget_s: float | None = None
    precision: float | None = None
    workers: int = 1
    device: str = "cpu"
    batch: int = 1
    tuning: dict[str, str] = dataclasses.field(default_factory=dict)
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    hardware: dict[str, Any] = dataclasses.field(default_factory=dict)
    wall_s: float = 0.0
    images: int = 0
    conditions: list[str] = dataclasses.field(default_factory=list)
    models: list[str] = dataclasses.field(default_factory=list)
    shifted: bool = False
    near_chance: dict[str, list[int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything about a run but its rows.

    Fields:
        schema: Version of the layout.
        created: ISO time.
        seed: Of the samples' order and of all draws.
        data: The fields of ``DataInfo``.
        models: Display name -> the fields of ``ModelInfo``.
        conditions: Condition id -> its description, in the order of the plan.
        suites: Every suite ever asked for.
        sessions: In order.
        skipped: Samples that the run goes on without (``store.skipped``), with their position, name and reason.
        sealed: Whether every file of the folder was written with a digest of its content, so that one without is
            damaged; false for folders that an earlier version began.
    """

    schema: int = SCHEMA
    created: str = ""
    seed: int = 0
    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    models: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    conditions: dict[str, ConditionInfo] = dataclasses.field(default_factory=dict)
    suites: list[str] = dataclasses.field(default_factory=list)
    sessions: list[SessionRecord] = dataclasses.field(default_factory=list)
    skipped: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    sealed: bool = False

    def save(self, folder: Path) -> None:
        """Write it and its copy, each whole or not at all."""
        for name in (NAME, COPY):
            write_json(folder / name, dataclasses.asdict(self), indent=1)

    def with_dead_sessions(self) -> Manifest:
        """The same, where no process works on the folder: sessions that are said to be running died."""
        why = f"{DIED}; found on {now()[:10]}"
        sessions = [dataclasses.replace(s, stop="died", why=why) if s.stop == "running" else s for s in self.sessions]
        return dataclasses.replace(self, sessions=sessions)

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read it, or its copy where it is damaged or lost (errors: ``load_either``)."""
        return load_either(folder)[0]


def load_either(folder: Path) -> tuple[Manifest, list[Damaged]]:
    """The manifest, or its copy, and what is damaged of the two.

    Raises:
        Damaged: Both are damaged or lost; the text says what is lost with them and what to do.
        StoreError: No run folder, or another schema.
    """
    if not folder.is_dir():
        raise StoreError(f"no such run folder: {folder}")
    names = [name for name in (NAME, COPY) if (folder / name).is_file()]
    if not names and not holds_rows(folder):
        raise StoreError(f"{folder} is not a run folder: it has no {NAME}")
    damaged: list[Damaged] = []
    found: Manifest | None = None
    for name in (NAME, COPY):
        # Folders of earlier versions have no copy.
        if name == COPY and name not in names and found is not None and not found.sealed:
            continue
        try:
            one = read_manifest(folder / name)
        except Damaged as error:
            damaged.append(error)
        else:
            found = found or one
    if found is None:
        raise _both_lost(folder, damaged[0])
    return found, damaged


def read_manifest(path: Path) -> Manifest:
    """One of the two files.

    Raises:
        Damaged: It is missing, or not what was written.
        StoreError: It has another schema.
    """
    # Whether a folder is sealed stands in this very file: one that lost its digest as a whole passes for an old one.
    content = read_json(path, required=False)
    if "schema" not in content:
        raise Damaged(path, "it names no schema")
    # Asked before anything else is read: another layout may have other fields.
    if content["schema"] != SCHEMA:
        raise StoreError(
            f"{path.parent} was written with layout {content['schema']}, this version reads layout {SCHEMA}: use the "
            "version of Brittlestar that wrote it (the sessions in manifest.json name it), or start a new run folder"
        )
    try:
        manifest = _as(Manifest, content, path)
        manifest = dataclasses.replace(
            manifest,
            conditions={k: _as(ConditionInfo, v, path) for k, v in content["conditions"].items()},
            sessions=[_as(SessionRecord, v, path) for v in content["sessions"]],
        )
        for condition in manifest.conditions.values():
            if condition.kind == "fourier":
                _check(path, condition.config, WAVE, *WAVE)
        _check(path, manifest.data, DATA, "fingerprint", "classes")
        if manifest.data.get("space") is not None:
            _check(path, manifest.data["space"], SPACE, *SPACE)
        if len(manifest.data.get("shape", "chw")) != 3:
            raise Damaged(path, "the shape of the images is not (channel, height, width)")
        _check(path, manifest.data.get("how") or {}, OPENED)
        for model in manifest.models.values():
            _check(path, model, MODEL, "name", "fingerprint")
            _check(path, model.get("how", {}), LOADED)
        for sample in manifest.skipped:
            _check(path, sample, SKIPPED, *SKIPPED)
        return manifest
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(path, str(error)) from error


def is_run(folder: Path) -> bool:
    """Whether a folder has a manifest, or its copy."""
    return any((folder / name).is_file() for name in (NAME, COPY))


def holds_rows(folder: Path) -> bool:
    """Whether a folder without a manifest is a run folder all the same."""
    return any((folder / "rows").glob("*/b*-*.parquet"))


def _both_lost(folder: Path, first: Damaged) -> Damaged:
    if not holds_rows(folder):
        return Damaged(first.path, first.why, "restore it from a copy, or start a new run folder")
    files = list((folder / "rows").glob("*/b*-*.parquet"))
    models = len({path.parent for path in files})
    return Damaged(
        first.path,
        first.why,
        f"its copy {COPY} is damaged or lost too. Lost with them: the names of the models, the descriptions of the "
        f"conditions and the record of the sessions. Still there: {len(files):,} files of rows of {models} "
        f"model{'s' if models != 1 else ''}. Give the same `brittlestar run` command again: it writes a new manifest "
        "and uses these rows",
    )


T = TypeVar("T", Manifest, ConditionInfo, SessionRecord)


_KINDS: dict[type, Kinds] = {
    ConditionInfo: typing.get_type_hints(ConditionInfo),
    SessionRecord: typing.get_type_hints(SessionRecord),
    # As they lie in the file: what is inside is looked at one by one.
    Manifest: typing.get_type_hints(Manifest)
    | {"conditions": dict[str, dict[str, Any]], "sessions": list[dict[str, Any]]},
}


def _as(kind: type[T], content: dict[str, Any], path: Path) -> T:
    """The dataclass; fields of a later version are named, not called damage."""
    strange = sorted(content.keys() - {field.name for field in dataclasses.fields(kind)})
    if strange:
        raise StoreError(
            f"{path} has fields that this version does not know ({', '.join(strange)}): update Brittlestar"
        )
    _check(path, content, _KINDS[kind])
    return kind(**content)


def _check(path: Path, content: Mapping[str, Any], kinds: Kinds, *needed: str) -> None:
    if wrong := other_kind(content, kinds, needed):
        raise Damaged(path, wrong)

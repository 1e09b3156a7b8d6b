"""The manifest: what a run folder says about itself. Plain JSON."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any, TypeVar

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import StoreError
from brittlestar.core.files import write_atomic

SCHEMA = 1
NAME = "manifest.json"


def now() -> str:
    """The time in ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """One call of `run` on the folder.

    Fields:
        started, ended: ISO times; ``ended`` is empty while it runs and stays so if it was killed.
        command: What repeats it.
        suite: Names of the suites.
        rule: ``fixed`` (the number of samples did not depend on results) or ``anytime`` (it stopped at a precision).
        stop: ``running``, ``complete``, ``budget``, ``precision``, ``interrupted``, ``failed`` or
            ``unread`` (some images could not be read, and all else is done).
        samples: How many samples were asked for.
        budget_s, precision: The stop rules, or ``None``.
        workers, device, batch: How it was computed.
        tuning: By model, how it answered faster than as it was given; empty where it did not.
        versions, hardware: What it was computed with.
        wall_s: Seconds it took.
        images: Shifted images evaluated.
        conditions, models: What was asked, by id and by name; empty in records of earlier versions, which asked
            everything that the manifest lists.
        why: What ended it, in words, where that was neither its plan nor its stop rules.
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

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_atomic(folder / NAME, json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read it.

        Raises:
            StoreError: No run folder, another schema, or damaged.
        """
        path = folder / NAME
        if not folder.is_dir():
            raise StoreError(f"no such run folder: {folder}")
        if not path.is_file():
            raise StoreError(f"{folder} is not a run folder: it has no {NAME}")
        try:
            content = json.loads(path.read_text())
            schema = content["schema"]
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path, error) from error
        # Asked before anything else is read: another layout may have other fields.
        if schema != SCHEMA:
            raise StoreError(
                f"{folder} was written with layout {schema}, this version reads layout {SCHEMA}: use the version of "
                "Brittlestar that wrote it (the sessions in manifest.json name it), or start a new run folder"
            )
        try:
            content["conditions"] = {k: _as(ConditionInfo, v, path) for k, v in content["conditions"].items()}
            content["sessions"] = [_as(SessionRecord, v, path) for v in content["sessions"]]
            return _as(cls, content, path)
        except (TypeError, KeyError, AttributeError) as error:
            raise _damaged(path, error) from error


T = TypeVar("T", Manifest, ConditionInfo, SessionRecord)


def _as(kind: type[T], content: dict[str, Any], path: Path) -> T:
    """The dataclass; fields of a later version are named, not called damage."""
    strange = sorted(content.keys() - {field.name for field in dataclasses.fields(kind)})
    if strange:
        raise StoreError(
            f"{path} has fields that this version does not know ({', '.join(strange)}): update Brittlestar"
        )
    return kind(**content)


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} is damaged ({error}); restore it from a copy, or start a new run folder")

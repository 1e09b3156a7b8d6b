"""What people were shown of a run, and what they answered: ``RUN/people/<export>/``.

``export.json`` says which pictures an export held; ``trials-<subject>-<digest>.csv`` are the answers that came back. A
picture's name in a file of trials begins with the trial's number and the export's digest and ends with the picture's
number, so that answers to another export are told.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require
from brittlestar.core.files import make_folder, write_atomic
from brittlestar.core.sealed import Damaged, name_digest, read_bytes, read_json, write_json
from brittlestar.store.trials import NO_ANSWER, Trial, as_csv, parsed

FOLDER, EXPORT = "people", "export.json"
SHORT = 12
"""Digits of an export's digest that name its folder and its pictures."""


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """A picture that was shown.

    Fields:
        number: In the export, from 0.
        position: Of its sample in the run.
        condition: Id of the run's condition.
        scale: ``true``, or ``unit`` for a picture stretched to one spread.
        label: The right class.
    """

    number: int
    position: int
    condition: str
    scale: str
    label: int

    @property
    def shown_as(self) -> str:
        """The condition as trials name it: each scale is one of its own."""
        return self.condition if self.scale == "true" else f"{self.condition} ({self.scale} variance)"


@dataclass(frozen=True, kw_only=True)
class Export:
    """An export: its digest (of pictures and order), the names of the classes, what was shown, and whose attacks."""

    digest: str
    classes: tuple[str, ...]
    stimuli: tuple[Stimulus, ...]
    model: str = ""

    @property
    def short(self) -> str:
        """What names it."""
        return self.digest[:SHORT]

    def as_json(self) -> dict[str, Any]:
        """Plain values under keys of their own (a sealed file keeps ``digest`` for itself)."""
        return {
            "export": self.digest,
            "classes": list(self.classes),
            "model": self.model,
            "stimuli": [dataclasses.asdict(stimulus) for stimulus in self.stimuli],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], path: Path) -> Export:
        """The export of stored values.

        Raises:
            Damaged: They are of other kinds.
        """
        try:
            stimuli = tuple(Stimulus(**one) for one in value["stimuli"])
            return cls(
                digest=str(value["export"]), classes=tuple(value["classes"]), stimuli=stimuli, model=str(value["model"])
            )
        except (KeyError, TypeError) as error:
            raise Damaged(path, f"it is no export ({error})") from error


def keep_export(run: Path, export: Export) -> Path:
    """Record an export in a run folder; gives its folder."""
    folder = run / FOLDER / export.short
    make_folder(folder)
    write_json(folder / EXPORT, export.as_json())
    return folder


def exports(run: Path) -> list[Export]:
    """The exports of a run, by digest.

    Raises:
        Damaged: What an export held is not what was written.
    """
    folder = run / FOLDER
    paths = sorted(one / EXPORT for one in folder.iterdir() if (one / EXPORT).exists()) if folder.exists() else []
    return [Export.from_json(read_json(path), path) for path in paths]


_NAME = re.compile(r"(\d+)_([0-9a-f]+)_.*_(\d+)\.png", re.DOTALL)


def image_name(trial: int, export: Export, subject: str, stimulus: Stimulus) -> str:
    """A picture's name in a file of trials, as the page writes it."""
    category = export.classes[stimulus.label]
    return f"{trial:04d}_{export.short}_{subject}_{stimulus.shown_as}_{category}_00_{stimulus.number:05d}.png"


def stimulus_of(trial: Trial, export: Export, where: str) -> Stimulus:
    """Which of an export's pictures a trial showed.

    Raises:
        DataError: None of them, or one that differs from what the trial says of it.
    """
    match = _NAME.fullmatch(trial.image)
    require(match is not None, f"{where}: {trial.image!r} is no picture of an export by `people export`", DataError)
    assert match is not None
    require(
        match[2] == export.short,
        f"{where}: its pictures are of the export {match[2]}, not {export.short}",
        DataError,
    )
    number = int(match[3])
    require(number < len(export.stimuli), f"{where}: the export {export.short} has no picture {number}", DataError)
    stimulus = export.stimuli[number]
    told = (trial.condition, trial.category)
    shown = (stimulus.shown_as, export.classes[stimulus.label])
    require(told == shown, f"{where}: picture {number} was {shown}, and the trial says {told}", DataError)
    require(
        trial.response == NO_ANSWER or trial.response in export.classes,
        f"{where}: the answer {trial.response!r} is none of the classes ({', '.join(export.classes[:8])}"
        f"{', ...' if len(export.classes) > 8 else ''}) and not {NO_ANSWER}",
        DataError,
    )
    return stimulus


def export_of(trials: Sequence[Trial], known: Sequence[Export], name: str) -> Export:
    """The export that a file of trials answers.

    Raises:
        DataError: None of those known, or more than one.
    """
    found = {match[2] for trial in trials if (match := _NAME.fullmatch(trial.image))}
    require(bool(found), f"{name} holds no trials of a page by `people export` (see imagename)", DataError)
    require(len(found) == 1, f"{name} mixes trials of {len(found)} exports: {', '.join(sorted(found))}", DataError)
    (digest,) = found
    for export in known:
        if export.short == digest:
            return export
    listed = ", ".join(export.short for export in known)
    raise DataError(
        f"{name} answers another export ({digest}); this run has {listed or 'none'}: import it into the run whose "
        "pictures were shown"
    )


def keep_trials(run: Path, export: Export, trials: Sequence[Trial]) -> None:
    """Keep a file's trials with the run; the same ones again change nothing.

    Raises:
        DataError: A person has answered already, otherwise, or a picture twice.
    """
    folder = run / FOLDER / export.short
    known = [trial for kept in kept_files(run, export) for trial in kept]
    same = set(map(_key, known))
    text = as_csv(trials)
    if {*map(_key, trials)} <= same and _written(trials) <= _written(known):
        return
    seen = {(t.subject, t.image_id) for t in known}
    for trial in trials:
        key = (trial.subject, trial.image_id)
        require(
            key not in seen,
            f"{trial.subject} has answered picture {trial.image_id} of the export {export.short} already: every person "
            "sees a picture once (two people need two codes)",
            DataError,
        )
        seen.add(key)
    subjects = "-".join(sorted({re.sub(r"[^A-Za-z0-9-]", "", t.subject) or "x" for t in trials}))[:60]
    write_atomic(folder / f"trials-{subjects}-{name_digest(text.encode())}.csv", text)


def _key(trial: Trial) -> tuple[str, str]:
    return trial.subject, trial.image_id


def _written(trials: Sequence[Trial]) -> set[str]:
    return set(as_csv(trials).splitlines()[1:])


def kept_files(run: Path, export: Export) -> list[list[Trial]]:
    """The trials that were kept, a list for each file.

    Raises:
        Damaged: A file is not what was written.
    """
    found = []
    for path in sorted((run / FOLDER / export.short).glob("trials-*.csv")):
        content = read_bytes(path)
        if name_digest(content) != path.stem.rpartition("-")[2]:
            raise Damaged(path, "its content is not what was written", "import the people's own file again")
        found.append(parsed(content.decode("utf-8"), str(path)))
    return found

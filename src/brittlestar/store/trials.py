"""Trials of people: what each saw and answered, in the columns of model-vs-human's files, which our page writes too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, require

COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")
"""In the order in which they are written; read in any order, and ``Session`` too."""

NO_ANSWER = "na"
"""What stands for an answer where none was given in time: wrong, and of no class."""

LARGEST = 64_000_000
"""Bytes of one file; more is not read."""


@dataclass(frozen=True)
class Trial:
    """One picture, shown once to one person.

    Fields:
        subject: Who; a code.
        session, trial: Numbers, from 1.
        seconds: From the end of the picture to the answer; NaN where it was not measured.
        response: The class answered, or ``NO_ANSWER``.
        category: The right class.
        condition: What was done to the picture.
        image: Name of the picture; ``image_id`` tells which it was.
    """

    subject: str
    session: int
    trial: int
    seconds: float
    response: str
    category: str
    condition: str
    image: str

    @property
    def correct(self) -> bool:
        """Whether the answer is the right class."""
        return self.response == self.category

    @property
    def image_id(self) -> str:
        """The last two parts of the name, which all subjects' names of one picture share."""
        return "_".join(self.image.rsplit("_", 2)[-2:])


def level_of(condition: str) -> str:
    """A condition as it is compared: ``3.0`` and ``3`` are one, and so are ``True`` and ``true``."""
    try:
        return f"{float(condition):g}"
    except ValueError:
        return condition.strip().lower()


def read_trials(path: Path) -> list[Trial]:
    """The trials of a CSV file.

    Raises:
        DataError: It is none, lacks a column, or a value is missing or no number.
    """
    try:
        require(path.stat().st_size <= LARGEST, f"{path} has more than {LARGEST:,} bytes: no file of trials", DataError)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start})") from error
    return parsed(text, str(path))


def parsed(text: str, name: str) -> list[Trial]:
    """The trials of CSV text; ``name`` is what errors call it. Errors as ``read_trials``."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise DataError(f"{name} is no CSV ({error})") from error
    header = [word.strip().lower() for word in rows[0]] if rows else []
    lacking = [column for column in COLUMNS if column not in header]
    require(
        not lacking,
        f"{name} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}; trials have "
        f"{', '.join(COLUMNS)}",
        DataError,
    )
    require(len(set(header)) == len(header), f"{name} has a column twice: {', '.join(header)}", DataError)
    trials = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        require(
            len(row) == len(header), f"{name}, line {number}: {len(row)} values for {len(header)} columns", DataError
        )
        trials.append(_trial(dict(zip(header, row, strict=True)), f"{name}, line {number}"))
    require(bool(trials), f"{name} holds no trials", DataError)
    return trials


def _trial(row: Mapping[str, str], where: str) -> Trial:
    for column in ("subj", "object_response", "category", "condition", "imagename"):
        require(bool(row[column].strip()), f"{where}: {column} is empty (no answer is written {NO_ANSWER})", DataError)
    try:
        session, trial = (int(float(row[column])) for column in ("session", "trial"))
        seconds = float(row["rt"]) if row["rt"].strip().lower() not in ("", NO_ANSWER) else float("nan")
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: session, trial and rt are numbers ({error})") from error
    return Trial(
        row["subj"].strip(),
        session,
        trial,
        seconds,
        row["object_response"].strip(),
        row["category"].strip(),
        row["condition"].strip(),
        row["imagename"].strip(),
    )


def as_csv(trials: Iterable[Trial]) -> str:
    """CSV text that ``parsed`` reads."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for t in trials:
        seconds = NO_ANSWER if t.seconds != t.seconds else f"{t.seconds:.4f}"
        writer.writerow([t.subject, t.session, t.trial, seconds, t.response, t.category, t.condition, t.image])
    return out.getvalue()


def by_condition(trials: Sequence[Trial]) -> dict[str, dict[str, list[Trial]]]:
    """Trials by ``level_of`` their condition and by subject, both in order of appearance."""
    found: dict[str, dict[str, list[Trial]]] = {}
    for trial in trials:
        found.setdefault(level_of(trial.condition), {}).setdefault(trial.subject, []).append(trial)
    return found

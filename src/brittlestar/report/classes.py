"""Classes one by one: recall by shift, the lowest of all, and the confusions that shifts create, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from brittlestar.measures.per_class import (
    FEWEST,
    Answers,
    Confusion,
    informedness,
    lowest_recall,
    recalls,
    worst_confusions,
)
from brittlestar.measures.samples import mean_of
from brittlestar.report.claims import axis_of
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Spark, SparkLine, SparkPoint
from brittlestar.report.series import Series, condition_title, series_of
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.report.words import family_title

MOST_CLASSES = 12
"""More columns a model than that no screen holds; of more classes the worst are shown, the rest in a list."""

MOST_CELLS = 2500
"""Of more cells the rows are families and not single shifts: about 80 bytes each."""


@dataclass(frozen=True, kw_only=True)
class ClassCell:
    """One class under one shift: its recall, and what its answer is worth (``measures.per_class.informedness``)."""

    recall: Estimate
    worth: float

    @property
    def alarms(self) -> float:
        """The share of the other classes' images that get the same answer."""
        return self.recall.value - self.worth


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A shift, averaged over its strengths, or a family of shifts: cells by model and class."""

    family: str
    title: str
    conditions: tuple[str, ...]
    cells: tuple[tuple[ClassCell | None, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ClassLine:
    """One class in short: images, recall when clean and over the shifts, and the family that costs it most."""

    title: str
    images: int
    clean: float | None
    shifted: float
    family: str
    lowest: float


@dataclass(frozen=True, kw_only=True)
class ModelClasses:
    """One model's classes.

    Fields:
        model, data: Which.
        titles: Readable names of all classes of the data.
        shown: Classes that have a column, in order.
        worst: The class with the lowest recall over the shifts, in an interval for the lowest of all; ``None`` without.
        overall: Its accuracy over the shifts.
        of: How many classes have enough images.
        over: How many conditions the means are over.
        confusions: Those that shifts create, the surest first.
        names: What each condition of these is called.
        everywhere: For each, the share of all images that get its answer: near 100 % the model has collapsed to it.
        told: The first of them, filters apart: these ask what a model reads, and are no change that comes by itself.
        spark, lost: Of that one: how it grows along its curve, and the share of all images, right when clean, that it
            takes, averaged over the curve.
        lines: All classes, the worst first, where there are more than are shown.
    """

    model: ModelEntry
    data: str
    titles: tuple[str, ...]
    shown: tuple[int, ...]
    worst: tuple[int, Estimate] | None
    overall: Estimate | None
    of: int
    over: int
    confusions: tuple[Confusion, ...]
    names: Mapping[str, str]
    everywhere: tuple[float, ...]
    told: Confusion | None
    spark: Spark | None
    lost: Estimate | None
    lines: tuple[ClassLine, ...]

    def title(self, label: int) -> str:
        """A class's readable name."""
        return self.titles[label] if 0 <= label < len(self.titles) else f"class {label}"


def enough(subject: Subject) -> bool:
    """Whether two classes or more have images enough to be told apart."""
    rows = next(iter(subject.rows.values()), None)
    return rows is not None and int(np.sum(np.unique(rows.label, return_counts=True)[1] >= FEWEST)) >= 2


def asked_of(subject: Subject) -> tuple[str, ...]:
    """The conditions that means are over: shifts, else clean images alone."""
    return tuple(info.id for info in subject.of_kind("shift")) or tuple(c for c in (CLEAN,) if c in subject.rows)


def classes_of(gathered: Gathered, subject: Subject, asked: Sequence[str]) -> ModelClasses:
    """One model's classes, averaged over the conditions asked."""
    numbers = gathered.numbers
    titles, clean = subject.data.classes, subject.clean
    shifted = Answers.of([subject.rows[c] for c in asked]) if asked else None
    sizes = shifted.counts() if shifted is not None else {}
    able = [c for c, n in sizes.items() if n >= FEWEST]
    worst = lowest_recall(shifted, numbers.rule, numbers.level) if shifted is not None and able else None
    lines: tuple[ClassLine, ...] = ()
    shown = tuple(sorted(sizes))
    if shifted is not None and len(sizes) > MOST_CLASSES:
        own = recalls(shifted, len(titles))
        # Ties go by number, so that the same run shows the same columns.
        ordered = sorted(able, key=lambda c: (own[c], c))
        shown = tuple(ordered[:MOST_CLASSES])
        lines = _lines(subject, asked, ordered, sizes)
    moved = {c: subject.rows[c] for c in asked if c != CLEAN}
    # Strengths of one shift create the same confusion, which is told once.
    curve = {c: "/".join((subject.infos[c].shift, subject.infos[c].series, subject.infos[c].table)) for c in moved}
    confusions = (
        worst_confusions(moved, clean, len(titles), numbers.rule, numbers.level, curves=curve)
        if clean is not None
        else ()
    )
    plain = [c for c in confusions if subject.infos[c.condition].family != "spectral"]
    told = next(iter(plain or confusions), None)
    return ModelClasses(
        model=subject.entry,
        data=subject.data.name,
        titles=titles,
        shown=shown,
        worst=worst,
        overall=numbers.mean_error(subject, asked).complement() if asked else None,
        of=len(able),
        over=len(asked),
        confusions=confusions,
        names={c.condition: condition_title(subject, c.condition) for c in confusions},
        everywhere=tuple(_share_of_answers(subject, c) for c in confusions),
        told=told,
        spark=_spark(gathered, subject, told) if told else None,
        lost=_lost(gathered, subject, told) if told else None,
        lines=lines,
    )


def _curve(gathered: Gathered, subject: Subject, condition: str) -> tuple[Series, tuple[str, ...]]:
    series = next(s for s in series_of(gathered, "shift") if any(i.id == condition for i in s.infos))
    return series, tuple(i.id for i in series.infos if i.id in subject.rows)


def _spark(gathered: Gathered, subject: Subject, found: Confusion) -> Spark | None:
    series, conditions = _curve(gathered, subject, found.condition)
    if len(conditions) < 2:
        return None
    labels = series.axis_labels()
    points = tuple(
        SparkPoint(condition=c, label=labels.get(c, ""), value=_taken(subject.rows[c], found))
        for c in (CLEAN, *conditions)
    )
    line = SparkLine(model=subject.entry, points=points)
    return Spark(axis=axis_of(series), lines=(line,), model=subject.entry.key, condition=found.condition)


def _taken(rows: Rows, found: Confusion) -> float:
    own = rows.label == found.label
    return float((rows.prediction[own] == found.prediction).mean()) if own.any() else 0.0


def _lost(gathered: Gathered, subject: Subject, found: Confusion) -> Estimate:
    _, conditions = _curve(gathered, subject, found.condition)
    answers = Answers.of([subject.rows[CLEAN], *(subject.rows[c] for c in conditions)])
    right = (answers.label == found.label) & (answers.prediction[:, 0] == found.label)
    # A share of all images and not of the class's: findings rank by it beside what whole models lose.
    taken = (right[:, None] & (answers.prediction[:, 1:] == found.prediction)).mean(axis=1)
    level = measures.of_many(found.candidates, gathered.numbers.level)
    return mean_of(answers.samples, taken, gathered.rule, level, cap=len(conditions))


def _share_of_answers(subject: Subject, found: Confusion) -> float:
    rows = subject.rows[found.condition]
    # Weighted: the images that were answered may not have the set's mix of classes.
    return float(np.average(rows.prediction == found.prediction, weights=rows.weight))


def _lines(
    subject: Subject, asked: Sequence[str], ordered: Sequence[int], sizes: Mapping[int, int]
) -> tuple[ClassLine, ...]:
    classes = len(subject.data.classes)
    families: dict[str, list[str]] = {}
    for c in asked:
        families.setdefault(subject.infos[c].family, []).append(c)

    def found_under(conditions: Sequence[str]) -> Any:
        return recalls(Answers.of([subject.rows[c] for c in conditions]), classes)

    by_family = {name: found_under(conditions) for name, conditions in families.items()}
    mean, clean = found_under(asked), found_under([CLEAN]) if subject.clean is not None else None
    found = []
    for label in ordered:
        family = min(by_family, key=lambda name: float(by_family[name][label]))
        found.append(
            ClassLine(
                title=subject.data.classes[label],
                images=sizes[label],
                clean=None if clean is None or np.isnan(clean[label]) else float(clean[label]),
                shifted=float(mean[label]),
                family=family_title(family),
                lowest=float(by_family[family][label]),
            )
        )
    return tuple(found)


def rows_of(gathered: Gathered, subjects: Sequence[Subject], models: Sequence[ModelClasses]) -> tuple[ClassRow, ...]:
    """Clean, then every shift and attack, or every family where these would be too many cells."""
    listed = [(s.family, s.title, tuple(i.id for i in s.infos)) for s in series_of(gathered, "shift", "attack")]
    if (len(listed) + 1) * sum(len(m.shown) for m in models) > MOST_CELLS:
        families: dict[str, list[str]] = {}
        for family, _, conditions in listed:
            families.setdefault(family, []).extend(conditions)
        listed = [(family, family_title(family), tuple(conditions)) for family, conditions in families.items()]
    cell = _cells(gathered)
    rows = []
    for family, title, conditions in [("", "Clean", (CLEAN,)), *listed]:
        cells = tuple(cell(s, m, conditions) for s, m in zip(subjects, models, strict=True))
        if any(c is not None for group in cells for c in group):
            rows.append(ClassRow(family=family, title=title, conditions=conditions, cells=cells))
    return tuple(rows)


Cells = tuple[ClassCell | None, ...]


def _cells(gathered: Gathered) -> Callable[[Subject, ModelClasses, Sequence[str]], Cells]:
    numbers = gathered.numbers

    def cells(subject: Subject, found: ModelClasses, conditions: Sequence[str]) -> Cells:
        have = [subject.rows[c] for c in conditions if c in subject.rows]
        if not have:
            return (None,) * len(found.shown)
        answers = Answers.of(have)
        worth, sizes = informedness(answers, len(found.titles)), answers.counts()
        # Columns that were chosen for their numbers have intervals that allow for it.
        level = measures.of_many(found.of, numbers.level) if found.lines else numbers.level
        return tuple(
            ClassCell(recall=answers.recall(label, numbers.rule, level), worth=float(worth[label]))
            if label in sizes
            else None
            for label in found.shown
        )

    return cells

"""Who is failing: recall by shift and class, and the confusions that shifts create."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from brittlestar import measures
from brittlestar.measures import Estimate, Sensitivity
from brittlestar.measures.per_class import (
    FEWEST,
    Answers,
    Confusion,
    informedness,
    lowest_recall,
    recalls,
    worst_confusions,
)
from brittlestar.report.anchors import example_anchor
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Finding, Result, Section, Shown
from brittlestar.report.series import condition_title, series_of
from brittlestar.report.status import trusted
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.report.words import chosen, count, family_title, images, percent, points, share

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
    lines: tuple[ClassLine, ...]

    def title(self, label: int) -> str:
        """A class's readable name."""
        return self.titles[label] if 0 <= label < len(self.titles) else f"class {label}"


@dataclass(frozen=True, kw_only=True)
class PerClass(Section):
    """Recall by shift and class, the worst class, and the confusions that shifts create.

    Fields:
        models: One a model.
        rows: Clean, then shifts or families.
        trusted: Keys of the models that are not near chance.
    """

    id: ClassVar[str] = "per_class"
    nav: ClassVar[str] = "Classes"
    title: ClassVar[str] = "Who is failing"

    models: tuple[ModelClasses, ...]
    rows: tuple[ClassRow, ...]
    trusted: frozenset[str]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        subjects = [s for s in gathered.subjects if _enough(s)]
        if not subjects:
            return None
        asked = [_asked(s) for s in subjects]
        models = tuple(_model(gathered, s, a) for s, a in zip(subjects, asked, strict=True))
        rows = _rows(gathered, subjects, models)
        sure = frozenset(s.entry.key for s in gathered.once(trusted).subjects)
        return cls(models=models, rows=rows, trusted=sure)

    @property
    def steps(self) -> int:
        """Columns a model."""
        return max(len(m.shown) for m in self.models)

    def findings(self) -> Iterator[Finding]:
        for found in self.models:
            if found.model.key in self.trusted:
                yield from _findings(found)

    def results(self) -> Iterator[Result]:
        for m in self.models:
            if m.worst is not None:
                measure = f"recall_lowest_of_{m.of}:{m.title(m.worst[0])}"
                yield Result(model=m.model.name, data=m.data, condition="shifts", measure=measure, estimate=m.worst[1])
            for c in m.confusions:
                measure = f"confusion_increase:{m.title(c.label)} -> {m.title(c.prediction)}"
                yield Result(
                    model=m.model.name, data=m.data, condition=c.condition, measure=measure, estimate=c.increase
                )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "per_class": [
                {
                    "model": m.model.name,
                    "data": m.data,
                    "lowest_recall": None
                    if m.worst is None
                    else {"class": m.title(m.worst[0]), "of": m.of, "conditions": m.over, **m.worst[1].as_json()},
                    "confusions": [
                        {
                            "class": m.title(c.label),
                            "taken_for": m.title(c.prediction),
                            "condition": c.condition,
                            "shifted": c.shifted.as_json(),
                            "clean": c.clean.as_json(),
                            "increase": c.increase.as_json(),
                            "candidates": c.candidates,
                        }
                        for c in m.confusions
                    ],
                }
                for m in self.models
            ]
        }

    def context(self) -> Mapping[str, Any]:
        return {"limit": MOST_CLASSES, "fewest": FEWEST, "short": _short, "anchor": example_anchor}

    def script(self) -> Mapping[str, Any]:
        lists = {
            m.model.key: [
                [x.title, x.images, _whole(x.clean), _whole(x.shifted), x.family, _whole(x.lowest)] for x in m.lines
            ]
            for m in self.models
            if m.lines
        }
        return {"perClass": lists} if lists else {}


def _whole(value: float | None) -> int | None:
    return None if value is None else round(100 * value)


def _short(title: str) -> str:
    """A name that fits a column's head; the whole stands in its tip."""
    return title if len(title) <= 20 else f"{title[:11].rstrip()}…{title[-8:].lstrip()}"


def _enough(subject: Subject) -> bool:
    """Whether two classes or more have images enough to be told apart."""
    rows = next(iter(subject.rows.values()), None)
    return rows is not None and int(np.sum(np.unique(rows.label, return_counts=True)[1] >= FEWEST)) >= 2


def _asked(subject: Subject) -> tuple[str, ...]:
    """The conditions that means are over: shifts, else clean images alone."""
    return tuple(info.id for info in subject.of_kind("shift")) or tuple(c for c in (CLEAN,) if c in subject.rows)


def _model(gathered: Gathered, subject: Subject, asked: Sequence[str]) -> ModelClasses:
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
        ordered = sorted(able, key=lambda c: (own[c], c))
        shown = tuple(ordered[:MOST_CLASSES])
        lines = _lines(subject, asked, ordered, sizes)
    moved = {c: subject.rows[c] for c in asked if c != CLEAN}
    confusions = () if clean is None else worst_confusions(moved, clean, len(titles), numbers.rule, numbers.level)
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
        lines=lines,
    )


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


def _rows(gathered: Gathered, subjects: Sequence[Subject], models: Sequence[ModelClasses]) -> tuple[ClassRow, ...]:
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


def _findings(found: ModelClasses) -> Iterator[Finding]:
    if found.confusions:
        yield _created(found, found.confusions[0], len(found.confusions))
    if found.worst is None or found.overall is None or found.of < 2:
        return
    label, recall = found.worst
    over = f"mean over {count(found.over, 'condition')}" if found.over > 1 else "under one condition"
    apart = recall.high < found.overall.low
    lead = (
        f"Fares worst with “{found.title(label)}”"
        if apart
        else f"No class shown to fare worse than the rest: “{found.title(label)}”"
    )
    yield Finding(
        model=found.model,
        lead=lead,
        text=f"of which it finds {share(recall)} ({over}; interval for the lowest of {found.of} classes), against "
        f"{share(found.overall)} of all images.",
        estimates=(recall, found.overall),
        tone="bad" if apart else "plain",
    )


def _created(found: ModelClasses, c: Confusion, many: int) -> Finding:
    label, other, under = found.title(c.label), found.title(c.prediction), found.names[c.condition]
    rest = f" {count(many - 1, 'more is', 'more are')} listed under “{PerClass.title}”." if many > 1 else ""
    claim = f"“{label}” passes for “{other}” under {under.partition(',')[0]}"
    return Finding(
        model=found.model,
        lead=f"Under {under}, {percent(c.shifted)} of “{label}” pass for “{other}”:",
        text=f"{share(c.clean)} when clean, {points(c.increase, sign=True)} on the same images"
        f"{chosen(c.candidates)}, {images(c.increase.n)}.{rest}",
        estimates=(c.shifted, c.clean, c.increase),
        tone="bad",
        slot="trust",
        claim=claim if len(claim.split()) <= 12 else f"One class passes for another under {under.partition(',')[0]}",
        number=Shown(estimate=c.shifted, after=f"of “{_short(label)}” taken for “{_short(other)}”"),
        lost=c.lost,
        condition=c.condition,
    )

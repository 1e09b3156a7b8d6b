"""Who is failing: recall by shift and class, and the confusions that shifts create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import Sensitivity
from brittlestar.measures.per_class import (
    FEWEST,
    Confusion,
)
from brittlestar.report.anchors import example_anchor
from brittlestar.report.claims import MOST_WORDS, small
from brittlestar.report.classes import MOST_CLASSES, ClassRow, ModelClasses, asked_of, classes_of, enough, rows_of
from brittlestar.report.gather import Gathered
from brittlestar.report.names import middle
from brittlestar.report.section import Finding, Result, Section, Shown
from brittlestar.report.sections.examples import Examples
from brittlestar.report.status import trusted
from brittlestar.report.words import chosen, count, images, percent, points, share


@dataclass(frozen=True, kw_only=True)
class PerClass(Section):
    """Recall by shift and class, the worst class, and the confusions that shifts create.

    Fields:
        models: One a model.
        rows: Clean, then shifts or families.
        trusted: Keys of the models that are not near chance.
        pictured: Whether the page has examples of failures.
    """

    id: ClassVar[str] = "per_class"
    nav: ClassVar[str] = "Classes"
    title: ClassVar[str] = "Who is failing"

    models: tuple[ModelClasses, ...]
    rows: tuple[ClassRow, ...]
    trusted: frozenset[str]
    pictured: bool

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        made = [(s, classes_of(gathered, s, asked_of(s))) for s in gathered.subjects if enough(s)]
        # The images that all conditions of an unfinished run share may be too few where those of one were enough.
        made = [(subject, found) for subject, found in made if len(found.shown) >= 2]
        if not made:
            return None
        subjects, models = [s for s, _ in made], tuple(found for _, found in made)
        rows = rows_of(gathered, subjects, models)
        sure = frozenset(s.entry.key for s in gathered.once(trusted).subjects)
        return cls(models=models, rows=rows, trusted=sure, pictured=gathered.of(Examples) is not None)

    @property
    def steps(self) -> int:
        """Columns a model."""
        return max(len(m.shown) for m in self.models)

    @property
    def upright(self) -> bool:
        """Whether the heads of the columns are too long to lie."""
        return any(len(m.title(label)) > 3 for m in self.models for label in m.shown)

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
        return {"limit": MOST_CLASSES, "fewest": FEWEST, "short": _short, "anchor": example_anchor, "weight": _weight}

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


def _weight(row: ClassRow) -> float:
    """What a row is worth where not all are printed: how far its answers are from perfect, in the mean."""
    known = [1 - cell.worth for cells in row.cells for cell in cells if cell is not None]
    return sum(known) / len(known) if known else 0.0


def _short(title: str) -> str:
    """A name that fits a column's head; the whole stands in its tip."""
    return middle(title, 17)


def _findings(found: ModelClasses) -> Iterator[Finding]:
    if found.told is not None:
        yield _created(found, found.told, len(found.confusions))
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
    shift = small(under.partition(",")[0])
    claim = f"“{label}” passes for “{other}” under {shift}"
    return Finding(
        model=found.model,
        lead=f"Under {under}, {percent(c.shifted)} of “{label}” pass for “{other}”:",
        text=f"{share(c.clean)} when clean, {points(c.increase, sign=True)} on the same images"
        f"{chosen(c.candidates)}, {images(c.increase.n)}.{rest}",
        estimates=(c.shifted, c.clean, c.increase),
        tone="bad",
        slot="trust",
        claim=claim if len(claim.split()) <= MOST_WORDS else f"One class passes for another under {shift}",
        number=Shown(
            estimate=c.shifted, before=f"{found.model.name} takes", after=f"of “{_short(label)}” for “{_short(other)}”"
        ),
        lost=found.lost,
        condition=c.condition,
        spark=found.spark,
        classes=(c.label, c.prediction),
    )

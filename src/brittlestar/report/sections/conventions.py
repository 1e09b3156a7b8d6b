"""The same outputs by other conventions: all outputs instead of the data's classes, other ways of merging them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.core.label_space import ALL, LabelSpace
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from brittlestar.measures.means import share, share_difference
from brittlestar.measures.samples import Samples
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.section import Result, Section
from brittlestar.report.subjects import CLEAN, ModelEntry
from brittlestar.report.values import estimate_values
from brittlestar.report.words import points
from brittlestar.report.words import share as in_percent

OWN = {
    "subset": "the logits of the data's classes alone",
    "mean": "the mean probability of each class's outputs",
    "sum": "the sum of the probabilities of each class's outputs",
    "max": "the highest probability of each class's outputs",
    "logit_max": "the highest logit of each class's outputs",
}
"""What an answer is, by the merge of a label space."""

OTHER = OWN | {ALL: "all outputs: the highest of them must belong to the class"}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Accuracy on clean images by another convention, and how far it lies from that of the run, paired by image."""

    convention: str
    accuracy: Estimate
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class ModelReadings:
    """One model's outputs read in several ways: as the run reads them (``own``, in words ``text``), and otherwise."""

    model: ModelEntry
    data: str
    space: str
    text: str
    own: Estimate
    others: tuple[Reading, ...]


@dataclass(frozen=True, kw_only=True)
class Conventions(Section):
    """Conventions in dispute side by side, of data in a label space.

    Fields:
        rows: One a model.
        every: Accuracy by model, condition and convention, for ``results.csv``.
    """

    id: ClassVar[str] = "conventions"
    nav: ClassVar[str] = "Conventions"
    title: ClassVar[str] = "The same outputs, read otherwise"

    rows: tuple[ModelReadings, ...]
    every: tuple[Result, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        found, every = [], []
        level = gathered.numbers.level
        for subject in gathered.subjects:
            stored = subject.data.about.get("space")
            if stored is None:
                continue
            space = LabelSpace.from_json(stored)
            for condition, rows in subject.rows.items():
                hits = _hits(rows, space)
                every += [
                    Result(
                        model=subject.entry.name,
                        data=subject.data.name,
                        condition=condition,
                        measure=f"accuracy_{name}",
                        estimate=share(Samples.of(rows), right, gathered.rule, level),
                    )
                    for name, right in hits.items()
                ]
                if condition == CLEAN and hits:
                    samples = Samples.of(rows)
                    readings = [
                        Reading(
                            convention=name,
                            accuracy=share(samples, right, gathered.rule, level),
                            difference=share_difference(samples, right, rows.correct, gathered.rule, level),
                        )
                        for name, right in hits.items()
                    ]
                    found.append(
                        ModelReadings(
                            model=subject.entry,
                            data=subject.data.name,
                            space=space.name,
                            text=OWN[space.merge],
                            own=gathered.numbers.accuracy(subject, CLEAN),
                            others=tuple(readings),
                        )
                    )
        return cls(rows=tuple(found), every=tuple(every)) if found else None

    def results(self) -> Iterator[Result]:
        yield from self.every

    def summary(self, corrected: Mapping[int, Any]) -> Mapping[str, Any]:
        return {
            "conventions": {
                row.model.name: {
                    other.convention: {
                        "accuracy": estimate_values(other.accuracy),
                        "difference": estimate_values(other.difference),
                    }
                    for other in row.others
                }
                for row in self.rows
            }
        }

    def markdown(self) -> Iterator[str]:
        yield "## The same outputs, read otherwise"
        yield ""
        for row in self.rows:
            yield f"* {escaped(row.model.name)} ({escaped(row.space)}; {row.text}): {in_percent(row.own)}"
            for other in row.others:
                apart = f"{in_percent(other.accuracy)}, {points(other.difference, sign=True)} from it"
                yield f"  * {OTHER[other.convention]}: {apart}"
        yield ""

    def context(self) -> Mapping[str, Any]:
        return {"texts": OTHER}


def _hits(rows: Rows, space: LabelSpace) -> dict[str, Any]:
    """(n,) whether each answer is right, by convention; empty where the rows do not hold them."""
    if rows.others is None or not len(rows):
        return {}
    return {name: rows.others[:, k] == rows.label for k, name in enumerate(space.conventions)}

"""Every measure on clean images, and what these runs cannot be measured by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import MEASURES, Estimate, Measure, Sensitivity
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import escaped
from brittlestar.report.results import Absent, clean_values, condition_results
from brittlestar.report.section import Section
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.values import estimate_values
from brittlestar.report.words import NBSP, count, listing, number


@dataclass(frozen=True, kw_only=True)
class MeasureRow:
    """A measure and what it is of each model on clean images: by class, its one number under ``None``, or nothing."""

    measure: Measure
    values: tuple[Mapping[int | None, Estimate], ...]


@dataclass(frozen=True, kw_only=True)
class Measured(Section):
    """The listed measures.

    Fields:
        models: The columns.
        rows: One a measure.
        absent: Measures that a model's rows do not give.
    """

    id: ClassVar[str] = "measured"
    nav: ClassVar[str] = "Measures"
    title: ClassVar[str] = "Every measure on clean images"

    models: tuple[ModelEntry, ...]
    rows: tuple[MeasureRow, ...]
    absent: tuple[Absent, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        values = clean_values(gathered)
        listed: list[Measure] = [kind() for kind in MEASURES.values()]
        rows = tuple(MeasureRow(measure=measure, values=values[measure.key]) for measure in listed)
        absent = gathered.once(condition_results).absent
        if not absent and not any(any(row.values) for row in rows):
            return None
        return cls(models=tuple(s.entry for s in gathered.subjects), rows=rows, absent=absent)

    @property
    def not_available(self) -> tuple[str, ...]:
        """Sentences on what is not available here, models with one reason together."""
        models: dict[tuple[str, str], list[str]] = {}
        for absent in self.absent:
            models.setdefault((absent.measure, absent.why), []).append(absent.model.name)
        every = len(self.models)
        return tuple(
            f"{_sentence(measure, why)}{'' if len(names) == every else f' ({listing(names)})'}."
            for (measure, why), names in models.items()
        )

    def context(self) -> Mapping[str, Any]:
        return {"cells": {row.measure.key: [_shown(row.measure, found) for found in row.values] for row in self.rows}}

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "measures": [
                {
                    "name": row.measure.key,
                    "better": row.measure.better,
                    "unit": row.measure.unit,
                    "text": row.measure.text,
                    "needs": list(row.measure.needs),
                    "clean": {
                        model.name: estimate_values(found[None])
                        for model, found in zip(self.models, row.values, strict=True)
                        if None in found
                    },
                }
                for row in self.rows
            ],
            "measures_not_available": [
                {"measure": absent.measure, "model": absent.model.name, "why": absent.why} for absent in self.absent
            ],
        }

    def markdown(self) -> Iterable[str]:
        yield from ("## Every measure on clean images", "")
        yield "| measure | better | unit | " + " | ".join(escaped(model.name) for model in self.models) + " |"
        yield "|---|---|---|" + "---:|" * len(self.models)
        for row in self.rows:
            cells = (_shown(row.measure, found) for found in row.values)
            start = f"| {escaped(row.measure.key)} | {row.measure.better} | {_unit(row.measure)} | "
            yield start + " | ".join(escaped(cell) for cell in cells) + " |"
        yield ""
        if self.absent:
            yield from (f"Not available here: {escaped(sentence)}\n" for sentence in self.not_available)


def _sentence(measure: str, why: str) -> str:
    return why if why.startswith(measure) else f"{measure}: {why}"


def _unit(measure: Measure) -> str:
    return "%" if measure.unit == "share" else measure.unit


def _shown(measure: Measure, found: Mapping[int | None, Estimate]) -> str:
    """``93.1 [92.2, 93.9]`` in percent, or in the measure's unit with three digits of the interval's width."""
    if not found:
        return "–"
    if None not in found:
        return count(len(found), "class", "classes")
    estimate, scale, decimals = found[None], 1.0, 1
    if measure.unit == "share":
        scale = 100.0
    else:
        width = estimate.high - estimate.low
        decimals = min(max(1 - math.floor(math.log10(width)), 0), 4) if 0 < width < math.inf else 2
    value, low, high = (number(v * scale, decimals) for v in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low},{NBSP}{high}]"

"""Models against each other on the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Sensitivity
from brittlestar.report.compare import Differences, ModelPair, paired_differences
from brittlestar.report.compared import beyond, compare_models
from brittlestar.report.drawing.heat import heats
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Finding, Section
from brittlestar.report.sections.frequencies import Frequencies
from brittlestar.report.status import trusted
from brittlestar.report.values import estimate_values, sensitivity_values
from brittlestar.report.words import away, count, points


@dataclass(frozen=True, kw_only=True)
class PairedDifferences(Section):
    """Whether models really differ: paired differences, tests, and what a shift adds beyond clean.

    Fields:
        differences: Each later model against the first of its data.
        told: What is said of models against each other.
    """

    id: ClassVar[str] = "comparison"
    nav: ClassVar[str] = "Differences"
    title: ClassVar[str] = "Are the models really different?"
    without: ClassVar[Mapping[str, Any]] = {"comparison": (), "tests": 0}

    differences: Differences
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        # A model near chance is compared with nothing.
        sure = gathered.once(trusted)
        differences = paired_differences(sure, gathered.numbers) if sure.subjects else None
        if differences is None:
            return None
        frequencies = gathered.of(Frequencies)
        spectrum = frequencies.spectrum if frequencies is not None else None
        return cls(differences=differences, told=tuple(compare_models(sure, gathered.numbers, spectrum, differences)))

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def claims(self) -> Iterator[Sensitivity]:
        yield from (pair.sensitivity for pair in self.differences.pairs if pair.sensitivity is not None)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "comparison": [
                {
                    "model": pair.model.name,
                    "against": pair.against.name,
                    "conditions": pair.conditions,
                    "better": pair.better,
                    "worse": pair.worse,
                    "mean_error_difference": estimate_values(pair.mean) if pair.mean else None,
                    "sensitivity": sensitivity_values(corrected.get(id(pair.sensitivity))),
                }
                for pair in self.differences.pairs
            ],
            "tests": self.differences.tests,
        }

    def figures(self) -> Mapping[str, Markup]:
        grid = self.differences.grid
        return {} if grid is None else heats("comparison", grid, "difference (points)")

    def context(self) -> Mapping[str, Any]:
        return {"tally": _tally}


def _tally(pair: ModelPair) -> str:
    rest = pair.conditions - pair.better - pair.worse
    asked = count(pair.conditions, "condition")
    text = f"Better in {pair.better}, worse in {pair.worse} of {asked}; no difference shown in {rest}."
    if pair.mean is not None:
        found = (
            points(pair.mean, sign=True) if away(pair.mean) else f"no difference shown ({points(pair.mean, sign=True)})"
        )
        text += f" Error, mean over the shifts, raw: {found}"
        text += f"; {beyond(pair.sensitivity)}." if pair.sensitivity else "."
    return text

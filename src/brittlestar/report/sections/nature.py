"""Natural shifts: accuracy on other labelled data than the model's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import Sensitivity
from brittlestar.report.gather import Gathered
from brittlestar.report.natural import Away, elsewhere
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.words import points, share


@dataclass(frozen=True, kw_only=True)
class Nature(Section):
    """Each model on other labelled data, beside its clean accuracy.

    Fields:
        models: By data, then in the order of the report.
        unread: What could not be read, a line each.
    """

    id: ClassVar[str] = "nature"
    nav: ClassVar[str] = "Nature"
    title: ClassVar[str] = "On data from elsewhere"
    without: ClassVar[Mapping[str, Any]] = {"natural_shifts": []}

    models: tuple[Away, ...]
    unread: tuple[str, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        told = gathered.once(elsewhere)
        return cls(models=told.models, unread=told.unread) if told.models or told.unread else None

    @property
    def data(self) -> tuple[str, ...]:
        """Names of the other data."""
        return tuple(dict.fromkeys(m.data for m in self.models))

    def findings(self) -> Iterator[Finding]:
        for m in self.models:
            lead = f"Loses accuracy on {m.data}" if m.lost else f"No loss shown on {m.data}"
            yield Finding(
                model=m.model,
                lead=f"{lead}:",
                text=f"{share(m.there)} of {m.there.n:,} images, against {share(m.here)} on its own data "
                f"({points(m.change, sign=True)}, other images).",
                estimates=(m.there, m.here, m.change),
                tone="bad" if m.lost else "plain",
            )

    def results(self) -> Iterator[Result]:
        for m in self.models:
            lines = {"accuracy": m.there, "accuracy_change": m.change, "accuracy_kept": m.kept}
            for measure, estimate in lines.items():
                if estimate is not None:
                    status = "" if m.whole else "fewer images than there are"
                    yield Result(
                        model=m.model.name,
                        data=m.data,
                        condition="clean",
                        measure=measure,
                        estimate=estimate,
                        status=status,
                    )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "natural_shifts": [
                {
                    "model": m.model.name,
                    "data": m.data,
                    "accuracy": m.there.as_json(),
                    "own_data": m.here.as_json(),
                    "change": m.change.as_json(),
                    "kept_above_chance": None if m.kept is None else m.kept.as_json(),
                    "images": m.count,
                }
                for m in self.models
            ]
        }

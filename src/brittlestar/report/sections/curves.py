"""Accuracy over the strength of each shift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.report.drawing.charts import COLUMN, SMALL, Figure, curve_table, curves
from brittlestar.report.gather import Gathered
from brittlestar.report.panels import Panel
from brittlestar.report.section import Section
from brittlestar.report.series import panel_of, series_of
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import family_title


@dataclass(frozen=True, kw_only=True)
class Curves(Section):
    """How fast a model breaks: every shift of at least two strengths but filters, which have a section of their own."""

    id: ClassVar[str] = "curves"
    nav: ClassVar[str] = "Curves"
    title: ClassVar[str] = "How fast it breaks"

    panels: tuple[Panel, ...]
    models: tuple[ModelEntry, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        panels = tuple(
            panel_of(series, gathered.subjects, gathered.numbers.accuracy)
            for series in series_of(gathered, "shift")
            if len(series.infos) > 1 and series.family != "spectral"
        )
        return cls(panels=panels, models=tuple(s.entry for s in gathered.subjects)) if panels else None

    def figures(self) -> Mapping[str, Markup]:
        return {f"curves/{p.key}": curves(p, COLUMN) for p in self.panels}

    def context(self) -> Mapping[str, Any]:
        return {
            "figures": [
                Figure(p.title, curves(p, SMALL), family_title(p.family), weight=1 - _lowest(p)) for p in self.panels
            ],
            "table": curve_table(self.panels, self.models),
        }


def _lowest(panel: Panel) -> float:
    """The lowest accuracy of any model."""
    return min((p.estimate.value for line in panel.lines for p in line.points), default=1.0)

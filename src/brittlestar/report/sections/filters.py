"""Accuracy when frequencies are removed, scrambled or filled with noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.report.claims import filter_claims
from brittlestar.report.drawing.charts import COLUMN, Figure, Look, curve_table, curves
from brittlestar.report.gather import Gathered
from brittlestar.report.panels import Panel
from brittlestar.report.section import Finding, Section
from brittlestar.report.series import from_zero, panel_of, series_of
from brittlestar.report.status import trusted
from brittlestar.report.subjects import ModelEntry

WIDE = Look(width=400, height=250)


@dataclass(frozen=True, kw_only=True)
class Filters(Section):
    """Filters, band-limited noise and scrambled phases, one panel a kind; and error over the size of Gaussian noise.

    Fields:
        panels: Of the filters.
        noise: Error under Gaussian noise.
        models: Of the report.
        chance: Where guessing is drawn; ``None`` where data sets differ in it, or it is too near the ends to be seen.
    """

    id: ClassVar[str] = "filters"
    nav: ClassVar[str] = "Filters"
    title: ClassVar[str] = "What is left when frequencies go"

    panels: tuple[Panel, ...]
    noise: Panel | None
    models: tuple[ModelEntry, ...]
    chance: float | None
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        panels = tuple(
            panel_of(series, gathered.subjects, gathered.numbers.accuracy)
            for series in series_of(gathered, "shift")
            if len(series.infos) > 1 and series.family == "spectral"
        )
        if not panels:
            return None  # Gaussian noise alone stands among the curves
        noise = _noise(gathered)
        guessing = {d.chance for d in gathered.data}
        chance = guessing.pop() if len(guessing) == 1 and 0.02 <= min(guessing) < 1 else None
        return cls(
            panels=panels,
            noise=noise,
            models=tuple(s.entry for s in gathered.subjects),
            chance=chance,
            told=filter_claims(gathered.once(trusted)),
        )

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def figures(self) -> Mapping[str, Markup]:
        return {f"filters/{panel.key}": svg for panel, svg in self._drawn(COLUMN)}

    def context(self) -> Mapping[str, Any]:
        return {
            "figures": [Figure(panel.title, svg, panel.note) for panel, svg in self._drawn()],
            "table": curve_table([panel for panel, _ in self._drawn()], self.models),
        }

    def _drawn(self, size: Look = WIDE) -> list[tuple[Panel, Markup]]:
        look = dataclasses.replace(size, floor=self.chance)
        drawn = [(panel, curves(panel, look)) for panel in self.panels]
        if self.noise is not None:
            errors = dataclasses.replace(size, error=True, clean=False, even=False)
            drawn.append((self.noise, curves(self.noise, errors)))
        return drawn


def _noise(gathered: Gathered) -> Panel | None:
    """Error under Gaussian noise over its standard deviation; clean images are the point at zero."""
    numbers = gathered.numbers
    found = [
        s
        for s in series_of(gathered, "shift")
        if s.shift == "gaussian_noise" and len(s.infos) > 2 and s.infos[0].severity is None
    ]
    if not found:
        return None
    series = max(found, key=lambda s: len(s.infos))
    note = "For small noise this curve tells how near the nearest errors are (Ford et al. 2019)."
    panel = panel_of(series, gathered.subjects, numbers.error, title="Error under Gaussian noise", note=note)
    return from_zero(panel)

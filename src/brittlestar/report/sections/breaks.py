"""Breaking points of severity curves, and the areas under them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from brittlestar.measures import BreakingPoint, Estimate
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Result, Section
from brittlestar.report.series import OCTAVE, broken_below, series_of


@dataclass(frozen=True, kw_only=True)
class Break:
    """Where one severity curve breaks, one entry a model: breaking point and area under the curve; ``key`` names it."""

    key: str
    family: str
    title: str
    unit: str
    points: tuple[BreakingPoint | None, ...]
    areas: tuple[Estimate | None, ...]


@dataclass(frozen=True, kw_only=True)
class Breaks(Section):
    """At which strength accuracy falls below half of the clean accuracy, and the mean accuracy along each curve."""

    id: ClassVar[str] = "breaks"
    nav: ClassVar[str] = "Breaking points"
    title: ClassVar[str] = "At which strength it breaks"

    breaks: tuple[Break, ...]
    subjects: tuple[tuple[str, str], ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        breaks = _breaks(gathered)
        named = tuple((s.entry.name, s.data.name) for s in gathered.subjects)
        return cls(breaks=breaks, subjects=named) if breaks else None

    def results(self) -> Iterator[Result]:
        for place, (model, data) in enumerate(self.subjects):
            for row in self.breaks:
                area, point = row.areas[place], row.points[place]
                if area is not None:
                    yield Result(model=model, data=data, condition=row.key, measure="severity_area", estimate=area)
                if point is not None:
                    # In units of the strength; infinite where the curve stays above the level.
                    at = Estimate(
                        value=point.value,
                        low=point.low,
                        high=point.high,
                        n=point.n,
                        level=point.level,
                        method=point.method,
                    )
                    yield Result(model=model, data=data, condition=row.key, measure="breaking_point", estimate=at)

    def context(self) -> Mapping[str, Any]:
        return {"breaking": _breaking, "weight": _weight}


def _breaks(gathered: Gathered) -> tuple[Break, ...]:
    numbers = gathered.numbers
    found = []
    for series in series_of(gathered, "shift", "attack"):
        # A breaking point lies between strengths: it takes two at least, and an order among them.
        if len(series.infos) < 2 or series.series == OCTAVE or any(i.strength is None for i in series.infos):
            continue
        points: list[BreakingPoint | None] = []
        areas: list[Estimate | None] = []
        for subject in gathered.subjects:
            curve = [
                (i.strength, subject.rows[i.id])
                for i in series.infos
                if i.id in subject.rows and i.strength is not None
            ]
            level = broken_below(subject, numbers)
            points.append(numbers.breaking_point(curve, level) if curve and level is not None else None)
            areas.append(numbers.area(curve) if len(curve) > 1 else None)
        unit = series.infos[0].strength_name
        found.append(
            Break(
                key=series.key,
                family=series.family,
                title=series.title,
                unit=unit,
                points=tuple(points),
                areas=tuple(areas),
            )
        )
    return tuple(found)


def _weight(row: Break) -> float:
    """What a row is worth where not all are printed: how low the mean accuracy of some model is."""
    return 1 - min((area.value for area in row.areas if area is not None), default=1.0)


def _breaking(p: BreakingPoint) -> str:
    if not p.reached:
        return f"holds to {p.tested_to:.3g}" + (
            f", may break from {p.low:.3g}" if math.isfinite(p.low) and p.low < p.tested_to else ""
        )
    high = f"{p.high:.3g}" if math.isfinite(p.high) else f"over {p.tested_to:.3g}"
    return f"{p.value:.3g} [{p.low:.3g}, {high}]"

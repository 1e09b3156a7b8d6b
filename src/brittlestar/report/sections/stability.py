"""Stability along sequences of frames made from single images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.corruptions import slug
from brittlestar.report.drawing.lanes import lanes
from brittlestar.report.drawing.published import dots, sums_table
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import both, set_table
from brittlestar.report.names import set_names
from brittlestar.report.section import Finding, Result, Section, results_of
from brittlestar.report.stability import REMEMBERED, StabilityModel, StabilitySet, build_stability, means, plain
from brittlestar.report.status import near_chance_of
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.values import set_values
from brittlestar.report.words import chosen, count, images, number, share


@dataclass(frozen=True, kw_only=True)
class Stability(Section):
    """How often the answer changes from frame to frame: flip probability, mFR, top-5 distance (ImageNet-P).

    Fields:
        sets: One a set, storage and data set.
        data: Names of the data sets, by place.
        told: Findings on the models that are not near chance.
    """

    id: ClassVar[str] = "stability"
    nav: ClassVar[str] = "Stability"
    title: ClassVar[str] = "Does it flicker?"
    without: ClassVar[Mapping[str, Any]] = {"stability": ()}

    sets: tuple[StabilitySet, ...]
    data: tuple[str, ...]
    told: tuple[Finding, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        near = gathered.once(near_chance_of)
        sets = build_stability(gathered, gathered.numbers, near)
        if not sets:
            return None
        told = [f for s in gathered.subjects if s.entry.key not in near for f in _findings(sets, s.entry)]
        return cls(sets=sets, data=tuple(d.name for d in gathered.data), told=tuple(told))

    def findings(self) -> Iterator[Finding]:
        yield from self.told

    def results(self) -> Iterator[Result]:
        for found in self.sets:
            yield from results_of(
                (m.model, self.data[m.model.data], _results(found, place)) for place, m in enumerate(found.models)
            )

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {
            "stability": [
                set_values(found, [(m.model, [(n.name, n) for n in means(m)]) for m in found.models])
                for found in self.sets
            ]
        }

    def markdown(self) -> Iterable[str]:
        for found in self.sets:
            listed = [
                # A distance is no share: it is not printed in percent.
                (m.model, [(n.name, (plain if n is m.distance else both)(n.estimate)) for n in means(m) if n.estimate])
                for m in found.models
            ]
            basis = f"{found.basis}; frames {found.storage}"
            yield from set_table(found.title, found.caveat, basis, listed, found.notes)

    def figures(self) -> Mapping[str, Markup]:
        return {
            f"stability/{name}": lanes(
                f"{found.title}: flip probability by sequence",
                "flip probability (%)",
                [m.model for m in found.models],
                [(row.title, [cell.flips if cell else None for cell in row.cells]) for row in found.rows],
            )
            for found, name in zip(self.sets, set_names([s.key for s in self.sets]), strict=True)
        }

    def context(self) -> Mapping[str, Any]:
        return {
            "dots": dots,
            "ends": _ends,
            "sums_of": _sums,
            "span": _span,
            "two": lambda e: number(e.value, 2),
            "two_range": lambda e: f"[{number(e.low, 2)}, {number(e.high, 2)}]",
        }


def _findings(sets: Sequence[StabilitySet], model: ModelEntry) -> Iterator[Finding]:
    """One finding a set: how often the answer changes, under what most, and what it is compared with."""
    for found in sets:
        place = next((i for i, m in enumerate(found.models) if m.model.key == model.key), None)
        entry = found.models[place] if place is not None else None
        if place is None or entry is None or entry.flips is None or entry.flips.estimate is None:
            continue
        flips = entry.flips.estimate
        assert entry.worst is not None
        condition, worst = entry.worst
        row = next(r for r in found.rows if r.condition == condition)
        estimates = [flips, worst]
        text = (
            f"between frames: {entry.flips.name} over {count(len(entry.flips.parts), 'sequence')} of {found.title}, "
            f"{images(flips.n)}. Most under {row.title}: "
            f"{share(worst)}{chosen(len(entry.flips.parts))}."
        )
        for rate in (entry.rate, entry.remembered):
            if rate is not None and rate.estimate is None:
                text += f" {rate.name} is undefined: {rate.undefined}."
            elif rate is not None and rate.estimate is not None:
                text += f" {rate.name} {share(rate.estimate)} over {rate.normaliser}"
                text += f" ({REMEMBERED})." if rate is entry.remembered else "."
                estimates.append(rate.estimate)
        if entry.distance is not None and entry.distance.estimate is not None:
            text += f" {entry.distance.name[0].upper()}{entry.distance.name[1:]} {plain(entry.distance.estimate)}."
            estimates.append(entry.distance.estimate)
        lead = f"Changes its answer in {share(flips)} of the steps"
        text += f" {found.caveat[0].upper()}{found.caveat[1:]}." if found.caveat else ""
        yield Finding(model=model, lead=lead, text=text, estimates=tuple(estimates))


def _results(found: StabilitySet, place: int) -> Iterator[tuple[str, str, Estimate | None]]:
    """(condition, measure, estimate) of one model."""
    entry = found.models[place]
    for mean in means(entry):
        over = f"_over_{mean.normaliser}" if mean.normaliser else ""
        yield found.key, slug(mean.name) + over, mean.estimate
    for row in found.rows:
        cell = row.cells[place]
        if cell is not None:
            yield row.condition, "flip_probability", cell.flips
            for d, flips in cell.harder.items():
                yield row.condition, f"flip_probability_difficulty_{d}", flips
            yield row.condition, "top5_distance", cell.distance
            yield row.condition, "zipf_distance", cell.zipf
            yield row.condition, f"flip_rate_over_{found.normaliser}", cell.rate


def _span(model: StabilityModel) -> int:
    """Columns of one model."""
    return 1 + (model.rate is not None) + (model.distance is not None)


def _sums(found: StabilitySet) -> Any:
    distances = [m.distance for m in found.models if m.distance is not None]
    return sums_table([(m.model, [(n.name, n) for n in means(m)]) for m in found.models], distances)


def _ends(found: StabilitySet) -> tuple[str, str, str]:
    """Labels of the scale of ``flip_dots``: its start, middle and end."""
    middle = found.limit * 50
    # Multiples of decimals such as 0.3 are not exactly whole.
    return "0", number(middle, 0 if middle % 1 < 1e-9 else 1), f"{number(found.limit * 100, 0)} %"

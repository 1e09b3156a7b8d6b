"""People beside models: the same pictures, each other's misses, and whether they err alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from markupsafe import Markup

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.drawing.observers import observers
from brittlestar.report.gather import Gathered
from brittlestar.report.markdown import both, escaped
from brittlestar.report.people import ABOVE_CHANCE, BothWays, PeopleExport, people_of, sentences
from brittlestar.report.section import Finding, Result, Section
from brittlestar.report.values import estimate_values
from brittlestar.report.words import count, images, number, share


@dataclass(frozen=True, kw_only=True)
class People(Section):
    """What people read of a run's pictures, beside its models (``brittlestar people``)."""

    id: ClassVar[str] = "people"
    nav: ClassVar[str] = "People"
    title: ClassVar[str] = "What do people see?"
    without: ClassVar[Mapping[str, Any]] = {"people": []}

    found: tuple[PeopleExport, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        found = gathered.once(people_of)
        return cls(found=found) if found else None

    def findings(self) -> Iterator[Finding]:
        for found in self.found:
            for one, text in sentences(found):
                estimates = [e for e in (one.missed, one.read, one.unreadable, one.kappa) if e is not None]
                yield Finding(
                    model=one.model,
                    lead="Beside people:",
                    text=f"{text}. Error consistency {_two(one.kappa)}: 0 is what independent errors give.",
                    estimates=tuple(estimates),
                )

    def results(self) -> Iterator[Result]:
        for found in self.found:
            for place, one in enumerate(found.models):
                for condition in found.conditions:
                    beside = condition.models[place]
                    for measure, estimate in (
                        ("accuracy_of_people", condition.accuracy),
                        ("accuracy_on_what_people_saw", beside.accuracy),
                        ("observed_consistency_with_people", beside.observed),
                        ("error_consistency_with_people", beside.kappa),
                    ):
                        yield _result(one, found, condition.shown_as, measure, estimate)
                for measure, both_ways in (
                    ("people_right_where_it_is_wrong", one.missed),
                    ("people_right_where_it_is_right", one.read),
                    ("accuracy_where_people_cannot_read", one.unreadable),
                    ("error_consistency_with_people", one.kappa),
                ):
                    if both_ways is not None:
                        yield _result(one, found, f"people/{found.export}", measure, both_ways)

    def summary(self, corrected: Mapping[int, Sensitivity]) -> Mapping[str, Any]:
        return {"people": [_values(found) for found in self.found]}

    def markdown(self) -> Iterable[str]:
        for found in self.found:
            yield f"## People, export {found.export}"
            yield ""
            yield f"{_basis(found)}"
            yield ""
            names = [escaped(one.model.name) for one in found.models]
            yield "| condition | people | " + " | ".join(f"{n} | kappa of {n}" for n in names) + " |"
            yield "|---|---:|" + "---:|---:|" * len(names)
            for row in found.conditions:
                cells = " | ".join(f"{both(b.accuracy)} | {_two(b.kappa)}" for b in row.models)
                yield f"| {escaped(row.shown_as)} | {both(row.accuracy)} | {cells} |"
            yield ""
            for one, text in sentences(found):
                yield f"* {escaped(one.model.name)}: {escaped(text)}"
            yield ""

    def figures(self) -> Mapping[str, Markup]:
        return {f"people/{found.export}": _drawn(found) for found in self.found}

    def context(self) -> Mapping[str, Any]:
        return {"drawn": _drawn, "basis": _basis, "two": lambda v: number(v, 2), "verdict": _verdict}


def _result(one: BothWays, found: PeopleExport, condition: str, measure: str, estimate: Estimate) -> Result:
    return Result(model=one.model.name, data=found.data, condition=condition, measure=measure, estimate=estimate)


def _drawn(found: PeopleExport) -> Markup:
    rows = [(c.title, c.accuracy, [(b.model, b.accuracy) for b in c.models]) for c in found.conditions]
    return observers("Right answers of people and models on the same pictures", rows, found.chance)


def _two(estimate: Estimate | None) -> str:
    """A kappa, which is no share: two decimals."""
    if estimate is None:
        return "–"
    return f"{number(estimate.value, 2)} [{number(estimate.low, 2)}, {number(estimate.high, 2)}]"


def _basis(found: PeopleExport) -> str:
    pictures = f"{count(found.trials, 'trial')} of {count(found.pictures, 'picture')}"
    return (
        f"{count(found.people, 'person', 'people')}, {pictures}, export {found.export}. Intervals are over pictures, "
        f"with these people: other people may see more or less. Chance is {number(found.chance * 100)} %."
    )


def _verdict(found: PeopleExport) -> str:
    """What may be said of conditions that people cannot read."""
    line = f"{number((found.chance + ABOVE_CHANCE) * 100)} %"
    if found.unreadable:
        names = "; ".join(f"{c.title} (upper limit {number(c.limit * 100)} %)" for c in found.unreadable)
        return f"People cannot read, their upper limit being below {line} for all conditions together: {names}."
    return (
        f"No condition is shown to be beyond people: that takes an upper limit below {line}, and so at least "
        f"{count(found.needed, 'trial')} of a condition at which people answer at chance."
    )


def _values(found: PeopleExport) -> dict[str, Any]:
    return {
        "export": found.export,
        "people": found.people,
        "trials": found.trials,
        "pictures": found.pictures,
        "chance": found.chance,
        "conditions": [
            {
                "condition": c.shown_as,
                "people": c.people,
                "trials": c.trials,
                "accuracy": estimate_values(c.accuracy),
                "upper_limit_for_all_conditions": c.limit,
                "entropy_bits": c.entropy,
                "kappa_between_people": None if c.kappa is None else estimate_values(c.kappa),
                "unreadable": c.unreadable,
                "models": [
                    {
                        "model": b.model.name,
                        "accuracy": estimate_values(b.accuracy),
                        "observed_consistency": estimate_values(b.observed),
                        "kappa": estimate_values(b.kappa),
                        "entropy_bits": b.entropy,
                    }
                    for b in c.models
                ],
            }
            for c in found.conditions
        ],
        "models": [
            {
                "model": m.model.name,
                "people_right_where_it_is_wrong": None if m.missed is None else estimate_values(m.missed),
                "people_right_where_it_is_right": None if m.read is None else estimate_values(m.read),
                "accuracy_where_people_cannot_read": None if m.unreadable is None else estimate_values(m.unreadable),
                "kappa": estimate_values(m.kappa),
            }
            for m in found.models
        ],
    }


def told(found: PeopleExport) -> Iterator[str]:
    """What the command prints, a line each."""
    yield _basis(found)
    for c in found.conditions:
        beside = ", ".join(f"{b.model.name} {share(b.accuracy)} kappa {_two(b.kappa)}" for b in c.models)
        people = f"people {share(c.accuracy)} ({images(c.accuracy.n)}), entropy {number(c.entropy, 2)} bits"
        yield f"{c.shown_as}: {people}; {beside}"
    yield _verdict(found)
    for one, text in sentences(found):
        yield f"{one.model.name}: {text}; kappa {_two(one.kappa)}"

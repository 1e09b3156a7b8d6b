"""The lines of ``results.csv`` of single conditions: every listed measure, and what shifts and models differ by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import MEASURES, Estimate, MeanMeasure, Measure, NotAvailableError
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Result
from brittlestar.report.status import near_chance_of
from brittlestar.report.subjects import CLEAN, DataEntry, ModelEntry, Subject
from brittlestar.report.words import count, listing

CLASSES_LISTED = 20
"""A measure that is a number a class is listed under every condition for up to so many classes, and clean for more:
1,000 classes under 95 conditions would be 95,000 lines a model, and no class has samples enough to tell them apart."""

NAMED = 5
"""Classes that are named one by one where they have no images."""


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A measure that a model's rows do not give, and why."""

    measure: str
    model: ModelEntry
    why: str


@dataclass(frozen=True, kw_only=True)
class ConditionResults:
    """What there is of single conditions, and what there is not."""

    lines: tuple[Result, ...]
    absent: tuple[Absent, ...]


Line = tuple[str, str, Estimate | None]


def condition_results(gathered: Gathered) -> ConditionResults:
    """Every measure under every condition that it is listed for, then what is made of all shifts.

    Models near chance are compared with none.
    """
    numbers, apart = gathered.numbers, gathered.once(near_chance_of)
    lines: list[Result] = []
    absent: list[Absent] = []
    reference: dict[int, Subject] = {}
    for subject in gathered.subjects:
        alone = subject.entry.key in apart
        # A model near chance is its own reference, and never that of others.
        first = subject if alone else reference.setdefault(subject.entry.data, subject)
        own = _Own(subject, first, numbers)
        listed = (*own.conditions(), *_over_shifts(subject, numbers))
        lines += [
            Result(model=subject.entry.name, data=subject.data.name, condition=c, measure=m, estimate=e)
            for c, m, e in listed
            if e is not None
        ]
        absent += own.absent()
    return ConditionResults(lines=tuple(lines), absent=tuple(absent))


def class_names(data: DataEntry) -> tuple[str, ...]:
    """A name for each class, with its number where several classes share one."""
    times = Counter(data.classes)
    return tuple(name if times[name] == 1 else f"{name} ({place})" for place, name in enumerate(data.classes))


class _Own:
    """One model's lines; what cannot be measured is counted on the way."""

    def __init__(self, subject: Subject, first: Subject, numbers: Numbers) -> None:
        self.subject, self.first, self.numbers = subject, first, numbers
        self.names = class_names(subject.data)
        self.lacking: Counter[tuple[str, str]] = Counter()
        self.unlisted: Counter[str] = Counter()
        self.empty: dict[str, list[str]] = {}

    def conditions(self) -> Iterator[Line]:
        measures: list[Measure] = [kind() for kind in MEASURES.values()]
        for info in self.subject.infos.values():
            chosen = [measure for measure in measures if info.kind in measure.kinds]
            values = {measure: self._values(measure, info) for measure in chosen}
            for measure, found in values.items():
                for own, estimate in found.items():
                    yield info.id, measure.key if own is None else f"{measure.key}[{self._name(own)}]", estimate
            for measure, found in values.items():
                if found and isinstance(measure, MeanMeasure) and measure.paired_as:
                    yield from self._differences(measure, info)
            yield from self._beyond_clean(info)

    def _values(self, measure: Measure, info: ConditionInfo) -> Mapping[int | None, Estimate]:
        """The measure's estimates; none where they are not listed or not to be had, which is counted."""
        if measure.by_class and len(self.names) > CLASSES_LISTED and info.kind != "clean":
            self.unlisted[measure.key] += 1
            return {}
        try:
            found = self.numbers.measured(measure, self.subject, info.id)
        except NotAvailableError as error:
            self.lacking[measure.key, str(error)] += 1
            return {}
        # Told once a measure: all conditions ask the same images.
        if measure.by_class and measure.key not in self.empty:
            self.empty[measure.key] = [name for own, name in enumerate(self.names) if own not in found]
        return found

    def _name(self, own: int) -> str:
        return self.names[own] if own < len(self.names) else str(own)

    def _differences(self, measure: MeanMeasure, info: ConditionInfo) -> Iterator[Line]:
        name, numbers, subject, first = measure.paired_as, self.numbers, self.subject, self.first
        try:
            if subject.clean is not None and info.kind in ("shift", "attack"):
                yield info.id, f"{name}_increase", numbers.apart(measure, subject, info.id, subject, CLEAN)
            if subject is not first:
                yield (
                    info.id,
                    f"{name}_minus_{first.entry.name}",
                    numbers.apart(measure, subject, info.id, first, info.id),
                )
        except NotAvailableError as error:
            self.lacking[f"{name}_increase", str(error)] += 1

    def _beyond_clean(self, info: ConditionInfo) -> Iterator[Line]:
        if self.subject is self.first or info.kind not in ("shift", "attack"):
            return
        found = self.numbers.sensitivity(self.subject, self.first, [info.id])
        if found is not None:
            name = self.first.entry.name
            yield info.id, f"accuracy_beyond_clean_minus_{name}", found.additive
            yield info.id, f"kept_above_chance_minus_{name}", found.ratio

    def absent(self) -> Iterator[Absent]:
        """What there is not, and why."""
        for (key, why), times in self.lacking.items():
            yield self._absent(key, f"{why} ({count(times, 'condition')})")
        for key, times in self.unlisted.items():
            yield self._absent(
                key,
                f"of more than {CLASSES_LISTED} classes, listed on clean images and not under the other "
                f"{count(times, 'condition')}",
            )
        for key, names in self.empty.items():
            if names:
                shown = names if len(names) <= NAMED else [*names[:NAMED], f"{len(names) - NAMED:,} more"]
                yield self._absent(key, f"no images of {count(len(names), 'class', 'classes')}: {listing(shown)}")

    def _absent(self, key: str, why: str) -> Absent:
        return Absent(measure=key, model=self.subject.entry, why=why)


def _over_shifts(subject: Subject, numbers: Numbers) -> Iterator[Line]:
    shifts = [info.id for info in subject.of_kind("shift")]
    if shifts:
        yield "shifts", "mean_error", numbers.mean_error(subject, shifts)
        if subject.clean is not None:
            yield "shifts", "mean_error_increase", numbers.mean_drop(subject, shifts)


def clean_values(gathered: Gathered) -> Mapping[str, tuple[Mapping[int | None, Estimate], ...]]:
    """By measure what each model has on clean images, in their order; nothing where it has none."""
    found: dict[str, tuple[Mapping[int | None, Estimate], ...]] = {}
    for kind in MEASURES.values():
        measure = kind()
        found[measure.key] = tuple(_clean(measure, subject, gathered.numbers) for subject in gathered.subjects)
    return found


def _clean(measure: Measure, subject: Subject, numbers: Numbers) -> Mapping[int | None, Estimate]:
    if subject.clean is None:
        return {}
    try:
        return numbers.measured(measure, subject, CLEAN)
    except NotAvailableError:
        return {}

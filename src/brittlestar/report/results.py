"""The lines of ``results.csv``: one number each, by model, data, condition and measure: those of single conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from brittlestar.core.condition import ConditionInfo
from brittlestar.measures.base import Estimate
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Result
from brittlestar.report.status import near_chance_of
from brittlestar.report.subjects import Subject


def condition_results(gathered: Gathered) -> tuple[Result, ...]:
    """Accuracy and loss of accuracy of every condition, then what is made of all shifts; near chance, none compared."""
    numbers, apart = gathered.numbers, gathered.once(near_chance_of)
    listed: list[Result] = []
    reference: dict[int, Subject] = {}
    for subject in gathered.subjects:
        alone = subject.entry.key in apart
        first = subject if alone else reference.setdefault(subject.entry.data, subject)
        listed += [
            Result(model=subject.entry.name, data=subject.data.name, condition=c, measure=m, estimate=e)
            for c, m, e in itertools.chain(_by_condition(subject, first, numbers), _over_shifts(subject, numbers))
            if e is not None
        ]
    return tuple(listed)


Line = tuple[str, str, Estimate | None]


def _by_condition(subject: Subject, first: Subject, numbers: Numbers) -> Iterator[Line]:
    for info in subject.infos.values():
        yield info.id, "accuracy", numbers.accuracy(subject, info.id)
        if subject.clean is not None and info.kind in ("shift", "attack"):
            yield info.id, "error_increase", numbers.drop(subject, info.id)
        if subject is not first and info.kind != "fourier":
            difference = numbers.difference(subject, first, info.id)
            if difference is not None:
                yield info.id, f"error_minus_{first.entry.name}", difference[0]
            yield from _against(subject, first, numbers, info)


def _against(subject: Subject, first: Subject, numbers: Numbers, info: ConditionInfo) -> Iterator[Line]:
    found = numbers.sensitivity(subject, first, [info.id]) if info.kind in ("shift", "attack") else None
    if found is not None:
        yield info.id, f"accuracy_beyond_clean_minus_{first.entry.name}", found.additive
        yield info.id, f"kept_above_chance_minus_{first.entry.name}", found.ratio


def _over_shifts(subject: Subject, numbers: Numbers) -> Iterator[Line]:
    shifts = [info.id for info in subject.of_kind("shift")]
    if shifts:
        yield "shifts", "mean_error", numbers.mean_error(subject, shifts)
        if subject.clean is not None:
            yield "shifts", "mean_error_increase", numbers.mean_drop(subject, shifts)

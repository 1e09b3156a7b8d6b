"""Suites as Python users give them: names, suites, and shifts or conditions of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from brittlestar.core.errors import UsageError, require
from brittlestar.shifts.base import Perturbation
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.suites import get_suite
from brittlestar.suites.base import Shape, Suite

Asked: TypeAlias = "str | Suite | Perturbation | Condition"

OWN = "own"
"""What a suite of single shifts is called."""


def suites_of(asked: Asked | Sequence[Asked]) -> list[Suite]:
    """The suites that were asked for, in order; single shifts and conditions together are one, with the clean images.

    Raises:
        UsageError: Something else, or an unknown name.
    """
    given = list(asked) if isinstance(asked, list | tuple) else [asked]
    require(bool(given), "no suite was asked for: name one, `brittlestar list suites`", UsageError)
    suites: list[Suite] = []
    single: list[Condition | Perturbation] = []
    for one in given:
        if isinstance(one, str):
            suites.append(get_suite(one))
        elif isinstance(one, Suite):
            suites.append(one)
        else:
            single.append(one if isinstance(one, Condition) else _checked(one))
    return [*suites, *([_own(_conditions(single))] if single else [])]


def _checked(definition: Any) -> Perturbation:
    if isinstance(definition, Perturbation):
        return definition
    a_class = isinstance(definition, type)
    got = f"the class {definition.__name__}: make one of it" if a_class else type(definition).__name__
    raise UsageError(
        "a suite is a name, a Suite, a shift such as bs.shifts.GaussianNoise(sigma=0.1), a condition, or a list of "
        f"these, got {got}"
    )


def _conditions(given: Sequence[Condition | Perturbation]) -> tuple[Condition, ...]:
    """Definitions described by their fields; those that differ by their strength alone are one curve, in its order."""
    curves: dict[tuple[str, str], list[Perturbation]] = {}
    found: list[Condition] = []
    for one in given:
        if isinstance(one, Condition):
            found.append(one)
        else:
            curves.setdefault((one.name, _words(one, one.strength)), []).append(one)
    names = [name for name, _ in curves]
    for (name, others), members in curves.items():
        # Which of several curves of one shift it is, is said only where there are several.
        series = others if names.count(name) > 1 else ""
        found += _curve(members, series)
    return tuple(found)


def _curve(members: Sequence[Perturbation], series: str) -> Iterator[Condition]:
    field = members[0].strength
    values = {one: getattr(one, field) for one in members} if field else {}
    # Axes rise with the strength; where a smaller value is the stronger one, nobody has said what the axis would be.
    ordered = members[0].rising and bool(values) and all(isinstance(v, int | float) for v in values.values())
    for one in sorted(members, key=values.__getitem__) if ordered else members:
        yield condition(
            one,
            shown=tuple(one.config()),
            label=_words(one) or one.title,
            table=OWN,
            strength=float(values[one]) if ordered else None,
            strength_name=(one.strength_unit or str(field)) if ordered else "",
            series=series if ordered or len(members) == 1 else _words(one),
            threat=getattr(one, "threat", ""),
        )


def _words(definition: Perturbation, but: str | None = None) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in definition.config().items() if name != but)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _own(conditions: tuple[Condition, ...]) -> Suite:
    # What is asked for twice is one condition.
    distinct = {one.fingerprint: one for one in (clean(), *conditions)}

    def build(shape: Shape, storage: str) -> tuple[Condition, ...]:
        for one in distinct.values():
            allowed = one.definition.channels if one.definition is not None else (shape[0],)
            channels = " or ".join(map(str, allowed))
            require(
                shape[0] in allowed,
                f"{one.info.id} is defined for {channels} channels, and the images have {shape[0]}",
                UsageError,
            )
        return tuple(distinct.values())

    return Suite(OWN, "shifts that were given from Python", build)

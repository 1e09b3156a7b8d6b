"""Suites of single shifts: every shift that names a table as its ``suite`` has one, and needs no file here."""

from __future__ import annotations

from brittlestar.shifts import SHIFTS
from brittlestar.shifts.base import Shift
from brittlestar.shifts.conditions import Condition, clean, condition
from brittlestar.suites.base import Shape, Suite


def own_suites() -> list[Suite]:
    """One for every listed shift that wants one, in the catalogue's order."""
    return [_own(kind) for kind in SHIFTS.values() if kind.suite]


def _own(kind: type[Shift]) -> Suite:
    rows = kind.severities.get(kind.suite, ())

    def build(shape: Shape, storage: str) -> tuple[Condition, ...]:
        if not rows:
            return clean(), condition(kind(), shown=(), label=kind.title, table=kind.suite, storage=storage)
        levels = (
            condition(
                kind(**fields),
                shown=(),
                label=f"severity {severity}",
                strength=float(severity),
                strength_name=f"severity ({kind.suite})",
                severity=severity,
                table=kind.suite,
                storage=storage,
            )
            for severity, fields in enumerate(rows, 1)
        )
        return clean(), *levels

    contents = "five severities" if rows else "one setting"
    return Suite(kind.suite, f"{kind.title} at {contents}", build, channels=kind.channels)

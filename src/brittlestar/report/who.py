"""How a claim names models: by name, by number, or all of them."""

from __future__ import annotations

from collections.abc import Sequence

from brittlestar.report.subjects import Subject

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

NAMED = 2
"""Up to so many models are named; more are counted."""


def who(struck: Sequence[Subject], subjects: Sequence[Subject]) -> str:
    """``natural``, ``natural and gaussian``, ``4 of 12 models``, ``all three``."""
    if len(struck) == len(subjects) and len(subjects) > 1:
        return all_of(len(subjects))
    if len(struck) <= NAMED:
        return " and ".join(s.entry.name for s in struck)
    return f"{len(struck)} of {len(subjects)} models"


def all_of(count: int) -> str:
    """``both``, ``all three``, ``all 20``; with "models" where it would not be clear of what."""
    if count == 2:
        return "both models"
    return f"all {NUMBERS[count] if count < len(NUMBERS) else count}"

"""The lowest or highest of many: intervals that know that the candidate was chosen for its number.

The worst of 95 equally good conditions looks bad by chance, and its ordinary interval holds the truth in one case in
ten. Here, from one set of samples and with nothing held back,

* ``lowest``: the least of the ordinary lower limits is never above that of the condition that is truly lowest, and so
  is a lower limit for the true minimum, however many candidates there are. The upper limit is the chosen candidate's at
  the Bonferroni level, so that it holds for whichever was chosen.
* ``highest``: the same, turned round.
* ``of_many``: the level at which all candidates' intervals hold together, for lists and for claims on several at once.

The interval holds both the true minimum (maximum) over the candidates and the chosen candidate's own number. It needs
no model of how candidates depend on one another, so it may be wide where they are nearly the same condition. Coverage:
docs/measures.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeVar

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, check_level

Key = TypeVar("Key")

Candidate = Callable[[float], Estimate]
"""Gives a candidate's estimate at a confidence level."""


def of_many(count: int, level: float = LEVEL) -> float:
    """The level of each of ``count`` intervals that makes all of them hold together at ``level`` (Bonferroni).

    Raises:
        UsageError: No interval, or a level outside (0, 1).
    """
    check_level(level)
    require(count >= 1, f"intervals that hold together are at least 1, got {count}", UsageError)
    return 1 - (1 - level) / count


def lowest(candidates: Mapping[Key, Candidate], level: float = LEVEL) -> tuple[Key, Estimate]:
    """The candidate with the lowest value, and its estimate with an interval for the lowest of them all.

    Raises:
        NoSamplesError: No candidate.
    """
    found = _found(candidates, level)
    chosen = min(found, key=lambda key: found[key].value)
    strict = candidates[chosen](of_many(len(found), level))
    low = min(e.low for e in found.values())
    return chosen, _selected(found[chosen], low, strict.high, len(found), "lowest")


def highest(candidates: Mapping[Key, Candidate], level: float = LEVEL) -> tuple[Key, Estimate]:
    """The candidate with the highest value, and its estimate with an interval for the highest of them all.

    Raises:
        NoSamplesError: No candidate.
    """
    found = _found(candidates, level)
    chosen = max(found, key=lambda key: found[key].value)
    strict = candidates[chosen](of_many(len(found), level))
    high = max(e.high for e in found.values())
    return chosen, _selected(found[chosen], strict.low, high, len(found), "highest")


def _found(candidates: Mapping[Key, Candidate], level: float) -> dict[Key, Estimate]:
    if not candidates:
        raise NoSamplesError("nothing to choose from: no candidate was given")
    return {key: measure(level) for key, measure in candidates.items()}


def _selected(chosen: Estimate, low: float, high: float, count: int, which: str) -> Estimate:
    if count == 1:
        return chosen
    return dataclasses.replace(chosen, low=low, high=high, method=f"{chosen.method}, {which} of {count:,}")

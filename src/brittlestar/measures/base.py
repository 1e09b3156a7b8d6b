"""What every measure gives: an estimate with its interval and its count."""

from __future__ import annotations

import dataclasses
from typing import Any

from brittlestar.core.errors import BrittlestarError


class NoSamplesError(BrittlestarError):
    """A measure was asked about no samples; undefined is never reported as 0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval.

    Fields:
        value: The estimate.
        low, high: The interval's ends; ``low <= value <= high``; infinite where a side is unbounded.
        n: Number of samples it rests on.
        level: Confidence level, for instance 0.95.
        method: How the interval was made (``Wilson``, ``confidence sequence``, ``BCa bootstrap`` ...).
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    method: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

"""Where a shift and a band of the Fourier map agree that a model is more, or less, sensitive than the first.

The numbers are kept in the run folder beside the sentences made of them, and are read back only where they make sense.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.values import estimate_values

SENSITIVE = ("more sensitive", "less sensitive")
"""States that tell two models apart."""


@dataclass(frozen=True, kw_only=True)
class Against:
    """A model less the first one: how accuracy differs, on three scales.

    Fields:
        state: What may be said (``measures.sensitivity.State``).
        raw: Accuracy less the first model's, in [-1, 1].
        clean: The same on clean images.
        beyond: ``raw`` less ``clean``, in [-2, 2].
        kept: The share of its accuracy above chance that is left less the first model's; ``None`` where undefined.
    """

    state: str
    raw: Estimate
    clean: Estimate
    beyond: Estimate
    kept: Estimate | None

    @classmethod
    def of(cls, found: Sensitivity) -> Against:
        """The part of a comparison that is told."""
        return cls(state=found.state, raw=found.raw, clean=found.clean, beyond=found.additive, kept=found.ratio)


@dataclass(frozen=True, kw_only=True)
class ShiftContrast:
    """One shift at one strength: ``share`` of its change lies in the band, in [0, 1]."""

    condition: str
    share: float
    contrast: Against


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A model and the first under the waves of a band, and under the shifts that change mainly what lies there.

    Fields:
        model, first: Names; the model is the subject.
        band: ``low`` or ``high``.
        waves: Under the waves of the band.
        times: Errors under them over the first model's; ``None`` unless the interval has an end and leaves out 1.
        shifts: Of each kind of shift that agrees with the waves the condition that differs most, largest first.
        exceptions: Of every other kind of shift in the band the condition that differs most, largest first.
        of_bands, of_shifts: How many bands, and shifts, were looked at: intervals are for one chosen of so many.
    """

    model: str
    first: str
    band: str
    waves: Against
    times: Estimate | None
    shifts: tuple[ShiftContrast, ...]
    exceptions: tuple[ShiftContrast, ...]
    of_bands: int
    of_shifts: int

    @property
    def state(self) -> str:
        """One of ``SENSITIVE``."""
        return self.waves.state

    def values(self, titles: Mapping[str, str]) -> dict[str, Any]:
        """For ``summary.json``; ``titles`` by condition."""

        def told(one: ShiftContrast) -> dict[str, Any]:
            title = titles.get(one.condition, one.condition)
            return {"condition": one.condition, "title": title, "share_in_band": one.share} | _values(one.contrast)

        return {
            "model": self.model,
            "against": self.first,
            "band": self.band,
            "waves": _values(self.waves),
            "times_as_often": None if self.times is None else estimate_values(self.times),
            "shifts": [told(one) for one in self.shifts],
            "exceptions": [told(one) for one in self.exceptions],
            "intervals_of_one_of": {"bands": self.of_bands, "shifts": self.of_shifts},
        }


def _values(found: Against) -> dict[str, Any]:
    return {
        "state": found.state,
        "accuracy_difference": estimate_values(found.raw),
        "clean_accuracy_difference": estimate_values(found.clean),
        "accuracy_difference_beyond_clean": estimate_values(found.beyond),
        "kept_above_chance_difference": None if found.kept is None else estimate_values(found.kept),
    }


def agreement_of(kept: Mapping[str, Any]) -> Agreement:
    """What ``dataclasses.asdict`` made of an ``Agreement``, back.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It is something else.
    """
    if kept["band"] not in ("low", "high"):
        raise ValueError(f"a band {kept['band']!r}")
    made = Agreement(
        model=str(kept["model"]),
        first=str(kept["first"]),
        band=kept["band"],
        waves=_contrast(kept["waves"]),
        times=None if kept["times"] is None else estimate_of(kept["times"], 0.0, math.inf),
        shifts=tuple(_shift(s) for s in kept["shifts"]),
        exceptions=tuple(_shift(s) for s in kept["exceptions"]),
        of_bands=count_of(kept["of_bands"]),
        of_shifts=count_of(kept["of_shifts"]),
    )
    # Agreements are only written of a difference that is shown, with a shift in it: anything else was changed or
    # damaged.
    if made.state not in SENSITIVE or made.waves.kept is None or not made.shifts:
        raise ValueError(f"an agreement on {made.state!r} under {len(made.shifts)} shifts")
    return made


def _contrast(kept: Mapping[str, Any]) -> Against:
    return Against(
        state=str(kept["state"]),
        raw=estimate_of(kept["raw"], -1.0),
        clean=estimate_of(kept["clean"], -1.0),
        beyond=estimate_of(kept["beyond"], -2.0, 2.0),
        # Shares kept have no upper end: a model may keep more than it has on clean images.
        kept=None if kept["kept"] is None else estimate_of(kept["kept"], -math.inf, math.inf),
    )


def _shift(kept: Mapping[str, Any]) -> ShiftContrast:
    return ShiftContrast(
        condition=str(kept["condition"]), share=share_of(kept["share"]), contrast=_contrast(kept["contrast"])
    )


def estimate_of(kept: Mapping[str, Any], least: float, most: float = 1.0) -> Estimate:
    """An estimate from plain values, inside ``[least, most]`` and finite."""
    low, value, high = (float(kept[key]) for key in ("low", "value", "high"))
    # A NaN fails every comparison; the difference keeps out infinite ends where ``least`` and ``most`` let them pass.
    if not (least <= low <= value <= high <= most and math.isfinite(high - low)):
        raise ValueError(f"an estimate of {value} in [{low}, {high}]")
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=count_of(kept["n"]),
        level=float(kept["level"]),
        method=str(kept["method"]),
    )


def share_of(kept: Any) -> float:
    """A share in [0, 1] from a plain value."""
    value = float(kept)
    # Sums of shares miss 0 and 1 by rounding; by more than that they are damaged.
    if not (math.isfinite(value) and -1e-9 <= value <= 1 + 1e-9):
        raise ValueError(f"a share of {value}")
    return min(max(value, 0.0), 1.0)


def count_of(kept: Any) -> int:
    """A positive whole number from a plain value."""
    if not isinstance(kept, int) or kept < 1:
        raise ValueError(f"a count of {kept!r}")
    return kept


def plain(found: Agreement) -> dict[str, Any]:
    """What is kept of it in the run folder."""
    return dataclasses.asdict(found)

"""Numbers as plain values for ``summary.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from brittlestar.measures import Estimate, Normalised, Sensitivity
from brittlestar.report.corruptions import CorruptionSet
from brittlestar.report.stability import StabilitySet
from brittlestar.report.subjects import ModelEntry
from brittlestar.report.words import spaced


def estimate_values(e: Estimate) -> dict[str, Any]:
    """Value, limits (``None`` where infinite), count, level and method."""
    values = {"value": e.value, "low": e.low, "high": e.high}
    return {k: v if math.isfinite(v) else None for k, v in values.items()} | {
        "n": e.n,
        "level": e.level,
        "method": e.method,
    }


def sensitivity_values(found: Sensitivity | None) -> dict[str, Any] | None:
    """A comparison of two models against clean."""
    if found is None:
        return None
    return {
        "state": found.state,
        "p_adjusted": found.p_adjusted,
        "accuracy_difference": estimate_values(found.raw),
        "accuracy_difference_beyond_clean": estimate_values(found.additive),
        "kept_above_chance": None if found.kept is None else [estimate_values(e) for e in found.kept],
        "kept_above_chance_difference": None if found.ratio is None else estimate_values(found.ratio),
    }


def summary_values(name: str, found: Normalised, caveat: str) -> dict[str, Any]:
    """A summary of a published set with its normaliser and what it is made of."""
    values = (
        estimate_values(found.estimate) if found.estimate is not None else {"value": None, "undefined": found.undefined}
    )
    return {
        "name": name,
        **values,
        "normaliser": found.normaliser or None,
        "caveat": caveat or None,
        "parts": list(found.parts),
        "severities": list(found.severities),
        "conditions": found.conditions,
    }


def set_values(
    found: CorruptionSet | StabilitySet, models: Iterable[tuple[ModelEntry, Sequence[tuple[str, Normalised]]]]
) -> dict[str, Any]:
    """A published set with the summaries of its models."""
    return {
        "set": found.key,
        "title": found.title,
        "basis": spaced(found.basis),
        "storage": found.storage,
        "caveat": found.caveat or None,
        "notes": list(found.notes),
        "models": [
            {"model": model.name, "summaries": [summary_values(name, n, found.caveat) for name, n in listed]}
            for model, listed in models
        ],
    }

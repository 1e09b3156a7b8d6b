"""What was estimated without labels, in words that never claim more than that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brittlestar.measures import Estimate
from brittlestar.measures.label_free import METHODS
from brittlestar.measures.label_free_range import QUANTITIES, TOGETHER


def share_without_labels(e: Estimate) -> str:
    """``about 62.1 % right, estimated without labels [54.0, 69.4] (87.5 % interval)``."""
    return (
        f"about {100 * e.value:.1f} % of the answers right, estimated without labels "
        f"[{100 * e.low:.1f}, {100 * e.high:.1f}] ({100 * e.level:.3g} % interval)"
    )


def rests(methods: Sequence[str], miss: float, plain: Mapping[str, float], covered: int, of: int) -> str:
    """What an estimate rests on, and how it did on families of shifts that it had not seen."""
    named = ", ".join(METHODS[m] for m in methods)
    return (
        f"from {named}; on families of shifts left out it missed by {100 * miss:.1f} points on average (the clean "
        f"accuracy by {100 * plain['clean']:.1f}, plain ATC by {100 * plain['atc_confidence']:.1f}), and "
        f"{covered:,} of {of:,} conditions lay within their intervals"
    )


def beyond(name: str, value: float, low: float, high: float, nearest: str) -> str:
    """Why there is no estimate."""
    if name == TOGETHER:
        return (
            f"Unlike every measured condition, all quantities together: the nearest is {nearest}, {value:.2f} standard "
            f"deviations away; nine in ten conditions are within {high:.2f} of one of another family"
        )
    return f"Outside what was measured: {QUANTITIES[name]} {value:.3g}, measured from {low:.3g} to {high:.3g}"

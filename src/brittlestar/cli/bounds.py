"""Numbers and devices that no verb can do anything with are refused before it begins, whatever the verb."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from brittlestar.core.errors import UsageError, require

MOST = {
    "seed": 2**63 - 1,
    "seeds": 1000,
    "workers": 1024,
    "threads": 1024,
    "size": 4096,
    "jitter": 4096,
    "resize": 2**14,
    "crop": 2**14,
    "model_resize": 2**14,
    "model_crop": 2**14,
}
"""Upper bounds by argument; numpy, torch and Pillow take larger ones for what they are not, or for ever to refuse."""

ELSE = 2**31 - 1
"""The upper bound of every other whole number."""

LEAST = {"threads": 1, "seeds": 1, "samples": 1, "test_samples": 1}
"""Lower bounds where the verb knows none itself; ``-ELSE`` otherwise."""


def bounded(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb's function, which checks its numbers and its device first."""

    @functools.wraps(verb)
    def first_checked(*args: Any, **given: Any) -> Any:
        for name, value in given.items():
            _check(name, value)
        return verb(*args, **given)

    return first_checked


def _check(name: str, value: Any) -> None:
    flag = f"--{name.strip('_').replace('_', '-')}"
    if isinstance(value, float):
        require(math.isfinite(value), f"{flag} must be a finite number, got {value}", UsageError)
    elif isinstance(value, int) and not isinstance(value, bool):
        least, most = LEAST.get(name, -ELSE), MOST.get(name, ELSE)
        told = f"at least {least}" if value < least else f"at most {most:,}"
        require(least <= value <= most, f"{flag} must be {told}, got {value}", UsageError)
    elif name == "device" and isinstance(value, str):
        from brittlestar.models.devices import check_device

        check_device(value)

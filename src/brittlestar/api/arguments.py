"""What Python users hand over as options: each of the kind that it must be, told before anything is opened."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option

WHOLE = ("samples", "batch", "seed", "workers", "resize", "crop")
"""Options that are whole numbers; those of ``NEEDED`` are never ``None``."""

NEEDED = ("seed", "workers")


def check_arguments(given: Mapping[str, Any]) -> None:
    """Hold options against their kinds.

    Args:
        given: Options by the names of the arguments; those that are not looked at may be anything.

    Raises:
        UsageError: One is of another kind, with what it must be.
    """
    for name in WHOLE:
        value = given.get(name)
        if value is None and (name not in NEEDED or name not in given):
            continue
        require(_is_whole(value), f"{option(name)} is a whole number, got {value!r:.80}", UsageError)
    precision = given.get("precision")
    require(
        precision is None or (isinstance(precision, int | float) and not isinstance(precision, bool)),
        f"{option('precision')} is a half-width such as 0.02, got {precision!r:.80}",
        UsageError,
    )
    budget = given.get("budget")
    require(
        budget is None or (isinstance(budget, str | int | float) and not isinstance(budget, bool)),
        f"{option('budget')} is a number of seconds or a text such as 5m, got {budget!r:.80}",
        UsageError,
    )
    classes = given.get("classes")
    # The letters of a text would be taken for the names.
    require(
        not isinstance(classes, str | bytes),
        f"{option('classes')} is a list of names, or a mapping of names to what people call them, got {classes!r:.80}",
        UsageError,
    )


def _is_whole(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def parse_duration(text: str | float) -> float:
    """Seconds from ``90``, ``"90s"``, ``"5m"``, ``"1h30m"``."""
    if isinstance(text, int | float):
        return float(text)
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    # Every part may be missing, so an empty text matches as well.
    if parts is None or not any(parts.groups()):
        raise UsageError(f"cannot read the duration {text!r}: write it like 90s, 5m or 1h30m")
    return sum(float(part or 0) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True))

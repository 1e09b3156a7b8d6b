"""Two accuracies on different images: what may be said of their difference, and of the share that is kept."""

from __future__ import annotations

import math

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import Estimate


def unpaired_difference(there: Estimate, here: Estimate) -> Estimate:
    """``there - here`` of two estimates on independent samples, with the interval that their own intervals give.

    The distances of the ends from the values are added as independent errors are, by their squares; n is that of the
    smaller sample.

    Raises:
        UsageError: They have different levels.

    Reference:
        Newcombe 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I;
        Zou and Donner 2008, https://doi.org/10.1002/sim.3095
    """
    _require_level(there, here)
    value = there.value - here.value
    low = value - math.hypot(there.value - there.low, here.high - here.value)
    high = value + math.hypot(there.high - there.value, here.value - here.low)
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=min(there.n, here.n),
        level=there.level,
        method="square and add, unpaired",
    )


def unpaired_kept(there: Estimate, here: Estimate, chance_there: float, chance_here: float) -> Estimate | None:
    """Share of the accuracy above guessing that is kept on other images; ``None`` where there is none to keep.

    Args:
        there, here: Accuracies, each in an interval of the level (1 + L) / 2: both hold with the level L, and so does
            the interval made of their ends.
        chance_there, chance_here: Accuracy of guessing.

    Returns:
        The share with its interval at the level L; wider than it need be.

    Raises:
        UsageError: They have different levels.
    """
    _require_level(there, here)
    if here.low <= chance_here:
        return None
    ends = [
        (end - chance_there) / (clean - chance_here)
        for end in (there.low, there.high)
        for clean in (here.low, here.high)
    ]
    value = (there.value - chance_there) / (here.value - chance_here)
    level = 2 * there.level - 1
    return Estimate(
        value=value,
        low=min(ends),
        high=max(ends),
        n=min(there.n, here.n),
        level=level,
        method="ends of both intervals, unpaired",
    )


def _require_level(there: Estimate, here: Estimate) -> None:
    same = math.isclose(there.level, here.level)
    require(same, f"intervals of the levels {there.level} and {here.level} make none together", UsageError)

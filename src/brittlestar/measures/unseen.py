"""Room in intervals for a share of the set that no sample stands for, where a difference or a ratio may be anything."""

from __future__ import annotations

import dataclasses

from brittlestar.measures.base import Estimate, enclosing


def difference_with_room(found: Estimate, unseen: float, reach: float) -> Estimate:
    """A mean in [-reach, reach] of the whole set, from that of the part that was seen.

    Args:
        found: Of the part.
        unseen: Share of the set that no sample stands for, in [0, 1).
        reach: What the mean may be there, in either direction.
    """
    seen, room = 1 - unseen, unseen * reach
    return dataclasses.replace(
        found, low=min(seen * found.low - room, found.value), high=max(seen * found.high + room, found.value)
    )


def kept_with_room(kept: Estimate, above: Estimate, chance: float, unseen: float) -> Estimate | None:
    """The share of the accuracy above chance that is left in the whole set, from that of the part that was seen.

    Args:
        kept: Of the part.
        above: Clean accuracy above chance in the part.
        chance: Accuracy of always answering the commonest class.
        unseen: Share of the set that no sample stands for, in [0, 1).

    Returns:
        An interval that holds where those of both do; ``None`` where the whole set may be at chance.
    """
    seen = 1 - unseen
    if above.low <= 0 or seen - unseen * chance / above.low <= 0:
        return None
    # The part not seen adds from -chance to 1 - chance to numerator and denominator alike. All is divided by the
    # accuracy above chance; its lower limit makes that part weigh most.
    down, up = unseen * chance / above.low, unseen * (1 - chance) / above.low
    tops, bottoms = (seen * kept.low - down, seen * kept.high + up), (seen - down, seen + up)
    ends = [top / bottom for top in tops for bottom in bottoms]
    return enclosing(kept.value, min(ends), max(ends), kept.n, kept.level, kept.method)


def apart(a: Estimate, b: Estimate, value: float) -> Estimate:
    """Difference of two numbers from the limits of each, which hold together."""
    return enclosing(value, a.low - b.high, a.high - b.low, a.n, a.level, a.method)

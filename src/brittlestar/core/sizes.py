"""How many images may be held at once: memory is bounded by pixels, not by images."""

from __future__ import annotations

import math
from collections.abc import Sequence

VALUES = 16_000_000
"""Values (pixels times channels) that are held as floats at once beside a batch: 64 MB."""


def at_once(shape: Sequence[int], most: int) -> int:
    """How many images of a (channel, height, width) are held at once: ``most``, fewer of large ones, at least 1."""
    return min(max(VALUES // math.prod(shape), 1), most)

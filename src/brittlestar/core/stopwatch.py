"""How much of a series can be done in a given time, judged by what was done of it."""

from __future__ import annotations

import time
from collections.abc import Iterator


class Stopwatch:
    """Runs from when it is made.

    Args:
        seconds: The time there is; ``None`` for as much as it takes.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds, self.began = seconds, time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.began

    def room(self, done: int, size: int) -> int:
        """How many more items fit, ``size`` at most, when ``done`` were done so far; the first one always does."""
        if self.seconds is None:
            return size
        if not done:
            return 1
        an_item, left = self.spent / done, self.seconds - self.spent
        fit = size if an_item * size <= left else max(int(left / an_item), 0)
        # The first item may have waited for much that the others need not, so it is not trusted alone.
        return min(fit, 1) if done == 1 else fit

    def pieces(self, start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
        """``[begin, end)`` of the items from ``start`` (those before were done by this watch) as long as they fit."""
        while start < stop and (piece := min(self.room(start, size), stop - start)):
            yield start, start + piece
            start += piece

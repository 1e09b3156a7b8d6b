"""A report that grows with its run: written again now and then, and reloading itself until the run has ended.

The page is a file like any other report, so it can be watched from a folder that is shared or copied, nothing listens
on a port, and what was last written stays after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from brittlestar.core.errors import BrittlestarError
from brittlestar.report.build import write

SHARE = 20
"""Between two pages a run gets at least so many times what writing one costs: 5 % of the time at most."""

LEAST = 5.0
"""Seconds between two pages at least: nobody reads faster."""


class LiveReport:
    """Writes ``RUN/report/`` of a run that goes on.

    Args:
        folder: The run folder.
        note: Called with a line where a page could not be written; the run goes on.
    """

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        self.folder, self.note = folder, note
        self.next = self.pause = 0.0
        self.told = False

    def grow(self) -> None:
        """Write the page again if it is due."""
        if time.monotonic() < self.next:
            return
        began = time.monotonic()
        # A page reloads when the next may be there; how long that takes is known from the page before it.
        self._write(refresh=max(round(max(self.pause, LEAST)), 1))
        ended = time.monotonic()
        self.pause = max(SHARE * (ended - began), LEAST)
        self.next = ended + self.pause

    def close(self) -> None:
        """Write the page a last time, without reloading, where there is one (an earlier session may have left it)."""
        if self.told or (self.folder / "report" / "report.html").is_file():
            self._write(refresh=0)

    def _write(self, refresh: int) -> None:
        try:
            written = write([self.folder], refresh=refresh)
        # The page is a by-product: what goes wrong with it must not end the run.
        except (BrittlestarError, OSError) as error:
            self.note(f"no page was written: {error}")
            return
        if not self.told:
            self.told = True
            self.note(f"watch it grow: {written.page}")

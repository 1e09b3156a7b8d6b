"""A sign of life from steps of a command that may take long. Needs no torch."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from brittlestar.cli.say import say

EVERY = 9.0
"""Seconds between two lines: never more than ten without."""


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """Inside, a line on standard error says now and then what is being done, and for how long."""
    over, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not over.wait(EVERY):
            say(f"  {text}: {time.monotonic() - began:.0f} s", err=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()

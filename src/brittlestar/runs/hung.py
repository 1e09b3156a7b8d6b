"""When a model that gives no sign of life counts as hung, and the watch over this process's own calls."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator

from brittlestar.core import interrupts, whereabouts
from brittlestar.core.errors import UsageError
from brittlestar.core.options import COMMAND, spoken
from brittlestar.core.whereabouts import Call

VARIABLE = "BRITTLESTAR_HUNG_AFTER"
"""Environment variable: seconds without a sign of life after which a model counts as hung."""

LEAST = 600.0
"""Seconds that every call gets: a shared disk or a busy machine may take minutes."""

TIMES = 20
"""A call is hung after so many times what its images took at the slowest so far."""

UNKNOWN = 60.0
"""Seconds an image that a model gets while its pace is not known."""

_GRACE = 10.0
"""Seconds in which a call that was given up may still come to an end in order."""

records: list[Callable[[str], None]] = []
"""Called with what is said before this process ends: a session writes it into its run folder."""


def chosen() -> float | None:
    """Seconds that the person set, or ``None``.

    Raises:
        UsageError: It is no positive number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise UsageError(f"{VARIABLE} is a number of seconds above 0, for instance 600; got {text!r}")
    return seconds


def patience(images: int, slowest: float) -> float:
    """Seconds after which a call is hung.

    Args:
        images: How many it was given.
        slowest: Seconds an image of the slowest call so far; 0 where there was none.
    """
    own = chosen()
    if own is not None and images:
        return own
    return max(LEAST, own or 0, TIMES * slowest * images if slowest else UNKNOWN * images)


def said(where: str, seconds: float) -> str:
    """What is said of a model that hangs."""
    return (
        f"{where or 'a worker process'}: no sign of life for {seconds:.0f} s, so it was ended; everything finished is "
        f"kept. Mend the model, or give it longer ({VARIABLE}=SECONDS), and run the same again"
    )


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Inside, a call of a model in this process that hangs ends with an error, or with the process."""
    chosen()
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(over,), daemon=True, name="watch over hanging models")
    thread.start()
    try:
        yield
    finally:
        over.set()


def _watch(over: threading.Event) -> None:
    while not over.wait(min(1.0, (chosen() or LEAST) / 4)):
        call = whereabouts.call()
        if call is not None and (waited := time.monotonic() - call.since) > patience(
            call.images, whereabouts.slowest[0]
        ):
            _end(call, said(whereabouts.told(), waited), over)


def _end(call: Call, text: str, over: threading.Event) -> None:
    """First an error in the main thread, which ends everything in order; where that does not reach, the process."""
    from brittlestar.models.answering import give_up

    give_up(text)
    until = time.monotonic() + _GRACE
    while time.monotonic() < until:
        if over.wait(0.05) or whereabouts.call() is not call:
            return
    # Whoever calls from Python keeps the process: it is theirs.
    if spoken() == COMMAND:
        for record in tuple(records):
            with contextlib.suppress(Exception):
                record(text)
        interrupts.stop_at_once(2, f"error: {text}")

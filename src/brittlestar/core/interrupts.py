"""What asks a command to end: Ctrl-C, SIGTERM, SIGHUP. The first ends it in order, a second one at once.

Without ``listening`` (in a notebook, in a program of one's own) Python's own ``KeyboardInterrupt`` is all there is, and
everything here still answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those of them that this system has."""

_ECHO = 0.3
"""Seconds in which a second signal counts as the first: ``timeout``, ``uv run`` and terminals send it twice."""

at_once: list[Callable[[], object]] = []
"""Called before a process ends at once: what would outlive it otherwise."""

leave = os._exit
"""Ends this process here and now; the name that a model's own call of ``os._exit`` does not reach."""

_received: list[tuple[int, float]] = []
_told: list[str] = []
_state = {"listening": 0, "held": 0, "waiting": 0, "nudged": 0}


class Interrupted(KeyboardInterrupt):
    """A signal has asked this process to end."""


def numbers() -> list[int]:
    """The signals' numbers on this system."""
    return [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Inside, the signals raise ``Interrupted`` in the main thread, but for those that this process is to ignore."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if not _state["listening"]:
        _received.clear()
    before: dict[int, Any] = {}
    _state["listening"] += 1
    try:
        for number in numbers():
            # nohup, and shells that start something in the background, have it ignored, and mean it.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, _handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _state["listening"] -= 1


def _handle(number: int, frame: FrameType | None) -> None:
    if _state["nudged"]:
        _state["nudged"] = 0
        raise KeyboardInterrupt
    now = time.monotonic()
    if _received:
        if now - _received[0][1] >= _ECHO:
            stop_at_once(128 + number)
        return
    _received.append((number, now))
    if _state["held"]:
        _state["waiting"] = 1
        if _told:
            with contextlib.suppress(Exception):
                os.write(2, f"{_told[-1]}\n".encode(errors="backslashreplace"))
        return
    raise Interrupted


def stop_at_once(code: int, text: str = "stopped at once; what was finished is kept") -> None:
    """Say it and end this process without any clearing up; the next session clears up what is left."""
    for end in tuple(at_once):
        with contextlib.suppress(Exception):
            end()
    with contextlib.suppress(Exception):
        # A live display has hidden the cursor.
        shown = "\x1b[?25h\n" if sys.stderr.isatty() else ""
        os.write(2, f"{shown}{text}\n".encode(errors="backslashreplace"))
    leave(code)


@contextlib.contextmanager
def held(text: str = "") -> Iterator[None]:
    """Inside, a first signal waits until the end: for what must not be left in the middle.

    Args:
        text: What a person who sends one is told at once, where the end may take some seconds.
    """
    _state["held"] += 1
    _told.extend([text] if text else [])
    try:
        yield
    finally:
        del _told[len(_told) - bool(text) :]
        _state["held"] -= 1
        if _state["waiting"] and not _state["held"]:
            _state["waiting"] = 0
            raise Interrupted


def heard() -> bool:
    """Whether a signal has come since ``listening`` began."""
    return bool(_received)


def heard_by(error: BaseException) -> bool:
    """Whether this ``KeyboardInterrupt`` may come from a person; one that was raised by a model's own code does not."""
    return isinstance(error, KeyboardInterrupt) and (heard() or not _state["listening"])


def check() -> None:
    """Raise ``Interrupted`` if a signal has come: code that swallows it (a ``__del__``, an import) loses only time."""
    if _received:
        raise Interrupted


def why() -> str:
    """What asked for the end, in words."""
    name = signal.Signals(_received[0][0]).name if _received else "SIGINT"
    return "Ctrl-C" if name == "SIGINT" else name


def code() -> int:
    """The exit code of a command that was asked to end: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + (_received[0][0] if _received else int(signal.SIGINT))


def nudge() -> None:
    """Raise ``KeyboardInterrupt`` in the main thread, without any signal counted as heard; wakes sleeps and locks."""
    _state["nudged"] = 1 if _state["listening"] else 0
    number = int(signal.SIGINT)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)

"""What this process is at: which model answers, under which condition, on which images.

Known at every moment and from outside: it is what is said of a process that has died or hangs, when it cannot be asked.
A process is at one thing at a time, so this belongs to the process and is handed to nobody.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A call of a model's own code that goes on.

    Fields:
        model: Its name.
        images: How many it was given; 0 while it is loaded.
        since: ``time.monotonic()`` when it began.
    """

    model: str
    images: int
    since: float


_place: list[str] = []
_models: list[str] = []
_call: list[Call] = []
slowest: list[float] = [0.0]
"""Seconds an image of the slowest call so far."""

tell: list[Callable[[str], None]] = []
"""Called with ``told()`` at every change: where a parent process reads it."""


def told(model: bool = True) -> str:
    """In words: ``model m, under fog_3, images 50-100``; empty where nothing is known.

    Args:
        model: Whether to name the model.
    """
    asked = f"model {_call[-1].model}" if _call else _models[-1] if _models else ""
    return ", ".join(part for part in (asked if model else "", *_place[-1:]) if part)


def call() -> Call | None:
    """The call that goes on."""
    return _call[-1] if _call else None


@contextlib.contextmanager
def at(condition: str, start: int | None = None, stop: int | None = None, models: Sequence[str] = ()) -> Iterator[None]:
    """Inside, this process is at a condition, at the images ``[start, stop)`` of the seeded order, for these models."""
    _place.append(f"under {condition}" + (f", images {start}-{stop}" if start is not None else ""))
    _models.append(f"model {', '.join(models)}" if models else "")
    _changed()
    try:
        yield
    finally:
        _place.pop()
        _models.pop()


@contextlib.contextmanager
def calling(model: str, images: int) -> Iterator[None]:
    """Inside, this process is in a model's own code."""
    began = time.monotonic()
    _call.append(Call(model, images, began))
    _changed()
    try:
        yield
    finally:
        _call.pop()
        if images:
            slowest[0] = max(slowest[0], (time.monotonic() - began) / images)


def alive() -> None:
    """Give a sign of life."""
    _changed()


def _changed() -> None:
    for listener in tell:
        listener(told())

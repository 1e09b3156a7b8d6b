"""Every error Brittlestar raises on purpose.

BrittlestarError
├── UsageError            the person can mend it: what was got, what is allowed, what to do (exit code 2)
│   ├── DataError         a data set that is missing, empty, damaged or of mixed shapes
│   ├── ModelError        a model that cannot be loaded or breaks the contract
│   │   └── NearChanceError   a model that does no better than guessing on unchanged images
│   └── ShiftError        a field or an image outside what a shift allows
└── StoreError            a run folder that is locked, of another version, or damaged (exit code 2)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BrittlestarError(Exception):
    """The base of all errors raised on purpose; its text is meant for the person."""


class UsageError(BrittlestarError):
    """Something the person gave is wrong and the text says how to mend it."""


class DataError(UsageError):
    """A data set that is missing, empty, damaged or of mixed shapes."""


class ModelError(UsageError):
    """A model that cannot be loaded or does not keep the contract."""


class NearChanceError(ModelError):
    """A model that does no better than guessing on unchanged images, so that a run would measure noise."""


class ShiftError(UsageError):
    """A field or an image outside what a shift allows."""


class StoreError(BrittlestarError):
    """A run folder that is locked, of another version, or damaged."""


def require(condition: bool, message: str, error: type[BrittlestarError] = ShiftError) -> None:
    """Raise ``error(message)`` unless ``condition`` holds."""
    if not condition:
        raise error(message)


def unknown(kind: str, got: str, allowed: Iterable[str], listed_by: str = "") -> UsageError:
    """A UsageError for a name that is not in a list, with the nearest right names.

    Args:
        kind: What the name names.
        got: The name.
        allowed: The right names.
        listed_by: The command that lists them where they are many; ``brittlestar list KINDs`` if not given.
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    command = listed_by or f"brittlestar list {kind}s"
    listing = ", ".join(names) if len(names) <= 40 else f"{len(names)} names, see `{command}`"
    return UsageError(f"unknown {kind} {got!r}{hint} (known: {listing})")


def text_of(error: BaseException, most: int = 300) -> str:
    """The first line of an error, however it is made; one that cannot tell is told by its kind alone."""
    try:
        lines = str(error).strip().splitlines()
    except BaseException:
        return "(its text cannot be read)"
    return lines[0][:most] if lines else ""


def no_memory(error: BaseException) -> bool:
    """Whether memory has run out, here or on a device."""
    # torch and DuckDB have errors of their own for it, and may not be imported yet.
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return True
    return isinstance(error, RuntimeError) and any(
        said in text_of(error) for said in ("out of memory", "can't allocate memory", "not enough memory")
    )

"""Contexts: what else is known of each sample (background, site, camera), as named columns of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable

Contexts = dict[str, npt.NDArray[np.str_]]

LONGEST = 200
"""Letters that a value may have: longer ones are no names of groups."""


def asked_contexts(contexts: Any) -> tuple[str, ...]:
    """The names of columns that were asked for, of ``"site,camera"`` or a list of names.

    Raises:
        DataError: Something else, or a name twice.
    """
    if contexts is None:
        return ()
    names = contexts.split(",") if isinstance(contexts, str) else contexts
    require(
        isinstance(names, Sequence) and all(isinstance(name, str) for name in names),
        f"{option('contexts')} of data on disk are names of columns, got {contexts!r:.80}; values go with arrays",
        DataError,
    )
    found = tuple(name.strip() for name in names)
    require(bool(found) and all(found), f"{option('contexts')} needs names of columns, got {contexts!r:.80}", DataError)
    twice = [name for name in found if found.count(name) > 1]
    require(not twice, f"{option('contexts')} names {readable(''.join(twice[:1]))} twice", DataError)
    return found


def given_contexts(contexts: Any) -> Mapping[str, Any] | None:
    """The columns that were given with arrays: a mapping of names to one value a sample.

    Raises:
        DataError: Something else.
    """
    require(
        contexts is None or (isinstance(contexts, Mapping) and all(isinstance(name, str) for name in contexts)),
        f"{option('contexts')} of arrays are a mapping of names to one value an image, got {contexts!r:.80}",
        DataError,
    )
    return None if contexts is None else dict(contexts)


def columns_of_text(values: Mapping[str, Any] | None, count: int, where: str) -> Contexts:
    """Columns as text, one value a sample; what is missing (``None``, NaN) is empty.

    Args:
        values: By name.
        count: How many samples there are.
        where: For messages.

    Raises:
        DataError: A column of another length, or one that holds no names of groups.
    """
    return {
        name: column_of_text(column, count, f"{where}: context {readable(name)}")
        for name, column in (values or {}).items()
    }


def column_of_text(column: Any, count: int, where: str) -> npt.NDArray[np.str_]:
    """One column (see ``columns_of_text``)."""
    require(not isinstance(column, str | bytes), f"{where} is one value a sample, got a text", DataError)
    tensor = column.detach().cpu().numpy() if hasattr(column, "detach") else column
    array = np.asarray(tensor) if isinstance(tensor, np.ndarray) else None
    require(array is None or array.ndim == 1, f"{where} is one value a sample, got an array of several axes", DataError)
    require(isinstance(tensor, Iterable), f"{where} is one value a sample, got {type(column).__name__}", DataError)
    listed = array.tolist() if array is not None else list(tensor)
    require(len(listed) == count, f"{where} has {len(listed):,} values for {count:,} samples", DataError)
    return np.array([_text(value, place, where) for place, value in enumerate(listed)], np.str_)


def _text(value: Any, place: int, where: str) -> str:
    # Masked, missing in pandas, and NaN, which alone is unlike itself.
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        # What a table makes of whole numbers where some are missing.
        value = int(value)
    plain = isinstance(value, str | int | float | bool | np.generic) or type(value).__module__ in ("datetime", "uuid")
    require(
        plain, f"{where}: sample {place:,} has {type(value).__name__} as its value; give texts or numbers", DataError
    )
    text = readable(str(value)).strip()
    require(
        len(text) <= LONGEST,
        f"{where}: sample {place:,} has a value of {len(text):,} letters, which names no group: give another column",
        DataError,
    )
    return text

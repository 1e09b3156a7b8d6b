"""The label space of an evaluation: the one that was asked for, or the one that the data bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brittlestar.core.errors import DataError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.data.base import Source
from brittlestar.data.label_spaces import label_space
from brittlestar.data.spaced import in_space

NONE = "none"
"""What is asked for where the data bring a label space and the models have the data's own classes."""


def settled_space(
    source: Source, asked: str | Path | Mapping[str, Any] | LabelSpace | None, outputs: Sequence[str] | None
) -> Source:
    """The source in the label space that its models are measured in.

    Args:
        source: The opened data.
        asked: A space, its name or file, ``none``, or ``None`` for that of the data.
        outputs: Names of the models' outputs in order, where they are known.

    Raises:
        DataError: The space is for other classes.
    """
    if source.settled:
        opened = f"this source is in a label space already: leave {option('label_space')} out"
        require(asked is None, opened, DataError)
        return source
    if asked is None:
        return in_space(source, source.space)
    return in_space(source, None if asked == NONE else label_space(asked, outputs))


def outputs_of(source: Source, classes: Sequence[str] | Mapping[str, str] | None) -> int:
    """How many outputs the models are to have."""
    return source.space.outputs if source.space is not None else len(classes or source.info.classes)


def titles_of(source: Source, classes: Sequence[str] | Mapping[str, str] | None) -> tuple[str, ...]:
    """What people call the models' classes, or the data's in a label space; empty where nobody said."""
    if classes is None:
        return source.info.titles
    if not isinstance(classes, Mapping):
        return ()
    if source.space is None:
        return tuple(classes.values())
    return (
        tuple(classes.get(name, name) for name in source.info.classes)
        if set(classes) & set(source.info.classes)
        else ()
    )

"""Of which kinds the values of a manifest are, so that whatever reads it may rely on them."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

Kinds = Mapping[str, Any]

MODEL: Kinds = {
    "name": str,
    "spec": str,
    "fingerprint": str,
    "classes": int,
    "input_shape": list[int],
    "preprocess": dict[str, Any],
    "parameters": int | None,
    "differentiable": bool,
    "notes": list[str],
    "guards": list[str],
    "how": dict[str, Any],
    "files": str,
    "random": bool,
}
"""What is recorded of a model (``models.base.ModelInfo``)."""

DATA: Kinds = {
    "name": str,
    "spec": str,
    "kind": str,
    "fingerprint": str,
    "classes": list[str],
    "titles": list[str],
    "count": int,
    "shape": list[int],
    "preparation": str,
    "prepared": dict[str, Any],
    "skipped": list[str],
    "notes": list[str],
    "cropped": bool,
    "labelled": bool,
    "rates": dict[str, float],
    "how": dict[str, Any] | None,
    "space": dict[str, Any] | None,
}
"""What is recorded of the data (``data.base.DataInfo``), and how they were opened."""

SPACE: Kinds = {"name": str, "classes": list[str], "members": list[list[int]], "outputs": int, "merge": str}
"""What is recorded of a label space (``core.label_space.LabelSpace``)."""

SKIPPED: Kinds = {"position": int, "name": str, "reason": str}
"""What is recorded of a sample that a run goes on without."""

OPENED: Kinds = {
    "resize": int | None,
    "crop": int | None,
    "filter": str | None,
    "rounding": str | None,
    "prepare": str | None,
    "skip_bad": bool,
    "group": str | None,
    "image_column": str | None,
    "label_column": str | None,
    "contexts": list[str] | None,
    "metadata": str | None,
}
"""``how`` of the data: the arguments that open them again."""

LOADED: Kinds = {
    "name": str,
    "spec": str,
    "factory": str | None,
    "weights": str | None,
    "weights_key": str | None,
    "device": str,
    "dtype": str,
    "backend": str,
    "output": str | None,
    "binary": bool,
    "probabilities": bool,
    "normalise": bool | None,
    "channels": int | None,
    "resize": int | None,
    "resize_filter": str | None,
    "crop": int | None,
    "mean": list[float] | None,
    "std": list[float] | None,
}
"""``how`` of a model: the fields of the ``ModelSpec`` that loads it again."""

WAVE: Kinds = {"row": int, "column": int, "norm": float}
"""What the reader of a Fourier map takes from the fields of its waves."""

_LARGEST = 2**64
_PLAIN = (str, bool, int, float, type(None))


def other_kind(content: Mapping[str, Any], kinds: Kinds, needed: typing.Collection[str] = ()) -> str:
    """What is wrong with the values of a mapping, as the end of a sentence; empty where nothing is.

    Args:
        content: As it was read; keys that ``kinds`` lacks may hold anything.
        kinds: A type by key, as annotations are written.
        needed: Keys that must be there.
    """
    if lacking := [key for key in needed if key not in content]:
        return f"{lacking[0]} is missing"
    wrong = (key for key, kind in kinds.items() if key in content and not _is(content[key], kind))
    key = next(wrong, None)
    return "" if key is None else f"{key} is of another kind than it was written"


def _is(value: Any, kind: Any) -> bool:
    if isinstance(value, dict | list) and kind is Any:
        return all(_is(one, Any) for one in (value.values() if isinstance(value, dict) else value))
    if kind is Any or kind in _PLAIN or kind is None:
        return _is_plain(value, kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return any(_is(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(_is(one, inner[0]) for one in value)
    return isinstance(value, dict) and all(_is(one, inner[1]) for one in value.values())


def _is_plain(value: Any, kind: Any) -> bool:
    # Python reads numbers of any size, and what computes with them does not.
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        return False
    if kind is Any:
        return isinstance(value, _PLAIN)
    if kind is None or kind is type(None):
        return value is None
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    # JSON has one kind of number: 0 stands for 0.0 as well.
    return isinstance(value, (int, float) if kind is float else kind)

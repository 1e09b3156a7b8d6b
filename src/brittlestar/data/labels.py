"""Labels and class names as people have them in arrays: what is taken, and what is refused with a remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.data.tree import order_notes, ordered

MOST_CLASSES = 100_000
"""The largest sets that people classify have some 20,000 classes; a label far beyond is a mistake, and a name for each
number up to it would fill the memory."""

LONGEST_NAME = 1000
"""Characters of a class name."""


@dataclass(frozen=True)
class Labels:
    """Labels that were checked.

    Fields:
        numbers: (n,) int32, from 0.
        classes: Class names in the order of the numbers.
        notes: What was done to them that a reader must know.
    """

    numbers: npt.NDArray[np.int32]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def checked_labels(y: Any, spec: str, classes: Sequence[str] | None = None) -> Labels:
    """Labels as numbers from 0, never wrapped around or cut off.

    Whole numbers of any type are taken, also as floats or truth values; (n, 1) is read as (n,); texts are class names,
    numbered in the order of ``classes`` or, without, in sorted order.

    Args:
        y: (n,) or (n, 1).
        spec: What the labels belong to, for messages.
        classes: Class names in the order of the labels, checked (``checked_classes``).

    Raises:
        DataError: Anything else; the text says what to do.
    """
    labels = np.asarray(y)
    notes: list[str] = []
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
        notes.append("labels of shape (n, 1) were read as (n,)")
    require(
        labels.ndim == 1,
        f"{spec}: labels of shape {labels.shape}; they must be one number an image{_advice(labels)}",
        DataError,
    )
    if labels.dtype.kind in "OSU" and len(labels) and all(isinstance(value, str | bytes) for value in labels.tolist()):
        return _named(labels, spec, classes, notes)
    numbers = _whole(labels, spec)
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    require(low >= 0, f"{spec}: a label is {low}, the smallest is 0: number the classes from 0", DataError)
    most = len(classes) if classes is not None else MOST_CLASSES
    asked = f"{most:,} classes" if classes is not None else f"at most {most:,} classes"
    require(high < most, f"{spec}: label {high} and {asked}: number the classes from 0, without gaps", DataError)
    return Labels(numbers.astype(np.int32), tuple(classes) if classes is not None else numbered(high + 1), tuple(notes))


def numbered(count: int) -> tuple[str, ...]:
    """Class names where there are none: the numbers themselves."""
    return tuple(str(number) for number in range(count))


def checked_classes(values: Any, spec: str) -> tuple[str, ...]:
    """Class names in label order from an array or a list.

    Raises:
        DataError: Not one text a class, a name that stands there twice, or far too many or too long ones.
    """
    names = np.asarray(values)
    require(
        names.ndim == 1 and names.dtype.kind in "OSUiu" and 0 < len(names) <= MOST_CLASSES,
        f"{spec}: class names of shape {names.shape} ({names.dtype}); they must be a list of at most {MOST_CLASSES:,} "
        "names, one a class",
        DataError,
    )
    texts = tuple(_text(value) for value in names.tolist())
    require_distinct(texts, f"{spec}: the class names")
    longest = max(map(len, texts))
    require(longest <= LONGEST_NAME, f"{spec}: a class name of {longest:,} characters", DataError)
    return texts


def require_distinct(names: Sequence[str], lead: str) -> None:
    """Refuse names that stand there twice, and say which (ImageNet has two cranes)."""
    count = Counter(names)
    twice = [name for name, number in count.items() if number > 1]
    more = "" if len(twice) <= 5 else f" and {len(twice) - 5} more"
    require(
        not twice,
        f"{lead} hold {', '.join(map(repr, twice[:5]))}{more} twice or more: which output is meant cannot be told; "
        "give every class a name of its own",
        DataError,
    )


def require_classes(spec: str, labels: npt.NDArray[np.int32], named: bool) -> None:
    """Refuse images of one class, unless the names of others that the model has are known."""
    require(
        named or len(np.unique(labels)) >= 2,
        f"{spec}: images of one class only; a classifier needs at least two: name all of the model's with "
        f"{option('classes')}",
        DataError,
    )


def _whole(labels: npt.NDArray[Any], spec: str) -> npt.NDArray[Any]:
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    if labels.dtype.kind == "O" and all(isinstance(v, int | np.integer) for v in labels.tolist()):
        # Python's numbers that no type of NumPy's holds: compared as they are.
        return labels
    require(
        labels.dtype.kind == "f",
        f"{spec}: labels are {labels.dtype}; they must be whole numbers from 0, or class names",
        DataError,
    )
    strange = ~(np.isfinite(labels) & (labels == np.rint(labels)))
    if strange.any():
        place = int(np.argmax(strange))
        raise DataError(f"{spec}: label {labels[place]} of image {place:,}; labels must be whole numbers from 0")
    return labels


def _named(labels: npt.NDArray[Any], spec: str, classes: Sequence[str] | None, notes: Sequence[str]) -> Labels:
    texts = [_text(value) for value in labels.tolist()]
    present = ordered(list(set(texts)))
    names = checked_classes(present, spec) if classes is None else tuple(classes)
    place = {name: number for number, name in enumerate(names)}
    strange = [name for name in present if name not in place]
    require(
        not strange,
        f"{spec}: label {strange[0] if strange else ''!r} is none of the {len(names)} class names",
        DataError,
    )
    order = "in sorted order" if classes is None else "in the order of the class names"
    numbers = np.array([place[text] for text in texts], np.int32)
    odd = order_notes(names) if classes is None else []
    return Labels(numbers, names, (*notes, f"labels are names, numbered {order}", *odd))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _advice(labels: npt.NDArray[Any]) -> str:
    """What to do about labels of more than one number an image."""
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and labels.size:
        sums = labels.sum(1, dtype=np.float64)
        if labels.dtype.kind in "biu" or bool((labels == np.rint(labels)).all()):
            if labels.min() >= 0 and bool((sums == 1).all()):
                return ": one-hot labels become numbers with labels.argmax(1)"
            if labels.min() >= 0 and labels.max() <= 1:
                return "; several labels an image (multi-label) are not what this measures: choose one of the columns"
        elif bool((np.abs(sums - 1) < 1e-3).all()):
            return ": shares of classes become numbers with labels.argmax(1)"
    return ""

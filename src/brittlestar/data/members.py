"""Which arrays of a file are the images and which the labels, by the names that people give them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import DataError, require

IMAGES = ("x", "images", "image", "img", "imgs", "data", "inputs", "pixels")
LABELS = ("y", "labels", "label", "targets", "target")
"""Names of arrays, without regard to capitals; around them a split may be named: ``train_images``, ``x_test``."""

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

_SPLIT = "|".join(SPLITS)
_SPLIT_NAMES = (re.compile(rf"(?P<split>{_SPLIT})_(?P<rest>.+)"), re.compile(rf"(?P<rest>.+)_(?P<split>{_SPLIT})"))


@dataclass(frozen=True)
class LabelledArrays:
    """The names of two arrays that belong together, the split that they are, and what must be said of the choice."""

    images: str
    labels: str
    split: str = ""
    notes: tuple[str, ...] = ()


def role(name: str) -> tuple[str, str] | None:
    """The split (empty where none is named) and ``images`` or ``labels``; ``None`` for other arrays."""
    plain, split = name.lower(), ""
    for pattern in _SPLIT_NAMES:
        if (match := pattern.fullmatch(plain)) is not None:
            plain, split = match["rest"], SPLITS[match["split"]]
            break
    return (split, "images") if plain in IMAGES else (split, "labels") if plain in LABELS else None


def chosen(path: Path, names: Iterable[str], part: str = "") -> LabelledArrays:
    """The arrays that are meant.

    Args:
        path: Of the file, for messages.
        names: Of the arrays that it holds.
        part: The split that was asked for; without one it is the only one, or ``test`` of several.

    Raises:
        DataError: None, or more than one pair of images and labels; the text says what there is and what to do.
    """
    listed = sorted(names)
    there = f"{path} holds {', '.join(listed) or 'no arrays'}"
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"images": [], "labels": []})
    for name in listed:
        if (one := role(name)) is not None:
            found[one[0]][one[1]].append(name)
    whole = {split: pair for split, pair in found.items() if all(pair.values())}
    require(
        bool(whole),
        f"{there}; it needs x (images) and y (labels), or images and labels, or data and targets: save them under "
        "these names (np.savez(FILE, x=images, y=labels))",
        DataError,
    )
    splits = sorted(split for split in whole if split)
    asked = SPLITS.get(part.lower(), part)
    require(
        not part or asked in splits,
        f"{there}: it has no split {part!r}" + (f", only {' and '.join(splits)}" if splits else "; leave it out"),
        DataError,
    )
    if not part:
        require(
            "" not in whole or not splits,
            f"{there}: which are meant? Name the split ({path}:{splits[0] if splits else ''}), or save the others "
            "into a file of their own",
            DataError,
        )
        require(
            len(splits) < 2 or "test" in splits,
            f"{there}: name the split, {' or '.join(f'{path}:{split}' for split in splits)}",
            DataError,
        )
    split = asked or ("" if not splits else splits[0] if len(splits) == 1 else "test")
    for kind, given in whole[split].items():
        require(
            len(given) == 1,
            f"{there}: {' and '.join(given)} may both be the {kind}; save those that are meant as x and y",
            DataError,
        )
    notes: tuple[str, ...] = ()
    if split:
        others = [other for other in splits if other != split]
        more = f"; {' and '.join(f'{path.name}:{other}' for other in others)} opens another" if others else ""
        notes = (f"the {split} split of {path.name} ({whole[split]['images'][0]}){more}",)
    return LabelledArrays(whole[split]["images"][0], whole[split]["labels"][0], split, notes)

"""ImageNet's 1,000 classes: names, the numbering of the 2012 challenge, and subsets that other sets have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from brittlestar.data.label_spaces import imagenet_wnids, label_space
from brittlestar.data.published_set import ClassList

KNOWN = (65, 970, 230, 809, 516, 57, 334, 415, 674, 332)
"""Classes of the first validation images, ILSVRC2012_val_00000001 to _00000010: they tell how classes are numbered."""


@functools.cache
def _table() -> tuple[tuple[int, str], ...]:
    """For each class, in the order of the outputs, its number in the 2012 challenge and its name."""
    lines = Path(__file__).with_name("imagenet.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return tuple((int(number), name) for number, name in rows)


def imagenet() -> ClassList:
    """All of them, in the order of the outputs, which is that of their WordNet numbers."""
    return ClassList(names=imagenet_wnids(), titles=tuple(name for _, name in _table()))


def challenge_numbers() -> dict[int, int]:
    """The place of a class by its number in the 2012 challenge (ILSVRC2012_ID, 1 to 1,000), which has another order."""
    return {number: place for place, (number, _) in enumerate(_table())}


def subset(name: str) -> Callable[[], ClassList]:
    """The classes of a label space, with the space: WordNet numbers where it cuts one output a class."""

    def classes() -> ClassList:
        space = label_space(name)
        titles = [_table()[own[0]][1] for own in space.members]
        if space.merge != "subset":
            titles = [name.replace("_", " ") for name in space.classes]
        return ClassList(names=space.classes, titles=tuple(titles), space=space)

    return classes

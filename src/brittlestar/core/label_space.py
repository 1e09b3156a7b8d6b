"""Label spaces: which of a model's outputs stand for each class of the data. Plain data; no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, require

Merge = Literal["subset", "mean", "sum", "max", "logit_max"]

MERGES: tuple[str, ...] = get_args(Merge)

ALL = "all"
"""The convention without a label space: the highest of all outputs counts, whichever class it belongs to."""

_MERGED = ("mean", "sum", "max")


@dataclass(frozen=True, kw_only=True)
class LabelSpace:
    """How the outputs of a model with more classes than the data are made into scores of the data's classes.

    Fields:
        name: What people type and read: ``imagenet-a``, ``geirhos-16``.
        classes: Names of the data's classes in label order.
        members: For each of them the places of the model's outputs that belong to it, ascending.
        outputs: How many outputs the model must have.
        merge: ``subset`` cuts the logits to one output a class, before any softmax; ``mean``, ``sum`` and ``max`` merge
            the softmax probabilities over **all** outputs, and the scores are their logarithms; ``logit_max``
            takes the highest logit of each class, and 0 for a class without outputs, as the reference of YTBB-Robust.

    Raises:
        DataError: Classes without outputs, outputs that the model cannot have, or several where one is allowed.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    outputs: int
    merge: Merge = "subset"

    def __post_init__(self) -> None:
        of = f"label space {self.name}"
        require(self.merge in MERGES, f"{of}: merge is one of {', '.join(MERGES)}, got {self.merge!r}", DataError)
        require(
            len(self.classes) == len(self.members) >= 2,
            f"{of} names {len(self.classes)} classes and gives outputs for {len(self.members)}; both must agree, and "
            "be at least 2",
            DataError,
        )
        require(len(set(self.classes)) == len(self.classes), f"{of} names a class twice", DataError)
        for name, places in zip(self.classes, self.members, strict=True):
            bare = self.merge == "logit_max"
            require(bare or len(places) > 0, f"{of}: class {name} has no output", DataError)
            fits = all(0 <= place < self.outputs for place in places)
            require(fits, f"{of}: the outputs of {name} must be in 0 .. {self.outputs - 1}, got {places}", DataError)
            single = self.merge != "subset" or len(places) == 1
            require(single, f"{of}: a subset has one output a class, and {name} has {len(places)}", DataError)
        every = [place for places in self.members for place in places]
        require(len(set(every)) == len(every), f"{of}: an output belongs to two classes", DataError)

    def scores(self, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(n, classes) logits of the data's classes for (n, outputs) logits of a model."""
        given = np.asarray(logits, np.float64)
        require(
            given.ndim == 2 and given.shape[1] == self.outputs,
            f"label space {self.name} is for models of {self.outputs:,} outputs, got an array of shape {given.shape}",
            DataError,
        )
        if self.merge == "subset":
            return given[:, [places[0] for places in self.members]]
        parts = [given[:, list(places)] for places in self.members]
        if self.merge in ("max", "logit_max"):
            # The logarithm of a softmax is the logit less a number of the sample's own: the order is the same.
            best = np.stack([part.max(1) if part.shape[1] else np.zeros(len(given)) for part in parts], 1)
            return best if self.merge == "logit_max" else best - _log_sum_exp(given)[:, None]
        sums = np.stack([_log_sum_exp(part) for part in parts], 1) - _log_sum_exp(given)[:, None]
        counts = np.log([len(places) if self.merge == "mean" else 1 for places in self.members])
        return sums - counts

    @property
    def conventions(self) -> tuple[str, ...]:
        """Other ways of reading the same outputs, which papers and code have used: ``all``, and other merges."""
        # Only the highest logit is defined for classes without outputs.
        if self.merge == "subset" or not all(self.members):
            return (ALL,)
        own = "max" if self.merge == "logit_max" else self.merge
        return (ALL, *(merge for merge in _MERGED if merge != own))

    def answers(self, logits: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """(n, conventions) classes that each convention answers; -1 where the output belongs to no class."""
        given = np.asarray(logits, np.float64)
        class_of = np.full(self.outputs, -1, np.int32)
        for number, places in enumerate(self.members):
            class_of[list(places)] = number
        merged = [dataclasses.replace(self, merge=merge) for merge in self.conventions[1:]]  # type: ignore[arg-type]
        answers = [class_of[given.argmax(1)], *(space.scores(given).argmax(1) for space in merged)]
        return np.stack(answers, 1).astype(np.int32)

    def identity(self) -> str:
        """16 hexadecimal digits over everything but the name."""
        return fingerprint_of({key: value for key, value in self.as_json().items() if key != "name"})

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``from_json`` takes them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LabelSpace:
        """The label space of stored values."""
        members = tuple(tuple(int(place) for place in places) for places in value["members"])
        return cls(**{**value, "classes": tuple(value["classes"]), "members": members})


def _log_sum_exp(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    top = logits.max(1)
    return np.asarray(top + np.log(np.exp(logits - top[:, None]).sum(1)))

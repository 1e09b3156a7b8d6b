"""Rows: what a model answered, one row a sample (and frame). Plain numpy; no torch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

FULL_LOGITS_UP_TO = 20
"""Models with at most this many classes have all logits stored for ordinary conditions."""

# Top-5 errors and the top-5 distance of ImageNet-P need five.
TOP = 5
"""How many of the highest classes are stored for models with more classes."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """The answers of one model under one condition.

    Fields (all of the same length n):
        position: Place of the sample in the source's seeded order.
        frame: Frame number; 0 for still images. Of clips, how many frames after the anchor (negative: before it).
        label: The class the sample is labelled with.
        prediction: The class with the highest logit (the lowest index among equals).
        label_logit, top_logit, log_sum_exp: As named, float32; NaN throughout where only labels were given.
        top_classes, top_logits: (n, k), highest first; ``None`` where not stored.
        logits: (n, classes); ``None`` where not stored.
        change: (n, 2), of frames of a clip: the distance of a frame's pixels in [0, 1] from those of its anchor, the
            largest of all values and the root of the sum of their squares; ``None`` for all else.
        others: (n, conventions) int32, the classes that other readings of the same outputs answer
            (``LabelSpace.conventions``), -1 for none of the data's; ``None`` without a label space.
        group: int64; samples with an equal number depend on each other (copies of one image, frames of one film).
            ``None`` where all samples are independent.
        weight: float64, at least 0, about 1 on average: how much of the whole set a row stands for, as against an
            equal part. ``None`` where all rows count alike.
        unseen: Share of the whole set that no row stands for, in [0, 1): of classes none of which was answered yet.

    The last three are no answers and are not stored: they say how the samples were drawn, and are attached when a
    run folder's rows are read.
    """

    position: Ints
    frame: npt.NDArray[np.int16]
    label: Ints
    prediction: Ints
    label_logit: Floats
    top_logit: Floats
    log_sum_exp: Floats
    top_classes: Ints | None = None
    top_logits: Floats | None = None
    logits: Floats | None = None
    change: Floats | None = None
    others: Ints | None = None
    group: npt.NDArray[np.int64] | None = None
    weight: npt.NDArray[np.float64] | None = None
    unseen: float = 0.0

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different lengths: {lengths}")

    def __len__(self) -> int:
        return len(self.position)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The columns that there are, by name."""
        return {name: column for name in _COLUMNS if (column := getattr(self, name)) is not None}

    @functools.cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether the prediction is the label, (n,)."""
        return np.asarray(self.prediction == self.label)

    @functools.cached_property
    def labels_only(self) -> bool:
        """Whether these are answers without logits (NaN), as somebody's table of predicted classes gives them."""
        return len(self) > 0 and bool(np.isnan(self.top_logit).all())

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Softmax probability of the prediction, (n,), in [0, 1]."""
        # Whatever float32 rounds in the two, no confidence is above 1.
        return np.exp(np.minimum(self.top_logit.astype(np.float64) - self.log_sum_exp, 0.0))

    def take(self, index: npt.NDArray[Any] | slice) -> Rows:
        """The rows at ``index`` (positions, a mask or a slice); each keeps its weight."""
        columns: dict[str, Any] = {name: column[index] for name, column in self.columns().items()}
        return dataclasses.replace(self, **columns)

    def sorted(self) -> Rows:
        """The rows ordered by (position, frame)."""
        # lexsort sorts by its last key first.
        return self.take(np.lexsort((self.frame, self.position)))

    @staticmethod
    def concatenate(parts: Sequence[Rows]) -> Rows:
        """All parts one after another; a column that any part lacks is ``None``, ``unseen`` the largest."""
        if not parts:
            raise ValueError("no rows to concatenate")
        every = [part.columns() for part in parts]
        shared = [name for name in every[0] if all(name in columns for columns in every)]
        joined: dict[str, Any] = {name: np.concatenate([columns[name] for columns in every]) for name in shared}
        return Rows(**joined, unseen=max(part.unseen for part in parts))


# Reports take apart and put together tens of thousands of rows: the names are looked up once.
_COLUMNS = tuple(f.name for f in dataclasses.fields(Rows) if f.name != "unseen")

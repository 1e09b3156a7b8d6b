"""What a report is about: models, data sets, and a model on a data set with its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.rows import Rows
from brittlestar.measures.sampled import SampledMap

CLEAN = "clean"
SEQUENCE = "sequence"
TRANSPLANT = "transplant"


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model in the report.

    Fields:
        key: ``m0``, ``m1`` ...: anchors, colours.
        place: Its number, from 0; decides the colour.
        name: Shown everywhere; unique in the report.
        data: Index of its data set in ``Header.data``.
        samples: Images answered under the clean condition.
        about: The manifest's entry (specification, fingerprint, parameters, preprocessing, notes).
    """

    key: str
    place: int
    name: str
    data: int
    samples: int
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DataEntry:
    """A data set in the report.

    ``contexts`` are by name, a value for each position (``RunStore.contexts``).

    ``classes`` are what people call them, ``about`` is the manifest's entry, ``chance`` is ``measures.chance`` of its
    labels.
    """

    name: str
    classes: tuple[str, ...]
    count: int
    shape: tuple[int, int, int]
    about: Mapping[str, Any]
    chance: float
    contexts: Mapping[str, npt.NDArray[np.str_]] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One model on one data set.

    Fields:
        entry: How the report names it.
        data: Its data set.
        infos: Descriptions of the conditions it has rows for, by id, in suite order.
        rows: The rows of each, ordered by position; equal positions are equal samples throughout one data set.
        titles: What every condition of the report is called without its strength, by id.
        run: Index of its run.
        sequences: Descriptions of its sequences of frames, by id. They are in no other field, so that no section that
            means single images can take a frame for one.
        frames: The rows of each sequence, ordered by position and frame.
        sampled: A Fourier map of which only some cells were looked at.
        pasted: Rows of every condition with transplanted objects, and of the clean images beside them, by id, with the
            positions of their own run.
    """

    entry: ModelEntry
    data: DataEntry
    infos: Mapping[str, ConditionInfo]
    rows: Mapping[str, Rows]
    titles: Mapping[str, str]
    run: int
    sequences: Mapping[str, ConditionInfo] = dataclasses.field(default_factory=dict)
    frames: Mapping[str, Rows] = dataclasses.field(default_factory=dict)
    sampled: SampledMap | None = None
    pasted: Mapping[str, Rows] = dataclasses.field(default_factory=dict)

    @property
    def clean(self) -> Rows | None:
        """Rows on unchanged images."""
        return self.rows.get(CLEAN)

    @property
    def chance(self) -> float:
        """Accuracy of guessing (``measures.chance``)."""
        return self.data.chance

    def of_kind(self, *kinds: str) -> list[ConditionInfo]:
        """Its conditions of some kinds."""
        return [info for info in self.infos.values() if info.kind in kinds]

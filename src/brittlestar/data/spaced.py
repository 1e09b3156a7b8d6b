"""Data in a label space: what is measured depends on it, so the data's fingerprint does too."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, StoreError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.data.base import Source
from brittlestar.data.label_spaces import aligned
from brittlestar.data.recorded import RecordedSource


def spaced_fingerprint(fingerprint: str, space: LabelSpace | None) -> str:
    """Of data in a space; without one, the data's own."""
    return fingerprint if space is None else fingerprint_of([fingerprint, "label space", space.identity()])


def in_space(source: Source, space: LabelSpace | None) -> Source:
    """The source as it is measured: in this label space, or in none, and without samples that have no right class.

    The given one is not changed; one that was made so is given back.

    Raises:
        DataError: The space is for other classes, or the right classes make no sense.
    """
    if source.settled:
        return source
    made = copy.copy(source) if source.truths is None else _with_truths(source, source.truths)
    made.settled, made.space = True, None if space is None else aligned(space, source.info.classes)
    if made.space is not None:
        own = spaced_fingerprint(made.info.fingerprint, made.space)
        made.info = dataclasses.replace(made.info, fingerprint=own, space=made.space.as_json())
    return made


def _with_truths(source: Source, truths: Sequence[tuple[int, ...]]) -> Source:
    """Samples that have a right class, each labelled with one of its right classes: its own label, or the first."""
    count, classes = len(source.ids), len(source.info.classes)
    require(
        len(truths) == count, f"{source.info.spec}: right classes of {len(truths):,} of {count:,} images", DataError
    )
    fits = all(0 <= one < classes for own in truths for one in own)
    require(fits, f"{source.info.spec}: a right class lies outside of the {classes:,} classes", DataError)
    kept = np.array([place for place, own in enumerate(truths) if own], np.int64)
    none = f"{source.info.spec}: no image has a right class: give it as {option('outside')}"
    require(len(kept) > 0, none, DataError)
    own = [tuple(sorted(set(truths[place]))) for place in kept]
    labels = np.array(
        [label if label in right else right[0] for label, right in zip(source.labels[kept].tolist(), own, strict=True)],
        np.int32,
    )
    names, pairs = source.names(), sorted(zip(source.ids[kept].tolist(), own, strict=True))
    made = RecordedSource(
        source,
        kept,
        ids=source.ids[kept],
        labels=labels,
        groups=None if source.groups is None else source.groups[kept],
        names=[names[place] for place in kept],
        lacking={},
        fingerprint=fingerprint_of([source.info.fingerprint, "right classes", pairs]),
    )
    made.truths = own
    several = sum(len(right) > 1 for right in own)
    told = f"{several:,} of {len(own):,} images have several right classes: any of them is right"
    if len(own) < count:
        told += f"; {count - len(own):,} more have none and do not count"
    made.info = dataclasses.replace(made.info, notes=(*made.info.notes, told))
    return made


def recorded_space(data: Mapping[str, Any]) -> LabelSpace | None:
    """The label space of a run, by its manifest.

    Raises:
        StoreError: It is not what was written.
    """
    stored = data.get("space")
    try:
        return None if stored is None else LabelSpace.from_json(stored)
    except (DataError, TypeError, KeyError, ValueError) as error:
        raise StoreError(f"the label space in the manifest is damaged: {error}") from error

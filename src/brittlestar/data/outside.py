"""Images from outside: of none of the classes, so that no answer to them is right and only confidence says anything."""

from __future__ import annotations

import dataclasses

import numpy as np

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, require
from brittlestar.core.options import option
from brittlestar.data.base import Source
from brittlestar.data.recorded import RecordedSource

NOTE = "images from outside: of none of the classes, so that no answer is right and the labels mean nothing"


def outside_of(source: Source, inside: Source, classes: tuple[str, ...]) -> Source:
    """Data as images from outside of other data's classes: in the same label space, without labels of their own.

    Args:
        source: The opened data; whatever their classes are called.
        inside: What they are outside of, settled.
        classes: Names in the models' order.

    Raises:
        DataError: Some of the images are among those inside.
    """
    shared = np.intersect1d(source.ids, inside.ids)
    require(
        len(shared) == 0,
        f"{len(shared):,} of the {len(source.ids):,} images of {source.info.spec} are among those of "
        f"{inside.info.spec}: {option('outside')} is for images of other classes",
        DataError,
    )
    space = None if inside.space is None else inside.space.identity()
    made = RecordedSource(
        source,
        np.arange(len(source.ids)),
        ids=source.ids,
        labels=np.zeros(len(source.ids), np.int32),
        groups=source.groups,
        names=source.names(),
        lacking={},
        fingerprint=fingerprint_of([source.info.fingerprint, "outside", list(classes), space]),
    )
    made.space, made.settled = inside.space, True
    made.info = dataclasses.replace(
        made.info, classes=classes, titles=(), space=inside.info.space, notes=(NOTE, *made.info.notes)
    )
    return made

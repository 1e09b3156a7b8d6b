"""Some samples of a source as a source of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.core.definition import fingerprint_of
from brittlestar.data.base import Source


class PartOf(Source):
    """Some samples of a source, with its classes; ``lacking`` samples must not be among them.

    Args:
        inner: The source.
        places: Of the samples in its listing.
        name: What the part is called, behind the source's name.
    """

    def __init__(self, inner: Source, places: npt.NDArray[np.int64], name: str) -> None:
        self._inner, self._places = inner, places
        self.ids, self.labels = inner.ids[places], inner.labels[places]
        self.groups = None if inner.groups is None else inner.groups[places]
        self.contexts = {key: column[places] for key, column in inner.contexts.items()}
        self.truths = None if inner.truths is None else [inner.truths[place] for place in places]
        self.space, self.settled = inner.space, inner.settled
        self.info = dataclasses.replace(
            inner.info,
            name=f"{inner.info.name}, {name}",
            count=len(places),
            fingerprint=fingerprint_of([inner.info.fingerprint, sorted(self.ids.tolist())]),
        )

    def names(self) -> Sequence[str]:
        """See ``Source.names``."""
        names = self._inner.names()
        return [names[place] for place in self._places]

    def load(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """See ``Source.load``."""
        return self._inner.load(self._places[index])

    def pictures(self, index: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint8]]:
        """See ``Source.pictures``."""
        return self._inner.pictures(self._places[index])

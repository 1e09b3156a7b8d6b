"""The data of a run of which some samples are gone since: listed as the run has them; what is gone has no pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import require
from brittlestar.data.base import Changed, Source


def _moved(column: npt.NDArray[np.str_], places: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """A column in the recorded listing; nothing is known of what is gone."""
    return np.where(places >= 0, column[places], "")


class RecordedSource(Source):
    """A source in the listing that a run recorded.

    Args:
        inner: The data as they are now.
        places: (n,) where each recorded sample stands in ``inner``, -1 for what is gone.
        ids, labels, groups, names, contexts: Of the recorded samples; contexts that ``inner`` has are its own.
        lacking: Why each sample that is gone is, by place in this listing.
        fingerprint: Of the data as they were.
    """

    def __init__(
        self,
        inner: Source,
        places: npt.NDArray[np.int64],
        *,
        ids: npt.NDArray[np.str_],
        labels: npt.NDArray[np.int32],
        groups: npt.NDArray[np.int64] | None,
        names: Sequence[str],
        lacking: Mapping[int, str],
        fingerprint: str,
        contexts: Mapping[str, npt.NDArray[np.str_]] | None = None,
    ) -> None:
        self._inner, self._places, self._names = inner, places, names
        self.ids, self.labels, self.groups, self.lacking = ids, labels, groups, lacking
        now = {name: _moved(column, places) for name, column in inner.contexts.items()}
        self.contexts = {**(contexts or {}), **now}
        self.space, self.settled = inner.space, inner.settled
        self._which: npt.NDArray[np.int64] = np.empty(0, np.int64)
        if inner.neighbours is not None:
            self.neighbours, self._which = inner.neighbours.part(np.maximum(places, 0))
        self.info = dataclasses.replace(inner.info, count=len(ids), fingerprint=fingerprint)

    def names(self) -> Sequence[str]:
        """See ``Source.names``."""
        return self._names

    def _found(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        for place in index:
            require(self._places[place] >= 0, self.lacking.get(int(place), f"{self._names[place]} is gone"), Changed)
        return self._places[index]

    def load(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """See ``Source.load``."""
        return self._inner.load(self._found(index))

    def pictures(self, index: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint8]]:
        """See ``Source.pictures``."""
        return self._inner.pictures(self._found(index))

    def load_neighbours(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """See ``Source.load_neighbours``."""
        return self._inner.load_neighbours(self._which[index])

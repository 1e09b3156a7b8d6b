"""Which frames of a clip surround each sample: the neighbourhood of an anchor. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST = 10_000
"""Frames that a neighbour may be away: offsets are kept as int16."""


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of n samples, one after another, in the listing of their source.

    Fields:
        first: (n + 1,) where each sample's neighbours begin; the last number is m, how many there are in all.
        offset: (m,) frames after the sample (negative: before it), never 0, ascending within a sample.
        truths: (m, most) their own right classes, rows that have fewer repeating one; ``None``: those of their sample.
    """

    first: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int16]
    truths: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, offsets: Sequence[Sequence[int]]) -> Neighbours:
        """From the offsets of each sample's neighbours."""
        first = np.concatenate([[0], np.cumsum([len(own) for own in offsets])]).astype(np.int64)
        return cls(first, np.array([offset for own in offsets for offset in own], np.int16))

    def of_samples(self, places: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Of some samples: (k,) which neighbours, and for each of these which of ``places`` it belongs to."""
        counts = self.first[places + 1] - self.first[places]
        owner = np.repeat(np.arange(len(places)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.first[places][owner] + within, owner

    def part(self, places: npt.NDArray[np.int64]) -> tuple[Neighbours, npt.NDArray[np.int64]]:
        """Those of some samples, and which they are."""
        which, _ = self.of_samples(places)
        first = np.concatenate([[0], np.cumsum(self.first[places + 1] - self.first[places])]).astype(np.int64)
        return Neighbours(first, self.offset[which], None if self.truths is None else self.truths[which]), which

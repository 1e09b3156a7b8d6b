"""How the samples of a run were drawn, so that means over them speak of the whole set and intervals hold.

The seeded order lets classes take turns, so where they are of unequal size a part of it has another mix than the whole
set. A row's weight mends that: its class's share of the whole set over its class's expected share of the rows. The
expectation is over the turns within a round, which are drawn at random: classes of equal size count alike in every
part, and a finished run has no weights at all.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows

Labels = npt.NDArray[np.int32]
Groups = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """The seeded order: the class and the group of every position.

    Fields:
        labels: (n,) of the whole set.
        groups: (n,) numbers of what depends on each other; ``None`` where nothing does.
    """

    labels: Labels
    groups: Groups | None = None

    @functools.cached_property
    def _turns(self) -> tuple[Counts, Counts, Counts]:
        """Number of each position's class, sizes of the classes, and the round of each position in its class."""
        _, place, sizes = np.unique(self.labels, return_inverse=True, return_counts=True)
        rounds = np.empty(len(place), np.int64)
        rounds[np.argsort(place, kind="stable")] = np.concatenate([np.arange(size) for size in sizes])
        return place.astype(np.int64), sizes.astype(np.int64), rounds

    @functools.cached_property
    def alike(self) -> bool:
        """Whether all classes are of one size."""
        sizes = np.unique(self.labels, return_counts=True)[1]
        return len(np.unique(sizes)) < 2

    def attached(self, rows: Rows) -> Rows:
        """The rows with their group, weight and what they do not stand for; each only where it makes a difference."""
        # Rows beyond the order belong to no run folder that `run` made; nothing is known of how they were drawn.
        if not len(rows) or int(rows.position.max()) >= len(self.labels):
            return rows
        columns: dict[str, Any] = {}
        if self.groups is not None:
            own = self.groups[np.unique(rows.position)]
            # Groups of one say nothing: their rows are independent.
            if len(np.unique(own)) < len(own):
                columns["group"] = self.groups[rows.position]
        if not self.alike:
            weight, unseen = self.weights(rows.position)
            # In a finished run weights differ by rounding alone, and it is to have none at all.
            if float(np.ptp(weight)) > 1e-9 or unseen > 0:
                columns |= {"weight": weight, "unseen": unseen}
        return dataclasses.replace(rows, **columns) if columns else rows

    def weights(self, position: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.float64], float]:
        """(n,) weights of rows at these positions, and the share of the whole set that they do not stand for.

        A class that has not had its turn is stood for by those that have, as the turns are drawn at random, but only
        as far as the largest of them goes: what it is larger than that is not seen.
        """
        place, sizes, rounds = self._turns
        seen = np.bincount(place[position], minlength=len(sizes))
        expected = seen.astype(np.float64)
        if bool(np.all(np.diff(rounds) >= 0)):  # else the order is not ours, and the counts are all there is
            asked = np.bincount(rounds[position], minlength=int(sizes.max()))
            # How many classes have a member in each round: the rows asked in a round count for all of them alike.
            members = np.cumsum(np.bincount(sizes, minlength=int(sizes.max()) + 1)[::-1])[::-1][1:]
            expected = np.concatenate([[0.0], np.cumsum(asked / members)])[sizes]
        share = sizes / len(place)
        # A class of which no row is expected has none either; the 1 only avoids a division by 0.
        by_class = share * len(position) / np.where(expected > 0, expected, 1.0)
        missing = share[seen == 0]
        unseen = float(np.maximum(missing - share[seen > 0].max(), 0).sum())
        return np.asarray(by_class[place[position]], np.float64), unseen


def joins(groups: Groups, smaller: Groups) -> bool:
    """Whether every one of the smaller groups lies in one of the groups."""
    pairs = np.unique(np.stack([smaller, groups]), axis=1).shape[1]
    return bool(pairs == len(np.unique(smaller)))

"""Samples that a run goes on without: their positions stay, their rows are missing, and the manifest says why."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from brittlestar.store.manifest import Manifest


class Skipped(NamedTuple):
    """A sample that cannot be read.

    Fields:
        position: In the seeded order.
        name: Where it was found.
        reason: What is wrong with it, in words.
    """

    position: int
    name: str
    reason: str


def skipped_of(manifest: Manifest) -> dict[int, Skipped]:
    """What a run goes on without, by position."""
    return {int(s["position"]): Skipped(int(s["position"]), s["name"], s["reason"]) for s in manifest.skipped}


def with_skipped(manifest: Manifest, samples: Iterable[Skipped]) -> list[dict[str, object]]:
    """The manifest's list with these added; what was recorded first stays."""
    known = {s.position: s for s in samples} | skipped_of(manifest)
    return [known[position]._asdict() for position in sorted(known)]


def remaining_positions(manifest: Manifest, start: int, stop: int) -> npt.NDArray[np.int32]:
    """The positions of ``[start, stop)`` that are not skipped."""
    skipped = [int(s["position"]) for s in manifest.skipped]
    return np.setdiff1d(np.arange(start, stop, dtype=np.int32), np.array(skipped, np.int32))


def covers(positions: npt.NDArray[np.int32], start: int, stop: int, skipped: Collection[int] = ()) -> bool:
    """Whether these are all positions of ``[start, stop)`` but some of the skipped ones, and no other."""
    if not len(positions):
        return False
    if not skipped:
        return bool(positions.min() == start and positions.max() == stop - 1)
    own = set(np.unique(positions).tolist())
    return own <= set(range(start, stop)) and set(range(start, stop)) - own <= set(skipped)

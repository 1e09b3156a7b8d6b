"""What a pasted object does to a detector: to itself, and to what the detector saw elsewhere.

An image is one draw; its placements are averaged before means over images are taken. Detections count from a score of
.5 on, and are matched from an overlap (IoU) of .5 on.

Reference:
    Rosenfeld, Zemel and Tsotsos 2018, https://arxiv.org/abs/1808.03305; the paper shows pictures, the measures are ours
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError
from brittlestar.measures.detection import SeenBoxes, overlaps
from brittlestar.measures.means import bounded_difference, bounded_mean, unbounded_mean
from brittlestar.measures.samples import Samples

SURE = 0.5
"""The score from which on a detection counts."""

SAME = 0.5
"""The overlap from which on two boxes are of one thing."""

DISTANCES = (0.0, 0.1, 0.25, 0.5, np.inf)
"""Ends of the classes of distance: the gap between two boxes over the image's shorter side."""


@dataclass(frozen=True)
class Placed:
    """One image with an object at each place in turn.

    Fields:
        label: The object's class.
        boxes: (places, 4) where it lies.
        before: What the detector sees without it.
        after: (places) what it sees with it.
        side: The image's shorter side in pixels.
    """

    label: str
    boxes: npt.NDArray[np.float64]
    before: SeenBoxes
    after: tuple[SeenBoxes, ...]
    side: int

    def __post_init__(self) -> None:
        same = len(self.boxes) == len(self.after)
        require(same, f"{len(self.boxes)} places and {len(self.after)} answers", UsageError)


def sure(seen: SeenBoxes) -> SeenBoxes:
    """The detections that count."""
    kept = seen.scores >= SURE
    return SeenBoxes(seen.boxes[kept], seen.scores[kept], seen.labels[kept])


def identities(one: Placed) -> list[str]:
    """What the object is called at each place: the label of the surest detection of it, empty where there is none."""
    named = []
    for box, after in zip(one.boxes, one.after, strict=True):
        found = sure(after)
        of_it = np.flatnonzero(overlaps(found.boxes, box[None])[:, 0] >= SAME)
        named.append(str(found.labels[of_it[np.argmax(found.scores[of_it])]]) if len(of_it) else "")
    return named


def found_shares(one: Placed) -> float:
    """Share of places at which a detection of the object has the right class."""
    hits = 0
    for box, after in zip(one.boxes, one.after, strict=True):
        found = sure(after)
        right = (overlaps(found.boxes, box[None])[:, 0] >= SAME) & (found.labels == one.label)
        hits += bool(right.any())
    return hits / len(one.boxes)


@dataclass(frozen=True)
class FateElsewhere:
    """What became of a detection that the object does not touch, at one place of the object.

    Fields:
        distance: The gap between the two boxes over the image's shorter side.
        lost: Whether nothing is left of it.
        relabelled: Whether it is called otherwise.
        drift: How far its score moved; NaN where it is lost or relabelled.
    """

    distance: float
    lost: bool
    relabelled: bool
    drift: float

    @property
    def changed(self) -> bool:
        """Lost or called otherwise."""
        return self.lost or self.relabelled


def elsewhere(one: Placed) -> list[FateElsewhere]:
    """Every detection without the object whose box has no pixel in common with the object's, at every place."""
    before, told = sure(one.before), []
    for box, after in zip(one.boxes, one.after, strict=True):
        now = sure(after)
        pairs = _paired(before, now)
        for place in np.flatnonzero(overlaps(before.boxes, box[None])[:, 0] == 0):
            match = pairs.get(int(place))
            same = match is not None and now.labels[match] == before.labels[place]
            drift = abs(float(now.scores[match]) - float(before.scores[place])) if same else np.nan
            gap = _gap(before.boxes[place], box) / one.side
            told.append(FateElsewhere(gap, match is None, match is not None and not same, drift))
    return told


def _paired(before: SeenBoxes, after: SeenBoxes) -> dict[int, int]:
    """Matches one to one: those of equal labels first, then the largest overlap."""
    overlap = overlaps(before.boxes, after.boxes)
    alike = before.labels[:, None] == after.labels[None]
    rows, columns = np.nonzero(overlap >= SAME)
    order = np.lexsort((columns, rows, -overlap[rows, columns], ~alike[rows, columns]))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return pairs


def _gap(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> float:
    """Pixels between two boxes; 0 where they touch."""
    apart = np.maximum(np.maximum(first[:2] - second[2:], second[:2] - first[2:]), 0)
    return float(np.hypot(*apart))


def _samples(positions: Sequence[int]) -> Samples:
    if not positions:
        raise NoSamplesError("no image counts: nothing was seen in any, or nothing lies away from the object")
    return Samples(np.asarray(positions, np.int32))


def transplant_recall(placed: Sequence[Placed], level: float = LEVEL) -> Estimate:
    """Share of places at which the object is found and called what it is, mean over images; in [0, 1]."""
    scores = np.array([found_shares(one) for one in placed])
    return bounded_mean(_samples(range(len(placed))), scores, 0, 1, level=level)


def identity_entropy(placed: Sequence[Placed], level: float = LEVEL) -> Estimate:
    """Entropy in bits of what the object is called over the places at which it is called anything, mean over images.

    Raises:
        NoSamplesError: It is found in no image.
    """
    bits = {}
    for position, one in enumerate(placed):
        named = [name for name in identities(one) if name]
        if named:
            shares = np.unique(named, return_counts=True)[1] / len(named)
            bits[position] = max(0.0, float(-(shares * np.log2(shares)).sum()))
    most = float(np.log2(max(2, max((len(one.boxes) for one in placed), default=2))))
    return bounded_mean(_samples([*bits]), np.array([*bits.values()]), 0, most, level=level)


def distinct_labels(placed: Sequence[Placed], level: float = LEVEL) -> Estimate:
    """How many names the object is given over its places, mean over images in which it is given any; at least 1."""
    counts = {p: float(len({*identities(one)} - {""})) for p, one in enumerate(placed)}
    counts = {p: count for p, count in counts.items() if count}
    reach = float(max((len(one.boxes) for one in placed), default=1))
    return unbounded_mean(_samples([*counts]), np.array([*counts.values()]), min(reach, 2.0), level=level, lowest=1.0)


def change_scores(placed: Sequence[Placed], near: float = 0.0, far: float = np.inf) -> dict[int, float]:
    """By image: the share of its untouched detections, over all places, that are lost or called otherwise.

    Args:
        placed: One an image.
        near, far: Only of detections whose distance from the object is at least ``near`` and below ``far``.
    """
    found = {}
    for position, one in enumerate(placed):
        own = [e.changed for e in elsewhere(one) if near <= e.distance < far]
        if own:
            found[position] = float(np.mean(own))
    return found


def non_local_change(
    placed: Sequence[Placed], near: float = 0.0, far: float = np.inf, level: float = LEVEL
) -> Estimate:
    """Share of untouched detections that are lost or called otherwise, mean over images; in [0, 1].

    Raises:
        NoSamplesError: No image has a detection at that distance.
    """
    scores = change_scores(placed, near, far)
    return bounded_mean(_samples([*scores]), np.array([*scores.values()]), 0, 1, level=level)


def change_difference(placed: Sequence[Placed], control: Sequence[Placed], level: float = LEVEL) -> Estimate:
    """Non-local change of the object less that of a control, on the images that count for both; in [-1, 1]."""
    first, second = change_scores(placed), change_scores(control)
    shared = sorted(first.keys() & second.keys())
    apart = np.array([first[p] - second[p] for p in shared])
    return bounded_difference(_samples(shared), apart, 1, level=level)


def score_drift(placed: Sequence[Placed], level: float = LEVEL) -> Estimate:
    """How far the scores of untouched detections move that keep their names, mean over images; in [0, 1]."""
    found = {}
    for position, one in enumerate(placed):
        drifts = [e.drift for e in elsewhere(one) if not e.changed]
        if drifts:
            found[position] = float(np.mean(drifts))
    return bounded_mean(_samples([*found]), np.array([*found.values()]), 0, 1, level=level)

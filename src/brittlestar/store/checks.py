"""Whether rows agree with themselves, with the block they are said to be of, and with the labels.

Free of charge where rows are read anyway. Files with a digest are held against that first; these checks stand behind
it, and are all there is for files of earlier versions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.rows import Rows

Labels = npt.NDArray[np.int32]
Parts = Sequence[tuple[int, Rows]]

# A sum of exponentials rounds in float32; it is at least its largest part but for that.
_ROUNDING = 1e-5


class Checks:
    """Checks of one model's rows; remembers positions that it has seen, as conditions share them.

    Args:
        labels: (n,) of the seeded order; ``None`` where they are not known.
        skipped: Positions whose rows may be missing.
    """

    def __init__(self, labels: Labels | None, skipped: Collection[int] = ()) -> None:
        self.labels = labels
        self.skipped = np.array(sorted(skipped), np.int64)
        # The arrays themselves are kept beside their ids, which would else be given to others.
        self._seen: dict[tuple[int, ...], tuple[list[Any], Labels | None, str]] = {}

    def fault(
        self,
        parts: Parts,
        places: Sequence[int],
        ranges: Sequence[tuple[int, int]],
        uneven: Collection[int] = (),
    ) -> str:
        """What is wrong with the rows of one or several files of one group; empty where nothing is.

        Args:
            parts: (place in the group, rows); a place may come several times, in the order of the files.
            places: Those that must come.
            ranges: The files' blocks, in order, none overlapping another.
            uneven: Places of conditions whose samples have each its own frames, 0 among them.
        """
        by_place: dict[int, list[Rows]] = {}
        for place, rows in parts:
            by_place.setdefault(place, []).append(rows)
        if strange := by_place.keys() - set(places):
            return f"it has rows of condition number {min(strange)}, which it does not hold"
        if lacking := set(places) - by_place.keys():
            return f"it has no rows of {len(lacking)} of its conditions"
        for place, several in by_place.items():
            told, labels = self._placed(several, ranges, place in uneven)
            if told:
                return told
            start = 0
            for rows in several:
                own = None if labels is None else labels[start : start + len(rows)]
                start += len(rows)
                if wrong := disagreement(rows, own):
                    return wrong
        return ""

    def _placed(
        self, several: Sequence[Rows], ranges: Sequence[tuple[int, int]], uneven: bool
    ) -> tuple[str, Labels | None]:
        """What is wrong with positions and frames, and the labels at these positions."""
        key = (int(uneven), *(id(array) for rows in several for array in (rows.position, rows.frame)))
        if key not in self._seen:
            position = np.concatenate([rows.position for rows in several])
            frame = np.concatenate([rows.frame for rows in several])
            told = self._misplaced(position, frame, ranges, uneven)
            labels = None
            if not told and self.labels is not None:
                if ranges[-1][1] > len(self.labels):
                    told = f"it goes to sample {ranges[-1][1]}, and there are {len(self.labels)}"
                else:
                    labels = self.labels[position]
            self._seen[key] = ([(rows.position, rows.frame) for rows in several], labels, told)
        _, labels, told = self._seen[key]
        return told, labels

    def _misplaced(
        self,
        position: npt.NDArray[np.int32],
        frame: npt.NDArray[np.int16],
        ranges: Sequence[tuple[int, int]],
        uneven: bool,
    ) -> str:
        expected = np.concatenate([np.arange(start, stop) for start, stop in ranges])
        still = not frame.any()
        if still and np.array_equal(position, expected):
            return ""
        if len(self.skipped):
            expected = expected[~np.isin(expected, self.skipped) | np.isin(expected, position)]
        told = f"it does not cover samples {ranges[0][0]} to {ranges[-1][1]} once each"
        if uneven:
            twice = len(np.unique(np.stack([position, frame]), axis=1).T) < len(position)
            return told if twice or not np.array_equal(np.sort(position[frame == 0]), expected) else ""
        frames = 1 if still else int(frame.max()) + 1
        if len(position) == frames * len(expected):
            order = np.lexsort((frame, position))
            # Compared whole, as every position must have every frame once.
            frames_of_each = np.tile(np.arange(frames), len(expected))
            if np.array_equal(position[order], np.repeat(expected, frames)) and np.array_equal(
                frame[order], frames_of_each
            ):
                return ""
        return told


def disagreement(rows: Rows, labels: Labels | None = None) -> str:
    """What in the rows contradicts itself or the labels; empty where nothing does.

    A NaN agrees with nothing: models that give one are refused when rows are made. Answers without logits have NaN in
    all of them.
    """
    others = "labels are not those of the samples"
    same = labels is None or np.array_equal(rows.label, labels)
    if rows.labels_only:
        bare = np.isnan(rows.label_logit).all() and np.isnan(rows.log_sum_exp).all()
        return others if not same else "" if bare else "some logits are missing"
    tests: Mapping[str, Any] = {
        others: same,
        "sums of exponentials are not finite": np.isfinite(rows.log_sum_exp).all(),
        "sums of exponentials are below their largest part": (
            rows.log_sum_exp >= rows.top_logit - _ROUNDING * (1 + np.abs(rows.top_logit))
        ).all(),
        "labels have a higher logit than the prediction": (rows.label_logit <= rows.top_logit).all(),
        "right predictions have another logit than the label": (
            (rows.label_logit == rows.top_logit) | (rows.prediction != rows.label)
        ).all(),
    }
    told = next((text for text, good in tests.items() if not good), "")
    return told or _among_all(rows) or _among_highest(rows)


def _among_all(rows: Rows) -> str:
    if rows.logits is None:
        return ""
    at, classes = np.arange(len(rows)), rows.logits.shape[1]
    for name, place, logit in (
        ("prediction", rows.prediction, rows.top_logit),
        ("label", rows.label, rows.label_logit),
    ):
        if place.min(initial=0) < 0 or place.max(initial=0) >= classes:
            return f"a {name} lies outside of the {classes} classes"
        if not np.array_equal(rows.logits[at, place], logit):
            return f"the logit of the {name} is not that of its class"
    # max of a NaN is NaN, which equals nothing.
    return "" if np.array_equal(rows.logits.max(1), rows.top_logit) else "the prediction is not the highest logit"


def _among_highest(rows: Rows) -> str:
    if rows.top_classes is None or rows.top_logits is None:
        return ""
    if not np.array_equal(rows.top_logits[:, 0], rows.top_logit):
        return "the highest logit is not that of the prediction"
    if not (rows.top_logits[:, 1:] <= rows.top_logits[:, :-1]).all():
        return "the highest logits do not fall"
    first = rows.top_classes[:, 0] == rows.prediction
    # Which of two equal classes comes first is not the same for all ways of sorting.
    if rows.top_logits.shape[1] > 1:
        first |= rows.top_logits[:, 1] == rows.top_logits[:, 0]
    if not first.all():
        return "the first of the highest classes is not the prediction"
    own = rows.top_classes == rows.label[:, None]
    if not ((rows.top_logits == rows.label_logit[:, None]) | ~own).all():
        return "the logit of the label is not that of its class"
    return ""

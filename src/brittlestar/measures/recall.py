"""Recall of every class: how much of it is found."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate
from brittlestar.measures.means import rate, share
from brittlestar.measures.measure import Measure
from brittlestar.measures.samples import Samples, repeated


@final
@dataclass(frozen=True, kw_only=True)
class Recall(Measure):
    """Share of a class's samples that are classified as it, for each class; in [0, 1].

    Clopper and Pearson's interval of each class by itself, a confidence sequence for ``anytime``. Within a class all
    samples count alike, so that weights of classes do not enter; groups do. Classes without samples have none.
    """

    name: ClassVar = "recall"
    better: ClassVar = "higher"
    text: ClassVar = "share of a class's images that are classified as it, for each class; Clopper-Pearson"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction")
    by_class: ClassVar = True

    def compute(self, rows: Rows, rule: str, level: float) -> dict[int, Estimate]:
        """By class, ascending."""
        # One sort and slices: a mask a class would read the rows a thousand times for a thousand classes.
        order = np.argsort(rows.label, kind="stable")
        classes, starts = np.unique(rows.label[order], return_index=True)
        right = rows.correct[order]
        if rows.group is None and not repeated(rows.position):
            found = np.add.reduceat(right.astype(np.int64), starts)
            counts = np.diff([*starts, len(rows)])
            return {
                int(own): rate(int(k), int(n), rule, level) for own, k, n in zip(classes, found, counts, strict=True)
            }
        samples = dataclasses.replace(Samples.of(rows, order), weight=None, label=None, unseen=0.0)
        parts = zip(classes, starts, [*starts[1:], len(rows)], strict=True)
        return {int(own): share(samples.cut(np.arange(a, b)), right[a:b], rule, level) for own, a, b in parts}

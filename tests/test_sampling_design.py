"""How the samples were drawn travels with the rows: copies, groups, classes of unequal size."""

from __future__ import annotations

import dataclasses

import numpy as np

from brittlestar.core.rows import Rows
from store_tools import random_rows


def test_the_design_follows_rows_that_are_taken_sorted_and_joined() -> None:
    rows = random_rows(0, 6)
    rows = dataclasses.replace(
        rows, group=np.array([7, 7, 3, 3, 1, 0]), weight=np.array([0.5, 0.5, 1, 1, 1.5, 1.5]), unseen=0.1
    )
    order = np.array([4, 0, 2])
    taken = rows.take(order)
    assert taken.group is not None and taken.weight is not None
    assert taken.group.tolist() == [1, 7, 3] and taken.weight.tolist() == [1.5, 0.5, 1] and taken.unseen == 0.1
    ordered = rows.take(order[::-1]).sorted()
    assert ordered.group is not None and ordered.group.tolist() == [7, 3, 1]
    joined = Rows.concatenate([taken, ordered])
    assert joined.weight is not None and joined.weight.tolist() == [1.5, 0.5, 1, 0.5, 1, 1.5] and joined.unseen == 0.1
    without = Rows.concatenate([taken, dataclasses.replace(ordered, weight=None)])
    assert without.weight is None and without.group is not None

"""Label spaces: what a model's outputs say about the data's classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from brittlestar.core.errors import DataError
from brittlestar.core.label_space import LabelSpace

LOGITS = np.random.default_rng(0).normal(size=(50, 6)) * 4
TWO = {"name": "two", "classes": ("a", "b"), "outputs": 6}


def test_subset_is_cut_before_the_softmax() -> None:
    space = LabelSpace(**TWO, members=((1,), (4,)))
    assert np.array_equal(space.scores(LOGITS), LOGITS[:, [1, 4]])


@pytest.mark.parametrize("merge", ["mean", "sum", "max"])
def test_probabilities_are_merged_after_a_softmax_over_all_outputs(merge: Any) -> None:
    space = LabelSpace(**TWO, members=((0, 1, 5), (3,)), merge=merge)
    p = special.softmax(LOGITS, 1)
    expected = np.stack([getattr(np, merge)(p[:, [0, 1, 5]], 1), p[:, 3]], 1)
    assert np.allclose(np.exp(space.scores(LOGITS)), expected, rtol=1e-12)


def test_logits_are_merged_by_their_maximum() -> None:
    space = LabelSpace(**TWO, members=((0, 1, 5), (3,)), merge="logit_max")
    assert np.array_equal(space.scores(LOGITS), np.stack([LOGITS[:, [0, 1, 5]].max(1), LOGITS[:, 3]], 1))


def test_what_is_stored_comes_back() -> None:
    space = LabelSpace(**TWO, members=((0, 1, 5), (3,)), merge="sum")
    assert LabelSpace.from_json(space.as_json()) == space


@pytest.mark.parametrize(
    ("members", "merge", "said"),
    [
        (((1, 2), (3,)), "subset", "one output a class"),
        (((1,), (6,)), "subset", r"0 \.\. 5"),
        (((1,), ()), "sum", "b has no output"),
        (((1, 2), (2,)), "sum", "belongs to two classes"),
        (((1,),), "sum", "both must agree"),
        (((1,), (2,)), "median", "merge is one of"),
    ],
)
def test_spaces_that_make_no_sense_are_refused(members: Any, merge: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        LabelSpace(**TWO, members=members, merge=merge)


def test_a_model_with_another_number_of_outputs_is_refused() -> None:
    with pytest.raises(DataError, match="6 outputs"):
        LabelSpace(**TWO, members=((1,), (4,))).scores(LOGITS[:, :5])

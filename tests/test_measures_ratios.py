"""Ratios of means: how several intervals share the level."""

from __future__ import annotations

import numpy as np

from brittlestar.measures.ratios import over_scores


def test_at_any_time_a_ratio_alone_has_the_interval_of_a_single_one() -> None:
    g = np.random.default_rng(0)
    above, below = (g.random((400, 2)) < [[0.3, 0.4]]) * 1.0, (g.random((400, 2)) < [[0.5, 0.6]]) * 1.0
    both = over_scores(above, below, rule="anytime")
    single = over_scores(above[:, :1], below[:, :1], rule="anytime")
    first, mean, alone = both.parts[0], both.mean, single.mean
    assert first is not None and mean is not None and alone is not None
    assert (first.low, first.high) == (alone.low, alone.high), "two sequences, whatever stands beside it"
    second = both.parts[1]
    assert second is not None and mean.low < (first.low + second.low) / 2, "the mean needs four to hold"

"""Rank correlations of few units: scipy's value, all orders counted, and what is left beyond a third quantity."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from brittlestar.core.errors import UsageError
from brittlestar.measures.rank_correlation import permutation_p, rank_correlation


def test_it_is_spearmans_with_ties_too() -> None:
    draws = np.random.default_rng(0)
    for x, y in ((draws.random(6), draws.random(6)), (np.array([1, 2, 2, 4, 5]), np.array([3, 1, 1, 1, 9]))):
        assert math.isclose(rank_correlation(x, y), stats.spearmanr(x, y).statistic, abs_tol=1e-12)


def test_the_p_value_counts_every_order() -> None:
    assert math.isclose(permutation_p([1, 2, 3, 4, 5], [2, 4, 6, 8, 10]), 2 / 120), "this order and its reverse"
    x, y = np.array([1.0, 2, 3, 4, 5, 6]), np.array([2.0, 1, 4, 3, 6, 5])
    seen = abs(stats.spearmanr(x, y).statistic)
    as_much = [abs(stats.spearmanr(x, order).statistic) >= seen - 1e-9 for order in itertools.permutations(y)]
    assert math.isclose(permutation_p(x, y), np.mean(as_much))
    assert permutation_p(x, -y) == permutation_p(x, y), "either way"


def test_more_units_than_can_be_gone_through_are_drawn_with_a_seed() -> None:
    x = np.arange(12.0)
    assert permutation_p(x, x) == permutation_p(x, x) == 1e-4, "no other of 9,999 orders correlates as much"
    apart = np.random.default_rng(1).permutation(12)
    p = stats.spearmanr(x, apart).pvalue
    assert abs(permutation_p(x, apart) - p) < 0.03


def test_beyond_a_third_quantity_it_is_the_partial_correlation() -> None:
    draws = np.random.default_rng(2)
    x, y, z = draws.random((3, 7))
    xy, xz, yz = (stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    partial = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert math.isclose(rank_correlation(x, y, z), partial, abs_tol=1e-12)
    assert 0 < permutation_p(x, y, z) <= 1


def test_what_is_undefined_is_no_evidence() -> None:
    for x, y, z in (([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], None), ([1, 2, 3, 4, 5], [1, 3, 2, 5, 4], [1, 2, 3, 4, 5])):
        assert math.isnan(rank_correlation(x, y, z)) and permutation_p(x, y, z) == 1
    with pytest.raises(UsageError, match="finite"):
        rank_correlation([1, math.nan], [1, 2])
    with pytest.raises(UsageError, match="do not fit"):
        permutation_p([1, 2, 3], [1, 2])


def test_what_both_owe_to_a_third_quantity_is_correlated_and_not_beyond_it() -> None:
    draws = np.random.default_rng(3)
    plain = beyond = 0
    for _ in range(150):
        z = draws.standard_normal(7)
        x, y = (z + 0.5 * draws.standard_normal(7) for _ in range(2))
        shown = permutation_p(x, y) < 0.05 and rank_correlation(x, y) > 0
        plain += shown
        beyond += shown and permutation_p(x, y, z) < 0.05 and rank_correlation(x, y, z) > 0
    assert plain > 50 and beyond <= 15, (plain, beyond)

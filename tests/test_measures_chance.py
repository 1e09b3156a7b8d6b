"""What guessing gets, and which models are said to do no more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from brittlestar.core.errors import UsageError
from brittlestar.measures import (
    Estimate,
    NoSamplesError,
    accuracy_in_mix,
    chance,
    chance_limit,
    clopper_pearson,
    near_chance,
)


def test_chance_is_the_largest_class_of_those_that_the_data_hold() -> None:
    assert chance([0, 1, 2, 3]) == 0.25
    assert chance([7] * 90 + [2] * 10) == 0.9, "two of eight classes are there"
    assert chance(np.array([5])) == 1.0
    with pytest.raises(NoSamplesError):
        chance([])


@pytest.mark.parametrize(
    ("guess", "limit"), [(0.001, 0.002), (0.1, 0.19), (1 / 11, 2 / 11), (0.5, 0.55), (0.9, 0.91), (1.0, 1.0)]
)
def test_the_limit_is_twice_chance_or_a_tenth_of_the_way(guess: float, limit: float) -> None:
    assert chance_limit(guess) == pytest.approx(limit)


@pytest.mark.parametrize("guess", [0.0, -0.1, 1.1])
def test_an_impossible_chance_is_refused(guess: float) -> None:
    with pytest.raises(UsageError, match="chance lies above 0"):
        chance_limit(guess)


def test_near_chance_is_about_the_upper_end() -> None:
    def at(high: float) -> Estimate:
        return Estimate(value=0.1, low=0.05, high=high, n=200, method="any")

    assert near_chance(at(0.189), 0.1)
    assert not near_chance(at(0.191), 0.1)
    assert not near_chance(at(0.8), 1.0), "with a single class nothing is chance"


def test_equal_shares_give_the_exact_interval() -> None:
    label = np.arange(100) % 4
    right = np.arange(100) < 31
    found, exact = accuracy_in_mix(right, label, np.arange(400) % 4), clopper_pearson(31, 100)
    assert (found.low, found.high, found.n) == pytest.approx((exact.low, exact.high, 100))
    assert found.value == pytest.approx(0.31) and found.method == exact.method


def test_a_balanced_part_speaks_for_an_unbalanced_whole() -> None:
    """Always answering the class of nine tenths is right in nine tenths, whatever part was looked at."""
    labels = np.repeat([0, 1], [900, 100])
    part = np.repeat([0, 1], [50, 50])
    found = accuracy_in_mix(part == 0, part, labels)
    assert found.value == pytest.approx(0.9)
    assert found.high - found.low > clopper_pearson(90, 100).high - clopper_pearson(90, 100).low
    unseen = accuracy_in_mix(np.array([True, False]), np.array([1, 1]), labels)
    assert unseen.value == 0.5 and unseen.high > 0.9
    with pytest.raises(NoSamplesError):
        accuracy_in_mix(np.array([], bool), np.array([], int), labels)


def test_the_interval_covers_where_classes_are_unequal() -> None:
    generator = np.random.default_rng(3)
    labels, part = np.repeat([0, 1, 2], [700, 200, 100]), np.repeat([0, 1, 2], 60)
    rates = np.array([0.15, 0.1, 0.6])
    truth = float(rates @ [0.7, 0.2, 0.1])
    hits = 0
    for _ in range(600):
        found = accuracy_in_mix(generator.random(180) < rates[part], part, labels)
        hits += found.low <= truth <= found.high
    assert stats.binom.cdf(hits, 600, 0.95) > 1e-5, hits

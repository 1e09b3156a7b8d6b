"""Spectra of changes: shares, predictions and correlations with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.spectra import correlation, predicted_error, share_above


def test_share_above_counts_the_square() -> None:
    power = np.ones((8, 8))
    assert share_above(power, 4) == 1 - 16 / 64
    only_mean = np.zeros((8, 8))
    only_mean[4, 4] = 3
    assert share_above(only_mean, 1) == 0
    corner = np.zeros((8, 8))
    corner[0, 0] = 1
    assert share_above(corner, 7) == 1 and share_above(corner, 8) == 0
    with pytest.raises(NoSamplesError):
        share_above(np.zeros((8, 8)), 3)
    with pytest.raises(UsageError):
        share_above(-power, 3)


def wave_map(errors: dict[tuple[int, int], float]) -> FourierMap:
    frequencies = tuple(errors)
    wrong = np.array([[1.0] * round(10 * e) + [0.0] * round(10 - 10 * e) for e in errors.values()], np.float32)
    return FourierMap(4, 4, frequencies, wrong, np.arange(10))


def test_predicted_error_weighs_by_energy() -> None:
    found = wave_map({(0, 1): 0.2, (1, 0): 0.8})
    power = np.zeros((4, 4))
    power[2, 3] = power[2, 1] = 3  # (0, 1) and its conjugate
    power[3, 2] = 2  # (1, 0)
    power[0, 0] = 100  # Not mapped.
    assert abs(predicted_error(found, power) - (6 * 0.2 + 2 * 0.8) / 8) < 1e-6
    with pytest.raises(UsageError):
        predicted_error(found, np.ones((5, 4)))
    with pytest.raises(NoSamplesError):
        predicted_error(found, np.zeros((4, 4)))


def test_correlation_of_lines_and_of_nothing() -> None:
    x = np.arange(20.0)
    groups = [f"g{i // 2}" for i in range(20)]
    exact = correlation(x, 3 * x + 1, groups)
    assert abs(exact.value - 1) < 1e-12 and exact.n == 10 and exact.low > 0.999
    assert correlation(x, -x, groups).high < -0.999
    assert correlation(x, x, groups) == correlation(x, x, groups)
    with pytest.raises(NoSamplesError):
        correlation(x, np.ones(20), groups)
    with pytest.raises(NoSamplesError):
        correlation(x, x, ["one"] * 20)


def test_the_interval_of_a_correlation_holds_the_truth() -> None:
    """Groups of three cases that share most of their noise: 95 % intervals hold r in about 95 of 100 experiments."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(150):
        shared = generator.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 40)
        cases = np.repeat(shared, 3, 0) + 0.01 * generator.standard_normal((120, 2))
        found = correlation(cases[:, 0], cases[:, 1], [str(i // 3) for i in range(120)])
        held += found.low <= 0.6 <= found.high
    assert held >= 132

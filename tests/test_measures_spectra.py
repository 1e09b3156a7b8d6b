"""Spectra of changes: shares, predictions and correlations with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sampled import SampledMap
from brittlestar.measures.spectra import band_ratio, correlation, predicted_error, share_above


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
    with pytest.raises(NoSamplesError, match="too few groups for a correlation: 7, and it takes 8"):
        correlation(x, x, [f"g{i % 7}" for i in range(20)])
    with pytest.raises(NoSamplesError, match="more than one group"):
        correlation(x, np.where(x == 3, 1.0, 0.0), [str(i) for i in range(20)])


@pytest.mark.parametrize(("groups", "cases"), [(8, 1), (8, 5), (19, 1), (19, 5)])
@pytest.mark.parametrize("skewed", [False, True])
def test_the_interval_of_a_correlation_holds_the_truth(groups: int, cases: int, skewed: bool) -> None:
    """Cases of a group share what they are, get stronger, and both variables carry noise of their own."""
    generator = np.random.default_rng([groups, cases])

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        parts = generator.standard_normal((3, count, 1))
        common, first, second = np.exp(0.6 * parts) if skewed else parts
        strength = np.linspace(0.5, 1.5, cases) if cases > 1 else np.ones(1)
        noise = 0.3 * generator.standard_normal((2, count, cases))
        return (common + first) * strength + noise[0], (common + second) * strength + noise[1]

    truth = np.corrcoef(*(v.ravel() for v in drawn(200_000)))[0, 1]
    held = 0
    for _ in range(150):
        x, y = drawn(groups)
        found = correlation(x.ravel(), y.ravel(), [str(i // cases) for i in range(groups * cases)])
        held += found.low <= truth <= found.high
    assert held >= 130, "fewer than 1 in 100,000 if 93 % hold"


def outcomes(generator: np.random.Generator, rates: tuple[float, float], samples: int) -> tuple[FourierMap, FourierMap]:
    """Two maps of three waves of radius 1/4 (low) and one of 3/4 on 8 x 8; hard images are hard for both models."""
    frequencies = ((0, 1), (1, 0), (0, 3), (2, 2))
    hard = generator.beta(0.7, 0.7, samples)
    share = hard / 0.5
    made = []
    for rate in rates:
        chance = np.clip(rate * share, 0, 1)
        wrong = generator.random((4, samples)) < chance
        made.append(FourierMap(8, 8, frequencies, wrong.astype(np.float32), np.arange(samples)))
    return made[0], made[1]


def test_the_ratio_of_two_bands_by_hand() -> None:
    frequencies, positions = ((0, 1), (1, 0), (0, 3), (-4, 0)), np.arange(10)
    wrong = np.zeros((4, 10), np.float32)
    wrong[0, :6], wrong[1, :2], wrong[2, :9], wrong[3, :5] = 1, 1, 1, 1
    base = np.zeros((4, 10), np.float32)
    base[0, :1], base[1, :1], base[2, :3] = 1, 1, 1
    wrong, base, positions = np.tile(wrong, 10), np.tile(base, 10), np.arange(100)  # enough errors to divide by
    a, b = (FourierMap(8, 8, frequencies, w, positions) for w in (wrong, base))
    found = band_ratio(a, b, 0.0, 0.25)
    assert found.value == pytest.approx((0.6 + 0.2) / (0.1 + 0.1)) and found.n == 100
    assert found.low < 4 < found.high
    high = band_ratio(a, b, 0.5, np.inf)
    assert high.value == pytest.approx((2 * 0.9 + 0.5) / (2 * 0.3)), "(-4, 0) is its own conjugate and counts once"
    with pytest.raises(NoSamplesError, match="nothing to divide by"):
        band_ratio(a, FourierMap(8, 8, frequencies, 0 * base, positions), 0.0, 0.25)
    with pytest.raises(NoSamplesError, match="no frequency"):
        band_ratio(a, b, 0.3, 0.4)
    flat = np.full(4, 0.01)
    sampled = SampledMap(8, 8, frequencies, wrong, positions, flat, flat, flat, 1.0, 10, 40)
    with pytest.raises(UsageError, match="every outcome"):
        band_ratio(sampled, b, 0.0, 0.25)


@pytest.mark.parametrize("rates", [(0.3, 0.1), (0.12, 0.12), (0.1, 0.35)])
def test_the_interval_of_a_band_ratio_holds_the_truth(rates: tuple[float, float]) -> None:
    """95 % intervals of 120 images, among which some are hard for both models, hold the ratio in 95 of 100 runs."""
    generator = np.random.default_rng(3)
    population = outcomes(generator, rates, 200_000)
    truth = float(population[0].wrong[:2].mean() / population[1].wrong[:2].mean())
    held, runs = 0, 80
    for _ in range(runs):
        found = band_ratio(*outcomes(generator, rates, 120), 0.0, 0.25)
        held += found.low <= truth <= found.high
    assert held >= 0.95 * runs - 3 * (0.95 * 0.05 * runs) ** 0.5

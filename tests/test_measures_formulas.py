"""Formulas whose slips no coverage would show, against the same written out directly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from brittlestar import measures
from brittlestar.measures import calibration
from brittlestar.measures.effects import _PSEUDO, _TUNED_FOR, mean_effect
from brittlestar.measures.ratios import over_scores
from brittlestar.measures.sampled import SampledMap, _moments
from brittlestar.measures.samples import Samples
from test_measures_coverage import rows_of


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


def test_the_interval_of_rms_calibration_is_that_of_the_square_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    g = np.random.default_rng(1)
    confidence = g.beta(4, 1, 900)
    rows = rows_of(g.random(900) < confidence**2, confidence)
    inner, compared = calibration._Gaps.furthest, []

    def furthest(gaps: calibration._Gaps, norm: object, simulated: object, share: float) -> float:
        noise = gaps.noise(gaps.generator("rms"), calibration.RESAMPLES)
        direct = inner(gaps, norm, lambda gap: np.sqrt(np.square(gap + noise) @ gaps.weights), share)  # type: ignore[arg-type]
        found = inner(gaps, norm, simulated, share)  # type: ignore[arg-type]
        compared.append((found, direct))
        return found

    monkeypatch.setattr(calibration._Gaps, "furthest", furthest)
    measures.rms_calibration(rows)
    assert len(compared) == 2 and all(found == pytest.approx(direct, abs=1e-9) for found, direct in compared)


def test_moments_of_sampled_outcomes_have_two_opposite_samples_added() -> None:
    g = np.random.default_rng(2)
    for n in (1, 2, 3, 40):
        scores, samples = g.random(n), Samples(np.arange(n, dtype=np.int32))
        squares = float(((scores - scores.mean()) ** 2).sum()) + 2 * 0.5**2
        assert _moments(samples, scores) == pytest.approx((scores.mean(), squares / max(n - 1, 1) / n, n))
        # Counting alike is the same said with weights or with groups of one.
        label = np.zeros(n, np.int32)
        for same in (
            dataclasses.replace(samples, weight=np.ones(n), label=label),
            dataclasses.replace(samples, group=np.arange(n)),
        ):
            assert _moments(same, scores) == pytest.approx(_moments(samples, scores))


def test_of_a_sampled_map_what_was_not_seen_may_be_right_or_wrong() -> None:
    n, frequencies = 60, ((0, 1), (1, 0))
    wrong = (np.random.default_rng(3).random((2, n)) < 0.3).astype(np.float32)
    whole = SampledMap(
        8, 8, frequencies, wrong, np.arange(n, dtype=np.int32), np.full(2, 1e-3), np.full(2, 0.3), np.full(2, 50.0),
        1.0, 10, 40,
    )  # fmt: skip
    weighted = Samples(whole.positions, None, np.ones(n), 0.0, np.zeros(n, np.int32))
    whole = dataclasses.replace(whole, design=weighted)
    part = dataclasses.replace(whole, design=dataclasses.replace(weighted, unseen=0.1))
    one, other = (m.mean(wrong[0].astype(np.float64), 1.0, "fixed", 0.95) for m in (whole, part))
    assert (other.low, other.high) == pytest.approx((0.9 * one.low, 0.9 * one.high + 0.1))
    one, other = (m.apart(wrong[0].astype(np.float64) - 0.5, 1.0, "fixed", 0.95) for m in (whole, part))
    assert (other.low, other.high) == pytest.approx((0.9 * one.low - 0.1, 0.9 * one.high + 0.1))
    for before, after, room in zip(whole.limits(), part.limits(), (0.0, 0.1), strict=True):
        assert after == pytest.approx(0.9 * before + room)


@pytest.mark.parametrize("rule", ["fixed", "anytime"])
def test_an_interval_of_level_one_minus_p_ends_at_no_effect(rule: str) -> None:
    g = np.random.default_rng(4)
    for n in (20, 300):
        effect, group = mean_effect(4 / n**0.5 + g.normal(0, 1, n)), np.arange(n) // 2
        for own in (None, group):
            p = effect.p(rule, own)
            assert 1e-9 < p < 1, "neither end is of use here"
            found = effect.estimate(1 - p, rule, own)
            assert min(abs(found.low), abs(found.high)) == pytest.approx(0, abs=1e-9)


def test_an_effect_at_any_time_has_the_published_boundary() -> None:
    effect = mean_effect(np.random.default_rng(5).normal(0.2, 1, 200))
    squares = float((effect.influence**2).sum()) + _PSEUDO * effect.reach**2
    error, n, alpha = np.sqrt(squares * 200 / 199) / 200, 200, 0.1
    rho = np.sqrt((-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / _TUNED_FOR)
    spread = n * rho**2 + 1
    half = error * np.sqrt(2 * spread / (n * rho**2) * np.log(np.sqrt(spread) / alpha))
    found = effect.estimate(1 - alpha, "anytime")
    assert found.high - found.value == pytest.approx(half) == found.value - found.low

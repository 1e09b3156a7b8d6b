"""Sensitivity: two measures against clean, their values by hand, their coverage, and what may be said of whom."""

from __future__ import annotations

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures import NoSamplesError, corrected_together, row_sensitivity, sensitivity
from brittlestar.measures.effects import Effect, halves, kept_effect, mean_effect

CHANCE = 0.1


def counted(*shares: tuple[float, int]) -> np.ndarray:
    """Right answers in blocks: (share of n, 0 or 1)."""
    return np.concatenate([np.full(round(s), v) for s, v in shares]).astype(float)


def answered(rng: np.random.Generator, n: int, clean: float, shifted: float) -> tuple[np.ndarray, np.ndarray]:
    """One model's outcomes, clean and shifted, correlated by the sample."""
    hard = rng.random(n)
    return hard < clean, np.where(rng.random(n) < 0.7, hard, rng.random(n)) < shifted


def test_values_are_those_of_the_formulas() -> None:
    """The natural model of the article's case (61.4 clean, loses 36.3) and the adversarial one (42.4, loses 20.9)."""
    n = 1000
    natural, shifted = counted((614, 1), (386, 0)), counted((251, 1), (749, 0))
    adversarial, fogged = counted((424, 1), (576, 0)), counted((215, 1), (785, 0))
    found = sensitivity((fogged, shifted), (adversarial, natural), CHANCE)
    assert found.raw.value == pytest.approx(0.215 - 0.251)
    assert found.clean.value == pytest.approx(0.424 - 0.614)
    assert found.additive.value == pytest.approx(0.363 - 0.209)
    assert found.kept is not None and found.ratio is not None
    assert found.kept[0].value == pytest.approx(0.115 / 0.324) and found.kept[1].value == pytest.approx(0.151 / 0.514)
    assert found.ratio.value == pytest.approx(0.115 / 0.324 - 0.151 / 0.514) and found.ratio.n == n


def test_the_interval_of_a_mean_is_students_with_two_made_up_samples() -> None:
    x = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    estimate = mean_effect(x).estimate()
    squares = np.square(x - x.mean()).sum() + 2
    half = 2.5705818 * np.sqrt(squares / 6 / 5)  # Student's 97.5 % at 5 degrees of freedom
    assert estimate.high - estimate.value == pytest.approx(half, rel=1e-6)
    assert mean_effect(np.ones(50)).estimate().low < 1, "never without width"


def test_both_measures_cover() -> None:
    rng = np.random.default_rng(1)
    worlds = (((0.6, 0.3), (0.9, 0.5)), ((0.95, 0.93), (0.95, 0.93)), ((0.5, 0.13), (0.6, 0.2)))
    for n in (60, 600):
        for (a_clean, a), (b_clean, b) in worlds:
            additive = (a - a_clean) - (b - b_clean)
            ratio = (a - CHANCE) / (a_clean - CHANCE) - (b - CHANCE) / (b_clean - CHANCE)
            hits = np.zeros(2)
            for _ in range(300):
                first, second = answered(rng, n, a_clean, a), answered(rng, n, b_clean, b)
                found = sensitivity((first[1], second[1]), (first[0], second[0]), CHANCE)
                assert found.ratio is not None
                hits += [e.low <= t <= e.high for e, t in ((found.additive, additive), (found.ratio, ratio))]
            assert (hits / 300 > 0.94 - 4 * 0.0137).all(), (n, a, b, hits / 300)


def test_samples_that_depend_on_each_other_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        (a_clean, a), (b_clean, b) = answered(rng, 100, 0.8, 0.5), answered(rng, 100, 0.8, 0.5)
        four = [np.repeat(x, 5) for x in (a, b, a_clean, b_clean)]
        found = sensitivity((four[0], four[1]), (four[2], four[3]), CHANCE, group=np.repeat(np.arange(100), 5))
        hits += found.additive.low <= 0 <= found.additive.high
    assert hits / 300 > 0.9
    alone = sensitivity((four[0], four[1]), (four[2], four[3]), CHANCE)
    assert found.additive.high - found.additive.low > 2 * (alone.additive.high - alone.additive.low)


def test_anytime_intervals_hold_at_every_look() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        (a_clean, a), (b_clean, b) = answered(rng, 1000, 0.8, 0.5), answered(rng, 1000, 0.8, 0.5)
        looks = []
        for n in (50, 100, 200, 400, 600, 800, 1000):
            found = sensitivity((a[:n], b[:n]), (a_clean[:n], b_clean[:n]), CHANCE, rule="anytime")
            looks.append(found.additive.low <= 0 <= found.additive.high)
        held += all(looks)
    assert held / 200 > 0.93


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
def test_a_diluted_model_is_neither_more_nor_less_sensitive(share: float) -> None:
    rng, states = np.random.default_rng(4), []
    for _ in range(100):
        clean, shifted = answered(rng, 1000, 0.8, 0.4)
        chosen, guess = rng.random(1000) < share, rng.random(1000) < CHANCE
        weaker = [np.where(chosen, guess, x) for x in (shifted, clean)]
        states.append(sensitivity((weaker[0], shifted), (weaker[1], clean), CHANCE).state)
    assert states.count("more sensitive") + states.count("less sensitive") <= 5, states


def test_a_sensitive_model_is_found_and_a_worse_one_is_called_worse() -> None:
    rng, states = np.random.default_rng(5), []
    for _ in range(40):
        (a_clean, a), (b_clean, b) = answered(rng, 1000, 0.8, 0.3), answered(rng, 1000, 0.8, 0.55)
        states.append(sensitivity((a, b), (a_clean, b_clean), CHANCE).state)
    assert states.count("more sensitive") >= 36
    n = 4000
    hard = rng.random(n)
    strong, weak = hard < 0.9, hard < 0.8
    worse = sensitivity((weak & (rng.random(n) < 0.97), strong & (rng.random(n) < 0.97)), (weak, strong), CHANCE)
    assert worse.state == "worse everywhere"


def test_equal_models_and_models_at_chance() -> None:
    rng = np.random.default_rng(6)
    clean, shifted = answered(rng, 500, 0.8, 0.4)
    same = sensitivity((shifted, shifted), (clean, clean), CHANCE)
    assert same.state == "no difference shown" and same.additive.value == 0 and same.additive.low < 0
    guessing = rng.random(500) < CHANCE
    found = sensitivity((guessing, shifted), (guessing, clean), CHANCE)
    assert found.state == "undefined" and found.kept is None and found.p == 1
    assert kept_effect(mean_effect(shifted), mean_effect(guessing), CHANCE) is None


def test_what_is_shown_on_one_half_only_is_not_said() -> None:
    n = 2000
    first, _ = halves(n)
    clean = np.ones(n)
    shifted = np.where(first, np.random.default_rng(7).random(n) < 0.6, 1.0)
    other = np.ones(n)
    found = sensitivity((shifted, other), (clean, clean), CHANCE)
    assert found.additive.high < 0 and found.ratio is not None and found.ratio.high < 0
    assert found.state == "not on each half"


def test_halves_are_halves_of_whole_groups_and_mix_the_classes() -> None:
    first, second = halves(1000)
    assert first.sum() == 500 and not (first & second).any() and (first | second).all()
    assert 30 < first[::10].sum() < 70, "never by place: orders cycle through the classes"
    group = np.repeat(np.arange(20), 7)
    first, _ = halves(140, group)
    assert all(len({*first[group == g]}) == 1 for g in range(20))
    assert halves(5, np.zeros(5, np.int64)) == ()


def test_many_claims_are_corrected_together() -> None:
    rng = np.random.default_rng(8)
    (a_clean, a), (b_clean, b) = answered(rng, 400, 0.8, 0.45), answered(rng, 400, 0.8, 0.6)
    one = sensitivity((a, b), (a_clean, b_clean), CHANCE)
    many = corrected_together([one] * 50)
    assert all(f.p_adjusted == min(1.0, 50 * one.p) for f in many)
    assert one.state == "more sensitive" and many[0].state == "not on each half"


def test_effects_are_linear() -> None:
    rng = np.random.default_rng(9)
    x, y = rng.random(50), rng.random(50)
    made, direct = mean_effect(x).times(2) - mean_effect(y), mean_effect(2 * x - y)
    assert made.value == pytest.approx(direct.value) and np.allclose(made.influence, direct.influence)
    average = Effect.average([mean_effect(x), mean_effect(y)])
    assert average.value == pytest.approx((x.mean() + y.mean()) / 2)


def test_rows_are_paired_by_sample() -> None:
    def rows(correct: np.ndarray, position: np.ndarray) -> Rows:
        zeros = np.zeros(len(correct), np.float32)
        label = np.zeros(len(correct), np.int32)
        return Rows(
            position=position.astype(np.int32),
            frame=np.zeros(len(correct), np.int16),
            label=label,
            prediction=np.where(correct, 0, 1).astype(np.int32),
            label_logit=zeros,
            top_logit=zeros,
            log_sum_exp=zeros,
        )

    rng = np.random.default_rng(10)
    (a_clean, a), (b_clean, b) = answered(rng, 300, 0.8, 0.5), answered(rng, 300, 0.9, 0.7)
    place, some = np.arange(300), rng.permutation(300)[:250]
    found = row_sensitivity([rows(a, place)], [rows(b[some], some)], rows(a_clean, place), rows(b_clean, place), CHANCE)
    kept = np.sort(some)
    direct = sensitivity((a[kept], b[kept]), (a_clean[kept], b_clean[kept]), CHANCE)
    assert found == direct and found.raw.n == 250
    with pytest.raises(NoSamplesError):
        row_sensitivity([], [], rows(a, place), rows(b, place), CHANCE)
    with pytest.raises(UsageError, match="the same samples four times"):
        sensitivity((a, b[:10]), (a_clean, b_clean), CHANCE)

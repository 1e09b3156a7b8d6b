"""Looking at some cells: unbiased whatever the guesses, intervals that cover, no guess from its own cell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from brittlestar.analyses.sampling import (
    Auxiliary,
    Field,
    Stage,
    active_estimate,
    auxiliary_of_map,
    fixed_passes,
    fixed_samples,
    rates,
    stand_ins,
)
from brittlestar.analyses.sampling.auxiliary import Seen
from brittlestar.analyses.sampling.effects import sample_effects
from brittlestar.analyses.sampling.frequencies import nearness
from brittlestar.analyses.sampling.means import Tables
from brittlestar.analyses.sampling.predictor import guessed
from brittlestar.measures import clopper_pearson
from brittlestar.measures.effective import effective_limits

SIDE, SAMPLES, CLASSES = 8, 600, 4
FREQUENCIES = [(r, c) for r in range(-3, 4) for c in range(0, 5) if (r, c) >= (0, 0) or c > 0][:33]


def world(seed: int = 0, samples: int = SAMPLES) -> tuple[Auxiliary, np.ndarray]:
    """Margins that hang on frequency, class, sample and signs, with noise; what is known of them."""
    g = np.random.default_rng(seed)
    labels = g.integers(0, CLASSES, samples)
    logits = g.normal(0, 1, (samples, CLASSES)).astype(np.float32)
    logits[np.arange(samples), labels] += 2
    signs = np.where(g.random((len(FREQUENCIES), samples, 3)) < 0.5, 1, -1).astype(np.int8)
    images = g.normal(0, 1, (samples, 5)).astype(np.float32)
    auxiliary = auxiliary_of_map(FREQUENCIES, SIDE, SIDE, logits, labels, signs, images)
    radius = np.hypot(*np.array(FREQUENCIES).T)
    own = g.normal(0, 0.8, samples)
    of_class = g.normal(0, 0.8, (len(FREQUENCIES), CLASSES))[:, labels]
    noise = g.normal(0, 0.7, (len(FREQUENCIES), samples))
    return auxiliary, (1.2 - 0.5 * radius[:, None] + own + of_class + noise).astype(np.float32)


class Table(Field):
    """A field whose margins are known."""

    def __init__(self, margins: np.ndarray) -> None:
        self.all = margins
        self.asked: list[str] = []

    def margins(self, name: str, stage: Stage) -> np.ndarray:
        self.asked.append(name)
        return self.all[stage.condition, stage.sample]


def drawn(chance: np.ndarray, g: np.random.Generator, free: np.ndarray, guess: np.ndarray) -> Stage:
    f, i = np.nonzero((g.random(chance.shape) < chance) & free)
    spread = np.where(free, (1 / chance - 1) * guess * (1 - guess), 0).sum(1) / chance.shape[1] ** 2
    return Stage(f, i, chance[f, i], spread)


def test_two_stages_are_unbiased_with_bad_guesses_and_their_variance_is_right() -> None:
    g = np.random.default_rng(1)
    truth = (g.random((5, 200)) < np.array([0.05, 0.3, 0.5, 0.8, 0.97])[:, None]).astype(np.float64)
    guess = g.uniform(0.05, 0.95, truth.shape).astype(np.float32)  # knows nothing
    chances = g.uniform(0.05, 0.3, truth.shape), g.uniform(0.05, 0.4, truth.shape)
    found, sampling = [], []
    for _ in range(3000):
        free = np.ones(truth.shape, np.bool_)
        stages = []
        for chance in chances:
            stages.append(drawn(chance, g, free, guess))
            free[stages[-1].condition, stages[-1].sample] = False
        seen = [truth[s.condition, s.sample] for s in stages]
        value = stand_ins(stages, seen, guess).mean(1, dtype=np.float64)
        found.append(value)
        sampling.append(rates(stages, seen, guess).sampling)
    error = np.std(found, axis=0) / len(found) ** 0.5
    assert np.all(np.abs(np.mean(found, axis=0) - truth.mean(1)) < 4 * error)
    ratio = np.mean(sampling, axis=0) / np.var(found, axis=0)
    assert np.all((ratio > 0.85) & (ratio < 1.25)), ratio


def test_a_fixed_design_has_exact_intervals() -> None:
    n = fixed_samples(0.05, 0.5, 100)
    low, high = (stats.beta.ppf(q, 0.5 * n + a, 0.5 * n + 1 - a) for q, a in ((0.00025, 0), (0.99975, 1)))
    assert (high - low) / 2 == pytest.approx(0.05, abs=1e-6)
    assert fixed_samples(0.05, np.array([0.1, 0.2]), 100) < n
    assert fixed_passes(np.array([0.5, 0.1]), 0.05) == round(2 * fixed_samples(0.05, 0.5, 2))


def test_interval_of_a_complete_sample_is_exact() -> None:
    p, n = np.array([0.2]), 400
    low, high = effective_limits(p, p, p * (1 - p) / n, np.array([1e9]), 0.95)
    exact = clopper_pearson(80, 400)
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high), abs=1e-6)


@pytest.mark.parametrize("repeats", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_an_estimate_is_as_sharp_as_asked_with_fewer_passes_and_covers(repeats: int) -> None:
    """Populations are drawn anew, so that intervals must hold for the rate that stands behind the samples."""
    auxiliary, margins = world(7, 6000)
    truth = (margins < 0).mean(1)
    outside = cells = 0
    for repeat in range(repeats):
        pick = np.random.default_rng(repeat).integers(0, 6000, SAMPLES)
        part = dataclasses.replace(
            auxiliary, sample=auxiliary.sample[pick], group=auxiliary.group[pick], pattern=auxiliary.pattern[:, pick]
        )
        field = Table(margins[:, pick])
        found = active_estimate(part, field, 0.1, seed=repeat)
        assert found.rates.half_width(0.95).max() <= 0.1 + 1e-9
        assert found.rates.passes == sum(found.passes) < fixed_passes(truth, 0.1)
        assert found.stand_ins.mean(1, dtype=np.float64).clip(0, 1) == pytest.approx(found.rates.value, abs=1e-6)
        low, high = found.rates.limits(0.95, simultaneous=False)
        outside += int(((truth < low) | (truth > high)).sum())
        cells += len(truth)
        low, high = found.rates.limits(0.95)
        assert np.all((truth >= low) & (truth <= high))
    assert outside / cells < 0.05 + 3 * (0.05 * 0.95 / cells) ** 0.5


def test_too_few_samples_are_all_looked_at() -> None:
    auxiliary, margins = world(3, 25)
    found = active_estimate(auxiliary, Table(margins), 0.02)
    assert found.rates.passes == margins.size
    assert np.allclose(found.rates.value, (margins < 0).mean(1), atol=2e-3)


@pytest.mark.slow
def test_the_same_seed_looks_at_the_same_cells() -> None:
    auxiliary, margins = world(4, 250)
    one, two = (active_estimate(auxiliary, Table(margins), 0.2, seed=3) for _ in range(2))
    assert one.passes == two.passes and np.array_equal(one.stand_ins, two.stand_ins)
    assert active_estimate(auxiliary, Table(margins), 0.2, seed=4).passes != one.passes


def test_effects_of_asked_cells_leave_themselves_out() -> None:
    """Removing a cell must leave its own prediction as it was, up to what it says about the shared variances."""
    g = np.random.default_rng(0)
    _, together = nearness(FREQUENCIES, SIDE, SIDE)
    root = np.linalg.cholesky(together + 1e-6 * np.eye(len(together)))
    apart = (root @ g.normal(0, 1, (len(together), 500)) + g.normal(0, 0.4, (len(together), 500))).astype(np.float32)
    asked = g.random(apart.shape) < 0.3
    predicted, variance = sample_effects(together, asked, np.where(asked, apart, 0))
    apart_by = []
    for f, i in np.argwhere(asked)[:: max(1, int(asked.sum()) // 20)]:
        fewer = asked.copy()
        fewer[f, i] = False
        alone, spread = sample_effects(together, fewer, np.where(fewer, apart, 0))
        apart_by.append(abs(predicted[f, i] - alone[f, i]))
        assert variance[f, i] == pytest.approx(spread[f, i], rel=0.05)
    assert np.mean(apart_by) < 0.02 and max(apart_by) < 0.1  # the effect itself is of size 1
    rest = ~asked
    left = (apart - predicted)[rest].var() / apart[rest].var()
    assert left < 0.6, "what other outcomes say is used"


def test_tables_leave_the_own_cell_out() -> None:
    auxiliary, margins = world(5)
    g = np.random.default_rng(0)
    asked = g.random(margins.shape) < 0.2
    seen = np.where(asked, np.tanh(margins), 0).astype(np.float32)
    f, i = np.argwhere(asked)[10]
    with_it = Tables(auxiliary, asked, seen)(np.array([f]), np.array([i]), seen[f, i][None])
    fewer = asked.copy()
    fewer[f, i] = False
    without = Tables(auxiliary, fewer, np.where(fewer, seen, 0).astype(np.float32))(np.array([f]), np.array([i]))
    assert np.allclose(with_it, without, atol=1e-5)


def test_a_guess_does_not_know_its_own_outcome() -> None:
    """Outcomes of pure noise cannot be guessed: a guess that saw its own cell would go with them."""
    auxiliary, _ = world(6)
    g = np.random.default_rng(0)
    margins = g.normal(0, 1, (len(FREQUENCIES), SAMPLES)).astype(np.float32)
    asked = g.random(margins.shape) < 0.3
    guess = guessed(auxiliary, Seen(asked, np.where(asked, margins, 0).astype(np.float32)), 0)
    right = np.corrcoef(guess[asked], margins[asked] < 0)[0, 1]
    assert abs(right) < 4 / asked.sum() ** 0.5 + 0.02
    assert abs(float(guess.mean()) - 0.5) < 0.05


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_where_no_answer_is_wrong_a_fixed_design_still_needs_samples(rate: float) -> None:
    near = fixed_samples(0.02, abs(rate - 1e-6), 100)
    assert fixed_samples(0.02, rate, 100) == pytest.approx(near, rel=0.01) and near > 100
    assert fixed_passes(np.full(100, rate), 0.02) == pytest.approx(100 * near, rel=0.02)

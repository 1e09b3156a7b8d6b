"""Brier score, log loss and recall against scikit-learn and scipy, and how often their intervals hold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import brier_score_loss, log_loss, recall_score
from statsmodels.stats.proportion import proportion_confint

from benchmark_tools import benchmark
from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures import BrierScore, LogLoss, NotAvailableError, Recall, TopKError, per_class
from brittlestar.measures.means import bounded_mean, unbounded_mean
from brittlestar.measures.samples import Samples
from test_measures_contract import CLASSES, answers

coverage_losses = benchmark("coverage_losses")

ROWS = answers(700, 11, 1.0)
assert ROWS.logits is not None
PROBABILITY = special.softmax(ROWS.logits.astype(np.float64), axis=1)
WEIGHT = np.random.default_rng(12).uniform(0.2, 3, len(ROWS))
WEIGHTED = dataclasses.replace(ROWS, weight=WEIGHT)


def samples(n: int, group: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None = None) -> Samples:
    return Samples(np.arange(n, dtype=np.int32), group)


# ------------------------------------------------------------------ parity


@pytest.mark.parametrize("rows", [ROWS, WEIGHTED], ids=["plain", "weighted"])
def test_values_equal_scikit_learn(rows: Rows) -> None:
    weight, classes = rows.weight, np.arange(CLASSES)
    brier = brier_score_loss(rows.label, PROBABILITY, sample_weight=weight, labels=classes, scale_by_half=False)
    assert BrierScore().estimate(rows).value == pytest.approx(brier, abs=1e-9)
    loss = log_loss(rows.label, PROBABILITY, sample_weight=weight, labels=classes)
    assert LogLoss().estimate(rows).value == pytest.approx(loss, abs=1e-6), "logits are float32"
    recall = recall_score(rows.label, rows.prediction, labels=classes, average=None)
    assert [e.value for e in Recall().estimates(rows).values()] == pytest.approx(recall)


def test_two_classes_are_twice_the_score_of_one_probability() -> None:
    logits = np.random.default_rng(13).normal(0, 2, (300, 2)).astype(np.float32)
    label = np.random.default_rng(14).integers(0, 2, 300).astype(np.int32)
    rows = dataclasses.replace(answers(300), label=label, logits=logits)
    half = brier_score_loss(label, special.softmax(logits.astype(np.float64), axis=1)[:, 1])
    assert BrierScore().estimate(rows).value == pytest.approx(2 * half)


def test_known_scores() -> None:
    """Certain and right 0, certain and wrong 2; even odds of four classes .75 and log 4."""
    logits = np.array([[90.0, 0, 0, 0], [0, 90.0, 0, 0], [1, 1, 1, 1]], np.float32)
    rows = dataclasses.replace(
        answers(3),
        label=np.zeros(3, np.int32),
        logits=logits,
        label_logit=logits[:, 0],
        top_logit=logits.max(1),
        log_sum_exp=special.logsumexp(logits, axis=1).astype(np.float32),
    )
    assert BrierScore().scores(rows) == pytest.approx([0, 2, 0.75])
    assert LogLoss().scores(rows) == pytest.approx([0, 90, np.log(4)], rel=1e-6)


def test_recall_has_the_interval_of_statsmodels() -> None:
    for own, estimate in Recall().estimates(ROWS, level=0.9).items():
        inside = ROWS.label == own
        k, n = int(ROWS.correct[inside].sum()), int(inside.sum())
        assert estimate.n == n and estimate.method == "Clopper-Pearson"
        assert (estimate.low, estimate.high) == pytest.approx(proportion_confint(k, n, 0.1, "beta"), abs=1e-9)
    sequence = Recall().estimates(ROWS, "anytime")[0]
    k, n = int(ROWS.correct[ROWS.label == 0].sum()), int((ROWS.label == 0).sum())
    assert sequence == measures.confidence_sequence(k, n)


def test_the_recall_of_one_condition_is_that_of_the_section_on_classes() -> None:
    group = np.arange(len(ROWS)) // 2
    for rows in (ROWS, dataclasses.replace(ROWS, group=group), dataclasses.replace(WEIGHTED, unseen=0.1)):
        for own, estimate in Recall().estimates(rows).items():
            other = per_class.recall(rows, own)
            assert (estimate.low, estimate.value, estimate.high, estimate.n) == pytest.approx(
                (other.low, other.value, other.high, other.n)
            )


def test_classes_without_samples_have_no_recall() -> None:
    rows = ROWS.take(ROWS.label != 3)
    assert set(Recall().estimates(rows)) == set(range(CLASSES)) - {3}


def test_the_interval_of_unbounded_scores_is_students_of_two_samples_more() -> None:
    """Those made-up samples lie as far from the mean as the farthest that was seen, one on each side."""
    scores = np.random.default_rng(15).exponential(2, 80)
    found = unbounded_mean(samples(80), scores, 0.0, level=0.9)
    mean, far = scores.mean(), np.abs(scores - scores.mean()).max()
    squares = np.square(np.concatenate([scores, [mean - far, mean + far]]) - mean).sum()
    error = np.sqrt(squares / 79 / 80)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.9, 79, mean, error))
    plain = stats.t.interval(0.9, 79, mean, stats.sem(scores))
    assert found.low < plain[0] and plain[1] < found.high, "never narrower than Student's"


def test_many_samples_have_nearly_students_interval() -> None:
    scores = np.random.default_rng(16).exponential(2, 100_000)
    found = unbounded_mean(samples(100_000), scores, 1.0)
    low, high = stats.t.interval(0.95, 99_999, scores.mean(), stats.sem(scores))
    assert found.high - found.low == pytest.approx(high - low, rel=0.003)
    bounded = bounded_mean(samples(100_000), np.minimum(scores, 40.0) / 20, 0.0, 2.0)
    assert (bounded.high - bounded.low) * 20 == pytest.approx(high - low, rel=0.01)


def test_a_mistake_that_was_not_seen_has_room_in_the_loss() -> None:
    """A model that is 99.99 % sure and right fifty times: an error would cost 9 nats, and may come once in fifteen."""
    sure = np.full(50, np.log(0.9999), np.float32)
    zeros = np.zeros(50, np.float32)
    rows = dataclasses.replace(answers(50), label_logit=sure, top_logit=sure, log_sum_exp=zeros)
    found = LogLoss().estimate(rows)
    assert found.value == pytest.approx(1e-4, rel=0.01) and found.low == 0
    assert 9.2 / 50 < found.high < 9.2 / 10


def test_unbounded_scores_of_one_group_have_no_limits() -> None:
    scores = np.arange(6.0)
    for group, rule in ((np.zeros(6, np.int64), "fixed"), (np.zeros(6, np.int64), "anytime")):
        found = unbounded_mean(samples(6, group), scores, 1.0, rule, lowest=0.0)
        assert (found.low, found.value, found.high) == (0.0, 2.5, np.inf)
    unseen = dataclasses.replace(samples(6), unseen=0.01)
    assert unbounded_mean(unseen, scores, 1.0).high == np.inf
    with pytest.raises(UsageError, match="finite"):
        unbounded_mean(samples(2), np.array([1.0, np.nan]), 1.0)


def test_top_k_of_no_more_than_k_classes_is_said() -> None:
    with pytest.raises(NotAvailableError, match="more classes than that; these rows hold 8"):
        TopKError(k=8).estimate(ROWS)
    with pytest.raises(UsageError, match="at least 1"):
        TopKError(k=0)


# ------------------------------------------------------------------ confidence sequences of many different scores


@pytest.mark.parametrize("a", [0.1, 0.5, 4.0])
def test_sharing_scores_out_to_steps_only_widens(a: float) -> None:
    generator = np.random.default_rng(17)
    scores, weights = generator.beta(a, 3, 600), generator.choice([1.0, 2.5], 600)
    for weight in (None, weights):
        exact = measures.bounded_sequence(scores, weights=weight)
        found = measures.bounded_sequence(scores, weights=weight, steps=100)
        assert found.value == pytest.approx(exact.value) and found.n == exact.n
        assert found.low <= exact.low + 1e-8 and exact.high - 1e-8 <= found.high
        assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=3e-3)
    assert measures.bounded_sequence(scores[:50], steps=100) == measures.bounded_sequence(scores[:50])


# ------------------------------------------------------------------ coverage


QUICK = [
    "log_loss, rarely wrong, and then sure, n = 100",
    "log_loss, surer than right, n = 30",
    "log_loss, long tail",
    "brier_score, rarely wrong, and then sure, n = 100",
    "brier_score, modest, n = 30",
    "groups of 5 copies",
    "surer than right, unequal classes, n = 250",
    "surer than right against modest, n = 100",
    "looks",
    "recall of each class, modest",
]


def check(words: str, repetitions: int) -> None:
    """No case of the benchmark that holds these words is below what is asked by more than chance explains."""
    chosen = [case for case in coverage_losses.CASES if words in case[0]]
    assert chosen, words
    for place, asked, _, new in chosen:
        hits, total = new(repetitions)
        assert stats.binomtest(hits, total, asked, "less").pvalue > 1e-4, (place, hits, total)


@pytest.mark.parametrize("words", QUICK)
def test_intervals_cover(words: str) -> None:
    check(words, 150)


@pytest.mark.slow
@pytest.mark.parametrize("place", [case[0] for case in coverage_losses.CASES])
def test_intervals_cover_everywhere(place: str) -> None:
    check(place, 1000)


def test_students_interval_does_not() -> None:
    """Why it is not what is shown: of a model that is rarely wrong, and of copies, it says too much."""
    for words in ("log_loss, rarely wrong, and then sure, n = 100", "log_loss, surer than right, 60 groups"):
        (old,) = (case[2] for case in coverage_losses.CASES if case[0].startswith(words))
        hits, total = old(200)
        assert hits / total < 0.88, words

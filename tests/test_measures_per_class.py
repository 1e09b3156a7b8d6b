"""Classes by themselves: parity with scikit-learn, designs heeded, and intervals that hold the truth."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, recall_score

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.per_class import (
    Answers,
    confusion,
    confusion_increase,
    informedness,
    lowest_recall,
    recall,
    worst_confusions,
)

Ints = npt.NDArray[np.integer]


def rows_of(label: Ints, prediction: Ints, **columns: object) -> Rows:
    """Rows with given labels and answers."""
    n = len(label)
    zeros = np.zeros(n, np.float32)
    rows = Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=label.astype(np.int32),
        prediction=prediction.astype(np.int32),
        label_logit=zeros,
        top_logit=zeros,
        log_sum_exp=zeros,
    )
    return dataclasses.replace(rows, **columns)  # type: ignore[arg-type]


def answered(g: np.random.Generator, label: Ints, table: npt.NDArray[np.float64]) -> Ints:
    """An answer a label, drawn from the label's row."""
    return np.asarray((table.cumsum(1)[label] < g.random((len(label), 1))).sum(1))


def test_equals_scikit_learn() -> None:
    g = np.random.default_rng(3)
    label = g.integers(0, 7, 400)
    first, second = (rows_of(label, np.where(g.random(400) < 0.6, label, g.integers(0, 9, 400))) for _ in range(2))
    for rows in (first, second):
        theirs = confusion_matrix(rows.label, rows.prediction, labels=range(9), normalize="true")
        ours = confusion(Answers.of([rows]), 9)
        assert np.nan_to_num(ours) == pytest.approx(theirs) and np.isnan(ours[7:]).all()
        recalls = recall_score(rows.label, rows.prediction, labels=range(7), average=None)
        assert [recall(rows, c).value for c in range(7)] == pytest.approx(recalls)
        for c in range(7):
            own = label == c
            assert recall(rows, c) == measures.accuracy(rows.take(own))
    both = Answers.of([first, second])
    one, other = (confusion(Answers.of([rows]), 9)[:7] for rows in (first, second))
    assert confusion(both, 9)[:7] == pytest.approx((one + other) / 2)
    errors = measures.mean_error([r.take(label == 4) for r in (first, second)])
    assert both.recall(4).value == pytest.approx((one[4, 4] + other[4, 4]) / 2) == 1 - errors.value
    assert (both.recall(4).low, both.recall(4).high) == pytest.approx((1 - errors.high, 1 - errors.low))


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_an_answer_that_knows_nothing_of_the_image_is_worth_nothing(classes: int) -> None:
    """A recall of 100 % among them: every image gets that answer."""
    label = np.arange(4 * classes) % classes
    always = Answers.of([rows_of(label, np.full(len(label), 1))])
    assert recall(rows_of(label, np.full(len(label), 1)), 1).value == 1
    assert informedness(always, classes) == pytest.approx(np.zeros(classes), abs=1e-12)
    assert informedness(Answers.of([rows_of(label, label)]), classes) == pytest.approx(np.ones(classes))
    g, many = np.random.default_rng(classes), np.arange(4000) % classes
    guessing = Answers.of([rows_of(many, g.integers(0, classes, 4000))])
    assert np.nanmean(informedness(guessing, classes)) == pytest.approx(0, abs=0.05)


def test_classes_of_unequal_size_weigh_as_in_the_whole_set() -> None:
    """Recall is of one class alone; the answers of the others count as these do in the whole set."""
    label = np.array([0, 0, 1, 1, 2, 2])
    rows = rows_of(label, np.array([0, 0, 0, 1, 2, 2]))
    heavy = dataclasses.replace(rows, weight=np.array([1.0, 1, 3, 3, 1, 1]), unseen=0.1)
    assert recall(heavy, 1) == recall(rows, 1)
    assert informedness(Answers.of([rows]), 3)[0] == pytest.approx(1 - 1 / 4)
    assert informedness(Answers.of([heavy]), 3)[0] == pytest.approx(1 - 3 / 8)


def test_copies_of_an_image_are_one_draw() -> None:
    g = np.random.default_rng(1)
    once = np.where(g.random(60) < 0.7, 0, 1)
    label, group = np.zeros(240, np.int64), np.repeat(np.arange(60), 4)
    rows = rows_of(label, np.repeat(once, 4))
    grouped = dataclasses.replace(rows, group=group)
    alone = recall(rows_of(np.zeros(60, np.int64), once), 0)
    found, naive = recall(grouped, 0), recall(rows, 0)
    assert found.value == naive.value and found.n == 240 and "clustered" in found.method
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert found.high - found.low > 1.7 * (naive.high - naive.low)
    shifted = dataclasses.replace(rows_of(label, np.repeat(1 - once, 4)), group=group)
    wide = confusion_increase(shifted, grouped, 0, 1)
    narrow = confusion_increase(dataclasses.replace(shifted, group=None), rows, 0, 1)
    assert wide.value == narrow.value and wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_run_that_looked_has_intervals_that_hold_at_every_number() -> None:
    label = np.arange(200) % 2
    rows = rows_of(label, np.where(np.arange(200) % 7 == 0, 0, label))
    assert recall(rows, 1, "anytime") == measures.accuracy(rows.take(label == 1), "anytime")
    fixed, anytime = (confusion_increase(rows, rows_of(label, label), 1, 0, rule) for rule in ("fixed", "anytime"))
    assert anytime.low < fixed.low <= fixed.high < anytime.high and "sequence" in anytime.method


def test_what_is_undefined_is_refused() -> None:
    rows = rows_of(np.array([0, 1, 1]), np.array([0, 1, 0]))
    with pytest.raises(NoSamplesError, match="this class"):
        recall(rows, 2)
    with pytest.raises(NoSamplesError):
        lowest_recall(Answers.of([rows]))
    assert worst_confusions({}, rows, 2) == () == worst_confusions({"fog": rows}, rows, 2)
    twice = dataclasses.replace(rows, position=np.zeros(3, np.int32), frame=np.arange(3, dtype=np.int16))
    with pytest.raises(UsageError, match="still images"):
        recall(twice, 0)


def test_the_confusion_that_a_shift_creates_is_named() -> None:
    """Fog makes two thirds of the defects pass; noise changes nothing; what was confused before is no finding."""
    g = np.random.default_rng(5)
    label = np.arange(600) % 3
    clean = rows_of(label, np.where((label == 2) & (g.random(600) < 0.5), 1, label))
    fog = rows_of(label, np.where((label == 1) & (g.random(600) < 0.67), 0, clean.prediction))
    found = worst_confusions({"noise": clean, "fog": fog}, clean, 3)
    assert [(c.label, c.prediction, c.condition, c.candidates) for c in found] == [(1, 0, "fog", 12)]
    only = found[0]
    assert only.increase.value == pytest.approx(only.shifted.value - only.clean.value)
    assert 0 < only.increase.low < confusion_increase(fog, clean, 1, 0).low
    alone = confusion_increase(fog, clean, 1, 0, level=measures.of_many(12))
    assert only.increase == alone


def test_shuffled_rows_and_few_shared_samples_give_the_same() -> None:
    g = np.random.default_rng(8)
    label = np.arange(300) % 5
    clean, fog = (rows_of(label, np.where(g.random(300) < p, label, 0)) for p in (0.9, 0.4))
    shuffled = fog.take(g.permutation(300))
    assert worst_confusions({"fog": shuffled}, clean, 5) == worst_confusions({"fog": fog}, clean, 5)
    part = worst_confusions({"fog": fog.take(slice(100))}, clean, 5)
    assert (
        part == worst_confusions({"fog": fog.take(slice(100))}, clean.take(slice(100)), 5) and part[0].shifted.n == 20
    )


# ------------------------------------------------------------------ coverage, seeded


@pytest.mark.parametrize(("n", "share", "rule"), [(12, 0.3, "fixed"), (60, 0.05, "fixed"), (60, 0.5, "anytime")])
def test_recall_over_conditions_covers(n: int, share: float, rule: str) -> None:
    """Samples of one class in six conditions, each sample with a difficulty of its own."""
    g, held, tries = np.random.default_rng(n), 0, 300
    label = np.arange(2 * n) % 2
    for _ in range(tries):
        hard = g.beta(2 * share, 2 * (1 - share), 2 * n)
        parts = [rows_of(label, np.where(g.random(2 * n) < hard, label, 1 - label)) for _ in range(6)]
        found = recall(parts, 0, rule)
        held += found.low <= share <= found.high
    assert held >= stats.binom.ppf(1e-5, tries, 0.93)


@pytest.mark.parametrize("n", [8, 25, 80])
@pytest.mark.parametrize(("more", "fewer"), [(0.0, 0.0), (0.02, 0.02), (0.3, 0.05), (0.95, 0.0), (0.5, 0.5)])
def test_increase_covers(n: int, more: float, fewer: float) -> None:
    """The least of 95 % and of 99.9 %: the normal approximation fails at extreme levels, exact limits do not."""
    g, tries = np.random.default_rng([n, round(100 * more)]), 400
    label = np.zeros(n, np.int64)
    for level, needed in ((0.95, 0.95), (0.999, 0.999)):
        held = 0
        for _ in range(tries):
            kind = g.choice(3, n, p=[more, fewer, 1 - more - fewer])
            clean, fog = rows_of(label, (kind == 1).astype(int)), rows_of(label, (kind == 0).astype(int))
            found = confusion_increase(fog, clean, 0, 1, level=level)
            held += found.low <= more - fewer <= found.high
        assert held >= stats.binom.ppf(1e-5, tries, needed)


def test_the_largest_of_many_confusions_is_not_believed_too_much() -> None:
    """Ten classes, eight shifts that change nothing but draw anew: 720 candidates, and none is to be shown."""
    g = np.random.default_rng(17)
    label = np.arange(400) % 10
    table = np.full((10, 10), 0.4 / 9) + np.eye(10) * (0.6 - 0.4 / 9)
    false, naive, tries = 0, 0, 60

    def apart(x: Rows, y: Rows, a: int, b: int) -> int:
        return int(((label == a) & (x.prediction == b) & (y.prediction != b)).sum())

    for _ in range(tries):
        clean = rows_of(label, answered(g, label, table))
        shifts = {str(k): rows_of(label, answered(g, label, table)) for k in range(8)}
        false += bool(worst_confusions(shifts, clean, 10))
        pairs = [(rows, a, b) for rows in shifts.values() for a in range(10) for b in range(10) if a != b]
        plain = (measures.paired_rates(apart(r, clean, a, b), apart(clean, r, a, b), 40).low for r, a, b in pairs)
        naive += any(low > 0 for low in plain)
    assert false <= stats.binom.ppf(1 - 1e-5, tries, 0.05)
    assert naive > tries / 2, "plain intervals mislead here in most tries"


def test_the_lowest_of_all_classes_covers() -> None:
    """Equally good classes: the interval holds their recall though the worst looks bad by chance."""
    g, held, plain, tries = np.random.default_rng(2), 0, 0, 200
    label = np.arange(600) % 20
    for _ in range(tries):
        answers = Answers.of([rows_of(label, np.where(g.random(600) < 0.7, label, -1))])
        worst, found = lowest_recall(answers)
        held += found.low <= 0.7 <= found.high
        own = answers.recall(worst)
        plain += own.low <= 0.7 <= own.high
    assert held >= stats.binom.ppf(1e-5, tries, 0.95) and plain < held - 30

"""What every listed measure must keep, whatever it measures; a new one is held to it by being listed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures import MEASURES, Estimate, MeanMeasure, Measure, NoSamplesError, NotAvailableError

CLASSES = 8
ALL: list[Measure] = [kind() for kind in MEASURES.values()]
MEANS: list[MeanMeasure] = [measure for measure in ALL if isinstance(measure, MeanMeasure)]
COLUMNS = {field.name for field in dataclasses.fields(Rows)}
Estimates = Mapping[int | None, Estimate]


def named(measure: Measure) -> str:
    return measure.key


def answers(n: int, seed: int = 0, skill: float = 2.0) -> Rows:
    """Answers with every column, samples independent and counting alike."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, CLASSES, n).astype(np.int32)
    logits = generator.normal(0, 1.5, (n, CLASSES)).astype(np.float32)
    logits[np.arange(n), label] += np.float32(skill)
    order = np.argsort(-logits, axis=1, kind="stable")
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=label,
        prediction=order[:, 0].astype(np.int32),
        label_logit=logits[np.arange(n), label],
        top_logit=logits.max(1),
        log_sum_exp=np.log(np.exp(logits.astype(np.float64)).sum(1)).astype(np.float32),
        top_classes=order[:, :5].astype(np.int32),
        top_logits=np.take_along_axis(logits, order[:, :5], 1),
        logits=logits,
    )


ROWS = answers(600)


def assert_same(one: Estimates, other: Estimates, tolerance: float = 1e-6) -> None:
    assert one.keys() == other.keys()
    for part, estimate in one.items():
        expected = (other[part].value, other[part].low, other[part].high)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected, abs=tolerance)
        assert estimate.n == other[part].n


def repeated(rows: Rows, times: int) -> Rows:
    """Every sample so many times, as samples of their own."""
    more = rows.take(np.repeat(np.arange(len(rows)), times))
    return dataclasses.replace(more, position=np.arange(len(more), dtype=np.int32))


def test_names_are_told_apart() -> None:
    keys = [measure.key for measure in ALL]
    assert len(set(keys)) == len(keys)
    pairs = [measure.paired_as for measure in MEANS if measure.paired_as]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_it_declares_itself(measure: Measure) -> None:
    assert measure.better in ("higher", "lower", "neither")
    assert measure.text and "\n" not in measure.text and len(measure.text) <= 110
    assert measure.unit and measure.lowest < measure.highest
    assert measure.needs and set(measure.columns()) <= COLUMNS
    assert set(measure.kinds) <= {"clean", "shift", "attack", "fourier"} and "clean" in measure.kinds
    assert len(type(measure).__doc__ or "") > 60, "the docstring says what it is, its range and its interval"
    assert type(measure).from_config(measure.config()) == measure
    with pytest.raises(dataclasses.FrozenInstanceError):
        measure.name = "another"  # type: ignore[misc]


@pytest.mark.parametrize("rule", ["fixed", "anytime"])
@pytest.mark.parametrize("measure", ALL, ids=named)
def test_values_lie_in_their_range_and_their_interval(measure: Measure, rule: str) -> None:
    for skill in (-3.0, 0.0, 2.0, 12.0):
        for n in (1, 2, 30, 600):
            for estimate in measure.estimates(answers(n, n, skill), rule).values():
                assert measure.lowest <= estimate.low <= estimate.value <= estimate.high <= measure.highest
                assert estimate.low < estimate.high, "no interval is of no width"
                assert estimate.level == 0.95 and estimate.method


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_the_rule_is_heeded(measure: Measure) -> None:
    fixed, anytime = measure.estimates(ROWS), measure.estimates(ROWS, "anytime")
    if measure.anytime:
        for part, estimate in fixed.items():
            assert "sequence" in anytime[part].method and "sequence" not in estimate.method
            assert anytime[part].value == pytest.approx(estimate.value)
            assert anytime[part].low < estimate.low and estimate.high < anytime[part].high
    else:
        assert_same(fixed, anytime, 0)
    with pytest.raises(UsageError, match="'fixed' or 'anytime'"):
        measure.estimates(ROWS, "sometimes")


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_levels_are_nested(measure: Measure) -> None:
    found = [measure.estimates(ROWS, level=level) for level in (0.5, 0.8, 0.95, 0.999)]
    for narrow, wide in pairwise(found):
        for part, estimate in narrow.items():
            assert wide[part].low <= estimate.low and estimate.high <= wide[part].high
            assert wide[part].high - wide[part].low > estimate.high - estimate.low
    with pytest.raises(UsageError, match="between 0 and 1"):
        measure.estimates(ROWS, level=95)


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_the_order_of_samples_changes_nothing(measure: Measure) -> None:
    shuffled = ROWS.take(np.random.default_rng(1).permutation(len(ROWS)))
    assert_same(measure.estimates(shuffled), measure.estimates(ROWS))


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_no_samples_are_refused(measure: Measure) -> None:
    with pytest.raises(NoSamplesError, match="no samples"):
        measure.estimates(ROWS.take(slice(0)))


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_only_what_it_needs_is_read_and_its_lack_is_said(measure: Measure) -> None:
    wide = ("top_classes", "top_logits", "logits")
    for need in measure.needs:
        columns = need.split(" or ")
        if all(column in wide for column in columns):
            without = dataclasses.replace(ROWS, **dict.fromkeys(columns))
            with pytest.raises(NotAvailableError, match=measure.key):
                measure.estimates(without)
    unread = [column for column in wide if column not in set(measure.columns())]
    assert_same(measure.estimates(dataclasses.replace(ROWS, **dict.fromkeys(unread))), measure.estimates(ROWS), 0)
    blind = {
        name: np.full_like(column, 77)
        for name, column in ROWS.columns().items()
        if name not in measure.columns() and name not in ("position", "frame", *wide)
    }
    if not {"logits", "top_classes"} & set(measure.columns()):
        assert_same(measure.estimates(dataclasses.replace(ROWS, **blind)), measure.estimates(ROWS), 0)


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_copies_are_no_further_samples(measure: Measure) -> None:
    """Every sample four times says as much as once where they are said to be copies, and more where they are not."""
    rows = repeated(answers(150, 3, 0.5), 4)
    grouped = measure.estimates(dataclasses.replace(rows, group=np.repeat(np.arange(150), 4)))
    plain = measure.estimates(rows)
    for part, estimate in grouped.items():
        assert estimate.value == pytest.approx(plain[part].value) and estimate.n == plain[part].n
        assert estimate.high - estimate.low > 1.4 * (plain[part].high - plain[part].low)
        assert "clustered" in estimate.method


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_weights_of_classes_speak_of_the_whole_set(measure: Measure) -> None:
    """A class that weighs three times as much counts as if its samples stood there three times."""
    rows = answers(120, 4, 0.5)
    times = np.where(rows.label == 0, 3, 1)
    weighted = measure.estimates(dataclasses.replace(rows, weight=times / times.mean()))
    full = rows.take(np.repeat(np.arange(len(rows)), times))
    full = dataclasses.replace(full, position=np.arange(len(full), dtype=np.int32))
    plain, without = measure.estimates(full), measure.estimates(rows)
    for part, estimate in weighted.items():
        if part is not None:
            assert estimate == without[part], "within a class samples count alike"
        else:
            assert estimate.value == pytest.approx(plain[part].value, abs=1e-9)
            assert "weighted by class" in estimate.method


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_what_was_not_seen_has_room(measure: Measure) -> None:
    unseen = measure.estimates(dataclasses.replace(ROWS, unseen=0.1))
    for part, estimate in measure.estimates(ROWS).items():
        if part is None:
            assert unseen[part].low < max(estimate.low, 1e-9) and unseen[part].high > estimate.high
            assert unseen[part].value == estimate.value
        else:
            assert unseen[part] == estimate, "the class was seen"


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_frames_are_averaged_by_sample(measure: Measure) -> None:
    """Five frames that answer alike are five times the rows and no more information."""
    alone = answers(39, 5, 0.5)
    frames = alone.take(np.repeat(np.arange(39), 5))
    frames = dataclasses.replace(frames, frame=np.tile(np.arange(5, dtype=np.int16), 39))
    many = measure.estimates(frames)
    for part, estimate in measure.estimates(alone).items():
        assert many[part].n == estimate.n and many[part].value == pytest.approx(estimate.value)
        assert many[part].high - many[part].low > 0.7 * (estimate.high - estimate.low)


# ------------------------------------------------------------------ differences on the same samples


@pytest.mark.parametrize("measure", MEANS, ids=named)
def test_scores_are_one_finite_number_a_row(measure: MeanMeasure) -> None:
    scores = measure.scores(ROWS)
    assert scores.shape == (600,) and scores.dtype == np.float64
    assert measure.lowest <= scores.min() and scores.max() <= measure.highest
    assert set(np.unique(scores)) <= {0.0, 1.0} or not measure.outcome
    assert measure.estimate(ROWS).value == pytest.approx(scores.mean())
    assert math.isfinite(measure.reach(ROWS)) and measure.reach(ROWS) >= 0


@pytest.mark.parametrize("rule", ["fixed", "anytime"])
@pytest.mark.parametrize("measure", MEANS, ids=named)
def test_differences_are_paired(measure: MeanMeasure, rule: str) -> None:
    clean = answers(600, 6, 2.0)
    noise = np.random.default_rng(7).normal(-0.4, 0.2, 600).astype(np.float32)
    moved = clean.logits + np.zeros_like(clean.logits)  # type: ignore[operator]
    moved[np.arange(600), clean.label] += noise
    shifted = of_logits(moved, clean)
    found = measure.difference(shifted, clean, rule)
    values = [measure.estimate(rows, rule) for rows in (shifted, clean)]
    assert found.value == pytest.approx(values[0].value - values[1].value)
    assert found.low <= found.value <= found.high and found.n == 600
    apart = sum(e.high - e.low for e in values)
    assert found.high - found.low < 0.7 * apart, "pairing tells more than two intervals"
    turned = measure.difference(clean, shifted, rule)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low), abs=1e-6)
    part = shifted.take(np.random.default_rng(8).permutation(600)[:400])
    assert measure.difference(part, clean, rule).n == 400
    same = measure.difference(clean, clean, rule)
    assert same.low < same.value == 0 < same.high
    with pytest.raises(NoSamplesError, match="in common"):
        measure.difference(clean.take(slice(300)), clean.take(slice(300, 600)), rule)


@pytest.mark.parametrize("measure", MEANS, ids=named)
def test_differences_heed_copies_and_weights(measure: MeanMeasure) -> None:
    a, b = (repeated(answers(120, seed, 0.5), 5) for seed in (9, 9))
    b = of_logits(b.logits + np.float32(0.7) * np.sin(b.logits * 3), b)  # type: ignore[operator]
    plain = measure.difference(a, b)
    group = np.repeat(np.arange(120), 5)
    grouped = measure.difference(dataclasses.replace(a, group=group), dataclasses.replace(b, group=group))
    assert grouped.value == pytest.approx(plain.value) and "clustered" in grouped.method
    assert grouped.high - grouped.low > 1.4 * (plain.high - plain.low)
    weight = np.where(a.label == 0, 3.0, 1.0)
    weighted = measure.difference(dataclasses.replace(a, weight=weight), dataclasses.replace(b, weight=weight))
    expected = np.average(measure.scores(a) - measure.scores(b), weights=weight)
    assert weighted.value == pytest.approx(expected) and "weighted by class" in weighted.method


def of_logits(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]], like: Rows) -> Rows:
    """The same samples, answered with other logits."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return dataclasses.replace(
        like,
        prediction=order[:, 0].astype(np.int32),
        label_logit=logits[np.arange(len(like)), like.label],
        top_logit=logits.max(1),
        log_sum_exp=np.log(np.exp(logits.astype(np.float64)).sum(1)).astype(np.float32),
        top_classes=order[:, :5].astype(np.int32),
        top_logits=np.take_along_axis(logits, order[:, :5], 1),
        logits=logits,
    )


def test_several_numbers_are_not_one() -> None:
    for measure in ALL:
        parts = set(measure.estimates(ROWS))
        assert parts == (set(range(CLASSES)) if measure.by_class else {None})
        if measure.by_class:
            with pytest.raises(UsageError, match="for each class"):
                measure.estimate(ROWS)
        else:
            assert measure.estimate(ROWS) == measure.estimates(ROWS)[None]


def test_scores_outside_their_range_are_refused() -> None:
    beyond = dataclasses.replace(ROWS, label_logit=ROWS.log_sum_exp + 1)

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Careless(MeanMeasure):
        """The label's probability, whatever it is."""

        name = "careless"
        needs = ("label_logit",)

        def scores(self, rows: Rows) -> measures.base.Scores:
            return np.asarray(np.exp(rows.label_logit - rows.log_sum_exp), np.float64)

    assert 0 < Careless().estimate(ROWS).value < 1
    with pytest.raises(UsageError, match=r"careless: scores lie in \[0, 1\], got 2.7"):
        Careless().estimate(beyond)


def test_a_score_that_is_not_finite_is_said() -> None:
    never = dataclasses.replace(ROWS, label_logit=np.where(ROWS.position == 3, -np.inf, ROWS.label_logit))
    with pytest.raises(NotAvailableError, match="log_loss of 1 of 600 samples"):
        measures.LogLoss().estimate(never)

"""Each measure against an independent library, a known number or a slow direct computation."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import top_k_accuracy_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.core.rows import Rows
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.severity import crossing
from counting import lines_run
from test_measures_coverage import outcomes, rows_of

ANY = np.random.default_rng(11)


def logit_rows(n: int, classes: int, seed: int) -> Rows:
    g = np.random.default_rng(seed)
    logits = g.normal(size=(n, classes)).astype(np.float32)
    label = g.integers(0, classes, n).astype(np.int32)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=label,
        prediction=order[:, 0].astype(np.int32),
        label_logit=logits[np.arange(n), label],
        top_logit=logits.max(1),
        log_sum_exp=np.log(np.exp(logits).sum(1)),
        top_classes=order.astype(np.int32),
        top_logits=np.take_along_axis(logits, order, 1),
        logits=logits,
    )


# ------------------------------------------------------------------ shares


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_shares_equal_statsmodels(kn: tuple[int, int], level: float) -> None:
    k, n = kn
    for ours, theirs in ((measures.wilson, "wilson"), (measures.clopper_pearson, "beta")):
        low, high = proportion_confint(k, n, 1 - level, theirs)
        found = ours(k, n, level)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
        assert found.low <= found.value == k / n <= found.high and found.n == n and found.level == level
    many = measures.wilson_many([k], [n], level)
    alone = measures.wilson(k, n, level)
    assert (many[0][0], many[1][0]) == pytest.approx((alone.low, alone.high), abs=1e-12)


@pytest.mark.parametrize(
    ("k", "n", "level", "low", "high"),
    [
        (1813, 2021, 0.95, 0.8830047, 0.9099922),
        (9593, 10000, 0.95, 0.9552412, 0.9630884),
        (1813, 2021, 0.995, 0.8767487, 0.9151810),
    ],
)
def test_clopper_pearson_known_values(k: int, n: int, level: float, low: float, high: float) -> None:
    found = measures.clopper_pearson(k, n, level)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1.5e-7)


def test_rates_of_rows() -> None:
    rows = logit_rows(500, 12, 1)
    k = int(rows.correct.sum())
    assert measures.accuracy(rows) == measures.clopper_pearson(k, 500)
    assert measures.error_rate(rows) == measures.clopper_pearson(500 - k, 500)
    assert measures.accuracy(rows, "anytime") == measures.confidence_sequence(k, 500)
    for top in (1, 3, 5):
        expected = 1 - top_k_accuracy_score(rows.label, rows.logits, k=top, labels=np.arange(12))
        assert measures.TopKError(k=top).estimate(rows).value == pytest.approx(expected)
        fewer = dataclasses.replace(rows, top_classes=None)
        assert measures.TopKError(k=top).estimate(fewer) == measures.TopKError(k=top).estimate(rows)
    assert measures.TopKError(k=8).estimate(rows).value < measures.TopKError(k=5).estimate(rows).value
    with pytest.raises(measures.NotAvailableError, match="8 highest classes; these rows hold 5"):
        measures.TopKError(k=8).estimate(dataclasses.replace(rows, logits=None))


def test_equal_logits_are_ordered_like_the_prediction() -> None:
    zeros = np.zeros((3, 4), np.float32)
    flat = rows_of(np.array([True, False, False]))
    flat = dataclasses.replace(flat, label=np.array([0, 1, 2], np.int32), prediction=np.zeros(3, np.int32))
    flat = dataclasses.replace(flat, logits=zeros, label_logit=zeros[:, 0], top_logit=zeros[:, 0])
    assert [measures.TopKError(k=k).estimate(flat).value for k in (1, 2, 3)] == pytest.approx([2 / 3, 1 / 3, 0])


def test_frames_are_averaged_by_sample() -> None:
    """Ten frames that answer alike are ten times the rows and no more information."""
    right = ANY.random(200) < 0.7
    frames = rows_of(np.repeat(right, 10), position=np.repeat(np.arange(200.0), 10))
    frames = dataclasses.replace(frames, frame=np.tile(np.arange(10, dtype=np.int16), 200))
    alone, many = measures.accuracy(rows_of(right)), measures.accuracy(frames)
    assert many.n == 200 and (many.value, many.low, many.high) == pytest.approx((alone.value, alone.low, alone.high))
    with pytest.raises(UsageError, match="several frames"):
        measures.mcnemar(frames, frames)
    assert measures.error_increase(frames, frames).n == 200


# ------------------------------------------------------------------ pairs


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_pairs_equal_a_mean_with_two_samples_added(d: list[float]) -> None:
    """Bonett-Price is Wald's interval for the mean of the differences and of one +1 and one -1."""
    b, c, n = d.count(1.0), d.count(-1.0), len(d)
    found = measures.paired_rates(b, c, n)
    padded = DescrStatsW(np.array([*d, 1.0, -1.0]), ddof=0)
    half = stats.norm.ppf(0.975) * padded.std / math.sqrt(n + 2)
    assert found.low == pytest.approx(min(max(padded.mean - half, -1), (b - c) / n), abs=1e-9)
    assert found.high == pytest.approx(max(min(padded.mean + half, 1), (b - c) / n), abs=1e-9)
    mean = measures.signed_mean_interval(d)
    assert (mean.low, mean.value, mean.high) == pytest.approx((found.low, found.value, found.high), abs=1e-12)
    assert (mean.n, mean.method) == (n, found.method)


def test_positions_are_intersected_in_any_order() -> None:
    a = rows_of(ANY.random(300) < 0.5)
    b = rows_of(ANY.random(300) < 0.8)
    shuffled = b.take(ANY.permutation(300)[:200])
    kept = np.sort(shuffled.position)
    expected = (~a.correct[kept]).mean() - (~b.correct[kept]).mean()
    found = measures.paired_difference(a, shuffled)
    assert found.n == 200 and found.value == pytest.approx(expected)
    assert measures.paired_difference(shuffled, a).value == pytest.approx(-expected)
    assert measures.error_increase(a, shuffled) == found
    several = measures.mean_error_increase([a, a, b], b)
    assert several.value == pytest.approx(2 / 3 * (b.correct.mean() - a.correct.mean())) and several.n == 300
    assert measures.mean_error([a, shuffled]).n == 200
    with pytest.raises(UsageError, match="twice"):
        measures.paired_difference(a.take(np.array([0, 0, 1])), b)
    with pytest.raises(NoSamplesError, match="in common"):
        measures.paired_difference(a.take(np.arange(100)), b.take(np.arange(100, 200)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_equals_statsmodels(b: int, c: int) -> None:
    found = measures.mcnemar_counts(b, c)
    if b + c:
        assert found == pytest.approx(min(1, statsmodels_mcnemar([[5, b], [c, 5]], exact=True).pvalue), rel=1e-9)
    else:
        assert found == 1


def test_corrections_equal_statsmodels() -> None:
    g = np.random.default_rng(12)
    for _ in range(8):
        p = np.round(g.beta(0.4, 1, g.integers(1, 40)), g.integers(1, 6))
        assert measures.holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
        assert measures.benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)


def test_comparison() -> None:
    wrong = outcomes(np.random.default_rng(0), 800, np.array([0.3, 0.4]), 1.0)
    a, b = rows_of(~wrong[:, 0]), rows_of(~wrong[:, 1])
    found = measures.compare(a, b)
    assert found.p == measures.mcnemar(a, b)
    assert found.p == pytest.approx(float(stats.binomtest(found.b, found.b + found.c).pvalue))
    assert found.estimate == measures.paired_difference(a, b) and found.estimate.high < 0
    assert found.estimate.value == pytest.approx(wrong[:, 0].mean() - wrong[:, 1].mean())
    anytime = measures.compare(a, b, "anytime")
    assert anytime.p > found.p and anytime.estimate.low < found.estimate.low
    same = measures.compare(a, a)
    assert same.p == 1 and same.estimate.low < 0 < same.estimate.high
    many = measures.corrected([found, same, same])
    assert [c.p_adjusted for c in many] == pytest.approx([3 * found.p, 1, 1])
    with pytest.raises(UsageError, match="p-values"):
        measures.holm([0.5, math.nan])
    assert len(measures.holm([])) == 0


# ------------------------------------------------------------------ means


def test_means_of_single_outcomes_are_shares() -> None:
    for k in (0, 1, 40, 100):
        scores = np.repeat([1.0, 0.0], [k, 100 - k])
        for cap in (1, 50):
            found, share = measures.mean_interval(scores, cap=cap), measures.clopper_pearson(k, 100)
            assert (found.low, found.value, found.high) == pytest.approx((share.low, share.value, share.high))


def test_effective_number_of_samples_by_its_formula() -> None:
    scores = np.array([0.4, 0.5, 0.6] * 20)
    ratio = (0.4 * 60 / 59 + 2) / (60 * 0.25 + 2)
    t = ratio * stats.norm.ppf(0.975) + (1 - ratio) * stats.t.ppf(0.975, 59)
    n = 60 / ratio * (stats.norm.ppf(0.975) / t) ** 2
    low, high = proportion_confint(n / 2, n, 0.05, "beta")
    found = measures.mean_interval(scores, cap=1000)
    assert (found.low, found.value, found.high) == pytest.approx((low, 0.5, high), abs=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=50))
def test_means_are_between_best_and_worst_case(tens: list[int]) -> None:
    """Never narrower than all outcomes independent, and of zero width never."""
    scores = np.array(tens) / 10
    n = len(scores)
    found = measures.mean_interval(scores, cap=10)
    best = measures.clopper_pearson(scores.sum() * 10, n * 10)
    assert found.low <= best.low + 1e-12 and best.high - 1e-12 <= found.high
    assert found.high > found.low and found.value == pytest.approx(scores.mean())
    signed = measures.signed_mean_interval(2 * scores - 1, cap=10)
    assert -1 <= signed.low <= signed.value <= signed.high <= 1 and signed.low < signed.high


def test_refusals() -> None:
    empty = rows_of(np.zeros(0, bool))
    calls = [measures.accuracy, measures.error_rate, measures.ece, measures.rms_calibration, measures.reliability]
    for call in calls:
        with pytest.raises(NoSamplesError):
            call(empty)
    for call in (measures.mean_interval, measures.signed_mean_interval, measures.mean_error, measures.severity_area):
        with pytest.raises(NoSamplesError):
            call([])
    with pytest.raises(NoSamplesError):
        measures.fourier_map({}, 8, 8)
    with pytest.raises(UsageError, match="'fixed' or 'anytime'"):
        measures.accuracy(rows_of(np.ones(3, bool)), "sometimes")
    with pytest.raises(UsageError, match="in \\[0, 1\\]"):
        measures.mean_interval([0.2, 1.2])
    with pytest.raises(UsageError, match="accuracy level"):
        measures.breaking_point([(1.0, rows_of(np.ones(3, bool)))], 50)
    low, high = measures.wilson_many([0, 1], [0, 2])
    assert np.isnan(low[0]) and np.isnan(high[0]) and np.isfinite(low[1])


# ------------------------------------------------------------------ severity


def test_area_is_the_trapezoid_of_the_accuracies() -> None:
    right = ANY.random((4, 90)) < np.array([[0.9], [0.8], [0.5], [0.2]])
    strengths = [0.0, 0.1, 0.4, 1.2]
    curve = [(s, rows_of(r)) for s, r in zip(strengths, right, strict=True)]
    area = measures.severity_area(curve[::-1])
    assert area.value == pytest.approx(np.trapezoid(right.mean(1), strengths) / 1.2) and area.n == 90
    assert measures.severity_area(curve[:1]) == measures.accuracy(curve[0][1])
    wide = measures.severity_area(curve, "anytime")
    assert wide.low < area.low < area.high < wide.high
    with pytest.raises(UsageError, match="all different"):
        measures.severity_area([*curve, curve[1]])


def curve_of(*accuracies: float) -> list[tuple[float, Rows]]:
    return [(float(s), rows_of(np.arange(1000) < round(a * 1000))) for s, a in enumerate(accuracies)]


def test_breaking_point() -> None:
    found = measures.breaking_point(curve_of(0.9, 0.7, 0.3, 0.2), 0.5)
    assert found.reached and found.value == pytest.approx(1.5) and found.beyond is None and not found.from_start
    upper = [measures.accuracy(r, level=1 - 0.05 / 4).high for _, r in curve_of(0.9, 0.7, 0.3, 0.2)]
    assert found.high == pytest.approx(np.interp(-0.5, [-upper[1], -upper[2]], [1, 2]))
    assert found.low < found.value < found.high < 1.6

    never = measures.breaking_point(curve_of(0.9, 0.8, 0.51), 0.5)
    assert not never.reached and never.value == math.inf == never.high and never.beyond == 2
    assert 1 < never.low < 2, "the curve may reach the level although its estimate does not"
    assert never.as_json()["value"] == "beyond" and never.as_json()["tested_to"] == 2

    again = measures.breaking_point(curve_of(0.9, 0.4, 0.8, 0.1), 0.5)
    assert again.value == pytest.approx(0.8), "the first crossing counts"
    start = measures.breaking_point(curve_of(0.3, 0.9), 0.5)
    assert start.from_start and start.value == 0
    assert crossing([1, 2], [0.5, 0.5], 0.5) == math.inf, "at the level is not under it"
    wide = measures.breaking_point(curve_of(0.9, 0.7, 0.3, 0.2), 0.5, "anytime")
    assert wide.low < found.low and wide.high > found.high and "sequence" in wide.method


# ------------------------------------------------------------------ calibration


def test_ece_equals_scikit_learn() -> None:
    confidence = ANY.beta(4, 1, 3000)
    rows = rows_of(ANY.random(3000) < confidence**2, confidence)
    share, mean = calibration_curve(rows.correct, rows.confidence, n_bins=15)
    found = measures.reliability(rows)
    assert [b.accuracy.value for b in found] == pytest.approx(share)
    assert [b.confidence for b in found] == pytest.approx(mean)
    assert sum(b.share for b in found) == pytest.approx(1) and sum(b.count for b in found) == 3000
    weights = np.array([b.share for b in found])
    assert measures.ece(rows).value == pytest.approx(weights @ np.abs(share - mean))


def test_rms_known_value() -> None:
    """100 rows of confidence .6 (50 right), 100 of .9 (95 right): all bins .0790569 (without the last: .0707107)."""
    right = np.concatenate([np.arange(100) < 50, np.arange(100) < 95])
    found = measures.rms_calibration(rows_of(right, np.repeat([0.6, 0.9], 100)))
    assert found.value == pytest.approx(0.0790569, abs=2e-7)
    assert found.low < found.value < found.high


def test_calibration_intervals_are_decided_by_the_content() -> None:
    confidence = ANY.beta(4, 1, 700)
    rows = rows_of(ANY.random(700) < confidence, confidence)
    shuffled = rows.take(ANY.permutation(700))
    for measure in (measures.ece, measures.rms_calibration):
        assert measure(rows) == measure(rows)
        one, other = measure(rows), measure(shuffled)
        assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high), abs=1e-6)
        assert measure(rows, level=0.8).high <= measure(rows).high


def test_calibration_without_a_mistake_has_width() -> None:
    rows = rows_of(np.ones(100, bool), np.ones(100))
    for measure in (measures.ece, measures.rms_calibration):
        found = measure(rows)
        assert found.value == found.low == 0 and found.high > 0.03


def test_a_bin_without_a_mistake_is_not_taken_for_certain() -> None:
    """60 of 60 right at a confidence of .97 happens to a calibrated model in one of six cases."""
    rows = rows_of(np.ones(60, bool), np.full(60, 0.97))
    for found in (measures.ece(rows), measures.rms_calibration(rows)):
        assert found.value == pytest.approx(0.03, abs=1e-6) and found.low == 0


def test_rms_has_one_bin_under_200_rows() -> None:
    confidence = np.repeat([0.6, 0.8], 75)
    rows = rows_of(np.repeat([True, False], 75), confidence)
    assert measures.rms_calibration(rows).value == pytest.approx(0.2, abs=1e-6)
    assert measures.rms_calibration(rows, bins=2).value == pytest.approx(math.sqrt((0.4**2 + 0.8**2) / 2), abs=1e-6)


def test_what_every_condition_is_asked_is_little_work() -> None:
    """A report asks hundreds of conditions: a few hundred lines of Python each, however many the samples."""
    lines = []
    for n in (100, 1000):
        clean, shifted = rows_of(ANY.random(n) < 0.9), rows_of(ANY.random(n) < 0.7)
        lines.append(
            lines_run(lambda r=shifted, c=clean: (measures.error_rate(r), measures.error_increase(r, c)))  # type: ignore[misc]
        )
    assert lines[1] < min(lines[0] * 1.1, 600), lines

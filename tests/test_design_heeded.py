"""Groups and weights of classes in the published sets' numbers, calibration, Fourier maps and stability."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from design_tools import ALL, World, by_key, check_copies, check_covers, coverage_shares, drawn, once


def over_run(rows: list[Rows], rule: str = "fixed") -> Estimate:
    other = measures.RunErrors(name="a run", conditions=by_key(rows[4:7]), clean=rows[7])
    found = measures.corruption_errors(by_key(rows[:3]), other, rule=rule).mean.estimate
    assert found is not None
    return found


def relative(rows: list[Rows]) -> Estimate:
    other = measures.RunErrors(name="a run", conditions=by_key(rows[4:7]), clean=rows[7])
    found = measures.relative_corruption_errors(by_key(rows[:3]), rows[3], other).mean.estimate
    assert found is not None
    return found


def over_table(rows: list[Rows]) -> Estimate:
    found = measures.corruption_errors(by_key(rows[:3]), measures.ALEXNET).mean.estimate
    assert found is not None
    return found


# ------------------------------------------------------------------ ratios


@pytest.mark.parametrize("measure", [over_run, relative, over_table])
def test_copies_leave_ratios_and_widen_their_intervals(measure: object) -> None:
    rows = drawn(World(250, 4), ALL)
    plain = [coverage_shares.plain(r) for r in rows]
    alone = [once(r, 4) for r in rows]
    check_copies(*(measure(r) for r in (rows, plain, alone)), 4)  # type: ignore[operator]


def test_a_part_has_the_ratios_of_the_whole_sets_mix() -> None:
    """All of the large class are right under one model, of the small ones wrong under both."""
    design = coverage_shares.shuffled(((900, 1.0), (50, 0.0), (50, 0.0)), 0)
    labels = design.labels[:150]

    def rows_of(right: np.ndarray) -> Rows:
        return design.attached(coverage_shares.rows_of(right, labels))  # type: ignore[no-any-return]

    own, other = rows_of(labels == 0), rows_of((labels == 0) & (np.arange(150) % 2 == 0))
    half = float(np.mean(other.correct[labels == 0]))
    for rule in ("fixed", "anytime"):
        normaliser = measures.RunErrors(name="a run", conditions={("fog", 1): other})
        found = measures.ce({("fog", 1): own}, "fog", normaliser, rule=rule).estimate
        assert found is not None
        assert found.value == pytest.approx(0.1 / (1 - 0.9 * half)) and "weighted by class" in found.method
    table = measures.ce({("fog", 1): own}, "fog").estimate
    assert table is not None and table.value == pytest.approx(0.1 / measures.ALEXNET.errors["fog"][0])
    assert measures.mean_corruption_error({("fog", 1): own}, "imagenet-c").estimate.value == pytest.approx(0.1)  # type: ignore[union-attr]


def test_a_ratio_leaves_room_for_classes_not_seen() -> None:
    generator = np.random.default_rng(0)
    own, other = (coverage_shares.rows_of(generator.random(400) > p) for p in (0.3, 0.6))
    seen = [dataclasses.replace(r, unseen=0.2) for r in (own, other)]
    for rule in ("fixed", "anytime"):
        without, found = (
            measures.ce({("fog", 1): a}, "fog", measures.RunErrors(name="r", conditions={("fog", 1): b}), rule=rule)
            for a, b in ((own, other), seen)
        )
        assert without.estimate is not None and found.estimate is not None
        a, b = float(np.mean(~own.correct)), float(np.mean(~other.correct))
        assert found.estimate.low < min(0.8 * a / (0.8 * b + 0.2), without.estimate.low)
        assert found.estimate.high > max((0.8 * a + 0.2) / (0.8 * b), without.estimate.high)


def sequences(rows: Rows) -> dict[str, Rows]:
    """Five frames a sample, the prediction moving with the sample's number."""
    frames = [dataclasses.replace(rows, frame=np.full(len(rows), f, np.int16)) for f in range(5)]
    generator = np.random.default_rng(1)
    size = 1 if rows.group is None else len(rows) // (int(rows.group.max()) + 1)
    moves = np.repeat(generator.random((len(rows) // size, 5)) < 0.3, size, axis=0)
    parts = [dataclasses.replace(f, prediction=moves[:, k].astype(np.int32)) for k, f in enumerate(frames)]
    joined = Rows.concatenate(parts)
    return {"brightness": joined.take(generator.permutation(len(joined))), "tilt": joined}


def test_stability_heeds_copies() -> None:
    (rows,) = drawn(World(150, 4), [0.0])
    found = sequences(rows)
    plain = {name: coverage_shares.plain(own) for name, own in found.items()}
    alone = {name: once(own.sorted(), 1).take(own.sorted().position % 4 == 0) for name, own in found.items()}

    def flips(of: dict[str, Rows]) -> Estimate:
        return measures.flip_probability(of["brightness"])

    def mean(of: dict[str, Rows]) -> Estimate:
        estimate = measures.mean_flip_probability(of, "imagenet-p").estimate
        assert estimate is not None
        return estimate

    def rates(of: dict[str, Rows]) -> Estimate:
        other = {name: dataclasses.replace(own, prediction=own.position // 4 % 2) for name, own in of.items()}
        other = {
            name: dataclasses.replace(o, prediction=((o.prediction + o.frame) % 2).astype(np.int32))
            for name, o in other.items()
        }
        estimate = measures.flip_rates(of, measures.RunSequences(name="a run", sequences=other)).mean.estimate
        assert estimate is not None
        return estimate

    for measure in (flips, mean, rates):
        check_copies(measure(found), measure(plain), measure(alone), 4)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["over a run", "over a table"])
def test_ratios_cover_under_groups_and_weights(words: str) -> None:
    check_covers(words, 800)


@pytest.mark.parametrize("words", ["mean CE over a run, fixed, 30 groups", "over a table, 30 groups"])
def test_ratios_of_copies_cover(words: str) -> None:
    check_covers(words, 200)


# ------------------------------------------------------------------ calibration


@pytest.mark.parametrize("measure", [measures.ece, measures.rms_calibration])
def test_copies_leave_calibration_errors_and_widen_their_intervals(measure: object) -> None:
    (rows,) = drawn(World(400, 4), [0.3], confidence=True)
    found, without = measure(rows), measure(coverage_shares.plain(rows))  # type: ignore[operator]
    assert found.value == without.value and found.n == without.n == 1600 and "clustered" in found.method
    assert found.high - found.low > 1.5 * (without.high - without.low)
    shuffled = dataclasses.replace(rows, group=np.random.default_rng(0).permutation(400)[rows.group])
    assert measure(shuffled) == found, "groups have no order"  # type: ignore[operator]


def test_means_of_calibration_errors_heed_copies() -> None:
    parts = drawn(World(300, 4), [0.3, 0.9, -1.0], confidence=True)
    plain = [coverage_shares.plain(rows) for rows in parts]
    for measure in (measures.mean_ece, lambda rows: measures.mean_ece_increase(rows[:2], rows[2])):
        found, without = measure(parts), measure(plain)
        assert found.value == without.value and "clustered" in found.method
        assert found.high - found.low > 1.5 * (without.high - without.low)


def test_a_part_has_the_calibration_of_the_whole_sets_mix() -> None:
    """The large class is always right and half sure, the small ones always wrong and half sure."""
    design = coverage_shares.shuffled(((900, 1.0), (50, 0.0), (50, 0.0)), 0)
    labels = design.labels[:150]
    half = np.full(150, np.log(0.5), np.float32)
    rows = dataclasses.replace(coverage_shares.rows_of(labels == 0, labels), top_logit=half)
    part = design.attached(rows)
    clean = dataclasses.replace(part, prediction=labels)
    for found in (measures.ece(part), measures.mean_ece([part, part]), measures.rms_calibration(part, 1)):
        assert found.value == pytest.approx(0.9 - 0.5, abs=1e-6) and "weighted by class" in found.method
        assert found.low <= 0.4 <= found.high
    increase = measures.mean_ece_increase([part], clean)
    assert increase.value == pytest.approx(0.4 - 0.5, abs=1e-6) and "weighted by class" in increase.method
    (only,) = measures.reliability(part)
    assert only.accuracy.value == pytest.approx(0.9) and only.share == pytest.approx(1) and only.count == 150
    surer = dataclasses.replace(part, top_logit=np.where(labels == 0, np.log(0.9), np.log(0.2)).astype(np.float32))
    low, high = measures.reliability(surer)
    assert (low.share, high.share) == (pytest.approx(0.1), pytest.approx(0.9))
    assert measures.mean_confidence(surer) == pytest.approx(0.9 * 0.9 + 0.1 * 0.2, abs=1e-6)
    # Bins are equally heavy: one mixes the small classes (+.2, a tenth of all) with four tenths of the large one (-.1).
    two = measures.rms_calibration(surer, 2).value
    assert two == pytest.approx(np.sqrt(0.5 * 0.04**2 + 0.5 * 0.1**2), abs=2e-3)


def test_parts_of_different_length_have_one_mix_in_calibration() -> None:
    design = coverage_shares.shuffled(((900, 1.0), (50, 0.0), (50, 0.0)), 0)
    parts = []
    for n in (150, 90):
        labels = design.labels[:n]
        half = np.full(n, np.log(0.5), np.float32)
        parts.append(design.attached(dataclasses.replace(coverage_shares.rows_of(labels == 0, labels), top_logit=half)))
    assert measures.mean_ece(parts).value == pytest.approx(0.4, abs=1e-6)
    assert measures.mean_ece(parts).n == 90


def test_calibration_leaves_room_for_classes_not_seen() -> None:
    (rows,) = drawn(World(2000), [0.3], confidence=True)
    for measure in (measures.ece, measures.rms_calibration):
        without, found = measure(rows), measure(dataclasses.replace(rows, unseen=0.1))
        assert found.value == without.value
        assert found.low <= max(0.9 * without.low - 0.1, 0) and found.high >= 0.9 * without.high + 0.1 - 1e-12
    increase = measures.mean_ece_increase([rows], dataclasses.replace(rows, unseen=0.1))
    assert increase.low <= -0.2 and increase.high >= 0.2
    for one, other in zip(
        measures.reliability(rows), measures.reliability(dataclasses.replace(rows, unseen=0.1)), strict=True
    ):
        assert other.accuracy.high - other.accuracy.low > one.accuracy.high - one.accuracy.low


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_calibration_of_few_groups_has_wide_intervals(groups: int) -> None:
    (rows,) = drawn(World(90), [0.3], confidence=True)
    rows = dataclasses.replace(rows, group=np.arange(90) // (90 // groups))
    for measure in (measures.ece, measures.rms_calibration):
        found = measure(rows)
        assert 0 <= found.low <= found.value <= found.high <= 1 and found.high - found.low > 0.1


@pytest.mark.parametrize("words", ["ECE, 30 groups", "ECE, unequal", "RMS calibration error, 200 groups"])
def test_calibration_covers_under_groups_and_weights(words: str) -> None:
    check_covers(words, 200)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["ECE", "RMS calibration"])
def test_calibration_covers_everywhere_under_groups_and_weights(words: str) -> None:
    check_covers(words, 2000)


# ------------------------------------------------------------------ Fourier maps

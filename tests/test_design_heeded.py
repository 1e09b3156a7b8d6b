"""Groups and weights of classes in the published sets' numbers, calibration, Fourier maps and stability."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmark_tools import benchmark
from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate

coverage_shares = benchmark("coverage_shares")
coverage_design = benchmark("coverage_design")
World, by_key, LEVELS = coverage_design.World, coverage_design.by_key, coverage_design.LEVELS

ALL = [*LEVELS, -3.0, *(np.array(LEVELS) + 0.4), -3.0]


def drawn(world: object, levels: list[float], seed: int = 0, **how: bool) -> list[Rows]:
    return list(world.draw(np.random.default_rng(seed), levels, **how))  # type: ignore[attr-defined]


def once(rows: Rows, size: int) -> Rows:
    """One of each group of copies, without the groups."""
    return dataclasses.replace(rows.take(slice(None, None, size)), group=None)


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


def check_copies(twice: Estimate, without: Estimate, alone: Estimate, size: int) -> None:
    """The value stays, the interval is that of the images without copies."""
    assert twice.value == pytest.approx(without.value, abs=1e-12) and twice.n == without.n == size * alone.n
    assert "clustered" in twice.method and "clustered" not in without.method
    assert twice.high - twice.low == pytest.approx(alone.high - alone.low, rel=0.12)
    assert without.high - without.low < 0.75 * (twice.high - twice.low)


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


def covers(words: str, repetitions: int) -> None:
    """No case of the benchmark that holds these words is below what is asked by more than chance explains."""
    chosen = [case for case in coverage_design.CASES if words in case[0]]
    assert chosen, words
    for place, asked, old, new in chosen:
        hits, total = new(repetitions)
        assert stats.binomtest(hits, max(total, 1), asked, "less").pvalue > 1e-3, (place, hits, total)
        if "copies" in place and "anytime" not in place and "classes" not in place:
            before, of = old(repetitions)
            assert before / of < 0.88, (place, before, of)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["over a run", "over a table"])
def test_ratios_cover_under_groups_and_weights(words: str) -> None:
    covers(words, 800)


@pytest.mark.parametrize("words", ["mean CE over a run, fixed, 30 groups", "over a table, 30 groups"])
def test_ratios_of_copies_cover(words: str) -> None:
    covers(words, 200)

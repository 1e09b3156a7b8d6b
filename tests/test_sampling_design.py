"""How the samples were drawn travels with the rows: copies, groups, classes of unequal size, looks."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import special, stats

from benchmark_tools import benchmark
from brittlestar import measures
from brittlestar.core.errors import DataError, StoreError
from brittlestar.core.rows import Rows
from brittlestar.data import open_source
from brittlestar.store import RunStore
from store_tools import describe, make_store, random_rows
from tiny import called, make_world

coverage_shares = benchmark("coverage_shares")
rows_of = coverage_shares.rows_of


def test_the_design_follows_rows_that_are_taken_sorted_and_joined() -> None:
    rows = random_rows(0, 6)
    rows = dataclasses.replace(
        rows, group=np.array([7, 7, 3, 3, 1, 0]), weight=np.array([0.5, 0.5, 1, 1, 1.5, 1.5]), unseen=0.1
    )
    order = np.array([4, 0, 2])
    taken = rows.take(order)
    assert taken.group is not None and taken.weight is not None
    assert taken.group.tolist() == [1, 7, 3] and taken.weight.tolist() == [1.5, 0.5, 1] and taken.unseen == 0.1
    ordered = rows.take(order[::-1]).sorted()
    assert ordered.group is not None and ordered.group.tolist() == [7, 3, 1]
    joined = Rows.concatenate([taken, ordered])
    assert joined.weight is not None and joined.weight.tolist() == [1.5, 0.5, 1, 0.5, 1, 1.5] and joined.unseen == 0.1
    without = Rows.concatenate([taken, dataclasses.replace(ordered, weight=None)])
    assert without.weight is None and without.group is not None


# ------------------------------------------------------------------ shares


@pytest.mark.parametrize("n", [20, 100, 1000, 5000])
@pytest.mark.parametrize("mean", [0.05, 0.176, 0.5, 1.0, 3.0])
def test_shares_near_0_and_1_cover_for_every_n(n: int, mean: float) -> None:
    """Summed over the outcomes that matter; Wilson's interval falls to .84 there."""
    p, k = mean / n, np.arange(min(n, 60) + 1)
    chance = stats.binom.pmf(k, n, p)
    few = [measures.rate(int(i), n) for i in k]
    assert chance @ np.array([e.low <= p <= e.high for e in few]) >= 0.95
    many = [measures.rate(n - int(i), n) for i in k]
    assert chance @ np.array([e.low <= 1 - p <= e.high for e in many]) >= 0.95
    wilson = [measures.wilson(int(i), n) for i in k]
    if mean == 0.176:
        assert chance @ np.array([e.low <= p <= e.high for e in wilson]) < 0.86


def test_a_single_share_is_the_exact_one_everywhere() -> None:
    right = np.arange(300) < 298
    exact = measures.clopper_pearson(298, 300)
    rows = dataclasses.replace(
        rows_of(right), top_logit=np.full(300, -0.1, np.float32), logits=np.where(right[:, None], [1.0, 0], [0, 1.0])
    )
    assert measures.accuracy(rows) == measures.rate(298, 300) == exact == measures.error_rate(rows).complement()
    (only,) = measures.reliability(rows)
    assert only.accuracy == exact
    mean = measures.mean_interval(right.astype(float))
    assert (mean.low, mean.value, mean.high, mean.method) == (exact.low, exact.value, exact.high, "Clopper-Pearson")
    assert measures.mean_error([rows]).low == pytest.approx(1 - exact.high, abs=1e-12)


# ------------------------------------------------------------------ groups


def test_copies_leave_the_value_and_widen_the_interval() -> None:
    right = np.random.default_rng(0).random(200) < 0.8
    alone, twice = rows_of(right), dataclasses.replace(rows_of(np.repeat(right, 2)), group=np.repeat(np.arange(200), 2))
    one, two = measures.accuracy(alone), measures.accuracy(twice)
    assert two.value == one.value and two.n == 400 and "clustered" in two.method
    assert (two.low, two.high) == pytest.approx((one.low, one.high)), "copies add nothing"
    naive = measures.accuracy(dataclasses.replace(twice, group=None))
    assert naive.high - naive.low < 0.75 * (two.high - two.low)
    with_itself = measures.compare(twice, dataclasses.replace(twice, prediction=1 - twice.prediction))
    assert with_itself.test == "inverted interval" and "clustered" in with_itself.estimate.method


def test_the_value_is_untouched_whatever_the_groups() -> None:
    generator = np.random.default_rng(5)
    for n in (7, 49, 333):
        right, group = generator.random(n) < 0.7, generator.integers(0, n // 2, n)
        rows = dataclasses.replace(rows_of(right), group=group)
        for rule in ("fixed", "anytime"):
            assert measures.accuracy(rows, rule).value == right.sum() / n


def test_groups_of_one_change_nothing() -> None:
    rows = rows_of(np.arange(50) % 3 > 0)
    grouped = dataclasses.replace(rows, group=np.arange(50)[::-1].copy())
    one, other = measures.accuracy(rows), measures.accuracy(grouped)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_few_groups_make_wide_intervals_never_of_no_width(groups: int) -> None:
    for right in (np.ones(90, bool), np.zeros(90, bool), np.arange(90) % 2 == 0):
        rows = dataclasses.replace(rows_of(right), group=np.arange(90) // (90 // groups))
        for rule in ("fixed", "anytime"):
            found = measures.accuracy(rows, rule)
            assert found.low <= found.value <= found.high and found.high - found.low > 0.5


def test_the_p_value_under_groups_belongs_to_the_interval() -> None:
    generator = np.random.default_rng(3)
    group = np.repeat(np.arange(60), 3)
    first = dataclasses.replace(rows_of(np.repeat(generator.random(60) < 0.8, 3)), group=group)
    second = dataclasses.replace(rows_of(np.repeat(generator.random(60) < 0.6, 3)), group=group)
    found = measures.compare(first, second)
    assert found.p > measures.mcnemar_counts(found.b, found.c), "copies are no evidence"
    for level, inside in ((1 - found.p * 1.001, False), (1 - found.p * 0.999, True)):
        estimate = measures.compare(first, second, level=level).estimate
        assert (estimate.low <= 0 <= estimate.high) == inside
    assert measures.mcnemar(first, second) == found.p
    anytime = measures.compare(first, second, "anytime")
    assert anytime.test == "betting" and anytime.p > found.p


def test_p_values_under_groups_keep_their_level() -> None:
    generator, group = np.random.default_rng(4), np.repeat(np.arange(40), 5)
    low = {"fixed": 0, "anytime": 0}
    for _ in range(300):
        u = generator.random((2, 40))
        a, b = (dataclasses.replace(rows_of(np.repeat(x < 0.7, 5)), group=group) for x in u)
        for rule in low:
            low[rule] += measures.compare(a, b, rule).p < 0.05
    assert all(stats.binomtest(count, 300, 0.05, "greater").pvalue > 1e-4 for count in low.values()), low


def test_a_weighted_sequence_is_the_wealth_of_a_bettor_with_those_stakes() -> None:
    scores, weights = np.array([1.0, 0.0, 1.0, 0.5]), np.array([2.0, 1.0, 1.0, 0.5])
    found = measures.bounded_sequence(scores, weights=weights)
    assert found.value == pytest.approx(np.average(scores, weights=weights))
    stakes = special.expit(np.linspace(special.logit(1e-3), special.logit(0.995), 48))
    for m in (found.low, found.high):
        up = np.prod(1 + stakes[:, None] * weights / 2 * (scores / m - 1), axis=1) if m > 0 else np.array([np.inf])
        down = np.prod(1 + stakes[:, None] * weights / 2 * ((1 - scores) / (1 - m) - 1), axis=1) if m < 1 else up
        assert m in (0.0, 1.0) or (up.mean() + down.mean()) / 2 == pytest.approx(20, rel=1e-4)
    same = measures.bounded_sequence(scores, weights=np.full(4, 3.0))
    plain = measures.bounded_sequence(scores)
    assert (same.low, same.high) == pytest.approx((plain.low, plain.high))


# ------------------------------------------------------------------ classes of unequal size


def test_a_part_estimates_the_whole_sets_mix() -> None:
    sizes = ((900, 1.0), (50, 0.0), (50, 0.0))
    design = coverage_shares.shuffled(sizes, 0)
    for n in (60, 150, 999):
        labels = design.labels[:n]
        rows = design.attached(rows_of(labels == 0, labels))
        assert rows.weight is not None and rows.weight.mean() == pytest.approx(1)
        found = measures.accuracy(rows)
        assert found.value == pytest.approx(0.9) and "weighted by class" in found.method
        assert found.low < 0.9 < found.high and found.n == n
        assert measures.error_rate(rows).value == pytest.approx(0.1)
        worse = dataclasses.replace(rows, prediction=np.full(n, 1, np.int32))
        assert measures.paired_difference(worse, rows).value == pytest.approx(0.95 - 0.1)
        assert measures.accuracy(rows, "anytime").value == pytest.approx(0.9)


def test_the_whole_set_and_equal_classes_are_counted_plainly() -> None:
    design = coverage_shares.shuffled(((30, 0.5), (5, 0.5), (12, 0.5)), 1)
    rows = rows_of(np.arange(47) % 2 == 0, design.labels)
    assert design.attached(rows) is rows
    equal = coverage_shares.shuffled(((20, 0.5),) * 7, 1)
    for n in (3, 10, 50, 140):
        part = rows_of(np.ones(n, bool), equal.labels[:n])
        assert equal.attached(part) is part, "no class can be said to count more"


def test_weights_are_shares_of_the_set_over_shares_of_the_part() -> None:
    design = coverage_shares.shuffled(((40, 0.5), (10, 0.5), (2, 0.5)), 0)
    labels = design.labels[:30]
    weight, unseen = design.weights(np.arange(30, dtype=np.int32))
    counts = np.bincount(labels)
    assert unseen == 0
    np.testing.assert_allclose(weight, (np.array([40, 10, 2]) / 52 / (counts / 30))[labels])


def test_two_parts_in_different_orders_are_compared_for_the_whole_set() -> None:
    """Few samples of the large class are in both parts; they stand for it all the same."""
    sizes = ((900, 1.0), *(((40, 0.0),) * 3))
    parts = []
    for seed in (1, 2):
        design = coverage_shares.shuffled(sizes, seed)
        order = np.random.default_rng(seed).permutation(900)  # which of the large class come first
        labels = design.labels[:148]
        rows = design.attached(rows_of(labels == 0, labels))
        place = np.empty(148, np.int32)
        for k in range(4):
            own = np.flatnonzero(labels == k)
            place[own] = order[: len(own)] if k == 0 else 900 + 40 * k + np.arange(len(own))
        parts.append(dataclasses.replace(rows, position=place).sorted())
    shared, _ = measures.paired(*parts)
    assert 0 < shared.sum() < 8, "the large class is a small part of what both hold"
    assert measures.mean_error([parts[0], parts[1]]).value == pytest.approx(120 / 1020, abs=1e-9)


def test_a_class_that_was_not_seen_may_be_anything() -> None:
    sizes = ((95, 1.0), *(((1, 1.0),) * 5))
    order = next(d for seed in range(20) if (d := coverage_shares.shuffled(sizes, seed)).labels[0] != 0)
    labels = order.labels
    n = int(np.flatnonzero(labels == 0)[0])
    rows = order.attached(rows_of(np.ones(n, bool), labels[:n]))
    assert rows.unseen == pytest.approx(0.94)
    found = measures.accuracy(rows)
    assert found.value == 1 and found.low < 0.06 and found.high == 1
    other = order.attached(rows_of(np.zeros(n, bool), labels[:n]))
    assert measures.compare(rows, other).p == 1 and measures.paired_difference(other, rows).low < 0


def test_old_folders_open_and_folders_record_groups(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", samples=40)
    ids, labels = store.samples()
    assert store.design().groups is None and store.design().alike
    groups = np.arange(40, dtype=np.int64) // 2
    store.write_samples(ids, labels, groups)  # a new version that knows of copies goes on with an old folder
    assert RunStore.open(tmp_path / "a").design().groups is not None
    with pytest.raises(StoreError, match="other groups"):
        store.write_samples(ids, labels, (np.arange(40, dtype=np.int64) + 1) // 2)
    for smaller in (None, np.arange(40, dtype=np.int64), groups + 7):
        store.write_samples(ids, labels, smaller)
    assert np.array_equal(RunStore.open(tmp_path / "a").design().groups, groups), "smaller groups change nothing"
    groups = groups // 2
    store.write_samples(ids, labels, groups)
    store.register_conditions([describe("c")])
    store.write_cells("m", 0, 20, [("c", random_rows(0, 20))])
    rows = store.read("m", ["c"])["c"]
    assert rows.group is not None and rows.group.tolist() == groups[:20].tolist()


# ------------------------------------------------------------------ sources


def images(*levels: int) -> npt.NDArray[np.uint8]:
    return np.stack([np.full((8, 8), level, np.uint8) for level in levels])


def test_copies_are_found_also_under_two_labels() -> None:
    source = open_source((images(1, 2, 1, 3, 4, 3, 3), np.array([0, 0, 0, 1, 1, 1, 0])))
    assert source.groups is not None
    same = source.groups[:, None] == source.groups[None]
    assert same.sum(1).tolist() == [2, 1, 2, 3, 1, 3, 3]
    notes = " ".join(source.info.notes)
    assert (
        "2 images stand there twice or more (5 samples)" in notes and "1 image stands there under two labels" in notes
    )
    again = open_source((images(3, 4, 2, 1), np.array([0, 1, 0, 1])))
    assert again.groups is None and not any("stand" in note for note in again.info.notes)


def test_named_groups_join_copies(tmp_path: Path) -> None:
    x, y = images(1, 2, 3, 4, 1, 5), np.array([0, 1, 0, 1, 0, 1])
    source = open_source((x, y), groups=["film a", "film a", None, "film b", "film b", None])
    assert source.groups is not None
    assert len(set(source.groups[[0, 1, 3, 4]])) == 1, "the copy in film b joins the films"
    assert len(set(source.groups.tolist())) == 3
    plain = open_source((x, y))
    assert plain.info.fingerprint == source.info.fingerprint, "groups do not make other data"
    np.savez(tmp_path / "d.npz", x=x, y=y, film=np.array(["a", "a", "c", "b", "b", "d"]))
    stored = open_source(tmp_path / "d.npz", groups="film")
    assert stored.groups is not None and len(set(stored.groups.tolist())) == 3
    with pytest.raises(DataError, match="no array take"):
        open_source(tmp_path / "d.npz", groups="take")
    with pytest.raises(DataError, match="3 groups for 6 images"):
        open_source((x, y), groups=[1, 2, 3])


def test_a_column_of_a_parquet_file_names_groups(tmp_path: Path) -> None:
    pictures = []
    for image in images(1, 2, 3, 4, 5, 6):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        pictures.append(buffer.getvalue())
    for file, part in (("a", slice(0, 4)), ("b", slice(4, 6))):
        table = {"image": pictures[part], "label": [0, 1, 0, 1, 0, 1][part], "the film": [7, 7, None, 8, 8, None][part]}
        columns = ", ".join(f'unnest(${place}) AS "{name}"' for place, name in enumerate(table, 1))
        duckdb.execute(f"COPY (SELECT {columns}) TO '{tmp_path / file}.parquet' (FORMAT parquet)", list(table.values()))
    source = open_source(tmp_path, groups="the film")
    assert source.groups is not None
    same = (source.groups[:, None] == source.groups[None]).sum(1)
    assert same.tolist() == [2, 2, 1, 2, 2, 1], "a film goes on in the next file"
    assert any("6 samples in 4 groups" in note for note in source.info.notes)
    assert open_source(tmp_path).groups is None
    with pytest.raises(DataError, match="no column film; it has image, label, the film"):
        open_source(tmp_path, groups="film")


def test_the_command_line_takes_groups(tmp_path: Path) -> None:
    model, data = make_world(tmp_path, samples=60)
    kept = dict(np.load(data))
    np.savez(data, **kept, film=np.arange(60) // 6)
    words = (
        "run",
        "--model",
        f"torch:{model}:model",
        "--data",
        data,
        "--suite",
        "clean",
        "--workers",
        1,
        "--no-report",
    )
    found = called(*words, "--device", "cpu", "--out", tmp_path / "run", "--group", "film")
    assert found.returncode == 0 and "60 samples in 10 groups" in found.stderr, found.stderr
    groups = RunStore.open(tmp_path / "run").design().groups
    assert groups is not None and np.unique(groups, return_counts=True)[1].tolist() == [6] * 10
    refused = called(*words, "--device", "cpu", "--out", tmp_path / "other", "--group", "patient")
    assert refused.returncode == 2 and "no array patient" in refused.stderr


# ------------------------------------------------------------------ how often the intervals hold


@pytest.mark.parametrize("case", coverage_shares.CASES, ids=[case[0] for case in coverage_shares.CASES])
def test_intervals_hold_where_they_are_used(case: coverage_shares.Case) -> None:
    place, asked, _, new = case
    hits, total = new(250)
    assert stats.binomtest(hits, total, asked, "less").pvalue > 1e-5, f"{place}: {hits} of {total}"

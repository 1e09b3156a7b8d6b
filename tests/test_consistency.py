"""Consistency of observers: numbers known on paper, and the human table from raw trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import DataError, UsageError
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.consistency import (
    accuracy_difference,
    consistency,
    expected_consistency,
    kappa,
    mean_resampled,
    outcomes,
    response_entropy,
    shape_bias,
    share_over_images,
)
from brittlestar.reproduce.human_table import as_markdown, human_table, people_on
from brittlestar.store.trials import COLUMNS, Trial, as_csv, level_of, parsed, read_trials
from conftest import shared_path
from tiny import called


def observers(both: int, first: int, second: int, neither: int) -> np.ndarray:
    """(images, 1, 4) outcomes of one pair."""
    return np.repeat(np.eye(4), [both, first, second, neither], 0)[:, None]


def test_kappa_of_known_accuracies() -> None:
    assert float(expected_consistency(0.8, 0.6)) == pytest.approx(0.56)
    assert float(kappa(0.7, 0.56)) == pytest.approx(0.3181818)
    # Accuracies .8 and .6, 70 of 100 alike: both right x, only the first .8 - x, only the second .6 - x.
    found = consistency(observers(55, 25, 5, 15))
    assert found.observed.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.3181818)


def test_only_observers_that_always_agree_have_a_kappa_of_one() -> None:
    assert consistency(observers(10, 0, 0, 0)).kappa.value == 1, "nothing to expect, all alike"
    assert consistency(observers(7, 0, 0, 3)).kappa.value == 1
    assert consistency(observers(6, 0, 1, 3)).kappa.value < 1
    # One observer is always right: whatever the other does, they agree as often as expected.
    assert consistency(observers(7, 3, 0, 0)).kappa.value == pytest.approx(0)
    assert consistency(observers(5, 0, 0, 0)).kappa.estimate().low < 1, "five images make nobody sure"


@pytest.mark.slow
def test_independent_errors_have_no_kappa_and_the_interval_holds_it() -> None:
    generator = np.random.default_rng(2)
    held, runs, images = 0, 200, 120
    for run in range(runs):
        right = generator.random((images, 2)) < (0.8, 0.6)
        estimate = consistency(outcomes(right[:, 0], right[:, 1])[:, None], draws=300, seed=run).kappa.estimate()
        held += estimate.low <= 0 <= estimate.high
    # 95 % of 200 are 190; three standard deviations of that are 9.
    assert held >= 180


@pytest.mark.slow
def test_the_interval_holds_a_kappa_that_is_not_zero_with_images_seen_by_several_pairs() -> None:
    """Two people agree with a model as images differ in difficulty: the pairs of one image depend on each other."""
    generator = np.random.default_rng(3)

    def world(images: int) -> np.ndarray:
        easy = generator.random(images) < 0.5
        chance = np.where(easy, 0.9, 0.3)[:, None]
        right = generator.random((images, 3)) < chance
        return np.stack([outcomes(right[:, 0], right[:, i]) for i in (1, 2)], 1)

    truth = consistency(world(200_000), draws=2).kappa.value
    held = 0
    for run in range(200):
        estimate = consistency(world(100), draws=300, seed=run).kappa.estimate()
        held += estimate.low <= truth <= estimate.high
    assert 0.2 < truth < 0.5
    assert held >= 180


def test_pairs_that_did_not_see_an_image_are_left_out_of_it() -> None:
    tables = np.concatenate([observers(20, 5, 5, 10), np.zeros((40, 1, 4))], 1)
    with_nothing = np.concatenate([tables, np.zeros((7, 2, 4))])
    whole = consistency(observers(20, 5, 5, 10)).kappa.value
    assert consistency(with_nothing[:, :1]).kappa.value == pytest.approx(whole)
    assert consistency(tables).kappa.value == pytest.approx(whole), "a pair without images is no pair"
    alone, beside = (consistency(t).kappa.estimate() for t in (tables[:, :1], tables))
    assert (beside.low, beside.high) == pytest.approx((alone.low, alone.high), abs=0.08)


def test_entropy_counts_what_is_no_answer_only_below_the_line() -> None:
    names = [f"c{i}" for i in range(16)]
    assert response_entropy(["c0", "c0", "c1", "c2"], names) == pytest.approx(1.5)
    assert response_entropy(names, names) == pytest.approx(4)
    assert response_entropy(["c0"] * 9, names) == 0
    expected = -(0.5 * np.log2(0.5) + 0.25 * np.log2(0.25))
    assert response_entropy(["c0", "c0", "c1", "na"], names) == pytest.approx(expected)
    with pytest.raises(NoSamplesError):
        response_entropy([], names)


def test_differences_biases_and_shares() -> None:
    assert accuracy_difference([0.5, 0.9], [[0.5, 0.7], [0.9, 0.9]]) == pytest.approx((0.04 / 2 + 0) / 2)
    assert shape_bias([3, 0, 2], [1, 0, 4]).value == pytest.approx(0.5)
    assert share_over_images([2, 0, 1], [2, 2, 1]).value == pytest.approx(0.6)
    with pytest.raises(UsageError, match="more hits"):
        share_over_images([3], [2])
    with pytest.raises(NoSamplesError):
        shape_bias([0, 0], [0, 0])
    with pytest.raises(NoSamplesError):
        mean_resampled([])


def trials(count: int = 6) -> list[Trial]:
    names = ("bear", "na")
    return [
        Trial(f"s{who}", 1, i + 1, 0.5, names[(i + who) % 2], "bear", "0.90", f"{i:04d}_x_s{who}_0.9_bear_10_a{i}.png")
        for who in (1, 2)
        for i in range(count)
    ]


def test_trials_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = trials()
    (tmp_path / "t.csv").write_text(as_csv(written))
    assert read_trials(tmp_path / "t.csv") == written
    assert written[0].image_id == "10_a0.png"
    assert [level_of(c) for c in ("0.90", "3.0", "inf", "True", "8-3-10")] == ["0.9", "3", "inf", "true", "8-3-10"]
    assert parsed(as_csv(written).replace("session", "Session"), "x") == written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "lacks the columns subj, session"),
        (",".join(COLUMNS), "holds no trials"),
        (",".join(COLUMNS[:-1]) + "\n", "lacks the column imagename"),
        (",".join((*COLUMNS, "rt")) + "\n", "a column twice"),
        (as_csv(trials()) + "s1,1,2\n", "line 14: 3 values for 8 columns"),
        (as_csv(trials()).replace(",bear,bear,", ",,bear,"), "object_response is empty"),
        (as_csv(trials()).replace("s1,1,1,", "s1,one,1,"), "are numbers"),
    ],
)
def test_files_that_are_no_trials_are_told_what_they_lack(text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parsed(text, "t.csv")


def test_people_who_cannot_be_compared_are_refused() -> None:
    alone = [t for t in trials() if t.subject == "s1"]
    with pytest.raises(DataError, match="needs two of them"):
        people_on("mine", alone)
    with pytest.raises(DataError, match=r"has two trials of 10_a0\.png"):
        people_on("mine", trials() + alone)
    with pytest.raises(DataError, match="every condition is one that the published numbers leave out"):
        people_on("uniform-noise", trials())
    found = people_on("mine", trials())
    assert (found.accuracy.value, found.observed.value, found.trials) == (0.5, 0.0, 12)
    assert found.kappa.value == -1


def test_a_folder_of_no_trials_is_refused(tmp_path: Path) -> None:
    answer = called("people", "table", tmp_path)
    assert answer.returncode == 2
    assert "holds no folders with CSV files" in answer.stderr


@pytest.mark.slow
def test_the_human_table_is_the_published_one(tmp_path: Path) -> None:
    found = {one.name: one for one in human_table(shared_path("data/human-trials"))}
    page = as_markdown(list(found.values()))
    assert page.count("| yes |\n") >= 17
    assert "off by" not in page
    assert len(found) == 17
    means = [np.mean([getattr(one, of).value for one in found.values()]) for of in ("accuracy", "kappa", "observed")]
    assert means == pytest.approx([0.7228, 0.4312, 0.8085], abs=1e-4)
    assert np.mean([one.difference for one in found.values()]) == pytest.approx(0.0066, abs=1e-4)
    shape = found["cue-conflict"].shape
    assert shape is not None and shape.value == pytest.approx(9236 / (9236 + 398), abs=1e-9)
    golden = {
        ("contrast", "c10"): (0.5953, 3.8893, 0.4219),
        ("high-pass", "1"): (0.6156, 3.8564, 0.3801),
        ("low-pass", "5"): (0.6297, 3.9198, 0.4977),
        ("phase-scrambling", "90"): (0.6859, 3.9011, 0.4522),
        ("rotation", "90"): (0.8414, 3.9665, 0.4896),
        ("uniform-noise", "0.35"): (0.3984, 3.7529, 0.4342),
        ("eidolonI", "8-10-10"): (0.6922, 3.8848, 0.4730),
        ("power-equalisation", "pow"): (0.7589, 3.9606, 0.5106),
    }
    for (name, condition), numbers in golden.items():
        under = next(u for u in found[name].conditions if u.condition == condition)
        assert under.between is not None
        assert (under.accuracy.value, under.entropy, under.between.kappa.value) == pytest.approx(numbers, abs=1e-4), (
            name
        )

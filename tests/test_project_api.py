"""The library from Python, as the README shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import brittlestar as bs
from brittlestar.api.evaluation import parse_duration
from brittlestar.core.errors import UsageError
from tiny import make_world


def test_evaluate_a_module_on_arrays(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    x = np.random.default_rng(0).integers(0, 256, (90, 8, 8), dtype=np.uint8)
    run = bs.evaluate(model, (x, np.arange(90) % 3), suite="broad", out=tmp_path / "run", samples=60)
    table = run.table()
    assert {row["n"] for row in table} == {60}
    clean = next(row for row in table if row["condition"] == "clean")
    assert clean["low"] < clean["accuracy"] < clean["high"]
    assert "gaussian_noise/sigma=" in str(table)
    written = run.report(tmp_path / "page" / "mine.html")
    assert written.name == "mine.html"
    assert "<html" in written.read_text()


def test_a_callable_on_numpy_has_no_attacks(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)

    def model(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1) @ weights

    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    run = bs.evaluate(model, (x, np.arange(60) % 3), out=tmp_path / "run")
    names = {row["condition"] for row in run.table()}
    assert "clean" in names
    assert not any("pgd" in name for name in names)


def test_a_shift_is_a_plain_function() -> None:
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    noisy = bs.shifts.GaussianNoise(sigma=0.1)(images, bs.keys(0, ["a", "b", "c", "d"]))
    alone = bs.shifts.GaussianNoise(sigma=0.1)(images[2:3], bs.keys(0, ["c"]))
    assert torch.equal(noisy[2:3], alone)


def test_durations() -> None:
    assert [parse_duration(t) for t in ("90", "90s", "5m", "1h30m", 2)] == [90, 90, 300, 5400, 2]
    for wrong in ("", "soon", "5 parsecs"):
        with pytest.raises(UsageError, match="duration"):
            parse_duration(wrong)


def test_reading_results_needs_no_torch(tmp_path: Path) -> None:
    """The store, the measures and the report open where torch is not installed."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import brittlestar, brittlestar.store, brittlestar.measures, brittlestar.report\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_workers_need_specifications(tmp_path: Path) -> None:
    make_world(tmp_path)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 144, 4)).eval()
    with pytest.raises(UsageError, match="specifications"):
        bs.evaluate(module, tmp_path / "data.npz", out=tmp_path / "run", workers=2)

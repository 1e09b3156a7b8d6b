"""Maps against errors: spectra by hand, a model whose failures its map must rank, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from brittlestar import api
from brittlestar.analyses.explain import explain, markdown, spectra_of
from brittlestar.core.errors import DataError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.shifts.ops.spectrum import basis_vector
from brittlestar.store import RunStore
from brittlestar.suites import get_suite
from test_fourier_exact import Linear
from tiny import called


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two linear models, of a low and of a high wave, on random images under bands and the map."""
    folder = tmp_path_factory.mktemp("explain")
    images = torch.randint(0, 256, (80, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    low, high = basis_vector(16, 16, 1, 1), basis_vector(16, 16, 6, 7)
    scores = ((images / 255) * low).sum((1, 2, 3))
    middle = float(scores.sort().values[39:41].mean())
    labels = (scores > middle).long().numpy()
    np.savez(folder / "d.npz", x=images.to(torch.uint8).numpy(), y=labels)
    models = {"low": Linear(low, middle).eval(), "high": Linear(high, 0.0).eval()}
    run = api.evaluate(models, str(folder / "d.npz"), suite=["fourier", "bands"], out=folder / "run")
    return run.path, folder / "d.npz"


def test_power_is_that_of_the_change() -> None:
    x, keys = torch.rand(60, 3, 32, 32), SampleKeys.of(0, [str(i) for i in range(60)])
    info = next(c.info for c in get_suite("bands").conditions((3, 32, 32)) if c.info.shift == "ring_noise")
    power, magnitude = spectra_of(info, x, keys)
    assert bool((magnitude**2 <= power * (1 + 1e-9)).all()), "the mean square is no less than the squared mean"
    assert magnitude.max() > 0.5 * power.max() ** 0.5
    norm = float(info.config["norm"])
    assert abs(power.sum() * 3 / (32 * 32) - norm**2) < 1e-3, "Parseval"
    row, column = np.nonzero(power > 1e-6 * power.max())
    radius = np.hypot(row - 16, column - 16)
    assert radius.min() >= info.config["low"] - 1e-6 and radius.max() <= info.config["high"] + 1e-6


def test_the_map_ranks_a_linear_models_failures(made: tuple[Path, Path]) -> None:
    found = explain(RunStore.open(made[0]), open_source(str(made[1])), samples=80)
    assert found.bandwidth == 8 and found.images == 80
    noise = [c for c in found.cases if c.model == "low" and c.shift in ("ring_noise", "band_noise")]
    inside = [c for c in noise if c.predicted > 0.02]
    outside = [c for c in noise if c.predicted < 1e-9]
    assert inside and outside
    assert all(c.measured.value == 0 for c in outside), "no energy at its wave, no error"
    assert max(c.measured.value for c in inside) > 0.05
    fit = found.correlation["low"]
    assert fit is not None and -1 <= fit.low <= fit.value <= fit.high <= 1 and fit.value > 0.3
    assert found.sentences == (), "the other model is at chance already: nothing is worse than that"
    assert all(0 <= c.high <= 1 for c in found.cases)
    text = markdown(found)
    assert "| low |" in text and "r of predicted" in text


def test_files_and_refusals(made: tuple[Path, Path], tmp_path: Path) -> None:
    run, data = made
    done = called("explain", run, "--data", data, "--samples", 20, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "explain.csv").read_text().splitlines()) > 50
    assert (tmp_path / "explain.md").read_text().startswith("# Frequencies")
    np.savez(tmp_path / "other.npz", x=np.full((20, 1, 16, 16), 9, np.uint8), y=np.arange(20) % 2)
    with pytest.raises(DataError, match="is not the data of the run"):
        explain(RunStore.open(run), open_source(str(tmp_path / "other.npz")))
    model = Linear(torch.ones(16, 16), 0.0).eval()
    bare = api.evaluate(model, str(tmp_path / "other.npz"), suite="clean", out=tmp_path / "bare")
    with pytest.raises(UsageError, match="no Fourier map"):
        explain(RunStore.open(bare.path), open_source(str(tmp_path / "other.npz")))

"""What ``run`` takes, the other verbs take too: data with a damaged image, one class, odd names of files to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brittlestar.data.encoded import png
from tiny import called, make_world


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder of two classes; one image is cut off."""
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(6):
            levels = draws.integers(0, 256, (3, 12, 12), dtype=np.uint8)
            (tmp_path / "set" / name / f"{k}.png").write_bytes(png(levels))
    image = tmp_path / "set" / "cat" / "0.png"
    image.write_bytes(image.read_bytes()[:200])
    return tmp_path / "set"


def test_training_leaves_damaged_images_out_if_told(damaged: Path, tmp_path: Path) -> None:
    words = ("train", "--recipe", "natural", "--data", damaged, "--epochs", 1, "--out", tmp_path / "trained")
    refused = called(*words)
    assert refused.returncode == 2 and "leave it out with --skip-bad" in refused.stderr
    done = called(*words, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "trained" / "model.safetensors").is_file()


def test_a_run_without_an_image_is_explained_without_it(damaged: Path, tmp_path: Path) -> None:
    code, _ = make_world(tmp_path)
    code.write_text(code.read_text().replace("* 0.2", "[:, :2] * 0.2"))
    out = tmp_path / "run"
    words = ("run", "--model", f"torch:{code}:model", "--data", damaged, "--suite", "clean", "--out", out)
    done = called(*words, "--skip-bad", "--no-report", "--anyway", "--workers", 1)
    assert done.returncode == 0, done.stderr
    explained = called("explain", out, "--data", damaged)
    assert explained.returncode == 2 and "map" in explained.stderr
    assert "damaged" not in explained.stderr
    for name in ("report.pdf", "report.json"):
        refused = called("report", out, "--out", tmp_path / name)
        assert refused.returncode == 2 and "would be a folder" in refused.stderr
        assert not (tmp_path / name).exists()
    (tmp_path / "notes").write_text("mine")
    refused = called("report", out, "--out", tmp_path / "notes")
    assert refused.returncode == 2 and "is a file: a report is a folder" in refused.stderr

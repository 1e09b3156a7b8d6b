"""A published set goes through a whole run by its command: label space, resuming, audit, corrupting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brittlestar.data import open_source
from brittlestar.store import RunStore
from published_sets import written
from tiny import called

MODEL = """
import torch

class Wide(torch.nn.Module):
    '''How much brighter the right edge is than the left tells 6, 11 and 13; output 500 is the highest for any.'''

    def __init__(self):
        super().__init__()
        self.register_buffer("centre", torch.tensor([0.46, 0.35, 0.20]))

    def forward(self, x):
        rise = (x[..., -3:] - x[..., :3]).flatten(1).mean(1, keepdim=True)
        out = torch.zeros(len(x), 1000)
        out[:, [6, 11, 13]] = -50 * (rise - self.centre).abs()
        out[:, 500] = 9.0
        return out

def wide():
    return Wide().eval()
"""


@pytest.mark.slow
def test_a_model_of_a_thousand_outputs_is_measured_on_its_two_hundred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    spec = written(monkeypatch, "imagenet-a", tmp_path / "set")
    (tmp_path / "model.py").write_text(MODEL)
    run, model = tmp_path / "run", f"wide=torch:{tmp_path}/model.py:wide"
    words = ["run", "--model", model, "--data", spec, "--suite", "clean", "--shifted", "--anyway", "--no-normalise"]
    words += ["--resize", "32", "--crop", "24", "--no-report", "--out", str(run)]
    first = called(*words)
    assert first.returncode == 0, first.stdout + first.stderr
    store = RunStore.open(run)
    data = store.manifest.data
    assert data["spec"] == spec and data["space"]["name"] == "imagenet-a"
    assert list(data["titles"]) == ["stingray", "goldfinch", "junco"] and data["prepared"]["crop"] == 24
    source = open_source(spec, resize=32, crop=24)
    order = source.order(store.manifest.seed)
    pixels = source.load(order) / 255
    rise = (pixels[..., -3:] - pixels[..., :3]).mean((1, 2, 3))
    (entry,) = store.manifest.models.values()
    fingerprint = store.manifest.conditions["clean"].fingerprint
    answered = store.read(entry["fingerprint"], [fingerprint])[fingerprint]
    assert np.array_equal(answered.label, source.labels[order])
    # Output 500 is the highest, and no class of these data.
    assert np.array_equal(answered.prediction, np.abs(rise[:, None] - [0.46, 0.35, 0.20]).argmin(1))
    assert len(set(answered.prediction.tolist())) > 1
    rows = {file.name: file.stat().st_mtime_ns for file in (run / "rows").rglob("*.parquet")}
    again = called(*words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {file.name: file.stat().st_mtime_ns for file in (run / "rows").rglob("*.parquet")} == rows
    checked = called("audit", run, "--trust")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    monkeypatch.undo()
    changed = called("audit", run, "--trust")
    assert changed.returncode != 0 and "is not ImageNet-A as published" in changed.stdout + changed.stderr

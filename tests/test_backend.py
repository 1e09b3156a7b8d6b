"""The backend was called engine: what people type and what run folders hold from then still works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brittlestar import evaluate
from brittlestar.cli.main import app
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import BrittlestarError
from brittlestar.models import ModelSpec, parse_spec
from brittlestar.runs.audit import audit
from brittlestar.runs.reopen import reopened
from store_tools import edited
from tiny import make_world


def test_a_run_folder_that_recorded_an_engine_opens_and_goes_on(tmp_path: Path) -> None:
    make_world(tmp_path, 60)
    spec, data = parse_spec(f"m=torch:{tmp_path / 'model.py'}:model"), str(tmp_path / "data.npz")
    evaluate(spec, data, suite="clean", out=tmp_path / "run", anyway=True)
    path = tmp_path / "run" / "manifest.json"
    with edited(path) as manifest:
        recorded = manifest["models"]["m"]["how"]
        assert recorded.pop("backend") == "torch"
        recorded["engine"] = "torch"
    bench, names = reopened(tmp_path / "run", trust=True)
    assert names == ["m"] and all(cell.identical for cell in audit(bench, names, 2, 0))
    again = evaluate(spec, data, suite="clean", out=tmp_path / "run", anyway=True)
    assert again.outcome is not None and again.outcome.images == 0, "nothing is computed twice"


def test_a_record_and_an_identity_are_read_and_written_as_ever() -> None:
    spec = parse_spec("m=a.safetensors", mean=(0.5,), backend="onnxruntime")
    record = json.loads(json.dumps(spec.identity()))
    assert record["engine"] == "onnxruntime" and "backend" not in record
    assert ModelSpec.from_record(record) == spec
    assert fingerprint_of([spec.identity()]) == "59b796978a59da4c", "folders of finished trainings are found again"


@pytest.mark.parametrize("verb", ["run", "fourier"])
@pytest.mark.parametrize("flag", ["--backend", "--engine"])
def test_both_spellings_are_taken(verb: str, flag: str) -> None:
    done = CliRunner().invoke(app, [verb, "--model", "m=torch:nowhere.py:m", "--data", "digits", flag, "tensorrt"])
    assert isinstance(done.exception, BrittlestarError)
    assert "unknown backend 'tensorrt'" in str(done.exception) and "onnxruntime" in str(done.exception)

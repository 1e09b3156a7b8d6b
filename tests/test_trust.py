"""A run folder may name any code: nothing of it is run or imported unless the person says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from brittlestar import evaluate
from brittlestar.cli.main import app
from brittlestar.core.errors import BrittlestarError, UsageError
from brittlestar.models import ModelSpec, parse_spec
from brittlestar.models.code import code_named
from brittlestar.models.files import METADATA
from brittlestar.models.zoo import build
from brittlestar.runs.reopen import reopened
from brittlestar.store.manifest import Manifest
from tiny import make_world

EVIL = "from pathlib import Path\nPath({marker!r}).touch()\n{text}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of an honest model, whose manifest is then made to name other code, which would leave a marker."""
    monkeypatch.chdir(tmp_path)
    model, data = make_world(tmp_path, 12)
    evaluate(parse_spec(f"m=torch:{model}:model"), str(data), suite="clean", out=tmp_path / "run", anyway=True)
    evil = EVIL.format(marker=str(tmp_path / "marker"), text=model.read_text())
    for name in ("evil.py", "evil_package/__init__.py", "evil_package/inner.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(evil)
    return tmp_path


def rewritten(folder: Path, name: str = "m", **how: Any) -> None:
    """Have the manifest load its model otherwise."""
    manifest = Manifest.load(folder)
    (about,) = manifest.models.values()
    manifest.models.clear()
    manifest.models[name] = about | {"name": name, "how": about["how"] | how}
    manifest.save(folder)


def audit(*words: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, words)])


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"spec": "torch:evil.py:model"}, "model of {w}/evil.py"),
        ({"spec": "python:evil.py:model"}, "model of {w}/evil.py"),
        (
            {"spec": "torch:evil_package.inner:model"},
            "model of the module evil_package.inner ({w}/evil_package/inner.py)",
        ),
        (
            {"spec": "torch:evil_package:model"},
            "model of the module evil_package ({w}/evil_package/__init__.py)",
        ),
        ({"spec": "w.pth", "factory": "evil.py:model"}, "model of {w}/evil.py"),
        ({"spec": "w.onnx", "factory": "evil.py:model"}, "model of {w}/evil.py"),
        ({"spec": "evil.pt2"}, "the program {w}/evil.pt2"),
        ({"spec": "evil.unheard"}, "the program {w}/evil.unheard"),
        ({"spec": "torch:no_such.inner:model"}, "model of the module no_such.inner (not found)"),
    ],
)
def test_code_is_named_and_not_run(world: Path, how: dict[str, Any], told: str) -> None:
    rewritten(world / "run", **how)
    done = audit(world / "run")
    assert isinstance(done.exception, UsageError), done.exception
    text = str(done.exception)
    code = told.format(w=world)
    assert "model m: " in text and code in text and "Nothing was run" in text and "--trust" in text
    with pytest.raises(UsageError, match="trust=True"):
        reopened(world / "run")
    assert not (world / "marker").exists()


def test_with_trust_the_code_is_named_first_and_run(world: Path) -> None:
    done = audit(world / "run", "--trust")
    assert done.exit_code == 0, done.output
    assert f"running the code of model m: function model of {world}/model.py" in done.stderr
    assert "3 of 3 cells are identical" in done.stdout
    rewritten(world / "run", spec="torch:evil.py:model")
    done = audit(world / "run", "--trust")
    assert "m has changed" in str(done.exception) and (world / "marker").exists(), "the marker can appear"


def test_a_model_that_behaves_otherwise_fails_the_audit_before_any_cell(world: Path) -> None:
    (world / "served.py").write_text(
        f"import numpy as np\ndef f(x):\n    return np.load({str(world / 'w.npy')!r}) * x.mean((1, 2, 3))[:, None]\n"
    )
    np.save(world / "w.npy", np.arange(4))
    evaluate(parse_spec("f=python:served.py:f"), str(world / "data.npz"), suite="clean", out="other", anyway=True)
    np.save(world / "w.npy", -np.arange(4))
    done = audit("other", "--trust")
    assert "model f has changed since other was made: its logits on the first 12 images lie up to" in str(
        done.exception
    )


def test_weights_alone_need_no_trust(tmp_path: Path) -> None:
    for spec in ("a.safetensors", "b.pth", "c.onnx", "D.ONNX", "e.pth.tar", "f.ckpt"):
        assert code_named(ModelSpec(name="m", spec=spec)) == (), spec
    built = {"name": "small_cnn", "classes": 4, "channels": 3, "size": 12}
    file = tmp_path / "m.safetensors"
    save_file(build(*built.values()).state_dict(), file, {METADATA: json.dumps({"architecture": built})})  # type: ignore[arg-type]
    data = make_world(tmp_path, 12)[1]
    evaluate(str(file), str(data), suite="clean", out=tmp_path / "run", anyway=True)
    done = audit(tmp_path / "run")
    assert done.exit_code == 0 and "3 of 3 cells are identical" in done.output, done.output


def test_names_from_the_folder_turn_no_text(world: Path) -> None:
    rewritten(world / "run", name="m\x1b[2J\u202e\nerror: fine", spec="torch:e\u202evil.py:model")
    text = str(audit(world / "run").exception)
    assert "m\\x1b[2J\\u202e\\nerror: fine" in text and "e\\u202evil.py" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    "how", [{"unheard": 1}, {"spec": 3}, {"factory": ["a", "b"]}, {"spec": None}, {"spec": "torch:a\0.py:f"}]
)
def test_what_cannot_be_a_model_is_told_in_one_line(world: Path, how: dict[str, Any]) -> None:
    rewritten(world / "run", **how)
    done = audit(world / "run")
    assert isinstance(done.exception, BrittlestarError), done.exception
    assert "\n" not in str(done.exception)
    path = world / "run" / "manifest.json"
    content = json.loads(path.read_text())
    assert content["models"]["m"]["how"]["name"] == "m", "the case is one of a model with a record"

"""A model is its files and its behaviour: changed answers under a known name are refused, equal files or not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from brittlestar import evaluate
from brittlestar.api import Run
from brittlestar.core.errors import StoreError, UsageError
from brittlestar.core.sealed import read_arrays
from brittlestar.models import parse_spec
from brittlestar.models.load import load_model
from brittlestar.runs.identity import FOLDER, TOLERANCES, Behaviour
from brittlestar.store import RunStore

SERVE = """
import numpy as np
W = np.load({path!r})
def predict(x):
    return (x.mean((2, 3)) @ W).astype(np.float32)
"""
NET = """
import torch, {helper}
class Net(torch.nn.Module):
    def forward(self, x):
        return {helper}.scaled(x.mean((2, 3)))
def net():
    return Net().eval()
"""
HELPER = "def scaled(z):\n    return {times} * z\n"
DATA = "data.npz"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of three classes, told by their colour, and the folder that they lie in."""
    monkeypatch.chdir(tmp_path)
    labels = np.arange(40) % 3
    x = np.random.default_rng(0).integers(0, 60, (40, 8, 8, 3), dtype=np.uint8)
    x[np.arange(40), :, :, labels] += 150
    np.savez(tmp_path / DATA, x=x, y=labels)
    return tmp_path


def run(model: Any, out: str = "run", **how: Any) -> Run:
    return evaluate(model, DATA, suite="clean", out=out, anyway=True, **how)


def serve(folder: Path, order: tuple[int, ...] = (0, 1, 2), scale: float = 20) -> str:
    """A function whose weights lie in another file; its answers are right in the order 0, 1, 2."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "w.npy", np.eye(3, dtype=np.float32)[:, list(order)] * np.float32(scale))
    (folder / "serve.py").write_text(SERVE.format(path=str(folder / "w.npy")))
    return f"m=python:{folder}/serve.py:predict"


def errors(out: str = "run") -> dict[str, float]:
    """The share of wrong answers of every model, by name."""
    store = RunStore.open(out)
    clean = [c.fingerprint for c in store.manifest.conditions.values()]
    return {
        name: float((~store.read(about["fingerprint"], clean)[clean[0]].correct).mean())
        for name, about in store.manifest.models.items()
    }


def test_what_is_kept_is_what_was_answered(world: Path) -> None:
    run(serve(world))
    store = RunStore.open("run")
    (about,) = store.manifest.models.values()
    assert about["files"] == about["fingerprint"] and about["random"] is False
    (path,) = (world / "run" / FOLDER).iterdir()
    assert path.stem == about["fingerprint"]
    kept = Behaviour.load(path)
    assert list(kept.ids) == list(store.samples()[0][:16]) and kept.fingerprint == about["files"]
    images = np.load(DATA)["x"].transpose(0, 3, 1, 2)[[int(i) for i in _places(store, kept)]]
    expected = load_model(parse_spec(serve(world))).logits(torch.from_numpy(images).float() / 255).numpy()
    assert np.abs(kept.logits - expected).max() < 1e-5
    assert (kept.precision, kept.device, kept.random) == ("float32", "cpu", 0)
    assert float(read_arrays(path)["tolerance"]) == pytest.approx(1e-4 * np.abs(expected).max())


def _places(store: RunStore, kept: Behaviour) -> list[int]:
    names = store.names()
    assert names is not None
    return [int("".join(c for c in name if c.isdigit())) for name in names[: len(kept.ids)]]


def test_weights_that_lie_elsewhere_are_seen(world: Path) -> None:
    run(serve(world))
    assert errors() == {"m": 0.0}
    with pytest.raises(
        StoreError, match=r"m has changed since run was made: its logits on the first 16 images"
    ) as told:
        run(serve(world, (1, 2, 0)))
    for words in ("lie up to 1", "allowed is 0.00", "own files are the same", "helper module", "model=", "out="):
        assert words in str(told.value), words
    assert errors() == {"m": 0.0} and len(RunStore.open("run").manifest.sessions) == 1
    again = run(serve(world))
    assert again.outcome is not None and again.outcome.images == 0, "the old model goes on where it was"


def test_another_name_for_equal_files_inherits_rows_only_of_the_same_behaviour(world: Path) -> None:
    text = serve(world)
    run(text)
    twin = run(text.replace("m=", "twin="))
    assert twin.outcome is not None and twin.outcome.images == 0, "equal files and behaviour: the rows are its own"
    other = serve(world, (1, 2, 0)).replace("m=", "other=")
    run(other)
    assert errors() == {"m": 0.0, "twin": 0.0, "other": 1.0}
    again = run(other)
    assert again.outcome is not None and again.outcome.images == 0, "found again by its behaviour"
    keys = {name: about["fingerprint"] for name, about in RunStore.open("run").manifest.models.items()}
    assert keys["m"] == keys["twin"] != keys["other"]
    third = run(other.replace("other=", "third="))
    assert third.outcome is not None and third.outcome.images == 0
    assert RunStore.open("run").manifest.models["third"]["fingerprint"] == keys["other"]
    with pytest.raises(StoreError, match="m has changed"):
        run(other.replace("other=", "m="))


def test_two_models_of_equal_files_in_one_run_have_rows_of_their_own(world: Path) -> None:
    first, second = nn.Flatten(), nn.Flatten()
    models = {"first": _Colour(first, (0, 1, 2)), "second": _Colour(second, (1, 2, 0))}
    run(models)
    assert errors() == {"first": 0.0, "second": 1.0}
    run(models, out="reversed", workers=1)
    assert errors("reversed") == errors()
    with pytest.raises(UsageError, match="two of the models are the same"):
        run({"a": models["first"], "b": models["first"]}, out="twins")
    assert not (world / "twins").exists()


class _Colour(nn.Module):
    """Its order is no weight and is not printed: the fingerprint does not see it."""

    def __init__(self, part: nn.Module, order: tuple[int, ...]) -> None:
        super().__init__()
        self.part, self.order = part, list(order)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * x.mean((2, 3))[:, self.order]


def test_a_module_that_was_trained_further_is_refused(world: Path) -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)).eval()
    run(module)
    with torch.no_grad():
        module[2].weight += 0.01
    with pytest.raises(
        StoreError, match=r"lie up to 0\.\d+ from those then.*weights, code or preprocessing are others"
    ):
        run(module)


def test_a_changed_helper_module_is_seen(world: Path) -> None:
    (world / "helps_net.py").write_text(HELPER.format(times=20))
    (world / "net.py").write_text(NET.format(helper="helps_net"))
    run("m=torch:net.py:net")
    (world / "helps_net.py").write_text(HELPER.format(times=21))
    with pytest.raises(StoreError, match="m has changed"):
        run("m=torch:net.py:net")
    (world / "helps_net.py").write_text(HELPER.format(times=20) + "# a remark\n")
    again = run("m=torch:net.py:net")
    assert again.outcome is not None and again.outcome.images == 0


def test_models_in_two_folders_have_helpers_of_their_own(world: Path) -> None:
    for folder, times in (("a", 20), ("b", -20)):
        (world / folder).mkdir()
        (world / folder / "helps_both.py").write_text(HELPER.format(times=times))
        (world / folder / "net.py").write_text(NET.format(helper="helps_both"))
    run(["a=torch:a/net.py:net", "b=torch:b/net.py:net"])
    found = errors()
    assert found["a"] == 0 and found["b"] > 0.9


@pytest.mark.slow
def test_external_data_of_a_program_are_seen(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    from brittlestar.models.onnx import OnnxModel

    for folder, order in (("good", (0, 1, 2)), ("bad", (1, 2, 0))):
        _exported(world / folder, order)
    assert (world / "good/m.onnx").read_bytes() == (world / "bad/m.onnx").read_bytes(), "the case is none"
    # As where the fingerprint does not see the second file.
    monkeypatch.setattr(OnnxModel, "fingerprint", lambda _: "0123456789abcdef")
    run(["good=good/m.onnx", "bad=bad/m.onnx"])
    assert errors() == {"good": 0.0, "bad": 1.0}
    shutil.copytree("good", "live")
    run("live/m.onnx", out="live-run")
    shutil.rmtree("live"), shutil.copytree("bad", "live")
    with pytest.raises(StoreError, match=r"m has changed since live-run .*external data"):
        run("live/m.onnx", out="live-run")


def _exported(folder: Path, order: tuple[int, ...]) -> None:
    import onnx
    from onnx import helper, numpy_helper

    weight = np.repeat(np.eye(3, dtype=np.float32)[:, list(order)] * np.float32(20 / 64), 64, axis=0)
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["z"])]
    ends = [
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)]
        for name, shape in (("x", ["n", 3, 8, 8]), ("z", ["n", 3]))
    ]
    graph = helper.make_graph(nodes, "m", *ends, [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir()
    onnx.save_model(model, folder / "m.onnx", save_as_external_data=True, size_threshold=0, location="m.onnx.data")


def test_an_old_run_folder_is_held_against_its_rows_and_then_has_identities(world: Path) -> None:
    run(serve(world))
    shutil.rmtree(world / "run" / FOLDER)
    with pytest.raises(StoreError, match="m has changed"):
        run(serve(world, (1, 2, 0)))
    assert not (world / "run" / FOLDER).exists()
    run(serve(world, (1, 2, 0)).replace("m=", "new="))
    assert errors() == {"m": 0.0, "new": 1.0}, "rows of another behaviour are not inherited there either"
    shutil.rmtree(world / "run" / FOLDER)
    run(serve(world))
    assert [path.stem for path in (world / "run" / FOLDER).iterdir()] == [
        RunStore.open("run").manifest.models["m"]["fingerprint"]
    ]


def test_a_damaged_identity_is_made_again_from_a_model_that_the_rows_know(world: Path) -> None:
    run(serve(world))
    (path,) = (world / "run" / FOLDER).iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(StoreError, match="m has changed"):
        run(serve(world, (1, 2, 0)))
    run(serve(world))
    assert Behaviour.load(path).precision == "float32"


def behaviour(logits: Any, precision: str = "float32", device: str = "cpu", **how: float) -> Behaviour:
    ids = np.array(["a", "b", "c"])[: len(logits)]
    return Behaviour("f", ids, np.array(logits, np.float32), precision, device, **how)


def test_how_far_apart_logits_may_lie() -> None:
    one = behaviour([[1000.0, 0], [3, 4]])
    assert one.agrees(behaviour([[1000.05, 0], [3, 4]])), "of the largest logit"
    assert not one.agrees(behaviour([[1000.2, 0], [3, 4]]))
    small = behaviour([[0.01, 0], [0.02, 0]])
    assert small.agrees(behaviour([[0.01005, 0], [0.02, 0]])) and not small.agrees(behaviour([[0.0102, 0], [0.02, 0]]))
    far = behaviour([[1002.0, 0], [3, 4]])
    assert not one.agrees(far) and one.agrees(behaviour(far.logits, "tf32", "cuda"))
    assert one.agrees(behaviour([[1015.0, 0], [3, 4]], "bfloat16"))
    assert not one.agrees(behaviour([[1030.0, 0], [3, 4]], "bfloat16"))
    assert one.agrees(behaviour([[1000.9, 0], [3, 4]], device="mps")), "another kind of device"
    assert one.agrees(behaviour([[1002.0, 0], [3, 4]], spread=1e-3)), "its answers depend on the batch by as much"
    assert not one.agrees(behaviour([[1000.0, 0, 0], [3, 4, 0]])), "another number of classes"
    assert one.agrees(behaviour([[1000.0, 0]])) and not one.agrees(behaviour([[999.0, 0]])), "on the images of both"
    assert one.agrees(behaviour(far.logits, random=0.1)) is False
    assert behaviour([[1.0]], random=0.2).agrees(behaviour([[9.0]], random=0.1))
    assert list(TOLERANCES.values()) == sorted(TOLERANCES.values())


def test_other_weights_and_another_choice_among_them_are_seen(world: Path) -> None:
    (world / "fc.py").write_text(
        "import torch\ndef net():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3)).eval()\n"
    )
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = nn.Sequential(nn.Flatten(), nn.Linear(192, 3)).state_dict()
        both = {"state_dict": state, "state_dict_ema": {k: v * 0.5 for k, v in state.items()}}
        torch.save(both, world / f"w{seed}.pth")

    def weights(file: str, key: str) -> Any:
        return parse_spec("m=torch:fc.py:net", weights=file, weights_key=key)

    run(weights("w0.pth", "state_dict"))
    for changed in (weights("w1.pth", "state_dict"), weights("w0.pth", "state_dict_ema")):
        with pytest.raises(StoreError, match=r"m has changed since .* lie up to \d.*weights, code or"):
            run(changed)

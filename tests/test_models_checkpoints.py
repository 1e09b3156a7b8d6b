"""Checkpoints as training scripts leave them: which weights are taken, and what is said of those that are not."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittlestar import evaluate
from brittlestar.core.errors import ModelError, UsageError
from brittlestar.models import ModelSpec, load_model, parse_spec
from brittlestar.models.wrap import TorchModel
from model_tools import net_folder, weights

FACTORY = "net.py:net"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``net.py``, entered."""
    place = net_folder(tmp_path, monkeypatch)
    with (place / "net.py").open("a") as file:
        file.write("\ndef parallel():\n    return nn.DataParallel(Net()).eval()\n")
        file.write("\ndef single():\n    return nn.Sequential(nn.Linear(3, 3, bias=False)).eval()\n")
        file.write("\ndef inside():\n    return nn.Sequential(Net()).eval()\n")
    return place


def loaded(file: str, factory: str = FACTORY, **options: Any) -> TorchModel:
    model = load_model(parse_spec(file, factory=factory, **options))
    assert isinstance(model, TorchModel)
    return model


def told(file: str, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        loaded(file, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(model: TorchModel, state: Mapping[str, torch.Tensor], within: float = 0.0) -> bool:
    own = model.module.state_dict().values()
    return all(torch.allclose(a, b.to(a.dtype), atol=within) for a, b in zip(own, state.values(), strict=True))


def under(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in state.items()}


def zeros(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(value) for name, value in state.items()}


@pytest.mark.parametrize("factory", [FACTORY, "net.py:parallel", "net.py:inside"])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.",
        "net.backbone.",
        "model._orig_mod.",
    ],
)
def test_what_stands_before_every_name_is_taken_off(folder: Path, prefix: str, factory: str) -> None:
    state = weights(folder)
    torch.save(under(prefix, state), "file.pth")
    model = loaded("file.pth", factory)
    assert same(model, state) and model.notes == ()


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "network", "weights", "params"])
@pytest.mark.parametrize("name", ["a.pth", "a.pth.tar", "a.ckpt", "a.bin", "a.pt", "a.th"])
def test_weights_are_found_under_the_usual_keys_in_files_of_the_usual_names(folder: Path, key: str, name: str) -> None:
    state = weights(folder)
    torch.save({"epoch": 3, "optimizer": {"state": {}, "param_groups": []}, key: under("module.", state)}, name)
    model = loaded(name)
    assert same(model, state) and model.name == "a"
    assert same(load_model(parse_spec(f"torch:{FACTORY}", weights=name)), state)  # type: ignore[arg-type]


def test_what_is_no_weight_among_the_weights_is_left_out(folder: Path) -> None:
    state = weights(folder)
    extra = {"n_averaged": torch.tensor(3), "conv.total_ops": torch.zeros(1), "head._extra_state": {"a": 1}}
    torch.save({"net": {**state, **extra}}, "a.pth")
    assert same(loaded("a.pth"), state)


def test_other_tensors_of_a_lightning_file_are_left_and_counted(folder: Path) -> None:
    state = weights(folder)
    torch.save({"state_dict": {**under("model.", state), "loss.weight": torch.ones(5)}}, "a.ckpt")
    model = loaded("a.ckpt")
    assert same(model, state)
    assert model.notes == ("1 tensors of a.ckpt outside model are none of the module's",)


@pytest.mark.parametrize(
    ("averaged", "raw"),
    [("state_dict_ema", "state_dict"), ("model_ema", "model"), ("ema", "net"), ("params_ema", "params")],
)
def test_averaged_weights_are_taken_and_the_others_on_request(folder: Path, averaged: str, raw: str) -> None:
    state = weights(folder)
    counted = {"n_averaged": torch.tensor(5), **under("module.", state)}
    torch.save({raw: zeros(state), averaged: counted, "epoch": 1}, "a.pth")
    model = loaded("a.pth")
    assert same(model, state)
    (note,) = model.notes
    assert f"averaged weights {averaged} (not {raw})" in note and f'ModelSpec(weights_key="{raw}")' in note
    chosen = loaded("a.pth", weights_key=raw)
    assert same(chosen, zeros(state)) and chosen.notes == (f"the weights {raw} of a.pth",)
    assert chosen.fingerprint() != model.fingerprint()
    spec = parse_spec("a.pth", factory=FACTORY, weights_key=raw)
    assert ModelSpec.from_record(json.loads(json.dumps(vars(spec)))) == spec


def test_averaged_weights_told_by_their_names_alone(folder: Path) -> None:
    state = weights(folder)
    torch.save({"state_dict": {**under("net.", zeros(state)), **under("ema_net.module.", state)}}, "a.ckpt")
    assert same(loaded("a.ckpt"), state)
    assert same(loaded("a.ckpt", weights_key="net"), zeros(state))
    torch.save({"model": zeros(state), "ema": {"module": state, "updates": 4}}, "deep.pth")
    assert same(loaded("deep.pth"), state) and same(loaded("deep.pth", weights_key="ema.module"), state)


def test_where_nothing_tells_which_weights_are_meant_it_asks(folder: Path) -> None:
    state = weights(folder)
    torch.save({"a": state, "b": zeros(state)}, "two.pth")
    assert "several sets of weights: a, b" in told("two.pth")
    torch.save(under("student.", state) | under("teacher.", zeros(state)), "pair.pth")
    assert "whose names begin with student, teacher" in told("pair.pth")
    assert same(loaded("pair.pth", weights_key="teacher"), zeros(state))
    assert "unknown weights key 'c'" in told("two.pth", weights_key="c")
    with pytest.raises(ModelError, match="goes with a file of weights"):
        parse_spec(f"torch:{FACTORY}", weights_key="a")


def test_other_types_are_loaded_and_told(folder: Path) -> None:
    state = weights(folder)
    plain = loaded_from(state)
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        torch.save({k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}, "a.pth")
        model = loaded("a.pth")
        assert same(model, plain.module.state_dict(), 1e-2)
        assert model.notes == (f"a.pth keeps its weights in {str(dtype)[6:]}, and they are computed with in float32",)


def loaded_from(state: Mapping[str, torch.Tensor]) -> TorchModel:
    torch.save(dict(state), "plain.pth")
    return loaded("plain.pth")


def test_files_that_are_something_else_are_called_that(folder: Path) -> None:
    state = weights(folder)
    torch.save(torch.optim.Adam(nn.Linear(2, 2).parameters()).state_dict(), "a.pth")
    assert "state of an optimiser and no weights" in told("a.pth")
    torch.save(state | {"head.weight": torch.zeros(1000, 4), "head.bias": torch.zeros(1000)}, "a.pth")
    assert "was trained for 1000 classes and the factory builds 5" in told("a.pth")
    torch.save({k: v for k, v in state.items() if "head" not in k}, "a.pth")
    assert "without its last layer" in told("a.pth")
    torch.save(state | {"conv.weight": state["conv.weight"].to(torch.int8)}, "a.pth")
    assert "holds whole numbers (int8)" in told("a.pth")
    torch.save({"base_model.model.head.lora_A.weight": torch.zeros(2, 3)}, "a.pth")
    assert "adapter (LoRA)" in told("a.pth")
    torch.save({"other.weight": torch.zeros(3, 3)}, "a.pth")
    assert "another architecture" in told("a.pth", factory="net.py:single")
    torch.save({"a.head.lora_A.weight": torch.zeros(3, 3)}, "a.pth")
    assert "adapter (LoRA)" in told("a.pth", factory="net.py:single")
    torch.save({"other.weight": torch.zeros(2)}, "model-00001-of-00002.pth")
    assert "one of several shards" in told("model-00001-of-00002.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(nn.Linear(2, 2)).save("a.pth")
    assert "TorchScript archive" in told("a.pth")
    for content, match in (
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\x89HDF\r\n", "Keras"),
        (b"\x1f\x8b\x08", "gunzip"),
    ):
        Path("a.pth").write_bytes(content)
        assert match in told("a.pth")
    for name, match in (("m.safetensors.index.json", "lists the shards"), ("m.h5", "TensorFlow")):
        with pytest.raises(ModelError, match=match):
            parse_spec(name, factory=FACTORY)
    torch.save(state, "a.safetensors")
    assert same(loaded("a.safetensors"), state)
    save_file(state, "b.bin")
    assert same(loaded("b.bin"), state)
    Path("c.bin").mkdir()
    assert "is a folder" in told("c.bin")


@pytest.mark.parametrize("old", [False, True])
def test_the_command_that_is_told_saves_the_weights_alone(folder: Path, old: bool) -> None:
    state = weights(folder)
    sys.path.insert(0, str(folder))
    try:
        import net  # type: ignore[import-not-found]

        module = net.Net()
        module.load_state_dict(state)
        contents: tuple[Any, ...] = (
            {"state_dict": state, "best": np.float64(0.9)},
            {"model": state, "args": argparse.Namespace(lr=0.1)},
            {"model": module, "ema": None},
            module,
        )
        for content in contents:
            torch.save(content, "a.pth", _use_new_zipfile_serialization=not old)
            text = told("a.pth")
            words = shlex.split(text.partition("python -c ")[2])
            # Run here, as a process each would take long.
            exec(words[0].rstrip(","), {})
            assert same(loaded("a-weights.pth"), state)
            Path("a-weights.pth").unlink()
    finally:
        sys.path.remove(str(folder))
        del sys.modules["net"]


def header(text: Any, data: bytes = b"") -> bytes:
    content = text if isinstance(text, bytes) else json.dumps(text).encode()
    return len(content).to_bytes(8, "little") + content + data


def tensor(dtype: str = "F32", shape: object = (1,), offsets: tuple[int, int] = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "content",
    [
        (1 << 62).to_bytes(8, "little") + b"{}",
        b"\xff" * 8,
        b"{}",
        header(b"{nope"),
        header(b"[" * 100_000),
        header(b'{"\xff": 1}'),
        header([1]),
        header({"a": tensor(), "b": tensor(offsets=(2, 6))}, bytes(6)),
        header({"a": tensor(shape=(100,), offsets=(0, 400))}, bytes(6)),
        header({"a": tensor("F99")}, bytes(4)),
        header({"a": tensor(shape=(1 << 62, 1 << 62))}, bytes(4)),
        header({"a": tensor(shape=(-1,))}, bytes(4)),
        header({"a": tensor(shape="x")}, bytes(4)),
        header({"a": tensor(offsets=(4, 0))}, bytes(4)),
    ],
)
def test_malformed_headers_of_safetensors_get_one_line(folder: Path, content: bytes) -> None:
    Path("a.safetensors").write_bytes(content)
    assert "no safetensors file" in told("a.safetensors")


def test_cut_files_are_told(folder: Path) -> None:
    save_file(weights(folder), "a.safetensors")
    torch.save(weights(folder), "a.pth")
    for name in ("a.safetensors", "a.pth"):
        whole = Path(name).read_bytes()
        for share in (0.2, 0.9):
            Path(name).write_bytes(whole[: int(share * len(whole))])
            assert "cut off" in told(name) or "damaged" in told(name)


@pytest.mark.parametrize(
    "device", ["", "gpu", "cuda:99", "cuda:-1", "mps", "tpu", "meta", "CPU", "\U0001f98a", "\udcff", "a\nb"]
)
def test_devices_that_are_not_here_get_one_line(folder: Path, device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        return
    with pytest.raises(ModelError, match=r"use .*cpu|CUDA devices here") as caught:
        load_model(ModelSpec(name="m", spec=f"torch:{FACTORY}", device=device))
    assert "\n" not in str(caught.value)
    str(caught.value).encode()
    with pytest.raises(UsageError, match=r"use .*cpu|CUDA devices here|names devices of one kind"):
        evaluate(nn.Linear(2, 2).eval(), "digits", suite="clean", device=device)
    load_model(ModelSpec(name="m", spec=f"torch:{FACTORY}", device="cpu:0"))


@pytest.mark.parametrize("name", ["swa_model", "swa_state_dict", "ema_state_dict"])
def test_averages_by_other_names_are_taken_too(folder: Path, name: str) -> None:
    good = weights(folder)
    raw = {key: torch.zeros_like(value) for key, value in good.items()}
    counted = {"steps": torch.tensor(3), **{f"module.{key}": value for key, value in good.items()}}
    torch.save({"state_dict": raw, name: counted}, "w.pth")
    model = loaded("w.pth")
    assert all(torch.equal(model.module.state_dict()[key], value) for key, value in good.items())
    assert any(f"the averaged weights {name} (not state_dict)" in note for note in model.notes)


def test_averages_that_cannot_be_read_are_told(folder: Path) -> None:
    good = weights(folder)
    torch.save({"model": good, "ema": {"decay": 0.99, "shadow_params": list(good.values())}}, "list.pth")
    (note,) = (note for note in loaded("list.pth").notes if "averaged" in note)
    assert note.startswith(
        "the weights model of list.pth are taken; averaged ones seem to stand under ema.shadow_params"
    )
    torch.save({"state_dict": good, "callbacks": {"EMA": {"ema_weights": good}}}, "deep.ckpt")
    (note,) = (note for note in loaded("deep.ckpt").notes if "averaged" in note)
    assert note.endswith("--weights-key callbacks.EMA.ema_weights takes those") or "weights_key" in note


def test_what_stands_beside_a_network_is_told(folder: Path) -> None:
    torch.save({**weights(folder), "loss.weight": torch.zeros(3)}, "w.pth")
    assert "has loss.weight which the module lacks: these stood beside the network" in told("w.pth")

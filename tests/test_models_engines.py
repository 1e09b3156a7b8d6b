"""Faster answers are the same answers; bfloat16 is another model; ONNX Runtime agrees with torch."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from brittlestar.api import evaluate
from brittlestar.core.errors import ModelError
from brittlestar.models import as_model, load_model, parse_spec
from brittlestar.models.tune import AGREE, folded, tune, tuned
from brittlestar.models.wrap import TorchModel
from brittlestar.models.zoo import build
from brittlestar.runs.audit import audit
from brittlestar.runs.reopen import reopened
from brittlestar.store import RunStore
from report_tools import seen

IMAGES = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def lively(module: nn.Module) -> nn.Module:
    """Batch norms with statistics and weights of their own."""
    g = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.randn(part.num_features, generator=g) * 0.2
            part.running_var = torch.rand(part.num_features, generator=g) + 0.5
            part.weight.data = torch.rand(part.num_features, generator=g) + 0.5
            part.bias.data = torch.randn(part.num_features, generator=g) * 0.2
    return module.eval()


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return lively(build("resnet8", 10, 3, 16))


def test_folding_keeps_logits_and_leaves_the_module_alone() -> None:
    module = resnet()
    before = copy.deepcopy(module.state_dict())
    kept = [str(part) for part in module.modules()]
    model = as_model(module, name="m")
    assert isinstance(model, TorchModel)
    note = tune(model, IMAGES)
    assert note is not None and "batch norms folded" in note and model.fast is not None
    with torch.inference_mode():
        apart = (model.logits(IMAGES) - module(IMAGES)).abs().max()
    assert 0 < apart <= AGREE, "it answers by other operations, and the same"
    assert [str(part) for part in module.modules()] == kept
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(p.is_contiguous() for p in module.parameters()), "its memory is laid out as before"
    norms = sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert folded(module, IMAGES)[1] == norms


def test_gradients_go_through_the_module_itself() -> None:
    module = resnet()
    model = as_model(module, name="m")
    assert isinstance(model, TorchModel)
    tune(model, IMAGES)

    def forbidden(_: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the tuned form was asked")

    model.fast = forbidden
    x = IMAGES.clone().requires_grad_()
    assert torch.autograd.grad(model.logits(x).sum(), x)[0].abs().sum() > 0


class Odd(nn.Module):
    """What must not be folded: a convolution used twice, one that feeds two norms, a norm after an activation."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.one, self.two = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "shared":
            y = self.one(self.conv(self.one(self.conv(x))))
        elif self.kind == "branch":
            z = self.conv(x)
            y = self.one(z) + self.two(z)
        elif self.kind == "relu":
            y = self.one(functional.relu(self.conv(x)))
        elif self.kind == "inplace":
            z = self.conv(x)
            z += 1
            y = self.one(z)
        else:
            y = self.one(self.conv(x))
        return y.mean((2, 3))


@pytest.mark.parametrize(("kind", "pairs"), [("shared", 0), ("branch", 0), ("relu", 0), ("inplace", 0), ("plain", 1)])
def test_only_what_may_be_folded_is(kind: str, pairs: int) -> None:
    torch.manual_seed(0)
    module = lively(Odd(kind))
    made, found = folded(module, IMAGES)
    assert found == pairs
    with torch.inference_mode():
        assert torch.allclose(made(IMAGES), module(IMAGES), atol=1e-5)


def test_a_norm_with_an_activation_of_its_own_leaves_it_behind() -> None:
    class NormAct(nn.BatchNorm2d):
        def __init__(self, n: int) -> None:
            super().__init__(n)
            self.drop, self.act = nn.Identity(), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.drop(super().forward(x)))

    torch.manual_seed(0)
    module = lively(nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4), nn.Flatten()))
    made, pairs = folded(module, IMAGES)
    assert pairs == 1
    with torch.inference_mode():
        assert torch.allclose(made(IMAGES), module(IMAGES), atol=1e-5)


def test_a_norm_that_uses_the_batch_is_not_folded() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten()).eval()
    assert folded(module, IMAGES)[1] == 0


def test_a_form_that_answers_otherwise_is_not_used() -> None:
    class Changes(nn.Module):
        """Looks at memory layout, as no module should."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x).mean((2, 3)) + (0.0 if x.is_contiguous() else 1.0)

    assert tuned(Changes().eval(), IMAGES) is None


def test_bfloat16_is_another_model_that_answers_nearly_the_same(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import torch\nfrom brittlestar.models.zoo import build\n"
        "def m():\n    torch.manual_seed(0)\n    return build('resnet8', 10, 3, 16).eval()\n"
    )
    where = f"m=torch:{tmp_path / 'm.py'}:m"
    plain, low = load_model(parse_spec(where)), load_model(parse_spec(where, dtype="bf16"))
    assert plain.fingerprint() != low.fingerprint()
    with torch.inference_mode():
        a, b = plain.logits(IMAGES), low.logits(IMAGES)
    assert b.dtype == torch.float32
    assert 1e-6 < (a - b).abs().max() < 0.05 * a.abs().max()
    x = IMAGES.clone().requires_grad_()
    y = IMAGES.clone().requires_grad_()
    exact = torch.autograd.grad(plain.logits(x).sum(), x)[0]
    assert torch.equal(torch.autograd.grad(low.logits(y).sum(), y)[0], exact), "gradients stay float32"
    for bad in ({"dtype": "fp8"}, {"backend": "tensorrt"}, {"dtype": "bf16", "backend": "onnxruntime"}):
        with pytest.raises(ModelError):
            parse_spec(where, **bad)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="torch models"):
        parse_spec("python:numpy:mean", dtype="bf16")


def data(folder: Path) -> Path:
    g = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=g.integers(0, 256, (120, 16, 16, 3), dtype=np.uint8), y=np.arange(120) % 10)
    (folder / "m.py").write_text(
        "import torch\nfrom brittlestar.models.zoo import build\n"
        "def m():\n    torch.manual_seed(0)\n    return build('resnet8', 10, 3, 16).eval()\n"
    )
    return folder / "d.npz"


def test_a_tuned_run_says_so_and_is_audited_alike(tmp_path: Path) -> None:
    where = str(data(tmp_path))
    spec = parse_spec(f"m=torch:{tmp_path / 'm.py'}:m")
    run = evaluate(spec, where, suite="noise", samples=120, out=tmp_path / "tuned")
    plain = evaluate(spec, where, suite="noise", samples=120, out=tmp_path / "plain", tune=False)
    told = [RunStore.open(r.path).manifest.sessions[-1].tuning for r in (run, plain)]
    assert "batch norms folded" in told[0]["m"] and told[1] == {}
    facts = {f.title: dict(f.items) for f in seen([run.path]).provenance}
    assert "batch norms folded" in facts["Model: m"]["Inference"]
    for path in (run.path, plain.path):
        bench, names = reopened(path, trust=True)
        assert all(cell.identical for cell in audit(bench, names, 6, 0))
    rows = []
    for path in (run.path, plain.path):
        store = RunStore.open(path)
        rows.append(store.read(store.manifest.models["m"]["fingerprint"], None))
    for key, own in rows[0].items():
        other = rows[1][key]
        assert np.abs(own.label_logit - other.label_logit).max() <= AGREE
        assert np.array_equal(own.prediction, other.prediction)


def test_what_bfloat16_does_to_the_clean_error_is_told(tmp_path: Path) -> None:
    where = str(data(tmp_path))
    run = evaluate(parse_spec(f"m=torch:{tmp_path / 'm.py'}:m", dtype="bf16"), where, suite="clean", out=tmp_path / "r")
    (note,) = [n for n in RunStore.open(run.path).manifest.models["m"]["notes"] if "bf16" in n]
    assert "clean error" in note and "n = 120" in note


@pytest.mark.slow
def test_onnx_files_and_the_engine_agree_with_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    where = str(data(tmp_path))
    module = resnet()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, shapes in (("m", ({0: torch.export.Dim("batch")},)), ("fixed", None)):
            path = str(tmp_path / f"{name}.onnx")
            torch.onnx.export(module, (IMAGES[:2],), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    model = load_model(parse_spec(f"o={tmp_path / 'm.onnx'}"))
    with torch.inference_mode():
        assert torch.allclose(model.logits(IMAGES), module(IMAGES), atol=1e-4)
    assert not model.differentiable and len(model.fingerprint()) == 16
    fixed = load_model(parse_spec(str(tmp_path / "fixed.onnx")))
    assert fixed.notes == ("has a fixed batch of 2: images go in pieces of so many, the last filled up",)
    assert torch.allclose(fixed.logits(IMAGES[:5]), model.logits(IMAGES[:5]), atol=1e-5)
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="ONNX Runtime"):
        load_model(parse_spec(str(tmp_path / "bad.onnx")))
    with pytest.raises(ModelError, match="no such file"):
        load_model(parse_spec(str(tmp_path / "none.onnx")))
    spec = parse_spec(f"m=torch:{tmp_path / 'm.py'}:m", backend="onnxruntime")
    run = evaluate(spec, where, suite="clean", out=tmp_path / "r")
    plain = evaluate(parse_spec(f"m=torch:{tmp_path / 'm.py'}:m"), where, suite="clean", out=tmp_path / "p")
    assert "ONNX Runtime" in RunStore.open(run.path).manifest.sessions[-1].tuning["m"]
    logits = []
    for r in (run, plain):
        store = RunStore.open(r.path)
        (own,) = store.read(store.manifest.models["m"]["fingerprint"], None).values()
        logits.append(own.logits)
    assert np.abs(logits[0] - logits[1]).max() <= AGREE
    files = evaluate(str(tmp_path / "m.onnx"), where, suite="clean", samples=20, out=tmp_path / "f")
    assert files.table()[0]["n"] == 20


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name))
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"brittlestar\[onnx\]"):
        load_model(parse_spec(str(tmp_path / "m.onnx")))

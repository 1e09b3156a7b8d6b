"""What models give, as people have them: containers, half precision, one number for two classes, probabilities."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from brittlestar.core.errors import ModelError
from brittlestar.models import Model, ModelSpec, Outputs, as_model, check_model, parse_spec
from brittlestar.models.tune import tune
from brittlestar.models.wrap import TorchModel
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from tiny import evaluate_with

IMAGES = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Pair = namedtuple("Pair", ["aux", "logits"])


@dataclasses.dataclass
class Card:
    """An output with names that is no dictionary."""

    loss: object
    logits: torch.Tensor


class Net(nn.Module):
    """A small network whose answer is given in some form."""

    def __init__(self, form: Callable[[torch.Tensor], object] = lambda z: z, classes: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.head = nn.Linear(192, classes, bias=False)
        self.head.weight.data = torch.randn(classes, 192, generator=generator)
        self.form = form

    def forward(self, x: torch.Tensor) -> object:
        return self.form(self.head(x.flatten(1)))


LOGITS = Net()(IMAGES).detach()  # type: ignore[attr-defined]
LABELS = LOGITS.argmax(1)
BINARY = (LOGITS[:, 1] - LOGITS[:, 0] > 0).long()


def one(z: torch.Tensor) -> torch.Tensor:
    return z[:, 1:2] - z[:, :1]


def check(model: Model, labels: torch.Tensor = LABELS, classes: int = 4) -> tuple[str, ...]:
    return check_model(model, IMAGES, labels, classes, 16)


FORMS: list[tuple[Callable[[torch.Tensor], object], str | None, str]] = [
    (lambda z: {"loss": None, "logits": z}, None, "logits is taken"),
    (lambda z: {"out": z, "aux": -z}, None, "out is taken"),
    (lambda z: {"anything": z}, None, "anything is taken"),
    (lambda z: Card(None, z), None, "logits is taken"),
    (lambda z: Pair(-z, z), None, "logits is taken"),
    (lambda z: (z, -z), None, "the first is taken"),
    (lambda z: [z, -z], None, "the first is taken"),
    (lambda z: (None, z), None, ""),
    (lambda z: (-z, z), "1", "the one called 1"),
    (lambda z: {"a": -z, "b": z}, "b", "the one called b"),
    (lambda z: z[:, :, None, None], None, ""),
    (lambda z: ((z, -z), None), None, ""),
]


@pytest.mark.parametrize(("form", "name", "note"), FORMS)
def test_the_logits_are_found_in_what_a_module_gives(
    form: Callable[[torch.Tensor], object], name: str | None, note: str
) -> None:
    model = as_model(Net(form).eval(), outputs=Outputs(name=name))
    assert isinstance(model, TorchModel)
    notes = check(model)
    assert any(note in told for told in notes) if note else not notes
    assert torch.equal(model.logits(IMAGES).detach(), LOGITS)
    assert model.differentiable
    tune(model, IMAGES)
    with torch.inference_mode():
        assert torch.allclose(model.logits(IMAGES), LOGITS, atol=1e-4)


@pytest.mark.slow
def test_onnx_runtime_computes_the_chosen_output(tmp_path: Path) -> None:
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason="needs the extra onnx")
    model = as_model(Net(lambda z: {"a": -z, "b": z}).eval(), outputs=Outputs(name="b"))
    assert isinstance(model, TorchModel)
    model.backend = "onnxruntime"
    assert "ONNX Runtime" in str(tune(model, IMAGES))
    with torch.inference_mode():
        assert torch.allclose(model.logits(IMAGES), LOGITS, atol=1e-4)


def test_outputs_that_cannot_be_told_apart_are_asked_about() -> None:
    with pytest.raises(ModelError, match=r'gives dict with a, b; choose the logits with ModelSpec\(output="a"\)'):
        check(as_model(Net(lambda z: {"a": z, "b": z}).eval()))
    with pytest.raises(ModelError, match="has no output 'c': it gives a, b"):
        check(as_model(Net(lambda z: {"a": z, "b": z}).eval(), outputs=Outputs(name="c")))
    with pytest.raises(ModelError, match="has no output '7'"):
        check(as_model(Net(lambda z: (z, z)).eval(), outputs=Outputs(name="7")))
    with pytest.raises(ModelError, match="complex"):
        check(as_model(Net(lambda z: z + 0j).eval()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_modules_in_other_types_get_images_in_theirs(dtype: torch.dtype) -> None:
    model = as_model(Net().to(dtype).eval())
    notes = check(model)
    assert notes[0] == f"computes in {str(dtype)[6:]}, as its weights are given"
    assert model.differentiable
    answer = model.logits(IMAGES)
    assert answer.dtype == torch.float32 and torch.allclose(answer.detach(), LOGITS, atol=0.3)
    tune(model, IMAGES)
    with torch.inference_mode():
        assert torch.allclose(model.logits(IMAGES), answer, atol=1e-2)


@pytest.mark.parametrize("form", [one, lambda z: one(z)[:, 0], lambda z: {"logits": one(z)[:, :, None, None]}])
def test_one_number_stands_for_two_classes(form: Callable[[torch.Tensor], object]) -> None:
    plain = as_model(Net(form).eval(), "mine")
    with pytest.raises(
        ModelError, match=r"mine gives one number an image for two classes: give ModelSpec\(binary=True\)"
    ):
        check(plain, BINARY, 2)
    with pytest.raises(ModelError, match=r"one number an image .* name 4 classes"):
        check(plain)
    model = as_model(Net(form).eval(), "mine", Outputs(binary=True))
    check(model, BINARY, 2)
    logits = model.logits(IMAGES).detach()
    z = LOGITS[:, 1] - LOGITS[:, 0]
    assert torch.allclose(logits, torch.stack([-z / 2, z / 2], 1), atol=1e-6)
    assert torch.equal(logits.argmax(1), BINARY)
    assert torch.allclose(logits.softmax(1)[:, 1], torch.sigmoid(z), atol=1e-6)
    assert model.differentiable and model.fingerprint() != plain.fingerprint()
    with pytest.raises(ModelError, match="is for two classes, and the labels name 3"):
        check(model, BINARY, 3)
    with pytest.raises(ModelError, match=r"outputs of shape \(16, 4\).*leave ModelSpec\(binary=...\) out"):
        check(as_model(Net().eval(), outputs=Outputs(binary=True)))
    (note,) = model.outputs.notes(("cat", "dog"))
    assert "dog where it is above 0, otherwise cat" in note


def test_a_sigmoid_taken_for_a_logit_is_seen() -> None:
    def chance(z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(one(z))

    with pytest.raises(ModelError, match=r"between 0 and 1 only, right in 20 of 20.*probabilities=True"):
        check(as_model(Net(chance).eval(), outputs=Outputs(binary=True)), BINARY, 2)
    model = as_model(Net(chance).eval(), outputs=Outputs(binary=True, probabilities=True))
    check(model, BINARY, 2)
    logits, z = model.logits(IMAGES).detach(), LOGITS[:, 1] - LOGITS[:, 0]
    assert torch.allclose((logits[:, 1] - logits[:, 0]).clamp(-10, 10), z.clamp(-10, 10), atol=1e-2)


def test_probabilities_become_their_logarithm_without_gradients() -> None:
    with pytest.raises(ModelError, match=r"leave its softmax out, or give ModelSpec\(probabilities=True\)"):
        check(as_model(Net(lambda z: z.softmax(1)).eval()))
    model = as_model(Net(lambda z: z.softmax(1)).eval(), outputs=Outputs(probabilities=True))
    assert not check(model) and not model.differentiable
    logits = model.logits(IMAGES).detach()
    assert torch.allclose(logits, LOGITS.log_softmax(1).clamp_min(np.log(torch.finfo(torch.float32).tiny)), atol=1e-3)
    sure = as_model(Net(lambda z: (1e4 * z).softmax(1)).eval(), outputs=Outputs(probabilities=True))
    assert bool(sure.logits(IMAGES).isfinite().all())
    (note,) = model.outputs.notes(("a", "b", "c", "d"))
    assert "probabilities" in note and "gradient attacks are left out" in note
    with pytest.raises(ModelError, match="which are no probabilities: leave"):
        check(as_model(Net().eval(), outputs=Outputs(probabilities=True)))


def test_functions_give_what_they_like(tmp_path: Path) -> None:
    net = Net().eval()

    def answer(form: Callable[[torch.Tensor], object]) -> Model:
        return as_model(lambda x: form(net(torch.from_numpy(x))))

    for form in (
        lambda z: z.detach().half().numpy(),
        lambda z: {"logits": z},
        lambda z: (z.detach().numpy(), 1),
        lambda z: list(z.detach().numpy()),
        lambda z: z.tolist(),
    ):
        assert torch.allclose(answer(form).logits(IMAGES), LOGITS, atol=0.1)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="not the number of the class"):
        check(answer(lambda z: z.argmax(1)))

    def turned(x: Any) -> Any:
        assert x.shape[3] == 3, "channels last, please"

    with pytest.raises(ModelError, match=r"channels last, please.*x.transpose\(0, 2, 3, 1\).*astype\('uint8'\)"):
        check(as_model(turned))


def test_one_output_more_is_often_a_background() -> None:
    with pytest.raises(ModelError, match=r"5 outputs and the labels name 4 classes.*background"):
        check(as_model(Net(classes=5).eval()))


def test_options_are_kept_and_folders_of_trainings_are_found_again() -> None:
    spec = parse_spec("torch:a.py:b", binary=True, probabilities=True, output="1")
    assert (spec.binary, spec.probabilities, spec.output) == (True, True, "1")
    assert ModelSpec.from_record(dataclasses.asdict(spec)) == spec
    assert not {"binary", "weights_key", "output", "probabilities"} & set(parse_spec("torch:a.py:b").identity())


MODEL = """
import torch

class One(torch.nn.Module):
    def forward(self, x):
        return torch.sigmoid(20 * (x[:, :1].mean((2, 3)) - x[:, 2:].mean((2, 3))))

def one():
    return One().eval()
"""


def test_a_run_of_a_model_with_one_probability(tmp_path: Path) -> None:
    """The notes stand in the manifest, white-box attacks are left out, and the specification loads it again."""
    (tmp_path / "m.py").write_text(MODEL)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 128, (40, 8, 8, 3), dtype=np.uint8)
    y = np.arange(40) % 2
    x[y == 1, ..., 0] += 100
    x[y == 0, ..., 2] += 100
    np.savez(tmp_path / "d.npz", x=x, y=y, classes=np.array(["blue", "red"]))
    said: list[str] = []
    spec = parse_spec(f"m=torch:{tmp_path / 'm.py'}:one", binary=True, probabilities=True)
    run = evaluate_with(
        spec, str(tmp_path / "d.npz"), suite="clean", out=tmp_path / "run", watch=Watch(note=said.append)
    )
    assert run.table()[0]["accuracy"] == 1.0
    about = RunStore.open(run.path).manifest.models["m"]
    assert about["classes"] == 2 and about["differentiable"] is False
    assert about["how"]["binary"] is True and about["how"]["probabilities"] is True
    assert any("where it is a probability above 0.5" in note for note in about["notes"])
    assert any("where it is a probability above 0.5" in text for text in said)
    assert any("gradient attacks are left out" in note for note in about["notes"])

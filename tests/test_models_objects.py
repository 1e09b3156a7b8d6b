"""Models from Python objects, fingerprints, preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from brittlestar.core.errors import ModelError
from brittlestar.models import Preprocess, apply_preprocess, as_model, infer, load_model, parse_spec
from model_tools import NET, images, net_folder, weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``nets.py``, entered."""
    return net_folder(tmp_path, monkeypatch)


def test_a_numpy_function_gets_its_own_arrays(folder: Path) -> None:
    model = load_model(parse_spec("python:net.py:logits"))
    x = images()
    before = x.clone()
    assert torch.equal(model.logits(x), 2 * x.flatten(1)[:, :5])
    assert torch.equal(x, before)
    assert not model.differentiable
    assert model.parameters is None


@pytest.mark.parametrize("answer", [torch.ones(6, 5), [[1.0] * 5] * 6, np.ones((6, 5), np.float16)])
def test_functions_may_answer_in_any_kind_of_array(answer: object) -> None:
    logits = as_model(lambda x: answer).logits(images())
    assert logits.dtype == torch.float32
    assert torch.equal(logits, torch.ones(6, 5))


def test_functions_that_answer_no_numbers_are_refused() -> None:
    with pytest.raises(ModelError, match="not an array of numbers"):
        as_model(lambda x: ["cat"] * len(x)).logits(images())


# Objects and fingerprints


def test_objects_are_used_as_they_are() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(192, 5))
    model = as_model(module)
    assert module.training
    assert model.fingerprint()
    assert as_model(model) is model
    for wrong in (3, "net", nn.Linear):
        with pytest.raises(
            ModelError, match=r"is an nn.Module or a function|is a class, not a model: give what Linear"
        ):
            as_model(wrong)


def test_a_buffer_called_mean_is_no_declaration() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))
            self.std = (0.5, 0.5, 0.5)
            self.crop = nn.Identity()

    assert as_model(Own()).preprocess == Preprocess(std=(0.5, 0.5, 0.5))


def test_fingerprints_change_with_weights_code_and_preprocessing_only(folder: Path) -> None:
    torch.save(weights(folder), "a.pth")
    torch.save(weights(folder) | {"head.bias": torch.zeros(5)}, "b.pth")
    base = load_model(parse_spec("a.pth", factory="net.py:net"))
    same = load_model(parse_spec("again=a.pth", factory=f"{folder}/net.py:net"))
    assert base.fingerprint() == same.fingerprint()
    found = {base.fingerprint()}
    found.add(load_model(parse_spec("b.pth", factory="net.py:net")).fingerprint())
    found.add(load_model(parse_spec("a.pth", factory="net.py:net", mean=(0.5,))).fingerprint())
    (folder / "net.py").write_text(NET.format(extra="# edited"))
    found.add(load_model(parse_spec("a.pth", factory="net.py:net")).fingerprint())
    assert len(found) == 4


def test_fingerprints_see_hidden_buffers_and_small_types() -> None:
    class Hidden(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.register_buffer("a", torch.full((3,), value, dtype=torch.bfloat16), persistent=False)
            self.register_buffer("empty", torch.empty(0))

    assert as_model(Hidden(1)).fingerprint() == as_model(Hidden(1)).fingerprint()
    assert as_model(Hidden(1)).fingerprint() != as_model(Hidden(2)).fingerprint()


def test_functions_with_other_contents_are_other_models() -> None:
    def shifted(by: float) -> object:
        return lambda x: x.reshape(len(x), -1)[:, :5] + by

    class Scaled:
        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, x: np.ndarray) -> np.ndarray:
            return x.reshape(len(x), -1)[:, :5] * self.by

        def other(self, x: np.ndarray) -> np.ndarray:
            return self(x)

    # Scaled is local and cannot be pickled, like many objects that people have at hand.
    assert as_model(shifted(1)).fingerprint() == as_model(shifted(1)).fingerprint()
    assert as_model(shifted(1)).fingerprint() != as_model(shifted(2)).fingerprint()
    assert as_model(Scaled(1)).fingerprint() == as_model(Scaled(1)).fingerprint()
    assert as_model(Scaled(1)).fingerprint() != as_model(Scaled(2)).fingerprint()
    assert as_model(Scaled(1).other).fingerprint() != as_model(Scaled(2).other).fingerprint()


# Preprocessing


def test_preprocessing_in_its_order() -> None:
    x = torch.rand(2, 1, 20, 30, generator=torch.Generator().manual_seed(1))
    how = Preprocess(channels=3, resize=10, crop=8, mean=(0.1, 0.2, 0.3), std=(2.0,))
    y = apply_preprocess(x, how)
    assert y.shape == (2, 3, 8, 8)
    small = nn.functional.interpolate(x, size=(10, 15), mode="bilinear", antialias=True)[:, :, 1:9, 4:12]
    for channel, mean in enumerate(how.mean or ()):
        torch.testing.assert_close(y[:, channel], (small[:, 0] - mean) / 2)
    colour = torch.rand(1, 3, 4, 4)
    grey = apply_preprocess(colour, Preprocess(channels=1))
    torch.testing.assert_close(grey[:, 0], 0.299 * colour[:, 0] + 0.587 * colour[:, 1] + 0.114 * colour[:, 2])
    assert apply_preprocess(colour, Preprocess()) is colour


def test_preprocessing_that_does_not_fit_the_images_is_refused() -> None:
    with pytest.raises(ModelError, match="larger than its images"):
        apply_preprocess(images(), Preprocess(crop=9))
    with pytest.raises(ModelError, match=r"ModelSpec\(channels=3\)"):
        apply_preprocess(torch.rand(2, 1, 8, 8), Preprocess(mean=(0.1, 0.2, 0.3)))


def test_infer_takes_bytes_and_floats_in_any_batches() -> None:
    model = as_model(nn.Flatten())
    levels = torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    logits = infer(model, levels, batch=3)
    assert torch.equal(logits, levels.flatten(1) / 255)
    assert torch.equal(infer(model, levels / 255), logits)
    assert not logits.requires_grad

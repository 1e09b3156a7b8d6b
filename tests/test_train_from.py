"""Fine-tuning and trainings of several seeds: from which weights, with which normalisation, and loaded again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from brittlestar.cli.main import app
from brittlestar.core.errors import ModelError
from brittlestar.data import open_source
from brittlestar.models import infer, load_model, parse_spec
from brittlestar.models.files import state_dict
from brittlestar.models.wrap import TorchModel
from brittlestar.reproduce import Setting
from brittlestar.reproduce.study import Study
from brittlestar.training import Adversarial, Epoch, Natural, Plan
from brittlestar.training.fit import fit
from conftest import shared_path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
STILL = 1e-12
"""A rate at which no weight moves."""
FACTORY = """
from torch import nn

def build():
    parts = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16 * 16, 2)]
    network = nn.Sequential(*parts)
    for weight in network.parameters():
        weight.requires_grad_(False)
    return network.eval()

build.mean, build.std = (0.4,), (0.2,)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 noisy stripes of 16 x 16, two classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 2
    wave = np.where(np.arange(16) % 2, 40, -40)
    pattern = np.where(labels[:, None, None] == 0, wave[None, None], wave[None, :, None])
    images = np.clip(128 + pattern + 30 * generator.standard_normal((120, 16, 16)), 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    np.savez(path, x=images[:, None], y=labels)
    return path


@pytest.fixture(scope="module")
def ours(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of our own."""
    folder = tmp_path_factory.mktemp("ours")
    return fit(open_source(str(data)), Natural(), Plan(epochs=6, batch=32), folder, architecture="resnet8", seed=5)


@pytest.fixture
def factory(tmp_path: Path) -> str:
    (tmp_path / "network.py").write_text(FACTORY)
    return f"{tmp_path}/network.py:build"


def tuned(data: Path, out: Path, start: str, plan: dict[str, Any] | None = None, **how: Any) -> Path:
    way = Plan(**({"epochs": 2, "batch": 32, "rate": STILL} | (plan or {})))
    keys = ("factory", "weights", "mean", "std")
    spec = parse_spec(start, **{key: how.pop(key) for key in keys if key in how})
    return fit(open_source(str(data)), how.pop("recipe", Natural()), way, out, start=spec, **how)


def parameters(path: Path) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state_dict(path)[0].items() if "running" not in key and "batches" not in key}


def test_a_model_of_ours_goes_on_from_its_weights(data: Path, ours: Path, tmp_path: Path) -> None:
    path = tuned(data, tmp_path / "still", str(ours))
    before, after = parameters(ours), parameters(path)
    assert list(before) == list(after)
    for key, value in before.items():
        torch.testing.assert_close(value, after[key], atol=1e-6, rtol=0)
    old, new = state_dict(ours)[1], state_dict(path)[1]
    assert new["architecture"] == old["architecture"] and new["preprocess"] == old["preprocess"]
    model = load_model(parse_spec(str(ours)))
    assert new["start"]["fingerprint"] == model.fingerprint() and new["start"]["name"] == "model.safetensors"
    source = open_source(str(data))
    assert 0.5 <= new["start"]["accuracy"] <= 1 and new["key"] != old["key"]
    loaded = load_model(parse_spec(str(path)))
    assert loaded.notes == ("trained with the recipe natural, 2 epochs, seed 0, from model.safetensors",)
    assert infer(loaded, torch.from_numpy(source.load(np.arange(4)))).shape == (4, 2)
    moved = parameters(tuned(data, tmp_path / "moved", str(ours), {"rate": 1e-3}, recipe=Adversarial(epsilon=0.02)))
    assert any(not torch.allclose(value, moved[key], atol=1e-4) for key, value in before.items())


def test_fine_tuning_that_is_stopped_gives_the_same_file(data: Path, ours: Path, tmp_path: Path) -> None:
    recipe = Adversarial(epsilon=0.05, steps=2)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    plan = {"rate": 1e-3, "epochs": 3, "jitter": 1}
    with pytest.raises(KeyboardInterrupt):
        tuned(data, tmp_path / "a", str(ours), plan, recipe=recipe, progress=stop)
    first = tuned(data, tmp_path / "a", str(ours), plan, recipe=recipe)
    whole = tuned(data, tmp_path / "b", str(ours), plan, recipe=recipe)
    assert first.read_bytes() == whole.read_bytes()
    stamp = first.stat().st_mtime_ns
    assert tuned(data, tmp_path / "a", str(ours), plan, recipe=recipe).stat().st_mtime_ns == stamp, "used again"
    again = tuned(data, tmp_path / "a", str(whole), plan, recipe=recipe)
    assert again.stat().st_mtime_ns != stamp, "another start is another training"


def test_a_factory_keeps_its_normalisation_and_is_named_for_loading(data: Path, factory: str, tmp_path: Path) -> None:
    path = tuned(data, tmp_path / "out", f"torch:{factory}", {"rate": 0.01, "epochs": 3})
    facts = state_dict(path)[1]
    assert facts["preprocess"]["mean"] == [0.4] and facts["factory"] == factory and "architecture" not in facts
    loaded = load_model(parse_spec(str(path), factory=factory))
    assert isinstance(loaded, TorchModel) and (loaded.preprocess.mean, loaded.preprocess.std) == ((0.4,), (0.2,))
    fresh = load_model(parse_spec(f"torch:{factory}"))
    assert isinstance(fresh, TorchModel)
    assert not torch.equal(fresh.module[0].weight, loaded.module[0].weight), "frozen weights are free to move"
    with pytest.raises(ModelError, match=f"factory=.{factory}.. built it when it was trained"):
        load_model(parse_spec(str(path)))
    weights = tmp_path / "w.safetensors"
    save_file(dict(fresh.module.state_dict()), weights)
    for how in ({"factory": factory}, {"weights": str(weights)}):
        start = str(weights) if "factory" in how else f"torch:{factory}"
        again = tuned(data, tmp_path / "again", start, {"rate": 0.01, "epochs": 3}, mean=(0.5,), **how)
        facts = state_dict(again)[1]
        assert facts["preprocess"] == {"channels": None, "resize": None, "crop": None, "mean": [0.5], "std": [0.2]}
        assert facts["start"]["name"] == "w.safetensors" and facts["factory"] == factory


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--from", "{here}/m.onnx"], "is an exported program: give a .safetensors"),
        (["--from", "python:{here}/network.py:build"], "is a plain function"),
        (["--from", "torch:{here}/network.py:wide"], "3 outputs and the labels name 2 classes"),
        (["--from", "torch:{here}/network.py:colour"], "does not take"),
        (["--from", "torch:{here}/network.py:empty"], "has no weights to go on from"),
        (["--from", "torch:{here}/network.py:wide", "--arch", "resnet8"], "leave --arch out"),
        (["--factory", "{here}/network.py:build"], "--factory must go with --from MODEL"),
        (["--from", "{here}/none.safetensors"], "no such file"),
        (["--from", "torch:{here}/network.py:wide", "--mean", "grey"], "--mean takes numbers"),
    ],
)
def test_starts_that_cannot_be_are_refused(more: list[str], said: str, data: Path, tmp_path: Path) -> None:
    more_code = "wide = lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 3)).eval()\n"
    more_code += "colour = lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()).eval()\n"
    more_code += "empty = lambda: nn.Sequential(nn.Flatten()).eval()\n"
    (tmp_path / "network.py").write_text(FACTORY + more_code)
    words = ["train", "--recipe", "natural", "--data", str(data), "--out", str(tmp_path / "out"), "--epochs", "1"]
    result = CliRunner().invoke(app, [*words, *(word.format(here=tmp_path) for word in more)])
    assert result.exit_code != 0 and said in str(result.exception), result.exception
    assert not (tmp_path / "out").exists()


def test_the_command_fine_tunes_at_a_lower_rate_and_says_how_to_measure(
    data: Path, factory: str, tmp_path: Path
) -> None:
    words = ["train", "--recipe", "natural", "--data", str(data), "--out", str(tmp_path / "out"), "--epochs", "1"]
    result = CliRunner().invoke(app, [*words, "--from", f"torch:{factory}"])
    assert result.exit_code == 0, result.output
    path = tmp_path / "out" / "model.safetensors"
    facts = state_dict(path)[1]
    assert facts["plan"]["rate"] == 4e-4
    before, after = (f"{share:.1%}" for share in (facts["start"]["accuracy"], facts["history"][-1]["accuracy"]))
    assert f"{after} of the 12 held-out images right ({before} before; network.py:build may have" in result.output
    assert f"measure: brittlestar run --data DATA --model {path} --factory {factory}" in result.output
    plain = CliRunner().invoke(app, [*words[:-3], str(tmp_path / "plain"), "--epochs", "1"])
    assert plain.exit_code == 0 and state_dict(tmp_path / "plain" / "model.safetensors")[1]["plan"]["rate"] == 4e-3


def test_several_seeds_train_each_in_a_folder_and_go_on(data: Path, tmp_path: Path) -> None:
    words = ["train", "--recipe", "natural", "--data", str(data), "--out", str(tmp_path), "--epochs", "2"]
    result = CliRunner().invoke(app, [*words, "--seed", "3", "--seeds", "2", "--held-out", "0.2"])
    assert result.exit_code == 0, result.output
    files = [tmp_path / f"seed-{n}" / "model.safetensors" for n in (3, 4)]
    facts = [state_dict(path)[1] for path in files]
    assert [f["seed"] for f in facts] == [3, 4] and facts[0]["data"]["split"] != facts[1]["data"]["split"]
    rights = [f["history"][-1]["accuracy"] for f in facts]
    for number, path, right in zip((3, 4), files, rights, strict=True):
        assert f"seed {number}: {path}   {right:.1%} of the 24 held-out images right" in result.output
    assert f"held out: mean {np.mean(rights):.1%}, standard deviation over seeds" in result.output
    told = f"measure: brittlestar run --data DATA --model natural-3={files[0]} --model natural-4={files[1]}"
    assert told in result.output
    stamps = [path.stat().st_mtime_ns for path in files]
    files[1].unlink()
    more = CliRunner().invoke(app, [*words, "--seed", "3", "--seeds", "3", "--held-out", "0.2"])
    assert more.exit_code == 0 and files[0].stat().st_mtime_ns == stamps[0]
    assert json.dumps(state_dict(files[1])[1]) == json.dumps(facts[1])
    assert (tmp_path / "seed-5" / "model.safetensors").is_file()
    alone = fit(open_source(str(data)), Natural(), Plan(epochs=2, batch=128), tmp_path / "alone", seed=4, held_out=0.2)
    assert alone.read_bytes() == files[1].read_bytes(), "a seed gives what it gives alone"


def test_experiments_go_on_from_a_model(data: Path, factory: str, tmp_path: Path) -> None:
    setting = {"data": str(data), "test": str(data), "architecture": "small_cnn", "plan": Plan(epochs=1, rate=0.01)}
    start = parse_spec(f"torch:{factory}")
    study = Study(Setting(**setting, start=start), tmp_path, lambda _: None)  # type: ignore[arg-type]
    study.train({"natural": Natural()})
    study.measure({"clean": None})
    assert study.right["natural", "clean"].shape == (1, 120)
    assert state_dict(study.files["natural"][0])[1]["factory"] == factory
    assert any(text.startswith("Fine-tuned from network.py:build, 1 epochs") for text in study.conditions())
    plain = Study(Setting(**setting), tmp_path, lambda _: None)  # type: ignore[arg-type]
    plain.train({"natural": Natural()})
    plain.measure({"clean": None})
    assert plain.files["natural"] != study.files["natural"]


@pytest.mark.parametrize("recipe", [Natural(), Adversarial(epsilon=8 / 255, steps=1)], ids=lambda r: r.name)
def test_a_published_resnet20_is_fine_tuned(recipe: Any, tmp_path: Path) -> None:
    """With the file of weights that other people trained, and its normalisation from the factory."""
    weights = shared_path("data/cifar-resnets/resnet20-12fca82f.th")
    data = shared_path("data/cifar10-jpeg-test.parquet")
    built = f"{EXAMPLES}/cifar_resnet.py:resnet20"
    path = tuned(data, tmp_path, str(weights), {"epochs": 1, "rate": 1e-5}, factory=built, samples=100, recipe=recipe)
    facts = state_dict(path)[1]
    assert facts["preprocess"]["mean"] == [0.485, 0.456, 0.406] and facts["start"]["name"] == "resnet20-12fca82f.th"
    source = open_source(str(data))
    chosen = source.order(1)[:300]
    logits = infer(load_model(parse_spec(str(path), factory=built)), torch.from_numpy(source.load(chosen)), 150)
    assert float((logits.argmax(1) == torch.from_numpy(source.labels[chosen])).float().mean()) > 0.74

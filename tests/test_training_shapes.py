"""Images and networks of all shapes: trained and loaded again, or refused in one line before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from brittlestar.cli.main import app
from brittlestar.core.errors import ModelError
from brittlestar.data import open_source
from brittlestar.models import infer, load_model, parse_spec
from brittlestar.models.files import state_dict
from brittlestar.models.zoo import ARCHITECTURES, build
from brittlestar.training import RECIPES, Natural, Plan
from brittlestar.training.fit import fit


def saved(folder: Path, count: int, shape: tuple[int, ...], classes: int = 3) -> Path:
    """Images of class k are brighter by 60 k."""
    generator, labels = np.random.default_rng(0), np.arange(count) % classes
    images = generator.integers(0, 80, (count, *shape)) + 60 * labels.reshape(-1, *[1] * len(shape))
    path = folder / "set.npz"
    np.savez(path, x=images.astype(np.uint8), y=labels)
    return path


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_on_wide_colour_images_with_one_left_over(recipe: str, tmp_path: Path) -> None:
    source = open_source(str(saved(tmp_path, 33, (16, 24, 3))))
    path = fit(source, RECIPES[recipe](), Plan(epochs=1, batch=16, jitter=1, flip=True), tmp_path / "out", held_out=0)
    assert state_dict(path)[1]["architecture"]["size"] == [16, 24]
    logits = infer(load_model(parse_spec(str(path))), torch.from_numpy(source.load(np.arange(5))))
    assert logits.shape == (5, 3) and bool(logits.isfinite().all())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("count", "shape", "classes"), [(33, (16, 16), 3), (33, (20, 9), 2), (3, (8, 11, 3), 3)])
def test_every_architecture_trains_on_odd_sets(
    architecture: str, count: int, shape: tuple[int, ...], classes: int, tmp_path: Path
) -> None:
    source = open_source(str(saved(tmp_path, count, shape, classes)))
    for name, batch in (("mixup", 32), ("trades", 11), ("cutmix", 512)):
        out = tmp_path / name
        path = fit(source, RECIPES[name](), Plan(epochs=1, batch=batch), out, architecture=architecture, held_out=0)
        assert load_model(parse_spec(str(path))).parameters


def test_a_trial_changes_nothing(tmp_path: Path) -> None:
    source = open_source(str(saved(tmp_path, 12, (8, 8))))
    path = fit(source, Natural(), Plan(epochs=1, rate=1e-12), tmp_path / "a", architecture="resnet8", held_out=0)
    assert int(state_dict(path)[0]["bn1.num_batches_tracked"]) == 1


def test_what_cannot_be_trained_is_refused_in_one_line(tmp_path: Path) -> None:
    data = saved(tmp_path, 12, (8, 8))
    (tmp_path / "network.py").write_text(
        "from torch import nn\n"
        "def pooled():\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 3)).eval()\n"
    )
    words = ["train", "--recipe", "natural", "--data", str(data), "--out", str(tmp_path / "out"), "--epochs", "1"]
    start = ["--from", f"torch:{tmp_path}/network.py:pooled"]
    result = CliRunner().invoke(app, [*words, *start, "--batch", "1"])
    said = str(result.exception)
    assert said.startswith("network.py:pooled cannot be trained on images of 1 x 8 x 8, 1 at a time (Expected more")
    assert said.endswith("or --batch of at least 2") and "\n" not in said and not (tmp_path / "out").exists()
    assert CliRunner().invoke(app, [*words, *start, "--batch", "11", "--held-out", "0"]).exit_code == 0
    with pytest.raises(ModelError, match=r"up to 64 pixels, these have 65: take another \(architecture=\), or"):
        build("small_cnn", 3, 1, (9, 65))


class FakeNetwork(nn.Module):
    """Stands for a network of timm: takes one size only where it is told so."""

    def __init__(self, classes: int, channels: int, size: Any) -> None:
        super().__init__()
        height, width = size if isinstance(size, tuple) else (size, size)
        self.pretrained_cfg = {"fixed_input_size": True}
        self.flat = nn.Linear(channels * height * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.flat(x.flatten(1))
        return logits


def test_networks_of_one_size_are_built_for_the_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def create_model(name: str, pretrained: bool, num_classes: int, in_chans: int, img_size: Any = 224) -> nn.Module:
        if name != "vit":
            raise RuntimeError(f"Unknown model ({name})")
        if in_chans == 2:
            raise TypeError("no such thing\nat all")
        return FakeNetwork(num_classes, in_chans, img_size)

    fake = SimpleNamespace(create_model=create_model, __spec__=object(), __name__="timm")
    monkeypatch.setitem(sys.modules, "timm", fake)  # type: ignore[arg-type]
    for shape in ((10, 10), (8, 12, 3)):
        folder = tmp_path / str(len(shape))
        folder.mkdir()
        source = open_source(str(saved(folder, 20, shape)))
        path = fit(source, Natural(), Plan(epochs=1), folder / "out", architecture="timm:vit")
        assert infer(load_model(parse_spec(str(path))), torch.from_numpy(source.load(np.arange(4)))).shape == (4, 3)
    for name, channels in (("other", 1), ("vit", 2)):
        with pytest.raises(ModelError, match=r"timm cannot build .* take another timm:NAME") as caught:
            build(f"timm:{name}", 3, channels, 8)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "mobilenetv3_small_050"])
def test_networks_of_timm_train(name: str, tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    source = open_source(str(saved(tmp_path, 33, (32, 48, 3))))
    plan = Plan(epochs=1, batch=16, rate=1e-4)
    path = fit(source, Natural(), plan, tmp_path / "out", architecture=f"timm:{name}", held_out=0)
    assert infer(load_model(parse_spec(str(path))), torch.from_numpy(source.load(np.arange(3)))).shape == (3, 3)

"""``brittlestar train``: killed and called again, refused where it should be, and what its files tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from brittlestar.cli.main import app
from brittlestar.core.errors import ModelError, UsageError
from brittlestar.data import open_source
from brittlestar.models import infer, load_model, parse_spec
from brittlestar.models.zoo import ARCHITECTURES, build


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 noisy stripes of 16 x 16, two classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 2
    wave = np.where(np.arange(16) % 2, 40, -40)
    pattern = np.where(labels[:, None, None] == 0, wave[None, None], wave[None, :, None])
    images = np.clip(128 + pattern + 30 * generator.standard_normal((400, 16, 16)), 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    np.savez(path, x=images[:, None], y=labels)
    return path


def words(data: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--recipe", "gaussian", "--data", str(data), "--out", str(out), "--epochs", "40", *more]


def test_a_training_killed_on_the_way_gives_the_same_file(data: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = ("--jitter", "1", "--set", "sigma=0.1", "--batch", "50", "--ema", "0.9")
    command = [sys.executable, "-c", "from brittlestar.cli.main import main; main()", *words(data, killed, *options)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
    assert process.stderr is not None
    while line := process.stderr.readline():
        if "epoch 3 " in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert (killed / "checkpoint.safetensors").is_file() and not (killed / "model.safetensors").exists()
    for out in (killed, whole):
        result = CliRunner().invoke(app, words(data, out, *options))
        assert result.exit_code == 0, result.output
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert [p.name for p in killed.iterdir()] == ["model.safetensors"]


def test_the_file_tells_all_and_needs_no_factory(data: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*words(data, tmp_path), "--epochs", "12", "--set", "up_to=true"])
    assert result.exit_code == 0, result.output
    path = tmp_path / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["brittlestar"])
    assert facts["recipe"] == "gaussian" and facts["fields"] == {"sigma": 0.3, "up_to": True}
    assert facts["architecture"] == {"name": "small_cnn", "classes": 2, "channels": 1, "size": 16}
    assert (facts["data"]["trained_on"], facts["data"]["held_out"]) == (360, 40)
    assert len(facts["history"]) == 12 and facts["history"][-1]["accuracy"] > 0.8
    assert facts["data"]["fingerprint"] == open_source(str(data)).info.fingerprint
    model = load_model(parse_spec(str(path)))
    source = open_source(str(data))
    order = source.order(0)
    answers = infer(model, torch.from_numpy(source.load(order))).argmax(1)
    assert (answers == torch.from_numpy(source.labels[order])).double().mean() > 0.9
    assert any("recipe gaussian" in note for note in model.notes)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--recipe", "gausian"], "gaussian"),
        (["--set", "sigma"], "write FIELD=VALUE"),
        (["--set", "sgima=1"], "sigma"),
        (["--set", "sigma=much"], "must be a number"),
        (["--set", "sigma=-1"], "sigma must be positive"),
        (["--arch", "resnet9"], "resnet8"),
        (["--held-out", "1"], "held out must be in"),
        (["--epochs", "0"], "epochs and batch must be at least 1"),
    ],
)
def test_what_is_impossible_is_told_before_anything_is_trained(
    more: list[str], said: str, data: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, words(data, tmp_path / "out", *more))
    assert result.exit_code != 0 and said in str(result.exception)
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_another_training_in_the_same_folder_is_refused(data: Path, tmp_path: Path) -> None:
    from brittlestar.training import Natural, Plan
    from brittlestar.training.fit import fit

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    source = open_source(str(data))
    with pytest.raises(KeyboardInterrupt):
        fit(source, Natural(), Plan(epochs=3), tmp_path, progress=stop)
    with pytest.raises(UsageError, match="another training"):
        fit(source, Natural(), Plan(epochs=3), tmp_path, architecture="resnet8")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_takes_grey_and_colour(name: str) -> None:
    for channels in (1, 3):
        assert build(name, 7, channels, 32)(torch.rand(2, channels, 32, 32)).shape == (2, 7)


def test_the_cifar_form_has_the_published_number_of_weights() -> None:
    """He et al. 2016, table 6, with parameter-free shortcuts: .27M and .85M."""
    counts = {n: sum(p.numel() for p in build(n, 10, 3, 32).parameters()) for n in ("resnet8", "resnet20", "resnet56")}
    assert counts == {"resnet8": 75_290, "resnet20": 269_722, "resnet56": 853_018}


def test_networks_that_cannot_be_are_told() -> None:
    with pytest.raises(ModelError, match="up to 64"):
        build("small_cnn", 10, 3, 224)
    with pytest.raises(ModelError, match=r"brittlestar\[timm\]|timm has no model"):
        build("timm:no_such_network", 10, 3, 32)

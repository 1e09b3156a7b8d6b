"""Images that a shift turned: which they are, what they are called, and their control."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from brittlestar.build import parse_shift
from brittlestar.core.errors import UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.data import open_source
from brittlestar.models import load_model, parse_spec
from brittlestar.shifts import Fog, GaussianNoise
from tiny import called, make_world


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """600 images under the labels that the tiny model gives them."""
    model, data = make_world(tmp_path, 600)
    with np.load(data) as stored:
        x = stored["x"]
    tiny = load_model(parse_spec(f"m=torch:{model}:model"))
    answers = tiny.logits(torch.from_numpy(x).permute(0, 3, 1, 2).to(torch.float32) / 255).argmax(1)
    np.savez(data, x=x, y=answers.numpy())
    return tmp_path


def test_the_set_is_what_the_shift_turned_under_what_it_was_turned_into(world: Path) -> None:
    words = [
        "build",
        "features",
        "--from",
        "gaussian_noise:sigma=4.0",
        "--model",
        f"m=torch:{world / 'model.py'}:model",
    ]
    done = called(*words, "--data", world / "data.npz", "--out", world / "turned.npz", "--seed", 3)
    assert done.returncode == 0, done.stderr
    source, made = open_source(str(world / "data.npz")), np.load(world / "turned.npz")
    control = np.load(world / "turned-control.npz")
    order = source.order(3)
    images = torch.from_numpy(source.load(order))
    shifted = GaussianNoise(sigma=4.0)(images / 255, SampleKeys.of(3, [str(i) for i in source.ids[order]]))
    kept = (shifted * 255).round().to(torch.uint8)
    answers = load_model(parse_spec(f"m=torch:{world / 'model.py'}:model")).logits(kept / 255).argmax(1).numpy()
    turned = np.flatnonzero(answers != source.labels[order])
    assert 50 <= len(turned) < 600
    assert np.array_equal(made["x"], kept.numpy()[turned]) and np.array_equal(made["y"], answers[turned])
    assert np.array_equal(control["x"], images.numpy()[turned]) and np.array_equal(control["y"], made["y"])
    facts = json.loads((world / "turned.json").read_text())
    assert facts["of"] == 600 and facts["turned"] == pytest.approx(len(turned) / 600)
    assert facts["set"]["fields"] == {"sigma": 4.0}


def test_a_shift_that_turns_hardly_any_gives_no_set(world: Path) -> None:
    words = ["build", "features", "--from", "gaussian_noise:sigma=0.001", "--out", world / "set.npz"]
    done = called(*words, "--model", f"m=torch:{world / 'model.py'}:model", "--data", world / "data.npz")
    assert done.returncode == 2 and "a set needs 50" in done.stderr and not (world / "set.npz").exists()


def test_shifts_are_written_by_fields_or_by_severity() -> None:
    assert parse_shift("fog:table=cifar-c,severity=5") == Fog.at(5, "cifar-c")
    assert parse_shift("noise") == GaussianNoise(sigma=0.3)
    for text, told in (("fgo", "fog"), ("fog:table=cifar-c,severity=9", "severities 1 to 5"), ("fog:sigma=1", "sigma")):
        with pytest.raises(UsageError, match=told):
            parse_shift(text)


def test_a_kind_or_a_shift(world: Path) -> None:
    words = ["build", "features", "--model", "m.py", "--data", "digits", "--out", world / "set.npz"]
    for more in ([], ["d_rand", "--from", "noise"]):
        done = called(*words, *more)
        assert done.returncode == 2 and "one kind of set, or a shift" in done.stderr

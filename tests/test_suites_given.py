"""Shifts that are given from Python: as a suite, and to images by ``corrupt``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import brittlestar as bs
from brittlestar.core.errors import UsageError
from brittlestar.shifts import Fog, GaussianNoise
from brittlestar.shifts.conditions import clean, condition
from brittlestar.suites.given import suites_of

X = np.random.default_rng(0).integers(20, 200, (12, 32, 32, 3), dtype=np.uint8)
T = torch.from_numpy(X.transpose(0, 3, 1, 2).copy())
SHAPE = (3, 32, 32)
ONE = GaussianNoise(sigma=0.1)


def test_single_shifts_are_a_suite_with_the_clean_images() -> None:
    (suite,) = suites_of(ONE)
    told = suite.conditions(SHAPE)
    assert [c.info.id for c in told] == ["clean", "gaussian_noise/sigma=0.1"]
    assert told[1].fingerprint == condition(ONE, shown=(), label="").fingerprint, "rows are those of any other suite"
    shifts = [GaussianNoise(sigma=0.3), ONE, GaussianNoise(sigma=0.1), Fog.at(2, "cifar-c"), clean()]
    names, mixed = suites_of(["clean", *shifts])
    assert names.name == "clean"
    told = mixed.conditions(SHAPE)
    assert [c.info.strength for c in told if c.info.shift == "gaussian_noise"] == [0.1, 0.3]
    assert len(told) == 4


@pytest.mark.parametrize(
    "asked, message",
    [
        (GaussianNoise, "the class GaussianNoise: make one of it"),
        ([ONE, 3], "got int"),
        ([], "no suite was asked for"),
        ("fogg", "unknown suite"),
    ],
)
def test_what_is_no_suite_is_refused(asked: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        suites_of(asked)


def test_evaluate_takes_a_list_of_shifts(tmp_path: Path) -> None:
    labels = (T.float().mean((1, 2, 3)) > T.float().mean()).long()

    class Bright(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            light = x.mean((1, 2, 3)) - T.float().mean() / 255
            return torch.stack([-light, light], 1) * 1e4

    shifts = [ONE, GaussianNoise(sigma=0.2), Fog.at(3, "cifar-c")]
    run = bs.evaluate(Bright().eval(), (T, labels), suite=shifts, out=tmp_path / "run", progress=False)
    told = {row["condition"]: row["accuracy"] for row in run.table()}
    assert len(told) == 4 and told["clean"] == 1


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "numpy, channels last": (X, {}, r"ndarray of shape .*: torch\.from_numpy\(images\)\.permute\(0, 3, 1, 2\)"),
    "a tensor, channels last": (torch.from_numpy(X), {}, r"got 32: images\.permute\(0, 3, 1, 2\)"),
    "one image": (T[0], {}, r"shape \(3, 32, 32\): images\[None\]"),
    "one image, channels last": (torch.from_numpy(X[0]), {}, r"images\.permute\(2, 0, 1\)\[None\]"),
    "transparent": (torch.cat([T, T[:, :1]], 1), {}, r"alpha channel out \(images\[:, :3\]\)"),
    "a picture": (Image.fromarray(X[0]), {}, r"got Image: torch\.from_numpy\(np\.array\(image\)\)"),
    "a list": ([T[0]], {}, "got list"),
    "levels as floats": (T.float(), {}, "divide them by 255"),
    "normalised": (T.float() / 255 - 1, {}, "normalise after the shift"),
    "no severity": (T, {"severity": 0}, "severities 1 to 5"),
    "half a severity": (T, {"severity": 2.5}, r"severities 1 to 5, got 2\.5"),
    "another severity": (T, {"severity": "3"}, "severities 1 to 5, got '3'"),
    "another name": (T, {"name": "Gaussian Noise"}, "gaussian_noise"),
    "no name": (T, {"name": None}, "unknown corruption 'None'"),
    "another storage": (T, {"storage": "png"}, "storage is float or uint8"),
    "other keys": (T, {"keys": list(range(12))}, r"keys are bs\.keys\(seed, ids\), got list"),
    "fewer keys": (T, {"keys": bs.keys(0, 3), "name": "shot_noise"}, "3 keys for 12 images"),
}


@pytest.mark.parametrize("case", WRONG)
def test_corrupt_says_what_to_do(case: str) -> None:
    images, options, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        bs.corrupt(images, **{"name": "fog", "severity": 3, "keys": bs.keys(0, 12), **options})

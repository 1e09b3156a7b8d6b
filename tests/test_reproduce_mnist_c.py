"""Defences and MNIST-C: a claim is about the mean of the corruptions, beyond what models lose on clean images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brittlestar.core.errors import UsageError
from brittlestar.reproduce import Setting
from brittlestar.reproduce.claims import judge
from brittlestar.reproduce.mnist_c import compare, directions
from brittlestar.reproduce.study import Study
from brittlestar.training import Plan

VERSIONS = ("fog", "stripe")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Five trainings of two recipes with made-up answers."""
    x = np.random.default_rng(0).integers(0, 256, (400, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(400) % 4)
    spec = str(tmp_path / "data.npz")
    made = Study(Setting(data=spec, test=spec, architecture="small_cnn", plan=Plan(epochs=1), seeds=5), tmp_path, print)
    draws = np.random.default_rng(1)
    for recipe, fog, stripe in (("natural", 0.8, 0.7), ("worse", 0.6, 0.4), ("diluted", 0.0, 0.0)):
        for version, share in (("clean", 0.95), ("fog", fog), ("stripe", stripe)):
            made.right[recipe, version] = draws.random((5, 400)) < share
    # Half of the natural model's answers replaced by guesses: merely worse.
    guessed = draws.random((5, 400)) < 0.5
    for version in ("clean", *VERSIONS):
        made.right["diluted", version] = np.where(
            guessed, draws.random((5, 400)) < 0.25, made.right["natural", version]
        )
    return made


def test_what_loses_more_is_more_sensitive_and_what_is_merely_worse_is_not(study: Study) -> None:
    found = judge(study, directions(study, ["worse", "diluted"], VERSIONS))
    assert found[0].state == "confirmed"
    assert found[1].state != "confirmed"
    right = study.right
    mean = np.mean([right["worse", v].mean() - right["natural", v].mean() for v in VERSIONS])
    assert f"raw {100 * mean:+.1f}" in found[0].measured


def test_colour_images_are_refused(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(8) % 2)
    spec = str(tmp_path / "data.npz")
    how = Setting(data=spec, test=spec, architecture="small_cnn", plan=Plan(epochs=1))
    with pytest.raises(UsageError, match="grey digits"):
        compare(Study(how, tmp_path, print))

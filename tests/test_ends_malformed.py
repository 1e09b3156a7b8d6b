"""No malformed file of a run folder brings a traceback: commands do their work, or leave with one readable line."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brittlestar.core.sealed import Damaged, read_json, write_arrays, write_json
from brittlestar.store import RunStore
from malformed_tools import READERS, TEXTS, WRITERS, changes, ends, fresh, kinds, make_finished, wrong
from tiny import called

ALL = READERS | WRITERS
SELDOM = ("lock", "manifest-copy.json")
"""The lock is never read, and the copy is malformed together with the manifest."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_finished(tmp_path_factory.mktemp("made") / "world")


def walk(made: Path) -> list[tuple[Path, str]]:
    """(file, name of a change) for one file of each kind."""
    run = made / "run"
    first = [paths[0] for paths in kinds(run).values() if str(paths[0]) not in SELDOM]
    return [(inside, name) for inside in first for name in changes(run, inside)]


def test_the_walk_meets_every_kind_of_file(made: Path) -> None:
    found = set(kinds(made / "run"))
    for kind in (
        "manifest.json",
        "explain.json",
        "samples.parquet",
        "groups/#.json",
        "rows/#/#-#-#-#.parquet",
        "examples/examples.json",
        "identities/#.npz",
        "surveys/#/#/map.npz",
        "surveys/#/#/stage-#.npz",
        "surveys/#/#/stage-#-#.npy",
        "report/summary.json",
        "report/SHA#SUMS",
    ):
        assert kind in found, found


def turns(chosen: list[tuple[Path, str]], made: Path, folder: Path) -> list[str]:
    """What is wrong with how commands end: two readers and one writer each, so that every command has its turn."""
    readers, writers = list(READERS)[:4], list(WRITERS)
    told: list[str] = []
    for place, (inside, name) in enumerate(chosen):
        names = {readers[place % 4], readers[(place + 1) % 4], writers[(place // 4) % 4]}
        told += ends(made, folder, inside, name, {k: v for k, v in ALL.items() if k in names})
    return told


def test_some_malformed_files_bring_no_traceback(made: Path, tmp_path: Path) -> None:
    told = turns(random.Random(0).sample(walk(made), 12), made, tmp_path / "world")
    assert not told, "\n".join(told)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("models",), {"x": 10**30}),
        (("models", "first", "input_shape"), None),
        (("data",), {"x": 1}),
        (("data", "shape"), [8, 8]),
        (("data", "how", "prepare"), ["imagenet-c"]),
        (("models", "first", "how", "mean"), ["0.5"]),
        (("sessions", 0, "samples"), 10**30),
        (("conditions", "clean", "config"), [1]),
        (("skipped",), [{"position": "x"}]),
    ],
)
def test_a_sealed_manifest_of_other_kinds_is_damage(
    made: Path, tmp_path: Path, keys: tuple[str | int, ...], value: object
) -> None:
    run = fresh(made, tmp_path / "world") / "run"
    content: Any = read_json(run / "manifest.json")
    inside = content
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    for name in ("manifest.json", "manifest-copy.json"):
        write_json(run / name, content)
    with pytest.raises(Damaged, match=r"of another kind|is missing|shape of the images"):
        RunStore.open(run)


@pytest.mark.slow
def test_many_malformed_files_bring_no_traceback(made: Path, tmp_path: Path) -> None:
    # Every value of every file would take an hour.
    told = turns(random.Random(1).sample(walk(made), 500), made, tmp_path / "world")
    told += ends(made, tmp_path / "world", Path("manifest.json"), "garbage", ALL)
    assert not told, "\n".join(told)


LAYERED = """
import torch

def layered():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5)).eval()
"""


def test_malformed_pieces_of_a_layer_map_are_measured_again(made: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    shutil.copy(made / "data.npz", world)
    (world / "layered.py").write_text(LAYERED)
    words: tuple[str, ...] = (
        "fourier",
        "--model",
        "torch:layered.py:layered",
        "--data",
        "data.npz",
        "--out",
        "run",
        "--samples",
        "20",
    )
    words += ("--layer", "1", "--region", "3", "--device", "cpu")
    assert not wrong(world, words)
    table = next(world.glob("run/layers/*.csv"))
    before = table.read_text()
    (piece,) = world.glob("run/layers/*/*.npy")
    for content in (*list(TEXTS.values())[:3], piece.read_bytes()[:100], piece.read_bytes()[:-40]):
        piece.write_bytes(content)
        table.unlink()
        assert not wrong(world, words) and table.read_text() == before
    assert len(list(world.glob("run/layers/damaged/*/*.npy*"))) == 5
    (first,) = world.glob("run/layers/*/first.npz")
    write_arrays(first, {"other": np.zeros(3)})
    with contextlib.chdir(world):
        done = called(*words)
    assert done.returncode == 2 and "first.npz is damaged" in done.stderr and "remove run/layers" in done.stderr

"""The little world of ``tests/golden``: its models, its suite, and run folders made of them."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brittlestar.analyses.explain import explained_again, write
from brittlestar.api import Run
from brittlestar.core.sealed import read_arrays, write_arrays, write_sealed
from brittlestar.report import build
from brittlestar.runs.request import Watch
from brittlestar.store import RunStore
from tiny import evaluate_with

GOLDEN = Path(__file__).parent / "golden"


def make_world(folder: Path, run: bool = False) -> Path:
    """Copy models and data, and with ``run`` the run folder of the old layout; give the run folder's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("world.py", "data.npz"):
        shutil.copy(GOLDEN / name, folder / name)
    if run:
        shutil.copytree(GOLDEN / "run", folder / "run")
    return folder / "run"


def ask(
    folder: Path,
    samples: int,
    *,
    models: Sequence[str] = ("first", "second"),
    sharper: bool = False,
    told: list[str] | None = None,
    **how: Any,
) -> Run:
    """Evaluate in a world: its whole suite, or the clean images and then the map from chosen cells."""
    spec = importlib.util.spec_from_file_location("world", folder / "world.py")
    assert spec is not None and spec.loader is not None
    world = importlib.util.module_from_spec(spec)
    # Models and data are named as they were when the folder was made: relative to it.
    with contextlib.chdir(folder):
        spec.loader.exec_module(world)
        return evaluate_with(
            [f"{name}=torch:world.py:{name}" for name in models],
            "data.npz",
            watch=Watch(warn=(told if told is not None else []).append),
            follow_up=world.map_of_chosen_cells() if sharper else None,
            suite="clean" if sharper else world.SUITE,
            out="run",
            samples=samples,
            batch=60,
            **how,
        )


def make_whole_run(folder: Path, samples: int = 8, models: Sequence[str] = ("first",)) -> Path:
    """A run folder with every kind of file, its report included; the map from chosen cells is the old folder's, sealed
    as it would be written now."""
    run = make_world(folder)
    ask(folder, samples, models=models)
    about = next(iter(RunStore.open(run).manifest.models.values()))
    for path in sorted(next((GOLDEN / "run" / "surveys").glob("*/*")).iterdir()):
        copied = run / "surveys" / about["fingerprint"] / path.parent.name / path.name
        if path.suffix == ".npz":
            write_arrays(copied, read_arrays(path, required=False))
        else:
            write_sealed(copied, path.read_bytes())
    with contextlib.chdir(folder):
        explanation = explained_again(Path("run"))
        assert explanation is not None
        write(explanation, Path("run/report"))
        build([Path("run")])
    return run


def flip(path: Path, byte: int | None = None, bit: int = 0) -> None:
    """Turn one bit of a file over: of the byte in its middle by default."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if byte is None else byte] ^= 1 << bit
    path.write_bytes(content)

"""Something fails inside a verb: the person gets a message and an exit code, no traceback, and loses nothing.

A verb that writes must stand in ``INSIDE``, with a function to fail in; one that only reads fails at its first line
where nothing deeper is named.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import typer.main
from PIL import Image

from brittlestar.cli import main as command_line
from brittlestar.core.errors import StoreError
from ends_tools import call
from tiny import make_world


class Inside(NamedTuple):
    """A verb's words (``{w}`` is the world, ``{out}`` a fresh folder) and a function that it calls deep inside."""

    words: str
    function: str


READ = "brittlestar.store.store.RunStore.read"
PICTURE = "brittlestar.data.sample.sample_image"
INSIDE = {
    "run": Inside(
        "--model torch:{w}/model.py:other --data {w}/data.npz --suite clean --out {w}/run --workers 1 --anyway",
        "brittlestar.runs.fill_task.FillTask.run",
    ),
    "report": Inside("{w}/run", READ),
    "figure": Inside("{w}/run --out {out}/maps.svg", READ),
    "explain": Inside("{w}/run --data {w}/data.npz --out {out}", READ),
    "list": Inside("shifts", "brittlestar.core.definition.Definition.summary"),
    "show shift": Inside("fog --out {out}/fog.png", PICTURE),
    "show suite": Inside("noise --out {out}", PICTURE),
    "show sequence": Inside("tilt --out {out}/tilt.webp", PICTURE),
    "show filter": Inside("--out {out}", PICTURE),
    "store compact": Inside("{w}/run", "brittlestar.core.files._fsync"),
    "store verify": Inside("{w}/run", "brittlestar.store.maintenance.verify"),
    "audit": Inside("{w}/run --trust", "brittlestar.runs.audit.audit"),
    "estimate": Inside("--run {w}/run --data {w}/data.npz --trust", READ),
    "fourier": Inside(
        "--model torch:{w}/model.py:other --data {w}/data.npz --region 3 --out {w}/run --workers 1 --anyway",
        "brittlestar.runs.fill_task.FillTask.run",
    ),
    "train": Inside(
        "--recipe natural --data {w}/data.npz --epochs 1 --batch 10 --out {out}",
        "brittlestar.training.checkpoint.Checkpoint.save",
    ),
    "reproduce": Inside(
        "fog --data {w}/data.npz --test {w}/data.npz --epochs 1 --out {out}",
        "brittlestar.training.checkpoint.Checkpoint.save",
    ),
    "build nico": Inside(
        "--setting minimum --data {w}/data.npz --contexts y --out {out}",
        "brittlestar.build.nico_files._write_part",
    ),
    "ni": Inside(
        "--model torch:{w}/model.py:other --data {w}/data.npz --test {w}/data.npz --out {out}/ni.json --no-normalise",
        "brittlestar.analyses.non_iid.index_between",
    ),
    "build features": Inside(
        "d_det --model torch:{w}/model.py:other --data {w}/data.npz --samples 4 --steps 1 --out {out}/set.npz",
        "brittlestar.build.write_set",
    ),
    "transplant": Inside(
        "--model torch:{w}/model.py:other --data {w}/data.npz --objects {w}/objects --grid 2 --out {out} --workers 1 "
        "--anyway",
        "brittlestar.runs.fill_task.FillTask.run",
    ),
    "detect": Inside(
        "--detector {w}/detector.py:nothing --data {w}/photographs --objects {w}/objects --grid 2 --size 0.5 "
        "--out {out}",
        "brittlestar.models.detector.Detector.detect",
    ),
    "build spectrum": Inside("--data {w}/data.npz --out {out}/mean.npy", "brittlestar.build.spectrum.mean_amplitudes"),
    "people table": Inside("{w} --out {out}/people.md", "brittlestar.reproduce.human_table.human_table"),
    "people export": Inside(
        "{w}/run --model model --condition clean --trials 2 --out {out}", "brittlestar.report.people_page.people_page"
    ),
    "build matched": Inside(
        "--candidates {w}/data.npz --reference {w}/data.npz --score s --out {out}/list.csv",
        "brittlestar.build.matched_files._csv",
    ),
    "population": Inside("{w}/data.npz --out {out}", "brittlestar.population.layouts._read"),
    "textures": Inside("--yes", "brittlestar.core.frost.texture_folder"),
    "demo": Inside("--out {out}", "brittlestar.training.demo.train_demo_models"),
}


def verbs(group: Any = None, lead: str = "") -> Iterator[tuple[str, Any]]:
    """Every verb that can be typed, those of groups with the group's name before them, and its command."""
    commands: Any = group or typer.main.get_command(command_line.app)
    for name, verb in commands.commands.items():
        if hasattr(verb, "commands"):
            yield from verbs(verb, f"{lead}{name} ")
        else:
            yield lead + name, verb


EVERY = dict(verbs())


def made_up(verb: str) -> str:
    """Words that a verb takes: 1 is a number, a name and a path."""
    required = [p for p in EVERY[verb].params if p.required]
    return " ".join("1" if p.param_type_name == "argument" else f"{p.opts[0]} 1" for p in required)


def registered(verb: str) -> Any:
    """Where the command line keeps a verb's function."""
    *groups, last = verb.split()
    app: Any = command_line.app
    for name in groups:
        (app,) = (group.typer_instance for group in app.registered_groups if group.name == name)
    commands = {typer.main.get_command_name(c.name or c.callback.__name__): c for c in app.registered_commands}
    return commands[last]


def test_every_verb_that_writes_has_a_failure_inside_it() -> None:
    writing = {verb for verb, command in EVERY.items() if any("--out" in p.opts for p in command.params)}
    assert writing - set(INSIDE) == set(), "give each of these words and a function to fail in, in INSIDE"
    assert set(INSIDE) <= set(EVERY)
    assert {verb.split()[0] for verb in EVERY} == set(command_line.VERBS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a model, and a run with shifts and a Fourier map."""
    folder = tmp_path_factory.mktemp("failures")
    make_world(folder, 24)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    opacity = np.full((6, 5), 255, np.uint8)
    opacity[0] = 0
    for place in ("objects/0", "photographs"):
        (folder / place).mkdir(parents=True)
    Image.fromarray(np.dstack([pixels, opacity]), "RGBA").save(folder / "objects/0/a.png")
    Image.fromarray(np.tile(pixels, (4, 4, 1))).save(folder / "photographs/a.png")
    (folder / "detector.py").write_text(
        "def nothing():\n    return lambda images: [dict(boxes=[], scores=[], labels=[]) for _ in images]\n"
    )
    words = (
        f"run --model torch:{folder}/model.py:model --data {folder}/data.npz --out {folder}/run --workers 1 --anyway"
    )
    code, err = call(*[*words.split(), "--suite", "noise", "--suite", "fourier", "--no-report"])
    assert code == 0, err
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Digests of what a person would miss: everything but the list of sessions and the lock."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in ("manifest.json", "manifest-copy.json", "lock")
        and "__pycache__" not in path.parts
    }


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "/full/file")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


WRONG: dict[str, tuple[Callable[[], BaseException], int, str]] = {
    "unforeseen": (lambda: RuntimeError("struck\nin the middle"), 70, "a bug in Brittlestar: RuntimeError: struck."),
    "wordless": (ZeroDivisionError, 70, "a bug in Brittlestar: ZeroDivisionError."),
    "the process is ended": (lambda: SystemExit(0), 70, "a bug in Brittlestar: SystemExit: 0."),
    "no words at all": (Unspeakable, 70, "a bug in Brittlestar: Unspeakable: (its text cannot be read)."),
    "no memory": (lambda: MemoryError("12 GiB"), 2, "memory ran out (MemoryError: 12 GiB)"),
    "foreseen": (lambda: StoreError("rows are damaged"), 2, "error: rows are damaged"),
    "the disk is full": (no_space, 2, "o space left on device"),
    "no permission": (lambda: PermissionError(errno.EACCES, "Permission denied", "/not/mine"), 2, "ermission denied"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("verb", EVERY)
def test_a_failure_inside_is_told_and_loses_nothing(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, wrong: str
) -> None:
    make, expected, text = WRONG[wrong]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reached = []

    def fail(*_: Any, **__: Any) -> Any:
        reached.append(verb)
        raise make()

    if verb in INSIDE:
        words, function = INSIDE[verb]
        monkeypatch.setattr(function, fail)
    else:
        words, command = made_up(verb), registered(verb)
        monkeypatch.setattr(command, "callback", functools.wraps(command.callback)(fail))
    before = contents(world)
    code, err = call(*[*verb.split(), *words.format(w=world, out=tmp_path / "out").split()])
    assert reached, f"the function is not called any more: name another ({err})"
    assert code == expected, err
    assert "Traceback" not in err and text in err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1, err
    files = [path.read_text() for path in tmp_path.glob("brittlestar-bug-*.txt")]
    assert len(files) == (code == 70) and all("in fail" in file for file in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("brittlestar-bug-*.txt"))
    after = contents(world)
    assert before == {name: after.get(name) for name in before}
    assert [*world.rglob(".*.tmp"), *tmp_path.rglob(".*.tmp")] == []


def test_what_failed_goes_on_with_the_same_command(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words = ["run", *INSIDE["run"].words.format(w=world, out="").split(), "--no-report"]
    with monkeypatch.context() as patched:
        patched.setattr(INSIDE["run"].function, lambda *_: 1 / 0)
        code, err = call(*words)
        assert code == 70 and "What was finished is kept" in err
    code, err = call(*words)
    assert code == 0 and "complete" in err, err


def test_the_place_in_the_code_is_shown_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(INSIDE["list"].function, lambda *_: 1 / 0)
    code, err = call(*["--traceback", "list", "shifts"])
    assert code == 70 and "Traceback" in err and err.rstrip().count("in Brittlestar: ZeroDivisionError") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--recipe", "natural", "--data", "{w}/data.npz", "--epochs", "1", "--out", "{w}/model.py/in"],
        ["show", "shift", "contrast", "--out", "{w}/model.py/in.png"],
        ["show", "suite", "noise", "--out", "{w}/model.py/in"],
        ["show", "sequence", "brightness", "--out", "{w}/model.py/in.webp"],
        ["report", "{w}/run", "--out", "{w}/model.py/in"],
        ["figure", "{w}/run", "--out", "{w}/model.py/in.svg"],
        ["demo", "--out", "{w}/model.py/in"],
        ["store", "verify", "{w}/nowhere"],
        ["audit", "{w}/model.py"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_place_that_cannot_be_written_or_read_is_named(world: Path, words: list[str]) -> None:
    code, err = call(*[word.format(w=world) for word in words])
    assert code == 2 and "Traceback" not in err
    assert "model.py" in err.splitlines()[-1] or "nowhere" in err.splitlines()[-1]


def test_numbers_that_are_none_deep_in_the_data(world: Path, tmp_path: Path) -> None:
    x = np.full((8, 12, 12, 3), np.nan, np.float32)
    np.savez(tmp_path / "nan.npz", x=x, y=np.arange(8) % 2)
    for verb in ("run --anyway", "fourier --anyway"):
        words = f"{verb} --model torch:{world}/model.py:model --data {tmp_path}/nan.npz --out {tmp_path}/run"
        code, err = call(*words.split())
        assert code == 2 and "NaN" in err and not (tmp_path / "run").exists()

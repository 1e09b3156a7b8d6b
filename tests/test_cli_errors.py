"""What a person gets wrong: one clear line, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tiny import called, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("errors")
    make_world(folder, 60)
    rng = np.random.default_rng(0)
    np.savez(folder / "nan.npz", x=np.full((8, 3, 12, 12), np.nan, np.float32), y=np.arange(8) % 2)
    np.savez(folder / "one-class.npz", x=rng.integers(0, 255, (8, 12, 12, 3), dtype=np.uint8), y=np.zeros(8, int))
    np.savez(folder / "many.npz", x=rng.integers(0, 255, (40, 12, 12, 3), dtype=np.uint8), y=np.arange(40) % 9)
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("hello")
    return folder


CASES = {
    "a missing path": (["--data", "{w}/nowhere"], "nowhere"),
    "an empty folder": (["--data", "{w}/empty"], "empty"),
    "one class": (["--data", "{w}/one-class.npz"], "class"),
    "NaN pixels": (["--data", "{w}/nan.npz"], "NaN"),
    "an unknown suite": (["--suite", "brod"], "did you mean broad"),
    "too few outputs": (["--data", "{w}/many.npz"], "4"),
    "a model file that is not there": (["--model", "torch:{w}/absent.py:model"], "absent.py"),
    "a factory that is not there": (["--model", "torch:{w}/model.py:modle"], "modle"),
    "a broken factory": (["--model", "torch:{w}/model.py:wrong"], ""),
    "too many samples": (["--samples", "1000"], "60"),
    "no samples": (["--samples", "0"], "at least 1"),
    "a strange budget": (["--budget", "soon"], "soon"),
    "budget and precision": (["--budget", "5s", "--precision", "0.1"], "not both"),
    "a folder that is no run": (["--out", "{w}/notes"], "notes"),
    "numbers that are none": (["--mean", "a,b"], "--mean"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_clearly(world: Path, case: str) -> None:
    changes, expected = CASES[case]
    options = {
        "--model": f"torch:{world}/model.py:model",
        "--data": f"{world}/data.npz",
        "--out": f"{world}/run",
        "--workers": "1",
    }
    given = dict(zip(changes[::2], (c.format(w=world) for c in changes[1::2]), strict=True))
    words = [word for pair in (options | given).items() for word in pair]
    done = called("run", *words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert expected in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ") or "\n  " in done.stderr


@pytest.mark.parametrize("words", [["--samples", "0"], ["--samples", "1001"], ["--workers", "0"]])
def test_the_demo_refuses_numbers_before_it_trains(tmp_path: Path, words: list[str]) -> None:
    done = called("demo", "--out", tmp_path / "demo", *words)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {words[0]} must be"), done.stderr
    assert not (tmp_path / "demo").exists()


FILE_FOR_A_FOLDER = {
    "train": ["train", "--recipe", "natural", "--data", "{w}/data.npz", "--epochs", "1"],
    "reproduce": ["reproduce", "fog", "--data", "{w}/data.npz", "--test", "{w}/data.npz"],
    "show filter": ["show", "filter"],
    "run": ["run", "--model", "torch:{w}/model.py:model", "--data", "{w}/data.npz"],
}


@pytest.mark.parametrize("verb", FILE_FOR_A_FOLDER)
def test_a_file_where_a_folder_must_be_is_told_clearly(world: Path, verb: str) -> None:
    words = [word.format(w=world) for word in FILE_FOR_A_FOLDER[verb]]
    done = called(*words, "--out", world / "model.py")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "model.py" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("kind", ["shifts", "suites", "models", "data", "measures"])
def test_lists_have_a_line_each(kind: str) -> None:
    done = called("list", kind)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 2
    assert all(len(line.split()) >= 3 for line in lines)


def test_show_writes_a_picture(tmp_path: Path) -> None:
    target = tmp_path / "noise.png"
    done = called("show", "shift", "gaussian_noise", "--out", target)
    assert done.returncode == 0, done.stderr
    assert "arxiv.org/abs/1903.12261" in done.stdout
    assert "severity 5: sigma = 0.38" in done.stdout
    assert target.stat().st_size > 10_000


def test_show_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = called("show", "shift", "gausian_noise")
    assert done.returncode == 2
    assert "did you mean gaussian_noise" in done.stderr

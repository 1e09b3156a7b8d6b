"""Kill it, interrupt it, spread it, cut it: the rows are the same and nothing is computed twice."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import brittlestar
from brittlestar.core.rows import Rows
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.store import RunStore
from gate_tools import gate, held
from tiny import called, evaluate_with, make_world


def run_words(folder: Path, out: str, *more: object, factory: str = "model") -> list[str]:
    model, data = folder / "model.py", folder / "data.npz"
    return [
        *("run", "--model", f"m=torch:{model}:{factory}", "--data", str(data), "--out", str(folder / out)),
        *("--workers", "1", "--device", "cpu", "--no-report", *map(str, more)),
    ]


def calls(path: Path) -> int:
    """Images that went through the model, of the log that it writes."""
    return sum(map(int, path.read_text().split())) if path.exists() else 0


def everything(folder: Path) -> dict[tuple[str, str], Rows]:
    store = RunStore.open(folder)
    ids = {info.fingerprint: info.id for info in store.manifest.conditions.values()}
    return {
        (name, ids[f]): rows
        for name, model in store.manifest.models.items()
        for f, rows in store.read(model["fingerprint"], None).items()
    }


def assert_same(one: dict[tuple[str, str], Rows], other: dict[tuple[str, str], Rows]) -> None:
    assert one.keys() == other.keys()
    for key, rows in one.items():
        for column in ("position", "frame", "label", "prediction", "label_logit", "top_logit", "log_sum_exp", "logits"):
            left, right = getattr(rows, column), getattr(other[key], column)
            if left is None or right is None:
                assert left is right, (key, column)
            else:
                np.testing.assert_array_equal(left, right, err_msg=f"{key} {column}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    log = folder / "calls-whole"
    assert called(*run_words(folder, "whole"), calls=log).returncode == 0
    return folder


def test_every_condition_has_every_sample(world: Path) -> None:
    rows = everything(world / "whole")
    assert len(rows) > 100
    for key, found in rows.items():
        np.testing.assert_array_equal(found.position, np.arange(130), err_msg=str(key))
    assert RunStore.open(world / "whole").manifest.sessions[-1].stop == "complete"


@pytest.mark.parametrize(
    ("where", "call"),
    [
        ("brittlestar.runs.cell:_answers", 90),
        ("brittlestar.runs.session:write_examples", 1),
        ("brittlestar.core.files:_fsync", 40),
    ],
    ids=["in the model", "before examples", "while a file is written"],
)
def test_killed_and_run_again_gives_the_same_rows(world: Path, where: str, call: int) -> None:
    """SIGKILL, then finish: same rows; calls beyond an uninterrupted run stay below one task a kill."""
    log, out = world / f"calls-killed-{call}", f"killed-{call}"
    with gate() as at:
        process = subprocess.Popen(
            held(where, call, *run_words(world, out)),
            env=at.environment | {"CALLS": str(log)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        at.reached(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert called(*run_words(world, out), calls=log).returncode == 0
    assert_same(everything(world / out), everything(world / "whole"))
    assert not list((world / out).rglob("*.tmp"))
    overhead = calls(log) - calls(world / "calls-whole")
    largest_task, checks = 31 * 80 * 3 + 64 * 80, 1000
    assert overhead <= largest_task + checks


def test_finished_cells_are_not_computed_again(world: Path) -> None:
    log = world / "calls-again"
    assert called(*run_words(world, "whole"), calls=log).returncode == 0
    assert calls(log) < 700, "only the checks at the start may call the model"


def test_two_workers_give_the_rows_of_one(world: Path) -> None:
    assert called(*run_words(world, "workers"), "--workers", "2").returncode == 0
    assert_same(everything(world / "workers"), everything(world / "whole"))


def test_fewer_samples_first_then_all(world: Path) -> None:
    assert called(*run_words(world, "grown", "--samples", 70)).returncode == 0
    assert {len(rows) for rows in everything(world / "grown").values()} == {70}
    assert called(*run_words(world, "grown")).returncode == 0
    grown, whole = everything(world / "grown"), everything(world / "whole")
    for key, rows in whole.items():
        np.testing.assert_array_equal(rows.position, grown[key].position)
        assert np.abs(rows.top_logit - grown[key].top_logit).max() < 1e-3 or "pgd" in key[1]


def test_ctrl_c_finishes_writing_and_says_how_to_go_on(world: Path) -> None:
    with gate() as at:
        # A shell without job control starts what runs in the background deaf to Ctrl-C, and children inherit that.
        process = subprocess.Popen(
            held("brittlestar.runs.cell:_answers", 90, *run_words(world, "interrupted")),
            env=at.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        at.reached(process)
        process.send_signal(signal.SIGINT)
        at.open()
        _, error = process.communicate()
    assert process.returncode == 130, error
    assert "same command again" in error
    assert "Traceback" not in error
    assert RunStore.open(world / "interrupted").manifest.sessions[-1].stop == "interrupted"
    assert everything(world / "interrupted")


def mean_colour(images: np.ndarray) -> np.ndarray:
    """Four logits of each image on its own."""
    return np.concatenate([images.mean((2, 3)), images[:, :1, 0, 0]], 1)


def test_ctrl_c_after_the_last_cell_is_no_crash(world: Path, tmp_path: Path) -> None:
    def note(text: str) -> None:
        if "example" in text:
            raise KeyboardInterrupt

    with np.load(world / "data.npz") as stored:
        data = stored["x"], stored["y"]
    how: dict[str, Any] = {"suite": "noise", "samples": 50, "out": tmp_path / "run", "anyway": True}
    run = evaluate_with(mean_colour, data, watch=Watch(note=note), **how)
    assert run.outcome is not None and run.outcome.stop == "interrupted"
    assert not (run.path / "examples").exists()
    again = brittlestar.evaluate(mean_colour, data, **how)
    assert again.outcome is not None and (again.outcome.stop, again.outcome.images) == ("complete", 0)
    assert (run.path / "examples" / "examples.json").exists()


def test_a_session_that_breaks_off_is_recorded_as_failed(world: Path, tmp_path: Path) -> None:
    def progress(_: Progress) -> None:
        raise OSError("no space left")

    with np.load(world / "data.npz") as stored:
        data = stored["x"], stored["y"]
    with pytest.raises(OSError, match="no space left"):
        evaluate_with(
            mean_colour, data, suite="noise", out=tmp_path / "run", anyway=True, watch=Watch(progress=progress)
        )
    assert RunStore.open(tmp_path / "run").manifest.sessions[-1].stop == "failed"


def test_a_second_process_on_one_folder_refuses(world: Path) -> None:
    store = RunStore.open(world / "whole")
    with store.locked():
        done = called(*run_words(world, "whole"))
    assert done.returncode == 2
    assert "in use by process" in done.stderr


def test_another_model_under_the_same_name_is_refused(world: Path) -> None:
    done = called(*run_words(world, "whole", factory="other"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_another_seed_is_refused(world: Path) -> None:
    done = called(*run_words(world, "whole", "--seed", 1))
    assert done.returncode == 2


def test_audit_reproduces_cells_and_notices_a_changed_one(world: Path) -> None:
    done = called("audit", world / "whole", "--trust", "--cells", 15)
    assert done.returncode == 0, done.stderr
    assert "15 of 15 cells are identical" in done.stdout


def test_a_budget_stops_honestly(world: Path) -> None:
    done = called(*run_words(world, "budget", "--budget", "1s", factory="slow"))
    assert done.returncode == 0, done.stderr
    session = RunStore.open(world / "budget").manifest.sessions[-1]
    assert (session.stop, session.rule) == ("budget", "fixed")


def test_a_precision_stops_with_confidence_sequences(world: Path) -> None:
    words = run_words(world, "precise", "--precision", "0.2", "--suite", "clean")
    assert called(*words).returncode == 0
    session = RunStore.open(world / "precise").manifest.sessions[-1]
    assert (session.stop, session.rule) == ("precision", "anytime")

"""A budget is for the whole command, and what a slow model is not asked is told. Time is counted, not waited for."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brittlestar.api import Run
from brittlestar.api.evaluation import Evaluation
from brittlestar.api.progress import LINE_EVERY, Screen
from brittlestar.core import interrupts
from brittlestar.core.stopwatch import Stopwatch
from brittlestar.runs import bench, examples
from brittlestar.runs.budget import Budget, Patience
from brittlestar.runs.checking import default_batch
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.store import RunStore
from test_run_resume import assert_same, everything

START = 1000.0


class Clock:
    """Time that goes on only where it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    @property
    def spent(self) -> float:
        return self.now - START


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    monkeypatch.setattr(time, "perf_counter", clock)
    yield clock


class Slow:
    """Reads the class off the brightness, mostly, and takes its time for each image."""

    __slots__ = ("asked", "clock", "seconds")  # no part of its identity, as attributes would be

    def __init__(self, clock: Clock | None, seconds: float) -> None:
        self.clock, self.seconds, self.asked = clock, seconds, 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.asked += len(images)
        if self.clock is not None:
            self.clock.now += self.seconds * len(images)
        levels = (30 + np.arange(4) * 47) / 255
        logits: np.ndarray = -40 * np.abs(images.mean((1, 2, 3))[:, None] - levels)
        return logits


def data(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 4
    noise = np.random.default_rng(0).integers(-12, 13, (count, 8, 8))
    return np.clip(30 + labels[:, None, None] * 47 + noise, 0, 255).astype(np.uint8), labels


def listed(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / "examples" / "examples.json").read_text())["examples"]
    return entries


def run(model: Slow, out: Path, *, watch: Watch | None = None, limit: Budget | None = None, **how: Any) -> Run:
    return Evaluation(suite="noise", out=out, **how).run({"m": model}, data(), watch or Watch(), budget=limit)


@pytest.mark.parametrize(("seconds", "budget"), [(0.04, 20), (0.2, 20), (1.0, 20), (1.0, 60)])
def test_a_slow_model_is_asked_no_longer_than_the_budget(
    tmp_path: Path, clock: Clock, seconds: float, budget: float
) -> None:
    model = Slow(clock, seconds)
    done = run(model, tmp_path / "run", budget=budget)
    assert clock.spent <= budget, "the time that everything else takes comes on top"
    (session,) = RunStore.open(done.path).manifest.sessions
    assert (session.stop, session.budget_s) == ("budget", budget)
    rows = sum(len(found) for found in everything(done.path).values())
    assert rows * seconds >= 0.4 * budget, "most of it goes into rows"


def test_what_follows_the_session_has_its_part(clock: Clock) -> None:
    with_report = Budget(60, report=True)
    ends = [
        with_report.end_of_filling(1e9),
        with_report.end_of_examples,
        with_report.end_of_explaining,
        with_report.end,
    ]
    assert [end - START for end in ends] == [45, 51, 54, 60]
    assert Budget(3600, report=True).end_of_explaining - START == 3590
    assert Budget(60, report=True, loading=16).end_of_explaining - START == 52, "a machine that loads slowly is busy"
    assert Budget(60).end_of_examples - START == 60, "from Python nothing follows"
    assert Budget(60).end_of_filling(0.5) - START == 59.5, "what the examples do not need is not kept for them"


def test_what_was_not_checked_is_told(tmp_path: Path, clock: Clock) -> None:
    said: list[str] = []
    done = run(Slow(clock, 1.0), tmp_path / "run", budget=20, watch=Watch(note=said.append))
    (notes,) = [m["notes"] for m in RunStore.open(done.path).manifest.models.values()]
    (note,) = [n for n in notes if "contract" in n]
    assert note.startswith("the contract was checked on 1 instead of 50 images, as the budget leaves no time for more")
    assert "depends on its batch was not" in note and f"m: {note}" in said
    assert any("not told apart from chance" in n for n in notes)


def test_without_hurry_everything_is_checked(tmp_path: Path, clock: Clock) -> None:
    done = run(Slow(clock, 0.001), tmp_path / "run", budget=20)
    (notes,) = [m["notes"] for m in RunStore.open(done.path).manifest.models.values()]
    assert not any("contract" in n or "chance" in n for n in notes)


def test_the_contract_is_checked_on_as_many_images_as_there_is_time_for(clock: Clock) -> None:
    import torch

    from brittlestar.models import as_model

    def images(seconds: float) -> int:
        model = as_model(Slow(clock, seconds))
        return Patience(1.0).contract(model, torch.zeros(50, 1, 8, 8), 16)

    assert [images(s) for s in (0.001, 0.014, 0.02, 0.04, 0.08, 0.2, 1.0)] == [50, 50, 16, 8, 4, 1, 1]
    assert Patience(None).contract(as_model(Slow(clock, 9.0)), torch.zeros(50, 1, 8, 8), 16) == 50


def test_a_stopwatch_lets_in_what_fits(clock: Clock) -> None:
    watch = Stopwatch(1.0)
    done = []
    for start, stop in watch.pieces(0, 1000, 50):
        clock.now += 0.004 * (stop - start)
        done.append(stop - start)
    assert done[:2] == [1, 1] and max(done) == 50 and 245 <= sum(done) <= 250
    assert [*Stopwatch(None).pieces(0, 120, 50)] == [(0, 50), (50, 100), (100, 120)]
    assert [*Stopwatch(0.0).pieces(0, 3, 3)][:1] == [(0, 1)]


def test_examples_are_chosen_worst_first_and_go_on_the_next_time(tmp_path: Path, clock: Clock) -> None:
    whole = run(Slow(None, 0), tmp_path / "whole", samples=64)
    every = listed(whole.path)
    assert len({entry["condition"] for entry in every}) > 4
    # The rows first; then the examples with time for few of them.
    filled = run(Slow(None, 0), tmp_path / "run", samples=64)
    store = RunStore.open(filled.path)
    (filled.path / "examples" / "examples.json").unlink()
    model = Slow(clock, 1.0)
    few = run(model, tmp_path / "run", samples=64, budget=20)
    assert few.outcome is not None and few.outcome.stop == "budget", (
        "nothing is complete before its examples are chosen"
    )
    chosen = listed(few.path)
    assert 0 < len(chosen) < len(every)
    rows = store.read(store.manifest.models["m"]["fingerprint"], None)
    errors = {i.id: 1 - rows[i.fingerprint].correct.mean() for i in store.manifest.conditions.values()}
    left = {e["condition"] for e in every} - {e["condition"] for e in chosen}
    assert min(errors[e["condition"]] for e in chosen) >= max(errors[c] for c in left)
    rest = Slow(None, 0)
    again = run(rest, tmp_path / "run", samples=64)
    assert again.outcome is not None and again.outcome.stop == "complete"
    assert listed(again.path) == every
    checks = run(Slow(None, 0), tmp_path / "other", samples=64)
    assert checks.outcome is not None
    once = Slow(None, 0)
    run(once, tmp_path / "run", samples=64)
    assert rest.asked - once.asked == len(every) - len(chosen), "those that were chosen are not made again"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space left")])
def test_stopped_while_examples_are_chosen_the_folder_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    every = listed(run(Slow(None, 0), tmp_path / "whole", samples=64).path)
    real, made = examples._examples, []

    def broken(*arguments: Any) -> Any:
        made.append(arguments)
        if len(made) > 2:
            raise error
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(examples, "_examples", broken)
        if isinstance(error, OSError):
            with pytest.raises(OSError, match="no space left"):
                run(Slow(None, 0), tmp_path / "run", samples=64)
        else:
            assert run(Slow(None, 0), tmp_path / "run", samples=64).outcome.stop == "interrupted"  # type: ignore[union-attr]
    session = RunStore.open(tmp_path / "run").manifest.sessions[-1]
    assert session.stop == ("failed" if isinstance(error, OSError) else "interrupted")
    assert 0 < len(listed(tmp_path / "run")) < len(every)
    # As a process leaves it that was killed there.
    left = tmp_path / "run" / ".examples.tmp"
    left.mkdir()
    (left / ".examples.json.1-2.tmp").write_text("half")
    again = run(Slow(None, 0), tmp_path / "run", samples=64)
    assert again.outcome is not None and again.outcome.stop == "complete"
    assert listed(again.path) == every and not left.exists()


def test_a_list_of_examples_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    done = run(Slow(None, 0), tmp_path / "run", samples=64)
    every = listed(done.path)
    secret = tmp_path / "secret.png"
    secret.write_text("secret")
    one = every[0] | {"clean": "../../secret.png"}
    (done.path / "examples" / "examples.json").write_text(json.dumps({"examples": [one, *every[1:]]}))
    RunStore.open(done.path).end_session(stop="interrupted", wall_s=1.0, images=0)
    assert listed(run(Slow(None, 0), tmp_path / "run", samples=64).path) == every
    assert not any(path.read_bytes() == b"secret" for path in (done.path / "examples").iterdir())


def test_something_is_said_every_ten_seconds_whatever_it_is_at(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    screen.note("checking m")
    capsys.readouterr()
    for _ in range(60):
        clock.now += 0.5
        screen.tick()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"  checking m: 0:{round(LINE_EVERY * n):02}" for n in (1, 2, 3)]
    screen.phase("loading the models")
    progress = Progress({}, 100.0, 25.0, (4, 8), began=clock.now, deadline=clock.now + 90)
    screen.told = clock.now
    screen.progress(progress)
    clock.now += 10
    screen.tick()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.strip() == "25 %  images 4-8  0:10 gone, about 1:20 left", "the time left is the budget's"


@pytest.mark.parametrize(
    ("size", "batch"), [((28, 28), 256), ((32, 32), 256), ((64, 64), 256), ((96, 96), 64), ((128, 128), 64),
                        ((224, 224), 32), ((256, 256), 32), ((299, 299), 23), ((1024, 1024), 2), ((4000, 4000), 1)]
)  # fmt: skip
def test_batches_are_smaller_for_larger_images(size: tuple[int, int], batch: int) -> None:
    assert default_batch((3, *size)) == batch


def test_blocks_in_pieces_give_equal_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(Slow(None, 0), tmp_path / "whole", samples=130, batch=8)
    sizes: list[int] = []
    real = bench.Bench.block

    def seen(self: bench.Bench, start: int, stop: int) -> Any:
        sizes.append(stop - start)
        return real(self, start, stop)

    monkeypatch.setattr(bench, "_BLOCK", 20 * 8 * 8)
    monkeypatch.setattr(bench.Bench, "block", seen)
    pieces = run(Slow(None, 0), tmp_path / "pieces", samples=130, batch=8)
    assert max(sizes) == 16, "whole batches"
    assert_same(everything(pieces.path), everything(whole.path))


def test_the_budget_of_a_command_has_begun_before(tmp_path: Path, clock: Clock) -> None:
    begun = Budget(20, began=clock.now - 15, report=True)
    run(Slow(clock, 0.1), tmp_path / "run", watch=Watch(), budget=20, limit=begun)
    assert clock.spent <= 2.5, "what comes after has its part too"


def test_the_first_ctrl_c_lets_the_task_in_hand_finish(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks: list[int] = []
    before: list[int] = []

    def files() -> int:
        return len(list((tmp_path / "run" / "rows").glob("*/*.parquet")))

    class Pressing(Slow):
        __slots__ = ()

        def __call__(self, images: np.ndarray) -> np.ndarray:
            if len(tasks) == 2 and not before:
                before.append(files())
                os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(images)

    with interrupts.listening():
        done = run(Pressing(None, 0), tmp_path / "run", samples=64, watch=Watch(progress=lambda _: tasks.append(1)))
    with interrupts.listening():
        assert not interrupts.heard(), "the next command begins anew"
    assert done.outcome is not None and done.outcome.stop == "interrupted"
    assert "finishing the cells in hand; once more stops at once" in capfd.readouterr().err
    assert before == [2] and files() == 3, "the task that was in hand is written, and none after it"

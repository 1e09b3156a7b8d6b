"""Executors: rows are the same wherever tasks are run, and one that is made elsewhere needs nothing but its methods."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from brittlestar import evaluate
from brittlestar.core.errors import ModelError, UsageError
from brittlestar.models import load_model, parse_spec
from brittlestar.runs.bench import Bench
from brittlestar.runs.executors import Executor, Pool
from brittlestar.runs.task import Done, Task
from test_run_resume import assert_same, everything
from tiny import make_world


class Threaded(Executor):
    """A third executor: a thread that takes tasks from a queue."""

    local: ClassVar[bool] = True

    def __init__(self) -> None:
        self.tasks: queue.Queue[Task | None] = queue.Queue()
        self.answers: queue.Queue[Done | BaseException] = queue.Queue()
        self.open, self.starts, self.ran = 0, 0, 0
        self.thread: threading.Thread | None = None

    def start(self, bench: Bench) -> None:
        self.starts += 1
        self.thread = threading.Thread(target=self._work, args=(bench,))
        self.thread.start()

    def _work(self, bench: Bench) -> None:
        torch.set_num_threads(1)
        while (task := self.tasks.get()) is not None:
            try:
                self.answers.put(task.run(bench))
            except BaseException as error:
                self.answers.put(error)

    def submit(self, task: Task) -> None:
        self.open += 1
        self.tasks.put(task)

    def collect(self) -> Iterator[Done]:
        answer = self.answers.get()
        self.open -= 1
        self.ran += 1
        if isinstance(answer, BaseException):
            raise answer
        yield answer

    @property
    def free(self) -> int:
        return 3 - self.open

    @property
    def waiting(self) -> int:
        return self.open

    def close(self) -> None:
        if self.thread is not None:
            self.tasks.put(None)
            self.thread.join()
            self.thread = None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("executors")
    make_world(folder)
    return folder


def rows(world: Path, out: str, executor: str | Executor | None = None, **more: object):  # type: ignore[no-untyped-def]
    model = f"m=torch:{world / 'model.py'}:model"
    run = evaluate(  # type: ignore[arg-type]
        model, str(world / "data.npz"), suite="noise", out=world / out, anyway=True, executor=executor, **more
    )
    assert run.outcome is not None and run.outcome.stop == "complete" and run.outcome.left == 0
    return everything(run.path)


def test_a_third_executor_runs_a_whole_evaluation_with_equal_rows(world: Path) -> None:
    threaded = Threaded()
    plain = rows(world, "plain")
    assert_same(rows(world, "threaded", threaded), plain)
    first = threaded.ran
    assert first > 1 and threaded.waiting == 0 and threaded.thread is None
    assert_same(rows(world, "again", threaded), plain)
    assert threaded.starts == 2 and threaded.ran > first + 1, "the same object serves another session"


def test_executors_are_chosen_by_name(world: Path) -> None:
    plain = rows(world, "named", "process", samples=60)
    assert_same(rows(world, "pool", "pool", workers=2, samples=60), plain)


def test_what_an_executor_cannot_do_is_refused_before_work(world: Path) -> None:
    spec, data = parse_spec(f"m=torch:{world / 'model.py'}:model"), str(world / "data.npz")
    out = world / "refused"
    with pytest.raises(UsageError, match="unknown executor 'pol'; did you mean pool"):
        evaluate(spec, data, suite="noise", out=out, anyway=True, executor="pol")
    with pytest.raises(UsageError, match='executor="process" works in one process, workers=2 asks for more'):
        evaluate(spec, data, suite="noise", out=out, anyway=True, executor="process", workers=2)
    with pytest.raises(UsageError, match="Pool loads models where it computes"):
        evaluate(load_model(spec), data, suite="noise", out=out, anyway=True, executor="pool")
    with pytest.raises(UsageError, match=r"workers=? must be at least 1, got 0"):
        Pool(0)
    assert not out.exists()


def test_an_error_in_a_task_ends_the_session_and_closes_the_executor(world: Path) -> None:
    threaded = Threaded()

    def broken(images: np.ndarray) -> np.ndarray:
        if threaded.starts:
            raise OSError("the disk is gone")
        return images.reshape(len(images), -1)[:, :4]

    said = r"model model raised OSError: the disk is gone \(test_executors.py:\d+\) under clean, images \d+-\d+; "
    with pytest.raises(ModelError, match=said):
        evaluate(broken, str(world / "data.npz"), suite="noise", out=world / "broken", anyway=True, executor=threaded)
    assert threaded.starts == 1 and threaded.ran >= 1 and threaded.thread is None

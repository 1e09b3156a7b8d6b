"""What executors on other machines share: tasks go to the workers that are there, and are given again when one dies."""

from __future__ import annotations

import dataclasses
import types
from collections import deque
from pathlib import Path
from typing import Any

import pytest
import torch

from brittlestar.core.errors import ModelError, UsageError
from brittlestar.core.version import VERSION
from brittlestar.runs.devices import devices_of
from brittlestar.runs.executors import Slurm, executor_of, remote
from brittlestar.runs.executors.mailbox import Mailbox, private_folder
from brittlestar.runs.executors.remote import AHEAD, Answer, Died, News, Ready, Remote
from brittlestar.runs.executors.station import Orders, Station, TaskError
from brittlestar.runs.executors.worker import WorkerBug, WorkerError
from brittlestar.runs.task import Done, Task


@dataclasses.dataclass(frozen=True)
class Piece:
    start: int
    work: float = 1.0

    @property
    def stop(self) -> int:
        return self.start + 1

    def run(self, bench: Any) -> Done:
        raise AssertionError("nothing is run here")


class Nothing(Exception):
    """The test has written no more news."""


class Scripted(Remote):
    """Workers whose news a test writes: one at a time, an ``int`` for an answer to the task at this place."""

    def __init__(self, workers: int = 2, **more: Any) -> None:
        super().__init__(workers, **more)
        self.script: deque[Any] = deque()
        self.given: list[tuple[str, int, Task]] = []
        self.hired: list[str] = []
        self.told: list[Any] = []

    def _open(self, orders: Orders, workers: int) -> None:
        self.told.append((orders.device, workers))

    def _hire(self) -> str:
        self.hired.append(f"w{len(self.hired)}")
        return self.hired[-1]

    def _give(self, worker: str, number: int, task: Task) -> None:
        self.given.append((worker, number, task))

    def _recall(self, worker: str, number: int) -> None:
        self.told.append(next(task.start for _, n, task in self.given if n == number))

    def _news(self, seconds: float) -> list[News]:
        if not self.script:
            raise Nothing
        news = self.script.popleft()
        if isinstance(news, list):
            self.script.extendleft(reversed(news))
            return [one for _ in news for one in self._news(seconds)]
        if isinstance(news, int | tuple):
            place, error = news if isinstance(news, tuple) else (news, None)
            worker, number, task = next(one for one in reversed(self.given) if one[2].start == place)
            # What comes back from elsewhere is a copy.
            copied: Task = dataclasses.replace(task)  # type: ignore[type-var]
            return [Answer(worker, number, TaskError.of(error) if error else Done(copied, seconds=2.0))]
        return [news]

    def _dismiss(self, worker: str) -> None:
        self.told.append(f"end {worker}")

    def _shut(self) -> None:
        self.told.append("shut")

    def _asked(self) -> str:
        return "two were asked for"


def started(workers: int = 2, **more: Any) -> Scripted:
    executor = Scripted(workers, **more)
    model = types.SimpleNamespace(device=torch.device("cpu"))
    executor.start(types.SimpleNamespace(spec=None, models=[model]))  # type: ignore[arg-type]
    while executor.free > 0:
        executor.submit(Piece(executor.waiting))
    return executor


def given(executor: Scripted) -> dict[str, list[int]]:
    tasks: dict[str, list[int]] = {}
    for worker, _, task in executor.given:
        tasks.setdefault(worker, []).append(task.start)
    return tasks


def collected(executor: Scripted, *script: Any) -> list[int]:
    executor.script += script
    return [done.task.start for done in executor.collect()]


def test_tasks_wait_until_workers_are_there_and_no_worker_has_more_than_a_few() -> None:
    executor = started(2)
    assert executor.told == [("cpu", 2)] and executor.waiting == 2 * AHEAD and not executor.given
    assert collected(executor, Ready("w0"), 0) == [0]
    assert given(executor) == {"w0": [0, 1, 2]}, "two at once, and one more for the one that was done"
    assert collected(executor, Ready("w1"), 1) == [1]
    assert given(executor) == {"w0": [0, 1, 2], "w1": [3]}, "work goes to the worker that has least"
    assert executor.free == 2 * AHEAD - 2
    executor.script += [2, 3]
    executor.close()
    assert executor.told[-1] == "shut" and executor.waiting == 0


def test_the_tasks_of_a_dead_worker_are_given_again_in_their_order() -> None:
    executor = started(1)
    said: list[str] = []
    executor.say = said.append
    assert collected(executor, Ready("w0"), Died("w0", "switched off"), Ready("w1"), 0) == [0]
    assert said == ["images 0-1: switched off; asked again in a new worker"]
    assert given(executor) == {"w0": [0, 1], "w1": [0, 1]} and executor.waiting == 1
    assert collected(executor, Answer("w0", 1, Done(Piece(7))), 1) == [1], "what a worker says that was given up"


def test_a_task_that_kills_its_workers_is_given_up_and_what_waits_behind_it_is_not_blamed() -> None:
    executor = started(1, tries=2)
    assert collected(executor, Ready("w0"), 0) == [0]
    with pytest.raises(WorkerError, match=r"^images 1-2: out of memory, 2 times in a row; .* is kept"):
        collected(executor, Died("w0", "out of memory"), Ready("w1"), Died("w1", "out of memory"))
    executor = started(1, tries=2)
    executor.script += [Ready("w0"), Died("w0", "one"), Ready("w1"), 0, Died("w1", "two"), Ready("w2"), 1]
    assert [done.task.start for _ in range(2) for done in executor.collect()] == [0, 1], "each task has died once"


def test_workers_that_die_before_they_begin_end_the_run_and_those_whose_time_is_over_do_not() -> None:
    executor = started(1, tries=2)
    with pytest.raises(WorkerError, match="a worker, before it did anything: no such folder, 2 times in a row"):
        collected(executor, Died("w0", "no such folder"), Died("w1", "no such folder"))
    executor = started(1, tries=2)
    over = [Died(f"w{n}", "its time was over", planned=True) for n in range(5)]
    assert collected(executor, *over, Ready("w5"), 0) == [0]


def test_a_worker_that_hangs_is_replaced_and_its_task_done_by_another() -> None:
    executor = started(1, hung=1e-9)
    assert collected(executor, Ready("w0"), Ready("w0"), Ready("w1"), 0) == [0]
    assert executor.told[1] == "end w0"
    assert given(executor)["w1"][:2] == [0, 1]


def test_where_no_worker_comes_it_is_said_what_was_asked_for() -> None:
    executor = started(2, patience=1e-9)
    with pytest.raises(WorkerError, match=r"no worker was there for 1e-09 s .*two were asked for"):
        collected(executor, Died("w9", "of another session"))


def test_an_error_in_a_task_is_raised_here_as_it_was_there() -> None:
    executor = started(1)
    with pytest.raises(ModelError, match="not finite"):
        collected(executor, Ready("w0"), [(0, ModelError("outputs are not finite")), (1, ModelError("so here"))])
    executor.close()
    assert executor.told[-1] == "shut", "it does not wait for what was told together with the error"


def test_closing_takes_back_what_has_not_begun_and_waits_for_the_rest() -> None:
    executor = started(2)
    assert collected(executor, Ready("w0"), Ready("w1"), 0) == [0]
    assert given(executor) == {"w0": [0, 1], "w1": [2, 3]}
    executor.script += [2, 1]
    executor.close()
    assert executor.told[1:] == [3, "shut"], "only what waits behind another is taken back"
    assert executor.waiting == 0 and not executor.script


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("cannot travel")
        self.held = lambda: None


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (ModelError("as it is"), ModelError, "as it is"),
        (OSError(5, "the disk is gone"), OSError, "the disk is gone"),
        (SystemExit(0), WorkerBug, "SystemExit: 0"),
        (Unpicklable(), WorkerBug, "Unpicklable: cannot travel"),
    ],
)
def test_whatever_a_task_raises_comes_back_as_an_error(raised: BaseException, kind: type[Exception], told: str) -> None:
    class Raising:
        def run(self, bench: Any) -> Done:
            raise raised

    station = Station(Orders(b"", "python", "/", (), VERSION, None))
    station._bench = types.SimpleNamespace()  # type: ignore[assignment]
    failed = station.run(Raising())  # type: ignore[arg-type]
    assert isinstance(failed, TaskError)
    with pytest.raises(kind, match=told):
        raise failed.error()


def test_a_worker_of_another_version_does_not_work() -> None:
    failed = Station(Orders(b"", "python", "/", (), "0.0.1", None)).run(Piece(0))
    assert isinstance(failed, TaskError) and "begun by Brittlestar 0.0.1, a worker has" in str(failed.error())


def test_messages_come_whole_and_once(tmp_path: Path) -> None:
    path = private_folder(tmp_path / "box") / "messages"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    writer, reader = Mailbox(path), Mailbox(path)
    assert reader.receive() == []
    writer.send("one")
    writer.send(("two", 2))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        partly = Mailbox(path)
        told = partly.receive()
        path.write_bytes(whole)
        assert told + partly.receive() == ["one", ("two", 2)], length
    assert reader.receive() == ["one", ("two", 2)] and reader.receive() == []


def test_workers_are_spread_over_devices() -> None:
    assert devices_of("cuda", 3, lambda: 2) == ("cuda:0", "cuda:1")
    assert devices_of("cuda", 2, lambda: 8) == ("cuda:0", "cuda:1")
    assert devices_of("cuda", 1, lambda: 8) == devices_of("cuda", 2, lambda: 0) == ("cuda",)
    assert devices_of("cuda:1, cuda:3", 4, lambda: 8) == ("cuda:1", "cuda:3")
    assert devices_of("cpu", 4) == ("cpu",)
    for wrong in ("cuda:0,cpu", "cuda:0,,cuda:1", ","):
        with pytest.raises(UsageError, match="names devices of one kind"):
            devices_of(wrong, 2, lambda: 2)
    with pytest.raises(UsageError, match="names 2 devices for one worker: workers=2"):
        devices_of("cuda:0,cuda:1", 1, lambda: 2)


def test_executors_have_options_behind_their_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    slurm = executor_of(f"slurm:cluster=local,minutes=7,memory=1.5,slurm_account=lab,folder={tmp_path}", 3)
    assert isinstance(slurm, Slurm) and slurm._wanted == 3 and slurm._base == tmp_path
    assert slurm._asking["timeout_min"] == 7 and slurm._asking["mem_gb"] == 1.5
    assert slurm._asking["slurm_account"] == "lab"
    with pytest.raises(UsageError, match="unknown option acount of the executor slurm"):
        executor_of("slurm:cluster=local,acount=lab", 3)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="there is no Slurm here"):
        executor_of("slurm", 3)


def test_what_cannot_be_read_behind_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot read 'tries': options of an executor are written ray:option=value"):
        executor_of("ray:tries", 2)
    with pytest.raises(UsageError, match="unknown option of the executor ray 'gpus'; did you mean num_gpus"):
        executor_of("ray:gpus=1", 2)
    with pytest.raises(UsageError, match="unknown option of the executor pool 'device'"):
        executor_of("pool:device=cpu", 2)
    with pytest.raises(UsageError, match="tries must be a whole number from 1, got 0"):
        Scripted(1, tries=0)
    with pytest.raises(UsageError, match="hung is a number of seconds above 0, got 'no'"):
        Scripted(1, hung="no")
    assert remote.AHEAD == 2

"""Tasks spread over processes of this machine, each with one torch thread.

Every process is watched: one that was killed, or hangs, is replaced once for each of its tasks, and one that ends by
itself or raises ends the run with a line that says at what.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import ClassVar, NoReturn, final

from brittlestar.core import interrupts
from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.runs import hung
from brittlestar.runs.bench import Bench
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.executors.worker import Worker, WorkerError, packed, raised_by
from brittlestar.runs.task import Done, Task

__all__ = ["Pool", "WorkerError"]

_LOOK = 0.5
"""Seconds between looks at processes that say nothing."""


@final
class Pool(Executor):
    """``workers`` processes; each loads the models once and writes its own rows."""

    local: ClassVar[bool] = False

    def __init__(self, workers: int) -> None:
        require(workers >= 1, f"{option('workers')} must be at least 1, got {workers}", UsageError)
        self._workers = self._most = workers
        self._spec = b""
        self._devices: tuple[str, ...] = ()
        self._processes: list[Worker] = []
        self._again: set[tuple[object, ...]] = set()
        self._answers: deque[Done] = deque()

    def start(self, bench: Bench) -> None:
        """See ``Executor.start``; processes begin when there are tasks for them."""
        self._spec = packed(bench.spec)
        self._devices = bench.spec.devices
        self._most = self._workers
        self._again = set()
        self._answers = deque()
        interrupts.at_once.append(self._kill)

    def submit(self, task: Task) -> None:
        """Take a task: for an idle process, else for a new one while there may be more, else for the least busy."""
        least = min(self._processes, key=lambda worker: len(worker.tasks), default=None)
        if least is None or (least.tasks and len(self._processes) < self._most):
            used = [worker.device for worker in self._processes]
            least = Worker(self._spec, min(self._devices, key=used.count, default=None))
            self._processes.append(least)
        least.give(task)

    def collect(self) -> Iterator[Done]:
        """Wait for at least one task."""
        for worker in self._processes:
            # Nobody has looked since the last time; what happened meanwhile is read first.
            worker.alive()
        while not self._answers:
            interrupts.check()
            wait([worker.connection for worker in self._processes], _LOOK)
            for worker in list(self._processes):
                self._look(worker)
        while self._answers:
            yield self._answers.popleft()

    def _look(self, worker: Worker) -> None:
        ended = worker.ended()  # before its messages: what it said last is read in any case
        for message in worker.messages():
            if message[0] == "ready":
                worker.ready = True
            elif message[0] == "done":
                worker.tasks.popleft()
                self._answers.append(message[1])
            else:
                raise raised_by(message)
            worker.alive()
        if ended is None and worker.cut:
            # It has closed the pipe without ending: nothing more will come of it.
            worker.kill()
            ended = worker.ended()
        if ended is not None:
            self._died(worker, ended)
        elif (waited := worker.hangs()) is not None:
            self._replaced(worker, f"no sign of life for {waited:.0f} s", hung.said(worker.told(), waited))

    def _died(self, worker: Worker, code: int) -> None:
        at = worker.told() or "a worker process"
        if code >= 0:
            script = (
                "" if worker.ready else ", or, in a script of your own, start the work under if __name__ == '__main__'"
            )
            self._stop(
                f"{at}: the process ended by itself with exit code {code}; everything finished is kept. Have the model "
                f"not end the process{script}, and run the same again"
            )
        name = _signal_name(-code)
        if name == "SIGKILL":
            # Most often the system's answer to a lack of memory, which one process less may end.
            self._most = max(1, self._most - 1)
        self._replaced(
            worker,
            f"the process was killed ({name})",
            f"{at}: its process was killed ({name}) twice, as happens when memory runs out; everything finished is "
            f"kept: run the same again to go on, with fewer processes ({option('workers')}) or smaller batches "
            f"({option('batch')})",
        )

    def _replaced(self, worker: Worker, what: str, last: str) -> None:
        """Give the tasks of a process that was lost to another; stop with ``last`` where that was done once already."""
        lost, at = list(worker.tasks), worker.told() or "a worker process"
        worker.kill()
        self._processes.remove(worker)
        if lost:
            key = _key(lost[0])
            if key in self._again:
                self._stop(last)
            self._again.add(key)
            self.say(f"{at}: {what}; asked again in a new process")
        for task in lost:
            self.submit(task)

    def _stop(self, text: str) -> NoReturn:
        self._kill()
        raise WorkerError(text)

    @property
    def free(self) -> int:
        """Each process has one task in hand and one waiting, so that none stands idle."""
        return max(0, 2 * self._most - self.waiting)

    @property
    def waiting(self) -> int:
        """Taken tasks."""
        return len(self._answers) + sum(len(worker.tasks) for worker in self._processes)

    def close(self) -> None:
        """Cancel what has not begun; tasks in hand are finished and written. A process that hangs is ended."""
        for worker in self._processes:
            worker.dismiss()
            worker.alive()
        try:
            while self._processes:
                for worker in list(self._processes):
                    list(worker.messages())  # a process cannot end while a full pipe holds it up
                    # One that still loads its models has nothing in hand.
                    if not worker.ready or worker.gone(_LOOK / 10) or worker.hangs() is not None:
                        worker.kill()
                        self._processes.remove(worker)
        finally:
            self._kill()
            if self._kill in interrupts.at_once:
                interrupts.at_once.remove(self._kill)

    def _kill(self) -> None:
        for worker in self._processes:
            worker.kill()
        self._processes.clear()


def _key(task: Task) -> tuple[object, ...]:
    """What tells a task from every other in a run."""
    return type(task).__name__, repr(task)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

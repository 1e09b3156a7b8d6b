"""What executors on other machines share: workers come and go, and tasks are given to those that are there.

A worker is given a few tasks ahead, so that none stands idle, and no more, so that a stop comes soon. The tasks of one
that died are given to another; the one that it was at, a bounded number of times.
"""

from __future__ import annotations

import dataclasses
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import ClassVar

from brittlestar.core import interrupts
from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.runs.bench import Bench
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.executors.station import Orders, TaskError
from brittlestar.runs.executors.worker import WorkerError
from brittlestar.runs.fill_task import FillTask
from brittlestar.runs.task import Done, Task

AHEAD = 2
"""Tasks that a worker is given at once: one in hand, one waiting."""


@dataclasses.dataclass(frozen=True)
class Ready:
    """A worker can be given tasks."""

    worker: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of the task that was given to a worker under this number."""

    worker: str
    number: int
    result: Done | TaskError


@dataclasses.dataclass(frozen=True)
class Died:
    """A worker is gone.

    Fields:
        worker: Its name.
        why: In words.
        planned: Whether it was time, so that no work is to blame.
        at: What it was at, where that is known.
    """

    worker: str
    why: str
    planned: bool = False
    at: str = ""


News = Ready | Answer | Died


@dataclasses.dataclass
class _Given:
    task: Task
    deaths: int = 0


@dataclasses.dataclass
class _Worker:
    """Fields: whether it can be given tasks, its tasks by number (the first is in hand), since when that is."""

    ready: bool = False
    given: dict[int, _Given] = dataclasses.field(default_factory=dict)
    since: float = 0.0


class Remote(Executor):
    """Workers on other machines.

    Args:
        workers: How many are asked for; work begins with the first that is there.
        device: Where their models lie (``cuda``); by default where this process has them.
        tries: How often a task, or the start of a worker, is tried when workers die of it.
        patience: Seconds to wait for the first worker, and for one that died to be replaced.
        hung: Seconds after which a worker that gives no answer is taken for dead; ``None`` waits for ever.
    """

    local: ClassVar[bool] = False

    def __init__(
        self,
        workers: int = 1,
        *,
        device: str | None = None,
        tries: int = 3,
        patience: float = 600.0,
        hung: float | None = None,
    ) -> None:
        for name, number in (("workers", workers), ("tries", tries)):
            require(
                isinstance(number, int) and number >= 1,
                f"{option(name) if name == 'workers' else name} must be a whole number from 1, got {number!r}",
                UsageError,
            )
        for name, seconds in (("patience", patience), ("hung", 1.0 if hung is None else hung)):
            require(
                isinstance(seconds, int | float) and seconds > 0,
                f"{name} is a number of seconds above 0, got {seconds!r}",
                UsageError,
            )
        self._wanted, self._device, self._tries = workers, device, tries
        self._patience, self._hung = patience, hung
        self._queue: deque[_Given] = deque()
        self._staff: dict[str, _Worker] = {}
        self._bench: Bench | None = None
        self._numbers = 0
        self._fruitless = 0
        self._lonely = 0.0

    def start(self, bench: Bench) -> None:
        """See ``Executor.start``; work begins when the first worker is there."""
        self._bench = bench
        self._queue.clear()
        self._staff = {}
        self._fruitless = 0
        self._lonely = time.monotonic()
        kind = bench.models[0].device.type
        orders = Orders.of(bench.spec, self._device or kind)
        try:
            self._open(orders, self._wanted)
            for _ in range(self._wanted):
                self._staff[self._hire()] = _Worker()
        except BaseException:
            self._shut()
            raise

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._queue.append(_Given(task))
        self._deal()

    def collect(self) -> Iterator[Done]:
        """Wait for at least one task."""
        results: list[Done | TaskError] = []
        while not results and self.waiting:
            interrupts.check()
            # All of it, before an error is raised: ``close`` waits for what is not known to have ended.
            results += [result for news in self._news(1.0) if (result := self._heed(news)) is not None]
            results += self._look_after()
            self._deal()
        for result in results:
            if isinstance(result, TaskError):
                raise result.error()
            yield result

    @property
    def free(self) -> int:
        """As many as are wanted ahead, whether or not all workers are there yet."""
        return AHEAD * self._wanted - self.waiting

    @property
    def waiting(self) -> int:
        """Taken tasks."""
        return len(self._queue) + sum(len(worker.given) for worker in self._staff.values())

    def close(self) -> None:
        """Drop what has not begun, wait for the tasks in hand, let the workers go."""
        self._queue.clear()
        try:
            for name, worker in self._staff.items():
                for number in [*worker.given][1:]:
                    self._recall(name, number)
                    del worker.given[number]
            while any(worker.given for worker in self._staff.values()):
                for news in self._news(1.0):
                    if isinstance(news, Answer) and news.worker in self._staff:
                        self._staff[news.worker].given.pop(news.number, None)
                    elif isinstance(news, Died):
                        self._staff.pop(news.worker, None)
                for name in self._hanging():
                    self._dismiss(name)
                    del self._staff[name]
        finally:
            self._staff = {}
            self._shut()

    def _heed(self, news: News) -> Done | TaskError | None:
        worker = self._staff.get(news.worker)
        if worker is None:
            return None  # of a worker that was given up: its tasks are with others
        match news:
            case Ready():
                worker.ready = True
            case Answer(_, number, result):
                self._fruitless = 0
                worker.since = time.monotonic()
                known = worker.given.pop(number, None)
                if known is None or isinstance(result, TaskError):
                    return None if known is None else result
                return dataclasses.replace(result, task=known.task)
            case Died():
                return self._replace(news)
        return None

    def _replace(self, news: Died) -> TaskError | None:
        """Have another in the place of a worker that died, and give it the tasks; fail where that did not help."""
        given = [*self._staff.pop(news.worker).given.values()]
        at, deaths = "a worker, before it did anything", 0
        if given and not news.planned:
            at = news.at or self._told(given[0].task)
            given[0].deaths += 1
            deaths = given[0].deaths
        elif not news.planned:
            self._fruitless += 1
            deaths = self._fruitless
        if deaths >= self._tries:
            error = WorkerError(
                f"{at}: {news.why}, {deaths} time{'s' * (deaths > 1)} in a row; everything finished is kept: run "
                f"the same again to go on, with smaller batches ({option('batch')}) if memory was short"
            )
            return TaskError.of(error)
        if deaths:
            self.say(f"{at}: {news.why}; {'asked again in' if given else 'replaced by'} a new worker")
        self._queue.extendleft(reversed(given))
        self._staff[self._hire()] = _Worker()
        return None

    def _told(self, task: Task) -> str:
        """What a worker was at, as far as it is known here: its task."""
        at = f"images {task.start}-{task.stop}"
        if not isinstance(task, FillTask) or self._bench is None:
            return at
        models = ", ".join(self._bench.models[model].name for model, _ in task.groups)
        ids = [self._bench.spec.conditions[c].info.id for c in dict.fromkeys(c for _, cs in task.groups for c in cs)]
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        return f"model {models}, under {ids[0]}{more}, {at}"

    def _look_after(self) -> list[TaskError]:
        """Replace workers that give no answer; give up when there have long been none."""
        failed = []
        for name in self._hanging():
            self._dismiss(name)
            failed.append(self._replace(Died(name, f"no answer for {self._hung:g} s")))
        now = time.monotonic()
        if any(worker.ready for worker in self._staff.values()):
            self._lonely = now
        elif now - self._lonely > self._patience:
            told = f"no worker was there for {self._patience:g} s (patience={self._patience:g}): {self._asked()}"
            failed.append(TaskError.of(WorkerError(told)))
        return [one for one in failed if one is not None]

    def _hanging(self) -> Sequence[str]:
        if self._hung is None:
            return ()
        late = time.monotonic() - self._hung
        return [name for name, worker in self._staff.items() if worker.given and worker.since < late]

    def _deal(self) -> None:
        while self._queue:
            there = [(len(worker.given), name) for name, worker in self._staff.items() if worker.ready]
            if not there or min(there)[0] >= AHEAD:
                return
            _, name = min(there)
            worker = self._staff[name]
            if not worker.given:
                worker.since = time.monotonic()
            self._numbers += 1
            worker.given[self._numbers] = self._queue.popleft()
            self._give(name, self._numbers, worker.given[self._numbers].task)

    @abstractmethod
    def _open(self, orders: Orders, workers: int) -> None:
        """Get ready to hire so many workers."""

    @abstractmethod
    def _hire(self) -> str:
        """Ask for one more worker, which may take its time; give its name."""

    @abstractmethod
    def _give(self, worker: str, number: int, task: Task) -> None:
        """Hand a task to a worker; it does them in order."""

    @abstractmethod
    def _recall(self, worker: str, number: int) -> None:
        """Have a worker leave a task alone that it has not begun; may fail to."""

    @abstractmethod
    def _news(self, seconds: float) -> list[News]:
        """What has happened since, waiting no longer than so many seconds for something to happen."""

    @abstractmethod
    def _dismiss(self, worker: str) -> None:
        """End a worker that hangs."""

    @abstractmethod
    def _shut(self) -> None:
        """End all workers; called after every start, also when it failed."""

    @abstractmethod
    def _asked(self) -> str:
        """What was asked for and what there is, for the message when nothing came."""

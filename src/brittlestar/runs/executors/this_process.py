"""Tasks one after another, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import ClassVar, final

from brittlestar.core import interrupts
from brittlestar.runs.bench import Bench
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.pace import Pace
from brittlestar.runs.process import keep_memory
from brittlestar.runs.task import Done, Task

SHORT = 15.0
"""Seconds that a person who presses Ctrl-C waits for what is in hand; what takes longer is dropped."""


@final
class ThisProcess(Executor):
    """One task at a time, here."""

    local: ClassVar[bool] = True
    stopping: ClassVar[str] = "stopping: finished cells are written"

    def __init__(self) -> None:
        self._bench: Bench | None = None
        self._taken: list[Task] = []
        self._pace = Pace()

    def start(self, bench: Bench) -> None:
        """See ``Executor.start``."""
        keep_memory()
        self._bench = bench

    def submit(self, task: Task) -> None:
        """Take a task; it is run when it is collected."""
        self._taken.append(task)

    def collect(self) -> Iterator[Done]:
        """Run the task that was taken."""
        assert self._bench is not None
        while self._taken:
            interrupts.check()
            task = self._taken.pop(0)
            with self._finishing(task):
                done = task.run(self._bench)
                self._pace.learn(done)
            yield done

    def _finishing(self, task: Task) -> contextlib.AbstractContextManager[None]:
        """Inside, Ctrl-C waits for the task where that takes seconds; what is written in the end need not be redone."""
        seconds = self._pace.seconds(task)
        if seconds is None or seconds > SHORT:
            return contextlib.nullcontext()
        return interrupts.held("finishing the cells in hand; once more stops at once")

    @property
    def free(self) -> int:
        """One at a time."""
        return 1 - len(self._taken)

    @property
    def waiting(self) -> int:
        """Taken tasks."""
        return len(self._taken)

    def close(self) -> None:
        """Drop a task that was not begun."""
        self._taken.clear()

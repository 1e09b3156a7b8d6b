"""Tasks one after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, final

from brittlestar.core import interrupts
from brittlestar.runs.bench import Bench
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.process import keep_memory
from brittlestar.runs.task import Done, Task


@final
class ThisProcess(Executor):
    """One task at a time, here."""

    local: ClassVar[bool] = True
    stopping: ClassVar[str] = "stopping: finished cells are written, those in hand are left for the next time"

    def __init__(self) -> None:
        self._bench: Bench | None = None
        self._taken: list[Task] = []

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
            yield self._taken.pop(0).run(self._bench)

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

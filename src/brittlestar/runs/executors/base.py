"""What an executor is: it takes tasks, has them run somewhere, and gives back what is done."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Self

from brittlestar.runs.bench import Bench
from brittlestar.runs.task import Done, Task


class Executor(ABC):
    """Where tasks are run. One that runs them on other machines implements these methods, and nothing else.

    Wherever a task runs, torch works with one thread on a CPU, so that rows are the same everywhere.

    Class attributes:
        local: Whether tasks are run with the models that this process has loaded. An executor that is not local has
            ``Bench.build`` make a bench from the picklable ``bench.spec`` where it computes, for which models must
            have been given as specifications.
        stopping: What a person who pressed Ctrl-C is told.
    """

    local: ClassVar[bool]
    stopping: ClassVar[str] = "stopping: finishing the cells in hand"
    say: Callable[[str], None] = staticmethod(lambda _: None)
    """Told what happens to tasks that a person should know of, a line each; whoever starts it may set it."""

    @abstractmethod
    def start(self, bench: Bench) -> None:
        """Get ready to run tasks at benches like this one; the same executor may be started again after ``close``."""

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Take a task; called only while some are ``free``."""

    @abstractmethod
    def collect(self) -> Iterator[Done]:
        """Wait until at least one taken task is done; give all that are. A task's error is raised here."""

    @property
    @abstractmethod
    def free(self) -> int:
        """How many more tasks can be taken now."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How many tasks are taken and not collected."""

    @abstractmethod
    def close(self) -> None:
        """Drop what was taken and not begun, wait for the rest; may be called twice."""

    @contextlib.contextmanager
    def started(self, bench: Bench) -> Iterator[Self]:
        """``start`` now, ``close`` at the end."""
        self.start(bench)
        try:
            yield self
        finally:
            self.close()

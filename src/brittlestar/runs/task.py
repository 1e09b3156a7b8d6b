"""The one protocol of the runner: a task is run at a bench, and says what it has done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from brittlestar.runs.bench import Bench
from brittlestar.store.skipped import Skipped


class Task(Protocol):
    """Work on a piece of the seeded order that any bench with the same models, data and conditions can do.

    Tasks are frozen and picklable: an executor may run them in another process or on another machine. What a task
    finds it writes into the run folder itself, whole or not at all, so one that was killed is simply run again.
    """

    @property
    def start(self) -> int:
        """Where the piece begins."""

    @property
    def stop(self) -> int:
        """Where the piece ends."""

    @property
    def work(self) -> float:
        """Forward passes in all, by which progress and the time left are reckoned."""

    def run(self, bench: Bench) -> Done:
        """Do it.

        Raises:
            BrittlestarError: It cannot be done; nothing of it is written.
        """


@dataclass(frozen=True)
class Done:
    """What a finished task reports: itself, (model, condition, samples, errors) of whole cells, and seconds.

    One that met samples that cannot be read reports these; it has stored nothing.
    """

    task: Task
    tallies: tuple[tuple[int, int, int, int], ...] = ()
    seconds: float = 0.0
    unread: tuple[Skipped, ...] = ()

"""How long tasks take: guessed from the checks at the start, then learnt from those that are done."""

from __future__ import annotations

from brittlestar.runs.fill_task import FillTask
from brittlestar.runs.task import Done, Task

MEMORY = 0.7
"""What a task counts for after the next one: soon ones tell more, as shifts and blocks differ in cost."""


class Pace:
    """Seconds that tasks take in one process.

    Args:
        guess: Seconds a forward pass until a task is done; ``None`` where nothing is known.
    """

    def __init__(self, guess: float | None = None) -> None:
        self._guess = guess
        self._seconds = self._work = 0.0
        # A shift may take longer than the model; what it took in one block, it takes in the next.
        self._by_condition: dict[int, float] = {}

    def learn(self, done: Done) -> None:
        """Take a finished task into account."""
        if done.seconds <= 0 or done.task.work <= 0:
            return
        self._seconds = MEMORY * self._seconds + done.seconds
        self._work = MEMORY * self._work + done.task.work
        if isinstance(done.task, FillTask):
            for _, conditions in done.task.groups:
                self._by_condition.update(dict.fromkeys(conditions, done.seconds / done.task.work))

    @property
    def a_pass(self) -> float | None:
        """Seconds a forward pass, shifts and writing included."""
        return self._seconds / self._work if self._work else self._guess

    def seconds(self, task: Task) -> float | None:
        """How long a task will take; ``None`` where nothing is known."""
        usual = self.a_pass
        if usual is None:
            return None
        rates = [usual]
        if isinstance(task, FillTask):
            rates = [self._by_condition.get(c, usual) for _, conditions in task.groups for c in conditions]
        return task.work * sum(rates) / len(rates)

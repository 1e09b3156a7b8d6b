"""Where tasks are run, one executor a file: this process, or a pool of processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.core.options import option
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.executors.pool import Pool, WorkerError
from brittlestar.runs.executors.this_process import ThisProcess

__all__ = ["EXECUTORS", "Executor", "Pool", "ThisProcess", "WorkerError", "executor_of"]

EXECUTORS: Mapping[str, Callable[[int], Executor]] = {"process": lambda workers: ThisProcess(), "pool": Pool}
"""By name; each is made for a number of workers."""


def executor_of(choice: str | Executor | None, workers: int) -> Executor:
    """The executor that was asked for.

    Args:
        choice: A name of ``EXECUTORS``, or an executor; ``None`` takes a pool where there are several workers.
        workers: How many processes; an executor that is given as an object has its own.

    Raises:
        UsageError: No such name, or a number of workers that does not go with it.
    """
    if isinstance(choice, Executor):
        return choice
    name = choice if choice is not None else "pool" if workers > 1 else "process"
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    require(
        name != "process" or workers == 1,
        f"executor='process' works in one process, {option('workers', workers)} asks for more: leave one out",
        UsageError,
    )
    return EXECUTORS[name](workers)

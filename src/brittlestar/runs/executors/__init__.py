"""Where tasks are run, one executor a file: this process, a pool of processes, a Ray or Slurm cluster."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from brittlestar.core.errors import UsageError, require, unknown
from brittlestar.core.options import option
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.executors.pool import Pool, WorkerError
from brittlestar.runs.executors.ray import Ray
from brittlestar.runs.executors.slurm import Slurm
from brittlestar.runs.executors.this_process import ThisProcess

__all__ = ["EXECUTORS", "Executor", "Pool", "Ray", "Slurm", "ThisProcess", "WorkerError", "executor_of"]

EXECUTORS: Mapping[str, Callable[..., Executor]] = {
    "process": lambda workers: ThisProcess(),
    "pool": Pool,
    "ray": Ray,
    "slurm": Slurm,
}
"""By name; each is made for a number of workers, and with the options that it has."""


def executor_of(choice: str | Executor | None, workers: int) -> Executor:
    """The executor that was asked for.

    Args:
        choice: A name of ``EXECUTORS``, with options if need be (``ray:num_gpus=0.5,address=auto``), or an executor;
            ``None`` takes a pool where there are several workers.
        workers: How many processes; an executor that is given as an object has its own.

    Raises:
        UsageError: No such name or option, or a number of workers that does not go with it.
    """
    if isinstance(choice, Executor):
        return choice
    name, _, rest = (choice if choice is not None else "pool" if workers > 1 else "process").partition(":")
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    require(
        name != "process" or workers == 1,
        f"{option('executor', 'process')} works in one process, {option('workers', workers)} asks for more: leave one "
        "out",
        UsageError,
    )
    return EXECUTORS[name](workers, **_options(name, rest))


def _options(name: str, text: str) -> dict[str, Any]:
    """What stands behind an executor's name: ``option=value``, separated by commas."""
    known = inspect.signature(EXECUTORS[name]).parameters
    names = [key for key, one in known.items() if one.kind is inspect.Parameter.KEYWORD_ONLY]
    open_ = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    options: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        told = f"cannot read {part!r}: options of an executor are written {name}:option=value,option=value"
        require(bool(key and equals and value), told, UsageError)
        if key not in names and not open_:
            raise unknown(f"option of the executor {name}", key, names)
        options[key] = _value(value)
    return options


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

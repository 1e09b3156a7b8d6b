"""Tasks spread over processes of this machine, each with one torch thread."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ClassVar, final

import torch

from brittlestar.core.errors import BrittlestarError, UsageError, require
from brittlestar.core.options import Language, option, speak, spoken
from brittlestar.runs.bench import Bench, BenchSpec
from brittlestar.runs.executors.base import Executor
from brittlestar.runs.process import die_with, keep_memory
from brittlestar.runs.task import Done, Task


class WorkerError(BrittlestarError):
    """A worker process ended without an answer."""


@final
class Pool(Executor):
    """``workers`` processes; each loads the models once and writes its own rows."""

    local: ClassVar[bool] = False

    def __init__(self, workers: int) -> None:
        require(workers >= 1, f"{option('workers')} must be at least 1, got {workers}", UsageError)
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._futures: set[Future[Done]] = set()

    def start(self, bench: Bench) -> None:
        """See ``Executor.start``; processes begin when they are needed."""
        # Spawned, not forked: torch's threads and CUDA do not survive a fork.
        self._pool = ProcessPoolExecutor(
            self._workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(bench.spec, os.getpid(), spoken()),
        )
        self._futures = set()

    def submit(self, task: Task) -> None:
        """Take a task."""
        assert self._pool is not None
        self._futures.add(self._pool.submit(_run, task))

    def collect(self) -> Iterator[Done]:
        """Wait for at least one task."""
        finished, self._futures = wait(self._futures, return_when=FIRST_COMPLETED)
        for future in finished:
            try:
                yield future.result()
            except BrokenProcessPool as error:
                raise WorkerError(
                    "a worker process died (killed, or out of memory); everything written so far is kept: "
                    f"run the same again to go on, with fewer processes ({option('workers')}) or smaller batches "
                    f"({option('batch')}) if memory was short"
                ) from error

    @property
    def free(self) -> int:
        """Each process has one task in hand and one waiting, so that none stands idle."""
        return 2 * self._workers - len(self._futures)

    @property
    def waiting(self) -> int:
        """Taken tasks."""
        return len(self._futures)

    def close(self) -> None:
        """Cancel what has not begun; tasks in hand are finished and written."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


_bench: Bench | None = None


def _begin(spec: BenchSpec, parent: int, language: Language) -> None:
    """In a fresh worker: one torch thread, deaf to Ctrl-C (the parent decides), gone when the parent is."""
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    speak(language)  # errors raised here name options as the parent does
    die_with(parent)
    keep_memory()
    torch.set_num_threads(1)
    _bench = Bench.build(spec)


def _run(task: Task) -> Done:
    assert _bench is not None
    return task.run(_bench)

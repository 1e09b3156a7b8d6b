"""Where work items are done: in this process, or spread over processes of one torch thread each."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType

import torch

from brittlestar.core.errors import BrittlestarError
from brittlestar.core.options import option
from brittlestar.runs.ask import Question
from brittlestar.runs.bench import Bench, BenchSpec, Done
from brittlestar.runs.plan import WorkItem


class WorkerError(BrittlestarError):
    """A worker process ended without an answer."""


class Engine(ABC):
    """Takes work items in order and gives back what is done. A cluster engine implements these methods."""

    @abstractmethod
    def submit(self, item: WorkItem | Question) -> None:
        """Take an item."""

    @abstractmethod
    def collect(self) -> Iterator[Done]:
        """Wait until at least one taken item is done; give all that are."""

    @property
    @abstractmethod
    def free(self) -> int:
        """How many more items can be taken now."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How many items are taken and not collected."""

    @abstractmethod
    def close(self) -> None:
        """Drop what was taken and not begun, wait for the rest; may be called twice."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InProcess(Engine):
    """One item at a time, here."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        keep_memory()
        self._taken: list[WorkItem | Question] = []

    def submit(self, item: WorkItem | Question) -> None:
        """Take an item."""
        self._taken.append(item)

    def collect(self) -> Iterator[Done]:
        """Do the item that was taken."""
        while self._taken:
            yield self._bench.do(self._taken.pop(0))

    @property
    def free(self) -> int:
        """One at a time."""
        return 1 - len(self._taken)

    @property
    def waiting(self) -> int:
        """Taken items."""
        return len(self._taken)

    def close(self) -> None:
        """Nothing is left to do."""


@contextlib.contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU one torch thread: rows equal those of worker processes, and a busy machine does not stall the others."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Processes(Engine):
    """``count`` processes; each loads the models once and writes its own rows."""

    def __init__(self, spec: BenchSpec, count: int) -> None:
        self._count = count
        self._pool = ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_begin, initargs=(spec, os.getpid())
        )
        self._futures: set[Future[Done]] = set()

    def submit(self, item: WorkItem | Question) -> None:
        """Take an item."""
        self._futures.add(self._pool.submit(_do, item))

    def collect(self) -> Iterator[Done]:
        """Wait for at least one item."""
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
        """Each process has one item in hand and one waiting."""
        return 2 * self._count - len(self._futures)

    @property
    def waiting(self) -> int:
        """Taken items."""
        return len(self._futures)

    def close(self) -> None:
        """Cancel what has not begun; items in hand are finished and written."""
        self._pool.shutdown(wait=True, cancel_futures=True)


_bench: Bench | None = None


def _begin(spec: BenchSpec, parent: int) -> None:
    """In a fresh worker: one torch thread, deaf to Ctrl-C (the parent decides), gone when the parent is."""
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    keep_memory()
    torch.set_num_threads(1)
    _bench = Bench.build(spec)


def _do(item: WorkItem | Question) -> Done:
    assert _bench is not None
    return _bench.do(item)


def keep_memory() -> None:
    """Have glibc keep freed memory for the next batch instead of giving every large tensor back to the system."""
    if sys.platform == "linux":
        trim_threshold, mmap_threshold, limit = -1, -3, 1 << 30
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(trim_threshold, limit)
            mallopt(mmap_threshold, limit)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

"""A worker process, seen from both sides: what it does, and how the parent talks to it, watches it and ends it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from brittlestar.core import interrupts, whereabouts
from brittlestar.core.errors import BrittlestarError, UsageError, no_memory, text_of
from brittlestar.core.options import COMMAND, Language, option, speak, spoken
from brittlestar.runs import hung
from brittlestar.runs.bench import Bench
from brittlestar.runs.process import die_with, keep_memory
from brittlestar.runs.steady import check_steady
from brittlestar.runs.task import Task

_CHECKED = {2**k for k in range(1, 30, 2)}
"""After how many tasks a worker asks its models whether they are still what they were: a few times in a run."""

_TOLD = 600
"""Bytes in which a worker says what it is at."""


class WorkerError(BrittlestarError):
    """A worker process ended without an answer."""


class WorkerBug(Exception):
    """An error in a worker that nobody foresaw; its text is the error, its cause the worker's own traceback."""


class _Remote(Exception):
    """A traceback of another process."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


class Worker:
    """A process of its own that runs tasks one after another.

    Args:
        spec: The pickled ``BenchSpec``.
        device: Where its models are to lie; ``None`` leaves it to the specifications.

    Attributes:
        tasks: Given and not answered, the first of them in hand.
        ready: Whether it has loaded its models.
        cut: Whether nothing can be heard from it any more.
    """

    def __init__(self, spec: bytes, device: str | None = None) -> None:
        self.device = device
        context = get_context("spawn")
        self.tasks: deque[Task] = deque()
        self.ready = self.cut = False
        self._beats = context.RawValue(ctypes.c_uint64, 0)
        self._told = context.RawArray(ctypes.c_char, _TOLD)
        self._pace = context.RawValue(ctypes.c_double, 0.0)
        self._images = context.RawValue(ctypes.c_uint64, 0)
        self._over = context.RawValue(ctypes.c_bool, False)
        self._seen = (0, time.monotonic())
        self.connection, theirs = context.Pipe()
        quiet = spoken() == COMMAND and not sys.warnoptions
        self._process = context.Process(
            target=_serve,
            args=(
                *(theirs, spec, device, os.getpid(), spoken(), quiet),
                *(self._beats, self._told, self._pace, self._images, self._over),
            ),
        )
        with _deaf():
            self._process.start()
        theirs.close()
        # Through a thread: a pipe takes 64 KiB, and this process must not wait for one that hangs.
        self._outbox: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        threading.Thread(target=self._post, daemon=True).start()

    def _post(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                task = self._outbox.get()
                self.connection.send(task)
                if task is None:
                    return

    def give(self, task: Task) -> None:
        """Have a task run after those that it has."""
        if not self.tasks:
            self.alive()
        self.tasks.append(task)
        self._outbox.put(task)

    def alive(self) -> None:
        """Count from now on how long it has given no sign of life."""
        self._seen = (self._beats.value, time.monotonic())

    def messages(self) -> Iterator[tuple[Any, ...]]:
        """What it has said and was not read yet; never waits."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            self.cut = True

    def ended(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return self._process.exitcode

    def hangs(self) -> float | None:
        """Seconds without a sign of life where that is too long; ``None`` otherwise."""
        if self._beats.value != self._seen[0] or not self.tasks:
            self.alive()
            return None
        waited = time.monotonic() - self._seen[1]
        # Loading is no call of a known size: 0 images.
        return waited if waited > hung.patience(self._images.value, self._pace.value) else None

    def told(self) -> str:
        """What it is at, in words."""
        text: str = self._told.value.decode(errors="replace")
        return text or ("" if self.ready else "a worker process, while it loaded models and data")

    def kill(self) -> None:
        """End it now, with the processes that its model may have started."""
        for pid in [*_offspring(self._process.pid or 0)]:
            with contextlib.suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        with contextlib.suppress(Exception):
            self._process.kill()
        self._process.join()
        self._close()

    def dismiss(self) -> None:
        """Have it end after the task in hand."""
        self._over.value = True
        self._outbox.put(None)

    def gone(self, seconds: float) -> bool:
        """Wait for its end; whether it has come."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Inside, what is started does not hear the signals that end a command until it has said what it does with them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It takes these signals' block away when it starts, so it starts first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.numbers())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _offspring(pid: int) -> Iterator[int]:
    """Processes that a process has started and they in turn, on Linux; none are known elsewhere."""
    with contextlib.suppress(OSError, ValueError):
        with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
            children = [int(word) for word in file.read().split()]
        for child in children:
            yield from _offspring(child)
            yield child


def _serve(
    connection: Connection,
    spec: bytes,
    device: str | None,
    parent: int,
    language: Language,
    quiet: bool,
    beats: Any,
    told: Any,
    pace: Any,
    images: Any,
    over: Any,
) -> None:
    """The process: deaf to signals (the parent decides), gone when the parent is, one torch thread."""
    for number in interrupts.numbers():
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.numbers())
    die_with(parent)
    if quiet:
        warnings.simplefilter("ignore")
    speak(language)  # errors raised here name options as the parent does

    def changed(text: str) -> None:
        call = whereabouts.call()
        images.value = call.images if call else 0
        pace.value = whereabouts.slowest[0]
        told.value = text.encode(errors="backslashreplace")[: _TOLD - 1]
        beats.value += 1

    whereabouts.tell.append(changed)
    say: Callable[[tuple[Any, ...]], None] = connection.send
    try:
        keep_memory()
        torch.set_num_threads(1)
        bench = Bench.build(pickle.loads(spec), device)
        say(("ready",))
        done = 0
        while (task := connection.recv()) is not None and not over.value:
            result, done = task.run(bench), done + 1
            if done in _CHECKED:
                check_steady(bench.models, bench.spec.behaviours, bench.spec.source)
            say(("done", result))
            told.value = b""
    except (EOFError, BrokenPipeError):
        return  # the parent has gone
    except BaseException as error:
        # Nothing that was raised is sent itself: it may not pickle, or not unpickle.
        say(("error", *described(error, told.value.decode(errors="replace"))))


def described(error: BaseException, at: str) -> tuple[bytes, str]:
    """An error for the parent: what it is to raise, pickled, and the traceback."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__, chain=True)[-60:])
    raised: BaseException
    if isinstance(error, BrittlestarError):
        raised = error
    elif isinstance(error, OSError) and error.errno is not None:
        raised = OSError(error.errno, error.strerror, str(error.filename) if error.filename else None)
    elif no_memory(error):
        raised = WorkerError(
            f"{at or 'a worker process'}: memory ran out; everything finished is kept: try smaller batches "
            f"({option('batch')}) or fewer processes ({option('workers')})"
        )
    else:
        raised = WorkerBug(f"{type(error).__name__}: {text_of(error)}" + (f" ({at})" if at else ""))
    try:
        packed = pickle.dumps(raised.with_traceback(None))
        if str(pickle.loads(packed)) != str(raised):
            raise ValueError
    except Exception:
        kind = next(k for k in type(raised).__mro__ if k.__module__ == "brittlestar.core.errors")
        packed = pickle.dumps(kind(text_of(raised, 2000)))
    return packed, trace


def raised_by(message: Sequence[Any]) -> BaseException:
    """The error that a worker's message describes, with the worker's traceback as its cause."""
    error: BaseException = pickle.loads(message[1])
    error.__cause__ = _Remote(message[2])
    return error


def packed(spec: Any) -> bytes:
    """A bench's specification for other processes.

    Raises:
        UsageError: It holds something that cannot be handed to another process.
    """
    try:
        return pickle.dumps(spec)
    except Exception as error:
        raise UsageError(
            f"worker processes cannot be given these data or models ({type(error).__name__}: {text_of(error)}): "
            "open the data from a file, or work in one process"
        ) from error

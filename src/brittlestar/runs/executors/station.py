"""A worker on another machine, from inside: it is given its orders once, and then task after task."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import torch

from brittlestar.core import interrupts, whereabouts
from brittlestar.core.errors import require
from brittlestar.core.options import Language, speak, spoken
from brittlestar.core.version import VERSION
from brittlestar.runs import hung
from brittlestar.runs.bench import Bench, BenchSpec
from brittlestar.runs.executors.worker import WorkerError, described, packed, raised_by
from brittlestar.runs.process import keep_memory
from brittlestar.runs.task import Done, Task


@dataclasses.dataclass(frozen=True)
class Orders:
    """What a worker on another machine needs, apart from the same packages and the same files.

    Fields:
        spec: A pickled ``BenchSpec``, by the means that a pool uses as well.
        language: How its messages name options.
        folder: The folder that relative paths begin from.
        path: Where Python looks for modules.
        version: Of Brittlestar: two versions may not share a run.
        device: Where the worker's models are to lie; ``None`` leaves it to the specifications.
        hung_after: What the person set for models that hang (``hung.VARIABLE``).
    """

    spec: bytes
    language: Language
    folder: str
    path: tuple[str, ...]
    version: str
    device: str | None
    hung_after: str | None = None

    @classmethod
    def of(cls, spec: BenchSpec, device: str | None) -> Orders:
        """What this process would have others do.

        Raises:
            UsageError: The data or the models cannot be sent to other processes.
        """
        hung_after = os.environ.get(hung.VARIABLE)
        return cls(packed(spec), spoken(), str(Path.cwd()), tuple(sys.path), VERSION, device, hung_after)

    def bench(self) -> Bench:
        """Set this process up as a worker and build its bench."""
        require(
            self.version == VERSION,
            f"the run was begun by Brittlestar {self.version}, a worker has {VERSION}: install one version everywhere",
            WorkerError,
        )
        # Ctrl-C is heard by the process that gives the tasks. Only a main thread may say so, and no other hears it.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        # The folder need not be there if no path is relative.
        with contextlib.suppress(OSError):
            os.chdir(self.folder)
        sys.path += [place for place in self.path if place not in sys.path]
        speak(self.language)
        if self.hung_after is not None:
            os.environ[hung.VARIABLE] = self.hung_after
        threading.Thread(target=_end_where_it_hangs, daemon=True).start()
        keep_memory()
        torch.set_num_threads(1)
        spec: BenchSpec = pickle.loads(self.spec)
        return Bench.build(spec, self.device)


def _end_where_it_hangs() -> None:
    """End this process when a model gives no sign of life: another worker is hired, and is given the task."""
    while True:
        time.sleep(1.0)
        call = whereabouts.call()
        if call is None:
            continue
        waited = time.monotonic() - call.since
        if waited > hung.patience(call.images, whereabouts.slowest[0]):
            print(hung.said(whereabouts.told(), waited), file=sys.stderr, flush=True)
            interrupts.leave(1)


@dataclasses.dataclass(frozen=True)
class TaskError:
    """What comes back instead of ``Done`` from a task that raised: the error, pickled, and its traceback."""

    raised: bytes
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> TaskError:
        """The error in a form that travels."""
        return cls(*described(error, whereabouts.told()))

    def error(self) -> BaseException:
        """What is to be raised."""
        return raised_by(("error", self.raised, self.trace))


class Station:
    """A worker's own side: has its bench from the first task on."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._bench: Bench | None = None

    def run(self, task: Task) -> Done | TaskError:
        """Do a task; whatever happens is told, not raised, so that it is the same through every channel."""
        try:
            if self._bench is None:
                self._bench = self._orders.bench()
            return task.run(self._bench)
        except BaseException as error:
            return TaskError.of(error)

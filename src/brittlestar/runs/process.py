"""How a process that computes is set up: its threads, its memory, and its end together with the process it serves."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator

import torch

from brittlestar.core import interrupts


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


def keep_memory() -> None:
    """Have glibc keep freed memory for the next batch instead of giving every large tensor back to the system."""
    if sys.platform == "linux":
        # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h.
        trim_threshold, mmap_threshold, limit = -1, -3, 1 << 30
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(trim_threshold, limit)
            mallopt(mmap_threshold, limit)


def die_with(parent: int) -> None:
    """End this process when ``parent`` has gone, however it went: a killed run leaves no workers behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL

    def watch() -> None:
        started = multiprocessing.parent_process()
        if os.name == "nt" and started is not None:
            started.join()  # Windows gives an orphan no other parent
        # The kernel's signal comes when the parent's *thread* ends and is lost if the parent died before the call.
        while os.name != "nt" and os.getppid() == parent:
            time.sleep(0.5)
        interrupts.leave(1)  # sys.exit would end this thread alone

    threading.Thread(target=watch, daemon=True).start()

"""The border to a person's own code: whatever a model does when it is called, what called it goes on or says one line.

A model may raise anything, end the process, fork, change folder, signal handlers or torch's settings. What it raises
becomes a ``ModelFault`` that names the model, where in its own code it arose, and what it was asked; what it changes is
put back, so that rows do not depend on it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from brittlestar.core import interrupts, whereabouts
from brittlestar.core.errors import BrittlestarError, ModelError, no_memory, text_of
from brittlestar.core.options import option

_inside: set[int] = set()
"""Threads that are in a model's own code."""

_hung: list[str] = []
"""What is said of the call that goes on, once it was given up (``runs.hung``)."""

_PACKAGE = str(Path(__file__).resolve().parents[1])
_LIBRARIES = (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"])


class ModelFault(ModelError):
    """Something that a model's own code raised; its cause is what was raised.

    Attributes:
        usual: Whether it is an ordinary error, as wrong shapes give, and not the end of the process or of its memory.
    """

    usual = True


def _exit(code: int = 0) -> None:
    """``os._exit``; in a model's own code an error instead, as it would end the whole run without a word."""
    if threading.get_ident() in _inside and os.getpid() == _process[0]:
        raise SystemExit(code)
    interrupts.leave(code)


_process = [os.getpid()]


def _forked() -> None:
    """In a child that a model has forked: gone when this process is, as far as the system can see to that."""
    if _inside and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def answering(logits: Callable[[Any, torch.Tensor], torch.Tensor]) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """A model's ``logits`` behind the border."""

    @functools.wraps(logits)
    def guarded(self: Any, images: torch.Tensor) -> torch.Tensor:
        with own_code(self.name, len(images)):
            return logits(self, images)

    return guarded


def inside() -> bool:
    """Whether this thread is in a model's own code, which gets what other models give as they give it."""
    return threading.get_ident() in _inside


@contextlib.contextmanager
def own_code(model: str, images: int = 0) -> Iterator[None]:
    """Inside runs a model's own code.

    Args:
        model: Its name.
        images: How many it was given; 0 while it is loaded, when ordinary errors are left to whoever loads it.

    Raises:
        ModelFault: It raised something.
    """
    thread = threading.get_ident()
    if thread in _inside:
        # A model that asks another, or an attack inside of a recipe: the outer call has all the care.
        yield
        return
    process = _process[0] = os.getpid()
    os._exit = _exit  # type: ignore[assignment]
    _inside.add(thread)
    try:
        with _kept(), whereabouts.calling(model, images):
            try:
                yield
            finally:
                if os.getpid() != process:
                    # A child that the model forked and did not end: it must not do the run's work a second time.
                    interrupts.leave(0)
    except BrittlestarError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and _hung:
            raise _fault(_hung.pop(), error) from error
        if interrupts.heard_by(error) or (not images and isinstance(error, Exception | SystemExit)):
            raise
        raise _fault(said_of(error, model, images), error) from error
    finally:
        _inside.discard(thread)
        _hung.clear()


def give_up(text: str) -> None:
    """Have the call that goes on raise a ``ModelFault`` with this text, if Python can still reach it."""
    _hung[:] = [text]
    interrupts.nudge()


def _fault(text: str, error: BaseException) -> ModelFault:
    fault = ModelFault(text)
    fault.usual = isinstance(
        error, RuntimeError | ValueError | TypeError | LookupError | AssertionError | ArithmeticError
    )
    fault.usual &= not isinstance(error, RecursionError) and not no_memory(error)
    return fault


def said_of(error: BaseException, model: str, images: int) -> str:
    """One line: what the model did, where in its own code, at what, and what a person can do."""
    at = whereabouts.told(model=False)
    asked = at or (f"on {images} images" if images else "while it was loaded")
    own = _own_line(error)
    where = f" ({own})" if own else ""
    if no_memory(error):
        return (
            f"model {model} ran out of memory{where} {asked}, {images} images at a time; everything finished is kept: "
            f"try smaller batches ({option('batch', max(images // 4, 1))}) or fewer processes ({option('workers', 1)})"
        )
    if isinstance(error, SystemExit):
        what = "tried to end the process (exit)"
    else:
        what = f"raised {type(error).__name__}{': ' if text_of(error) else ''}{text_of(error)}"
    return f"model {model} {what}{where} {asked}; everything finished is kept: mend the model, or leave it out"


def _own_line(error: BaseException) -> str:
    """``file:line`` of the innermost frame that is neither torch's, nor Python's, nor Brittlestar's."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        inner = file.startswith((_PACKAGE, "<")) or "site-packages" in file or "dist-packages" in file
        if not inner and not file.startswith(_LIBRARIES):
            found = f"{Path(file).name}:{line}"
    return found


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Afterwards folder, signal handlers and torch's settings are what they were."""
    threads, dtype, gradients = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    main = threading.current_thread() is threading.main_thread()
    handlers = [(n, signal.getsignal(n)) for n in interrupts.numbers()] if main else []
    output = sys.stdout, sys.stderr
    try:
        folder = os.getcwd()  # noqa: PTH109  # Called for every batch.
    except OSError:
        folder = ""
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output
        for number, handler in handlers:
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
        with contextlib.suppress(OSError):
            if folder and os.getcwd() != folder:  # noqa: PTH109
                os.chdir(folder)

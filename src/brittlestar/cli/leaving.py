"""How a command ends: every error becomes one line for the person and an exit code.

0 is done; 2 something that the person can mend, a full disk, too little memory and a model that fails included; 70 a
bug in Brittlestar, whose traceback goes into a file; 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP. 1 is left for a reader of the
output that has gone, as in ``brittlestar list shifts | head``.
"""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import traceback
from typing import Any

import typer

from brittlestar.cli.say import say
from brittlestar.core import interrupts
from brittlestar.core.errors import BrittlestarError, no_memory, text_of
from brittlestar.core.portable import private_file
from brittlestar.core.version import VERSION

MENDABLE, BUG = 2, 70


def leave(error: BaseException) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, KeyboardInterrupt) or interrupts.heard():
        say("interrupted", err=True)
        return interrupts.code()
    if callable(show := getattr(error, "show", None)) and hasattr(error, "exit_code"):
        show()  # words on the command line that typer does not understand
        return int(error.exit_code)
    if isinstance(error, BrokenPipeError):
        forget_output()
        return 1
    code, text = told(error)
    if "--traceback" in sys.argv[1:2]:
        traceback.print_exception(error)
    say(f"error: {text}", err=True)
    return code


def told(error: BaseException) -> tuple[int, str]:
    """The exit code of an error and what is said of it."""
    if isinstance(error, BrittlestarError):
        return MENDABLE, str(error)
    if isinstance(error, typer.Abort):
        return MENDABLE, "stopped, as no answer was given"
    if no_memory(error):
        return MENDABLE, (
            f"memory ran out ({_named(error)}); what was finished is kept: try smaller batches (--batch), fewer "
            "processes (--workers) or smaller images (--resize), and run the same command again"
        )
    if isinstance(error, OSError):
        return MENDABLE, _of_the_system(error)
    return BUG, _bug(error)


def _named(error: BaseException) -> str:
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _of_the_system(error: OSError) -> str:
    """What the system refused, of which file, and what is left of the work."""
    reason = (error.strerror or text_of(error) or type(error).__name__).lower()
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{where}{reason}; what was finished is kept: make room and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}{reason}: choose a place where you may read and write"
    return f"{where}{reason}"


def _bug(error: BaseException) -> str:
    return (
        f"this is a bug in Brittlestar: {_named(error)}. What was finished is kept; {_kept(error)}, "
        f"please report it (brittlestar {VERSION})"
    )


def _kept(error: BaseException) -> str:
    """Where the traceback lies, in words."""
    try:
        file, path = private_file("brittlestar-bug")
        with file:
            file.write(f"brittlestar {VERSION}, Python {platform.python_version()}, {platform.platform()}\n")
            file.write(f"{shlex.join(sys.argv)}\n\n")
            file.writelines(traceback.format_exception(error))
    except Exception:
        return "there was no place for a file with the traceback (`brittlestar --traceback ...` shows it)"
    return f"the traceback is in {path}"


def forget_output() -> None:
    """Have nothing more written to standard output: Python would flush it once more at exit, and fail again."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def flush_output() -> None:
    """Write out what waits to be written.

    Raises:
        OSError: The disk that it goes to is full, or its reader has gone.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        forget_output()
        if isinstance(error, OSError):
            raise


def all_is_printable(*streams: Any) -> None:
    """Have what a stream's encoding lacks written as ``\\u2013`` instead of failing."""
    for stream in streams:
        if callable(change := getattr(stream, "reconfigure", None)):
            change(errors="backslashreplace")

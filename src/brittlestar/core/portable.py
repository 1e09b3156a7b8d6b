"""What Linux, macOS and Windows do differently: locks, the flushing of folders, private files."""

from __future__ import annotations

import errno
import importlib
import os
import tempfile
from pathlib import Path
from typing import IO, Any

WINDOWS = os.name == "nt"


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def lock(handle: IO[Any]) -> None:
    """Lock an open file for this process alone, or fail at once; the system drops the lock when the process ends.

    Raises:
        OSError: Another process holds it.
    """
    if (fcntl := _module("fcntl")) is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif (msvcrt := _module("msvcrt")) is not None:
        # A byte far behind the holder's name: a locked byte cannot be read by others on Windows.
        handle.seek(1 << 20)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        handle.seek(0)
    # A system with neither has no locks; two processes on one folder are then not told apart.


def flush_file(path: Path) -> None:
    """Have a file's content on the disk itself."""
    # Windows flushes only what was opened for writing.
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(path: Path) -> None:
    """Have a folder's entries on the disk itself, on systems where a folder can be opened."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        if WINDOWS:
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder, and say so.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def private_file(name: str) -> tuple[IO[str], Path]:
    """A fresh file in the system's folder for temporary files that only this user can read.

    Args:
        name: What its name begins with.

    Raises:
        OSError: It cannot be made.
    """
    handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".txt")
    return os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace"), Path(path)

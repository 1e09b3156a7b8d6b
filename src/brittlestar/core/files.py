"""Files that are either whole or absent, and locks that die with their process."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from brittlestar.core import portable
from brittlestar.core.errors import StoreError
from brittlestar.core.object_lock import object_held, object_locked
from brittlestar.core.places import ObjectPath

_CLAIMS = 5
"""How often a lock is tried: whoever asks whether it is held has it for a moment."""


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if need be.

    Raises:
        StoreError: It cannot be made, for instance because a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {folder}: {error.strerror}") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success fsync it and rename it over ``path``.

    A reader, or a process killed at any moment, sees the old file or the new one and never a part. On object storage
    the temporary path is one of this machine, and what is there at the end is written as a whole.
    """
    if isinstance(path, ObjectPath):
        with scratch(path) as beside:
            beside.touch()
            yield beside
            _put(path, beside.read_bytes())
        return
    with scratch(path) as beside:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.touch(exist_ok=False)
            yield beside
            _fsync(beside)
            beside.replace(path)
            # The rename survives a power cut only once the folder itself is on disk.
            portable.flush_folder(path.parent)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror or error}; free some space or check permissions"
            ) from error


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Give the path of a file of this machine that nobody else has; it is removed at the end.

    Args:
        path: What it is for: it lies beside it, or among the temporary files where that is on object storage.
    """
    # The dot and .tmp are what RunStore.locked looks for when it clears away what a killed process left behind.
    name = f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    beside = (Path(tempfile.gettempdir()) if isinstance(path, ObjectPath) else path.parent) / name
    try:
        yield beside
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file atomically (see ``replacing``)."""
    if isinstance(path, ObjectPath):
        _put(path, content.encode() if isinstance(content, str) else content)
        return
    with replacing(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def new_folder_for(folder: Path) -> Path:
    """An empty folder of this machine, for files that are to be ``put_in_place`` of those in ``folder``.

    Raises:
        StoreError: It cannot be made.
    """
    if isinstance(folder, ObjectPath):
        return Path(tempfile.mkdtemp())
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    make_folder(beside)
    return beside


def put_in_place(made: Path, folder: Path, last: str) -> None:
    """Put the files of ``new_folder_for`` in the place of those in ``folder``, as a whole.

    Args:
        made: Is no longer there afterwards.
        folder: Holds files only. On object storage they come and go one by one: ``last`` is the first to go and the
            last to come.
        last: The file that lists the others: without it there are none.

    Raises:
        StoreError: They cannot be written.
    """
    try:
        if isinstance(folder, ObjectPath):
            (folder / last).unlink(missing_ok=True)
            folder.remove_all()
            for name in sorted((path.name for path in made.iterdir()), key=lambda name: (name == last, name)):
                (folder / name).write_bytes((made / name).read_bytes())
            shutil.rmtree(made, ignore_errors=True)
            return
        before = folder.with_name(f".{folder.name}-before.tmp")
        shutil.rmtree(before, ignore_errors=True)
        # Moved, not removed, as a process that is killed while it removes a folder leaves a part of it.
        if folder.exists():
            folder.rename(before)
        made.rename(folder)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {folder}: {error.strerror or error}; free some space or check permissions"
        ) from error


def _put(path: ObjectPath, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; check the address, the connection and permissions"
        ) from error


def _fsync(path: Path) -> None:
    portable.flush_file(path)


@contextlib.contextmanager
def locked(path: Path, purpose: str) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; raise ``StoreError`` at once if another process holds it.

    The operating system drops the lock when the process ends, however it ends; for object storage see ``object_lock``.
    """
    if isinstance(path, ObjectPath):
        with object_locked(path, purpose):
            yield
        return
    with _opened(path, purpose) as handle:
        try:
            _claim(handle)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            raise StoreError(
                f"{path.parent} is in use by {holder}; wait for it or use another folder to {purpose}"
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()}")
        # Only the holder's name is at stake here, and a full disk is no reason to stop for that.
        with contextlib.suppress(OSError):
            handle.flush()
        yield


def _claim(handle: TextIO) -> None:
    for turn in range(_CLAIMS):
        try:
            portable.lock(handle)
            return
        except OSError:
            if turn + 1 == _CLAIMS:
                raise
            time.sleep(0.01)


def held(path: Path) -> bool:
    """Whether a process holds the lock on ``path``; what is not there, or cannot be read, is held by none."""
    if isinstance(path, ObjectPath):
        return object_held(path)
    try:
        handle = path.open()
    except OSError:
        return False
    with handle:
        try:
            # Given back when the file is closed.
            portable.lock(handle)
        except OSError:
            return True
    return False


def _opened(path: Path, purpose: str) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not "w", which would wipe out the holder's name before it is known who holds the lock.
        return path.open("a+")
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; check permissions or use another folder to {purpose}"
        ) from error

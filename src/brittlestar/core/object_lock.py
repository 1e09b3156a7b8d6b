"""A lock on object storage: an object that its holder keeps young.

It is made by a write that fails where there is one already (``If-None-Match: *`` on S3), so of two that ask at once one
gets it. The holder writes it again every ``BEAT`` seconds and removes it at the end. One that was not written for
``STALE`` seconds belongs to a process that died; it is taken over by a write that fails where somebody else was faster
(``If-Match`` on S3). Elsewhere it is written and read again after a moment, which is safe only against processes that
are not slower than that.

What it cannot do: a holder that was stopped for longer than ``STALE`` (a laptop that slept) and goes on finds its lock
taken, and does not write it again. Rows do not suffer, since equal rows have equal names; the manifest is then that of
whoever wrote last.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from brittlestar.core.errors import StoreError
from brittlestar.core.places import ObjectPath, told_as_oserror

BEAT = 20.0
STALE = 180.0
_SETTLE = 3.0
"""Seconds after which a lock that was written without a condition is read again."""


@contextlib.contextmanager
def object_locked(path: ObjectPath, purpose: str) -> Iterator[None]:
    """Hold the lock; ``StoreError`` at once if another process does, or it cannot be written."""
    token = secrets.token_hex(8)
    try:
        _take(path, token, purpose)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; check the address and permissions"
        ) from error
    ended = threading.Event()
    beat = threading.Thread(target=_keep_young, args=(path, token, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with contextlib.suppress(OSError):
            if _read(path).get("token") == token:
                path.unlink(missing_ok=True)


def object_held(path: ObjectPath) -> bool:
    """Whether a living process holds the lock."""
    try:
        return _age(path) < STALE
    except OSError:
        return False


def _take(path: ObjectPath, token: str, purpose: str) -> None:
    content = _content(token)
    try:
        _write(path, content, mode="create")
        return
    except FileExistsError:
        pass
    try:
        age, holder, tag = _age(path), _read(path), _tag(path)
    except FileNotFoundError:
        age, holder, tag = STALE, {}, ""  # it was given back this very moment
    if age < STALE:
        raise _in_use(path, holder, age, purpose)
    try:
        _write(path, content, **({"IfMatch": tag} if tag else {"mode": "create"} if not holder else {}))
    except FileExistsError as error:
        raise _in_use(path, holder, 0.0, purpose) from error
    if not tag:
        time.sleep(_SETTLE)
        holder = _read(path)
        if holder.get("token") != token:
            raise _in_use(path, holder, 0.0, purpose)


def _write(path: ObjectPath, content: bytes, **condition: str) -> None:
    """Write the lock if the condition holds; ``FileExistsError`` if it does not."""
    try:
        with told_as_oserror(path):
            path.system.pipe_file(path.key, content, **condition)
    except OSError as error:
        text = f"{error} {error.__cause__}"
        if any(word in text for word in ("PreconditionFailed", "ConditionalRequestConflict", "conditionNotMet")):
            raise FileExistsError(str(path)) from error
        raise


def _in_use(path: ObjectPath, holder: dict[str, Any], age: float, purpose: str) -> StoreError:
    return StoreError(
        f"{path.parent} is in use by {holder.get('owner', 'another process')}, which was there {age:.0f} s ago; wait "
        f"for it (a process that died is given up after {STALE:.0f} s), or use another folder to {purpose}"
    )


def _keep_young(path: ObjectPath, token: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with contextlib.suppress(OSError):
            if _read(path).get("token") != token:
                return  # it was taken over, and is no longer ours to write
            path.write_bytes(_content(token))


def _content(token: str) -> bytes:
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    return json.dumps({"owner": owner, "token": token, "beat": time.time()}).encode()


def _read(path: ObjectPath) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _age(path: ObjectPath) -> float:
    """Seconds since the lock was last written, by the storage's clock, until now, by that of this machine."""
    return max(0.0, time.time() - float(path.stat().st_mtime))


def _tag(path: ObjectPath) -> str:
    """What names the lock's content for a condition; empty where the storage takes none."""
    if path.parts[0] != "s3:":
        return ""
    with told_as_oserror(path):
        return str(path.system.info(path.key).get("ETag") or "")

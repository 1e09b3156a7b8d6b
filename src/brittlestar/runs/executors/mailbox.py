"""Messages between two processes of one person through a file of a shared file system.

One process appends, one reads. Nothing is listed and nothing renamed: of what a network file system keeps in its
caches, it only promises that a file that is opened anew shows what was written to it before it was closed. A message
that has arrived in part is known by its length and digest and read the next time.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import threading
from pathlib import Path
from typing import Any

_HEAD = struct.Struct("<Q16s")


class Mailbox:
    """A file of messages, for one writer and one reader.

    Messages are pickled, so the file must lie where nobody else can write (``private_folder``).

    Args:
        path: The file; the writer makes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._writing = threading.Lock()

    def send(self, message: Any) -> None:
        """Append a message; threads may do so together."""
        body = pickle.dumps(message)
        with self._writing, self.path.open("ab") as file:
            file.write(_HEAD.pack(len(body), _digest(body)) + body)
            file.flush()
            os.fsync(file.fileno())

    def receive(self) -> list[Any]:
        """The messages that came since the last call; none where the file is not there yet."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            return []
        messages, place = [], 0
        while len(content) - place >= _HEAD.size:
            size, digest = _HEAD.unpack_from(content, place)
            body = content[place + _HEAD.size : place + _HEAD.size + size]
            if len(body) < size or _digest(body) != digest:
                break
            messages.append(pickle.loads(body))
            place += _HEAD.size + size
        self._read += place
        return messages


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]

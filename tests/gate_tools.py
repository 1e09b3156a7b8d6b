"""Holding another process at a chosen point of its work: a test acts there, and never after so many seconds.

A gate is a socket. The process connects when it comes to the point and waits until the other side closes; the test
waits until somebody has connected, however long that takes on a busy machine, and fails if the process ended instead.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Gate:
    """The test's side of a gate.

    Attributes:
        environment: What the process needs in its environment.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._standing: list[socket.socket] = []
        tests = str(Path(__file__).parent)
        paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = os.environ | {"GATE": str(self._listening.getsockname()[1]), "PYTHONPATH": paths}

    def reached(self, process: subprocess.Popen[Any]) -> None:
        """Wait until the process stands at the gate."""
        while not select.select([self._listening], [], [], 0.2)[0]:
            assert process.poll() is None, f"the process ended ({process.returncode}) before it came to the gate"
        self._standing.append(self._listening.accept()[0])

    def open(self) -> None:
        """Let go whoever stands there, and whoever comes later."""
        self._listening.close()
        for connection in self._standing:
            connection.close()


@contextlib.contextmanager
def gate() -> Iterator[Gate]:
    """A gate that is open at the end, so that nobody is left standing."""
    made = Gate()
    try:
        yield made
    finally:
        made.open()


def held(where: str, call: int, *words: object, before: bool = True) -> list[str]:
    """A command line of brittlestar that stands at the gate at a call of one of its functions.

    Args:
        where: ``package.module:function`` or ``package.module:Class.method``, as it is looked up by its caller.
        call: At which call, from 1; counted in each process by itself.
        words: Of the command line.
        before: Whether to stand there before the function does its work, or after it.
    """
    code = (
        f"import gate_tools; gate_tools.hold({where!r}, {call}, {before})\n"
        "from brittlestar.cli.main import main; main()"
    )
    return [sys.executable, "-c", code, *map(str, words)]


def hold(where: str, call: int, before: bool) -> None:
    """The process's side: put a gate at a function."""
    module, _, path = where.partition(":")
    *outer, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    inner, calls = getattr(owner, name), 0

    def wrapped(*values: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if before and calls == call:
            stand()
        result = inner(*values, **named)
        if not before and calls == call:
            stand()
        return result

    setattr(owner, name, wrapped)


def stand() -> None:
    """Stand at the gate until it opens; pass where it is open already."""
    refused = contextlib.suppress(ConnectionRefusedError, ConnectionResetError)
    with refused, socket.create_connection(("127.0.0.1", int(os.environ["GATE"]))) as connection:
        connection.recv(1)

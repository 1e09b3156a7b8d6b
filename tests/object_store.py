"""A real S3 server on this machine, for tests."""

from __future__ import annotations

import atexit
import functools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable

import pytest


@functools.cache
def s3_bucket() -> str:
    """The address of a bucket on moto's server, which this process and those that it starts find; ends with them.

    One server a process, as connections to it are kept.
    """
    pytest.importorskip("moto", reason="moto is not installed: ./dev test --slow")
    pytest.importorskip("s3fs", reason="s3fs is not installed: ./dev test --slow, or the extra cluster")
    from brittlestar.core.places import file_system

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.kill)
    listens = threading.Event()

    def listen(lines: Iterable[str]) -> None:
        # To the end: a server whose pipe is full stands still.
        for line in lines:
            if "Running on" in line:
                listens.set()
        listens.set()

    assert server.stderr is not None
    threading.Thread(target=listen, args=(server.stderr,), daemon=True).start()
    listens.wait()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    file_system("s3").mkdir("bucket")
    return "s3://bucket"

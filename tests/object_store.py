"""A real S3 server on this machine, for tests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator

import pytest


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's server with an empty bucket, which this process and those that it starts find; give its address."""
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
    own = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in own}
    assert server.stderr is not None
    listens = threading.Event()

    def listen(lines: Iterable[str]) -> None:
        # To the end: a server whose pipe is full stands still.
        for line in lines:
            if "Running on" in line:
                listens.set()
        listens.set()

    listener = threading.Thread(target=listen, args=(server.stderr,))
    listener.start()
    try:
        listens.wait()
        os.environ |= own
        file_system("s3").mkdir("bucket")
        yield "s3://bucket"
    finally:
        server.kill()
        server.wait()
        listener.join()
        server.stderr.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

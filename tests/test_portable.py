"""Nothing needs what only Linux and macOS have; locks and flushing go through one layer. Windows was not tried."""

from __future__ import annotations

import ast
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import brittlestar
from brittlestar.core import portable
from brittlestar.core.errors import StoreError
from brittlestar.core.files import locked, write_atomic

SOURCE = Path(next(iter(brittlestar.__path__)))
POSIX = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline", "curses")
"""Modules of the standard library that Windows lacks."""

LACKING = {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "pthread_sigmask", "pthread_kill", "setitimer"}
LACKING |= {"fork", "killpg", "setsid", "getuid", "geteuid", "register_at_fork", "mkfifo", "wait3", "WIFSIGNALED"}
"""Attributes of signal and os that Windows lacks."""

GUARDED = {
    "core/interrupts.py": "pthread_kill",
    "models/answering.py": "register_at_fork",
    "runs/executors/worker.py": "pthread_sigmask",
}
"""Where one of them is used all the same, behind hasattr."""


def test_no_module_uses_what_windows_lacks() -> None:
    for path in SOURCE.rglob("*.py"):
        name, text = path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                first = {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
                first |= {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
                assert not first & set(POSIX), f"{name} imports {first & set(POSIX)}: go through core/portable.py"
            owner = node.value.id if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
            if isinstance(node, ast.Attribute) and owner in ("os", "signal") and node.attr in LACKING:
                assert GUARDED.get(name) == node.attr and f'"{node.attr}"' in text, f"{name} uses {owner}.{node.attr}"


@pytest.mark.slow
def test_every_module_is_imported_without_them() -> None:
    names = [m.name for m in pkgutil.walk_packages([str(SOURCE)], "brittlestar.") if not m.name.endswith("__main__")]
    assert len(names) > 200
    # What torch and numpy import is theirs to see to; so they come first.
    code = (
        "import sys, torch, numpy, scipy.stats, duckdb, PIL.Image, safetensors.torch, typer, rich.live, importlib\n"
        "import multiprocessing.connection, tempfile\n"
        f"for name in {POSIX!r}: sys.modules[name] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print('all')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "all", done.stderr


def test_a_folder_is_locked_as_windows_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[int, int]] = []

    def locking(number: int, mode: int, count: int) -> None:
        assert os.lseek(number, 0, os.SEEK_CUR) == 1 << 20 and count == 1, "not where the holder's name stands"
        if held:
            raise PermissionError(13, "Permission denied")
        held.append((number, mode))

    windows = {"msvcrt": SimpleNamespace(LK_NBLCK=2, locking=locking)}
    monkeypatch.setattr(portable, "_module", windows.get)
    with locked(tmp_path / "lock", "run"):
        assert (tmp_path / "lock").read_text() == f"process {os.getpid()}"
        with (
            pytest.raises(StoreError, match=f"in use by process {os.getpid()}"),
            locked(tmp_path / "lock", "run"),
        ):
            pass
    assert held[0][1] == 2


def test_a_system_without_locks_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_module", lambda _: None)
    with locked(tmp_path / "lock", "run"):
        assert (tmp_path / "lock").exists()


def test_a_folder_that_cannot_be_opened_is_not_flushed_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.open

    def refusing(path: Any, *more: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *more)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(StoreError, match="ermission denied"):
        write_atomic(tmp_path / "file", "content")
    monkeypatch.setattr(portable, "WINDOWS", True)
    portable.flush_folder(tmp_path)


RESERVED = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


@pytest.mark.slow
def test_no_name_that_is_written_is_one_that_windows_cannot_have(tmp_path: Path) -> None:
    from ends_tools import call, make_striking, run_words

    folder = make_striking(tmp_path, "pass")
    words = [word for word in run_words(folder) if word != "--no-report"]
    code, err = call(*words, "--samples", 8)
    assert code == 0, err
    assert call("show", "suite", "noise", "--out", tmp_path / "run" / "shown", "--size", 16)[0] == 0
    written = [*(tmp_path / "run").rglob("*")]
    assert len(written) > 20
    assert [path.name for path in written if RESERVED.search(path.name)] == []

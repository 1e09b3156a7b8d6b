"""Models that end, hang or misbehave at one place of a run, and what a person then reads."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

from brittlestar.cli import main as command_line
from tiny import make_world

STRIKING = """
import os, sys, time, signal, threading, torch
from pathlib import Path
from brittlestar.core import whereabouts

HERE = Path(__file__).parent

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.lock = threading.Lock()
    def __str__(self):
        raise ValueError

def deep(n):
    return deep(n + 1)

def strike(what):
    exec(what, globals())

class Striking(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(3 * 12 * 12, 4, generator=generator))

    def forward(self, x):
        told = whereabouts.told()
        if (HERE / "place").read_text() in told:
            once = HERE / "once"
            if once.exists():
                if once.read_text() == "":
                    once.write_text("struck")
                    strike((HERE / "what").read_text())
            else:
                strike((HERE / "what").read_text())
        return (x.flatten(1)[:, :, None] * self.weight).sum(1) * 0.2

def model():
    return Striking().eval()
"""

PLACE = "under gaussian_noise/sigma=0.2, images"


def make_striking(folder: Path, what: str, *, once: bool = False, place: str = PLACE) -> Path:
    """A world whose model does ``what`` at a place, once or always."""
    make_world(folder, 60)
    (folder / "model.py").write_text(STRIKING)
    (folder / "what").write_text(what)
    (folder / "place").write_text(place)
    if once:
        (folder / "once").write_text("")
    return folder


def call(*words: object) -> tuple[int, str]:
    """Exit code and standard error of the command, run in this process."""
    err, before = io.StringIO(), sys.argv
    sys.argv = ["brittlestar", *map(str, words)]
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            try:
                command_line.main()
            except SystemExit as leaving:
                return int(leaving.code or 0), err.getvalue()
    finally:
        sys.argv = before
    return 0, err.getvalue()


def run_words(folder: Path, workers: int = 1, out: str = "run") -> list[object]:
    """A run of the model on a few shifts."""
    model = f"m=torch:{folder / 'model.py'}:model"
    return [
        *("run", "--model", model, "--data", folder / "data.npz", "--out", folder / out, "--workers", workers),
        *("--suite", "noise", "--device", "cpu", "--anyway", "--no-report"),
    ]


def children() -> set[int]:
    """Processes that this one has started and that still run."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(word) for word in (task / "children").read_text().split()}
    # Empty for those that have ended and were not waited for.
    return {pid for pid in found if (words := _command(pid)) and "resource_tracker" not in words}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""

"""A tiny world for tests of the runner: coloured 12 x 12 images, a linear model that counts its calls."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brittlestar.api import Run
from brittlestar.api.evaluation import Evaluation
from brittlestar.cli.main import main
from brittlestar.runs.request import FollowUp, Watch

MODEL = """
import os
import torch

class Linear(torch.nn.Module):
    def __init__(self, seed=0, delay=0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("weight", torch.randn(3 * 12 * 12, 4, generator=generator))
        self.delay = delay

    def forward(self, x):
        log = os.environ.get("CALLS")
        if log:
            with open(log, "a") as f:
                f.write(f"{len(x)}\\n")
        if self.delay:
            import time
            time.sleep(self.delay)
        flat = x.flatten(1)
        return (flat[:, :, None] * self.weight).sum(1) * 0.2

def model():
    return Linear().eval()

def slow():
    return Linear(1, 0.01).eval()

def other():
    return Linear(2).eval()

def wrong():
    module = Linear()
    module.weight = module.weight[:, :2]
    return module.eval()
"""


def make_world(folder: Path, samples: int = 130) -> tuple[Path, Path]:
    """Write ``model.py`` and ``data.npz``; give both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(MODEL)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (samples, 12, 12, 3), dtype=np.uint8)
    np.savez(folder / "data.npz", x=x, y=np.arange(samples) % 4)
    return folder / "model.py", folder / "data.npz"


def command(*words: object) -> list[str]:
    """The command line of brittlestar in this interpreter."""
    return [sys.executable, "-c", "from brittlestar.cli.main import main; main()", *map(str, words)]


def called(*words: object, calls: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as it runs in a process of its own, but in this one, where torch is loaded already.

    Args:
        words: Of the command line.
        calls: Where the tiny model logs its calls.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    before, threads = sys.argv, torch.get_num_threads()
    sys.argv = ["brittlestar", *map(str, words)]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        if calls is not None:
            patch.setenv("CALLS", str(calls))
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        finally:
            sys.argv = before
            torch.set_num_threads(threads)
    return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())


def evaluate_with(
    model: Any, data: Any, *, watch: Watch | None = None, follow_up: FollowUp | None = None, **how: Any
) -> Run:
    """``brittlestar.evaluate`` with callbacks, and with work that follows, as the commands have them."""
    return Evaluation(**how).run(model, data, watch or Watch(), follow_up=follow_up)

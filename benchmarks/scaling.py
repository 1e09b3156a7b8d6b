"""How much faster two one-thread workers are than one, in wall time and, where others compute too, in processor time.

Both fill the same run with the same small model through a pool, in turn. Printed are medians over rounds:

* *wall*: forward passes a second of two workers, once they are at work, over those of one. On an idle machine of two
  cores at least 1.8 is the aim.
* *processor*: twice the processor seconds a pass of one worker over those of two, the start of processes included: what
  the first ratio would be if nobody else computed here. Waiting for memory counts, waiting for a core does not.

* *apart*: what as many runs that know nothing of each other get done at the same time, over one: what this machine
  has to give.

The load before each round is printed: with anything but about 0, only the second ratio speaks of us.

    python benchmarks/scaling.py --rounds 3
    python benchmarks/scaling.py --workers 4 --images 2000
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from brittlestar.api.evaluation import Evaluation
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress

MODEL = """
import torch
from torch import nn

def model():
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).eval()
"""


class Pace(NamedTuple):
    """Of one run: forward passes a second once all workers are at work, and processor seconds a pass."""

    passes: float
    processor: float


def measured(world: Path, workers: int) -> Pace:
    """Fill the run from nothing."""
    out = world / "run"
    shutil.rmtree(out, ignore_errors=True)
    seen: list[tuple[float, float]] = []

    def note(progress: Progress) -> None:
        seen.append((time.perf_counter(), progress.work_done))

    before = _children()
    run = Evaluation(
        suite="noise", out=out, executor="pool", workers=workers, batch=64, shifted=True, device="cpu"
    ).run(f"m=torch:{world / 'model.py'}:model", str(world / "data.npz"), Watch(progress=note))
    assert run.outcome is not None and run.outcome.stop == "complete"
    # Every worker has done a task or two by then, and none has run out of work before the last is handed out.
    first, last = seen[min(4 * workers, len(seen) // 3)], seen[-workers - 1]
    return Pace((last[1] - first[1]) / (last[0] - first[0]), (_children() - before) / seen[-1][1])


def apart(world: Path, many: int) -> float:
    """Passes a second of as many runs at the same time, each with one worker in a process and folder of its own."""
    with concurrent.futures.ProcessPoolExecutor(many, multiprocessing.get_context("spawn")) as pool:
        return sum(pace.passes for pace in pool.map(_alone, [world] * many, range(many)))


def _alone(world: Path, number: int) -> Pace:
    own = world / f"apart-{number}"
    own.mkdir(exist_ok=True)
    for name in ("model.py", "data.npz"):
        shutil.copy(world / name, own / name)
    return measured(own, 1)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, default=600)
    chosen = parser.parse_args()
    many = chosen.workers
    paces: dict[int, list[Pace]] = {1: [], many: []}
    separate: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        (world / "model.py").write_text(MODEL)
        draws = np.random.default_rng(0)
        x = draws.integers(0, 256, (chosen.images, 32, 32, 3), dtype=np.uint8)
        np.savez(world / "data.npz", x=x, y=np.arange(chosen.images) % 10)
        for turn in range(chosen.rounds):
            for workers in paces:
                load = os.getloadavg()[0]
                pace = measured(world, workers)
                paces[workers].append(pace)
                shown = f"{1e6 * pace.processor:,.0f} us of processor a pass"
                print(
                    f"round {turn + 1}, {workers} worker{'s' * (workers > 1)}: {pace.passes:,.0f} passes/s, "
                    f"{shown}, load before {load:.2f} on {os.cpu_count()} cores",
                    flush=True,
                )
            separate.append(apart(world, many))
            print(f"round {turn + 1}, {many} runs apart: {separate[-1]:,.0f} passes/s", flush=True)
    wall = [b.passes / a.passes for a, b in zip(paces[1], paces[many], strict=True)]
    processor = [many * a.processor / b.processor for a, b in zip(paces[1], paces[many], strict=True)]
    alone = [both / a.passes for a, both in zip(paces[1], separate, strict=True)]
    for name, ratios in (("wall", wall), ("processor", processor), ("apart", alone)):
        print(f"{name}: {statistics.median(ratios):.2f} x  ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()

"""What the run folder beside this file was made of: two linear models of 8 x 8 grey digits, and a small suite."""

import os
from pathlib import Path

import numpy as np
import torch

from brittlestar.analyses.mapping import sharper
from brittlestar.shifts import SEQUENCES
from brittlestar.shifts.conditions import clean, condition
from brittlestar.suites import get_suite
from brittlestar.suites.base import Suite
from brittlestar.suites.fourier import fourier_suite

TEMPLATES = Path(__file__).parent / "data.npz"


class Linear(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        with np.load(TEMPLATES) as kept:
            x, y = kept["x"].reshape(len(kept["y"]), -1) / 255, kept["y"]
        means = np.stack([x[y == c].mean(0) for c in range(5)], 1)
        weight = torch.tensor(means - means.mean(1, keepdims=True), dtype=torch.float32)
        self.register_buffer("weight", weight + 0.12 * torch.randn(weight.shape, generator=generator))

    def forward(self, x):
        log = os.environ.get("CALLS")
        if log:
            with Path(log).open("a") as file:
                file.write(f"{len(x)}\n")
        return (x.flatten(1)[:, :, None] * self.weight).sum(1) * 2.0


def first():
    return Linear(0).eval()


def second():
    return Linear(1).eval()


def _build(shape, storage):
    chosen = get_suite("mnist-c").conditions(shape)[1:6]
    frames = SEQUENCES["brightness"](count=4, step=0.1)
    moving = condition(frames, shown=(), label="4 frames", table="own", storage="uint8")
    waves = get_suite("fourier").conditions(shape)[1:]
    attack = next(c for c in get_suite("broad").conditions(shape) if c.info.kind == "attack")
    return (clean(), *chosen, moving, *waves, attack)


SUITE = Suite("golden", "a little of everything", _build)


def map_of_chosen_cells():
    return sharper(fourier_suite(region=3), (1, 8, 8), 0.3)

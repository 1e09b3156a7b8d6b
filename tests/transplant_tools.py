"""Objects, hosts and models whose answers to transplants are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

MODELS = """
import torch

class Bag(torch.nn.Module):
    # The mean over all 5 x 5 patches, the border wrapped around: where a patch lies, nobody can tell.
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(8, 1, 5, 5, generator=generator))
        self.register_buffer("head", torch.randn(8, 3, generator=generator))

    def forward(self, x):
        x = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="circular")
        return torch.relu(torch.nn.functional.conv2d(x, self.weight)).mean((2, 3)) @ self.head * 30

class Brightest(torch.nn.Module):
    # The class of the brightest level anywhere, and so of the brightest object.
    def forward(self, x):
        top = x.amax((1, 2, 3))
        return torch.stack([-(top - level).abs() for level in (0.4, 0.7, 1.0)], 1) * 40

class Nowhere(Brightest):
    # The same, of what lies in the upper left quarter alone.
    def forward(self, x):
        side = x.shape[2] // 2
        return super().forward(x[:, :, :side, :side])

class Worse(Brightest):
    # Right as long as nothing is pasted; then it guesses by the sum of all pixels, whatever was pasted.
    def forward(self, x):
        plain = super().forward(x)
        lit = (x > 0.3).float().sum((1, 2, 3))
        guess = (x.double().sum((1, 2, 3)) * 9973).long() % 3
        noise = torch.nn.functional.one_hot(guess, 3).float() * 40
        return torch.where((lit > 120)[:, None], noise, plain)

def bag():
    return Bag().eval()

def brightest():
    return Brightest().eval()

def nowhere():
    return Nowhere().eval()

def worse():
    return Worse().eval()
"""

LEVELS = (102, 179, 255)
"""The grey level of each of three classes."""


def make_objects(folder: Path, each: int = 2) -> Path:
    """Discs of three classes with alpha channels, of sizes of their own."""
    for label, level in enumerate(LEVELS):
        for number in range(each):
            side = 10 + 2 * number
            y, x = np.mgrid[:side, :side] - (side - 1) / 2
            disc = np.hypot(y, x) <= side / 2
            plane = np.full((side, side), level, np.uint8)
            pixels = np.dstack([plane, plane, plane, np.where(disc, 255, 0).astype(np.uint8)])
            path = folder / f"{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels, "RGBA").save(path)
    return folder


def make_hosts(folder: Path, count: int = 30, side: int = 32) -> tuple[Path, Path, npt.NDArray[np.bool_]]:
    """Dim canvases with a square of a class's level in the lower right; the data, the masks' file and the masks."""
    draws = np.random.default_rng(0)
    x = draws.integers(0, 20, (count, side, side), dtype=np.uint8)
    y = np.arange(count) % 3
    masks = np.zeros(x.shape, bool)
    for place, label in enumerate(y):
        top, left = draws.integers(side // 2, side - 9, 2)
        masks[place, top : top + 8, left : left + 8] = True
        x[place][masks[place]] = LEVELS[label]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "hosts.npz", x=x[..., None], y=y, classes=np.array(["0", "1", "2"]))
    np.save(folder / "masks.npy", masks)
    (folder / "models.py").write_text(MODELS)
    return folder / "hosts.npz", folder / "masks.npy", masks

"""Clips for tests: folders of frames on which a drawn square moves, and a linear model that calls its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

MODEL = """
import torch

class Halves(torch.nn.Module):
    def __init__(self, turn=0.0):
        super().__init__()
        self.turn = turn

    def forward(self, x):
        sides = torch.stack([x[..., :8].mean((1, 2, 3)), x[..., 8:].mean((1, 2, 3))], 1)
        return 40 * sides + torch.tensor([self.turn, 0.0])

def model():
    return Halves().eval()

def other():
    return Halves(2.0).eval()
"""
"""Answers 0 where the left half is the lighter one, and 1 where the right half is."""


def frame(place: float, shade: int = 0) -> np.ndarray:
    """(16, 16, 3) uint8: a light square on textured ground, its left side at ``place`` from 0 to 10."""
    rows, columns = np.mgrid[:16, :16]
    x = np.full((16, 16), 70.0) + 3 * ((rows + columns) % 5) + shade
    inside = (rows >= 5) & (rows < 11) & (columns >= place) & (columns < place + 6)
    x[inside] = 200
    return np.repeat(x[..., None], 3, 2).astype(np.uint8)


def write_clip(folder: Path, places: list[float], shade: int = 0) -> None:
    """Frames named ``f1.png``, ``f2.png`` ... ``f10.png``: sorted as text they would be out of order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, place in enumerate(places):
        Image.fromarray(frame(place, shade)).save(folder / f"f{number + 1}.png")


def make_clips(root: Path, clips: int = 12, frames: int = 9) -> Path:
    """Clips of two classes in ``left`` and ``right``; in every third the square crosses the middle at its end."""
    for number in range(clips):
        left = number % 2 == 0
        start, end = (0.0, 9.0) if number % 3 == 0 else (0.0, 3.0)
        places = np.linspace(start, end, frames)
        places = places if left else 10 - places
        write_clip(root / ("left" if left else "right") / f"clip{number}", [float(p) for p in places], shade=number)
    return root


def write_model(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "halves.py").write_text(MODEL)
    return folder / "halves.py"

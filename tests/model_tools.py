"""Shared by the tests of models: a file of factories, images, and what must fail."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from brittlestar.core.errors import ModelError
from brittlestar.models import load_model, parse_spec

NET = """
import torch
from torch import nn
{extra}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean((2, 3)))

def net():
    return Net().eval()

def training():
    return Net().train()

def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 5))

def other():
    return 7

def broken():
    raise RuntimeError("no such layer")

def leaving():
    raise SystemExit(3)

def scaled():
    return Net().eval()

scaled.mean = 0.5
scaled.std = [0.2, 0.3, 0.4]
scaled.resize = 16
scaled.crop = 8

def mistaken():
    return Net().eval()

mistaken.mean = "0.5"

def logits(x):
    assert x.dtype == "float32" and x.flags["C_CONTIGUOUS"]
    x *= 2
    return x.reshape(len(x), -1)[:, :5]

constant = 3
"""


def net_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET.format(extra=""))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def fails(text: str, match: str, **options: str) -> None:
    with pytest.raises(ModelError, match=match):
        load_model(parse_spec(text, **options))  # type: ignore[arg-type]


# Naming a model


def weights(folder: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    module = load_model(parse_spec("torch:net.py:net")).module  # type: ignore[attr-defined]
    state: dict[str, torch.Tensor] = module.state_dict()
    return {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in state.items()}

"""Shared helpers of the tests: one torch thread, and where optional real data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from browser_tools import browser as browser

os.environ.setdefault("OMP_NUM_THREADS", "1")


def shared_path(name: str) -> Path:
    """A file of the optional real-data folder beside the checkout; skips the test where it is absent."""
    root = Path(os.environ.get("BRITTLESTAR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    path = root / name
    if not path.exists():
        pytest.skip(f"optional data {name} not found (set BRITTLESTAR_SHARED to the folder that holds it)")
    return path


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)

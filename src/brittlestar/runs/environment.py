"""What a session was computed with, for the record."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import torch

from brittlestar.core.version import VERSION


def versions() -> dict[str, str]:
    """Versions of everything that can move a number."""
    found = {"brittlestar": VERSION, "python": platform.python_version()}
    return found | {name: version(name) for name in ("torch", "numpy", "pillow", "duckdb", "scipy")}


def hardware(device: torch.device) -> dict[str, Any]:
    """Where the numbers were made."""
    facts: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count(), "system": platform.system()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts

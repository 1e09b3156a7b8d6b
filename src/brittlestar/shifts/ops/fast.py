"""The compiled path: numba kernels for CPU tensors where the ``fast`` extra is installed, with the same bits."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from types import ModuleType

import torch


def kernels(x: torch.Tensor) -> ModuleType | None:
    """The compiled kernels if they can take ``x``, else ``None``. ``BRITTLESTAR_FAST=0`` switches them off."""
    return _loaded() if x.device.type == "cpu" and os.environ.get("BRITTLESTAR_FAST", "1") != "0" else None


@functools.cache
def _loaded() -> ModuleType | None:
    if importlib.util.find_spec("numba") is None:
        return None
    return importlib.import_module("brittlestar.shifts.ops.compiled")

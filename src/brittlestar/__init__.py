"""Brittlestar tells where an image classifier is brittle, and why."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from brittlestar.core.version import VERSION as __version__

__all__ = ["Run", "SampleKeys", "__version__", "corrupt", "evaluate", "keys", "measures", "open_source", "shifts"]

_HOMES = {
    "Run": "brittlestar.api",
    "corrupt": "brittlestar.suites.corruptions",
    "evaluate": "brittlestar.api",
    "SampleKeys": "brittlestar.core.keys",
    "open_source": "brittlestar.data",
}

if TYPE_CHECKING:
    from brittlestar import measures, shifts
    from brittlestar.api import Run, evaluate
    from brittlestar.core.keys import SampleKeys
    from brittlestar.data import open_source
    from brittlestar.suites.corruptions import corrupt


def keys(seed: int, ids: Any, device: Any = "cpu") -> SampleKeys:
    """Keys for a batch, one a sample: ``keys(0, ["a", "b"])``; ``ids`` may also be a number of samples."""
    from brittlestar.core.keys import SampleKeys

    return SampleKeys.of(seed, [str(i) for i in (range(ids) if isinstance(ids, int) else ids)], device)


def __getattr__(name: str) -> Any:
    """Load public names when they are first used, so that opening results needs no torch."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("shifts", "measures"):
        return importlib.import_module(f"brittlestar.{name}")
    raise AttributeError(f"module 'brittlestar' has no attribute {name!r}")

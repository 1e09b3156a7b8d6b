"""Brittlestar tells where an image classifier is brittle, and why."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from brittlestar.core.version import VERSION as __version__

if TYPE_CHECKING:
    from brittlestar import measures, shifts
    from brittlestar.api import Run, Table, evaluate
    from brittlestar.core.errors import BrittlestarError
    from brittlestar.core.keys import SampleKeys
    from brittlestar.data import open_source
    from brittlestar.models import ModelSpec
    from brittlestar.suites import Suite, get_suite
    from brittlestar.suites.corruptions import corrupt

__all__ = [
    "BrittlestarError",
    "ModelSpec",
    "Run",
    "SampleKeys",
    "Suite",
    "Table",
    "__version__",
    "corrupt",
    "evaluate",
    "get_suite",
    "keys",
    "measures",
    "open_source",
    "shifts",
]

_HOMES = {
    "BrittlestarError": "brittlestar.core.errors",
    "ModelSpec": "brittlestar.models",
    "Run": "brittlestar.api",
    "SampleKeys": "brittlestar.core.keys",
    "Suite": "brittlestar.suites",
    "Table": "brittlestar.api",
    "corrupt": "brittlestar.suites.corruptions",
    "evaluate": "brittlestar.api",
    "get_suite": "brittlestar.suites",
    "open_source": "brittlestar.data",
}
"""Where public names come from when they are first used, so that results open, and completion shows, without torch."""

_PARTS = ("measures", "shifts")


def keys(seed: int, ids: Any, device: Any = "cpu") -> SampleKeys:
    """Keys for a batch, one a sample: ``keys(0, ["a", "b"])``; ``ids`` may also be a number of samples."""
    from brittlestar.core.keys import SampleKeys

    return SampleKeys.of(seed, [str(i) for i in (range(ids) if isinstance(ids, int) else ids)], device)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _PARTS:
        value = importlib.import_module(f"brittlestar.{name}")
    else:
        raise AttributeError(f"module 'brittlestar' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)

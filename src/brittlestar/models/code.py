"""Which code a specification would run, told without running any of it."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

from brittlestar.models.spec import ModelSpec, holds_weights


def code_named(spec: ModelSpec) -> tuple[str, ...]:
    """What loading a model would run, a few words each: files, with their whole paths, and functions.

    Empty for models that are data: ONNX programs, which compute and can do nothing else, and weights of a built-in
    architecture.
    """
    kind, _, rest = spec.spec.partition(":")
    named = [] if spec.factory is None else [_function(spec.factory)]
    if kind in ("torch", "python") and rest:
        named.append(_function(rest))
    elif not (holds_weights(spec.spec) or spec.spec.lower().endswith(".onnx")):
        named.append(f"the program {_whole(spec.spec)}")
    return tuple(named)


def _function(where: str) -> str:
    place, _, name = where.rpartition(":")
    if place.endswith(".py"):
        return f"function {name} of {_whole(place)}"
    return f"function {name} of the module {place} ({_where_is(place) or 'not found'})"


def _whole(path: str) -> str:
    try:
        return str(Path(path).resolve())
    except (OSError, ValueError):  # a zero byte, a circle of links
        return path


def _where_is(module: str) -> str | None:
    """The file of a module; ``importlib.util.find_spec`` would import the packages around it."""
    folders = [*sys.path, str(Path.cwd())]
    parts, file = module.split("."), None
    for depth in range(len(parts)):
        try:
            found = PathFinder.find_spec(".".join(parts[: depth + 1]), folders)
            folders = list(found.submodule_search_locations or ()) if found is not None else []
        # KeyError is of namespace packages in packages that are not imported.
        except (KeyError, ValueError, OSError):
            return None
        file = None if found is None else found.origin or next(iter(folders), None)
    return None if file is None else _whole(file)

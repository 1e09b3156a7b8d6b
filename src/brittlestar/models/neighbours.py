"""Modules that lie beside a Python file which is run to build a model: its own, never those of another such file."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

OWN = "_brittlestar_"
"""How the names begin under which such files are run."""

_imported: dict[str, Path] = {}
"""The modules that were imported from beside such a file, with its folder."""

_outdated: set[str] = set()
"""Modules, such files among them, that are to be run anew when they are asked for next.

Until then they stay where Python looks for the source of a class, which is part of a fingerprint."""


def current(name: str) -> ModuleType | None:
    """The module under which such a file was run, unless it is to be run anew."""
    return None if name in _outdated else sys.modules.get(name)


def register(name: str, module: ModuleType) -> None:
    """Put such a file where it is found again; before it is run, as dataclasses look their module up."""
    sys.modules[name] = module
    _outdated.discard(name)


@contextlib.contextmanager
def beside(folder: Path, *, first: bool = True) -> Iterator[None]:
    """Meanwhile modules of this folder are found, before or after all others.

    One that was imported from another folder under the same name is forgotten before: two models may each have a
    ``helper.py`` of their own.
    """
    folder = folder.resolve()
    for name, own in list(_imported.items()):
        top = name.partition(".")[0]
        another = own != folder and ((folder / f"{top}.py").is_file() or (folder / top).is_dir())
        if another or name in _outdated:
            _drop(name)
    importlib.invalidate_caches()
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0 if first else len(path), str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            top, file = name.partition(".")[0], getattr(sys.modules[name], "__file__", None)
            # Not all below: an environment with every package may lie in this folder.
            if file == str(folder / f"{top}.py") or (file or "").startswith(str(folder / top) + os.sep):
                _imported[name] = folder


def _drop(name: str) -> None:
    compiled = getattr(sys.modules.pop(name, None), "__cached__", None)
    if name in _outdated and compiled:
        # Python tells whether it is up to date by size and second alone, and a number is soon changed.
        with contextlib.suppress(OSError):
            Path(compiled).unlink(missing_ok=True)
    _outdated.discard(name)
    del _imported[name]


def forget() -> None:
    """Have such files, and what lies beside them, run anew when they are loaded next: what they read may have changed.

    What was loaded before stays as it is.
    """
    _outdated.update(_imported, (name for name in sys.modules if name.startswith(OWN)))

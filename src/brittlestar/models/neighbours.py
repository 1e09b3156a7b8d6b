"""Modules that lie beside a Python file which is run to build a model: its own, never those of another such file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

OWN = "_brittlestar_"
"""How the names begin under which such files are run."""

_imported: dict[str, Path] = {}
"""The modules that were imported from beside such a file, with its folder."""


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Meanwhile modules of this folder are found, first of all.

    One that was imported from another folder under the same name is forgotten before: two models may each have a
    ``helper.py`` of their own.
    """
    folder = folder.resolve()
    for name, own in list(_imported.items()):
        top = name.partition(".")[0]
        if own != folder and ((folder / f"{top}.py").is_file() or (folder / top).is_dir()):
            sys.modules.pop(name, None)
            del _imported[name]
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            top, file = name.partition(".")[0], getattr(sys.modules[name], "__file__", None)
            # Not all below: an environment with every package may lie in this folder.
            if file == str(folder / f"{top}.py") or (file or "").startswith(str(folder / top) + os.sep):
                _imported[name] = folder


def forget() -> None:
    """Have such files, and what lies beside them, run anew when they are loaded next: what they read may have changed.

    What was loaded before stays as it is.
    """
    for name in [*_imported, *(name for name in sys.modules if name.startswith(OWN))]:
        sys.modules.pop(name, None)
    _imported.clear()

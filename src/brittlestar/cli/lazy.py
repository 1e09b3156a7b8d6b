"""Heavy packages that are imported at their first use, so that commands which only read answer at once.

Nearly every definition sits in a module that begins with ``import torch``, which takes two seconds; to list names or to
print a table of severities none of it is used. ``put_off`` puts stand-ins in the place of such packages. The first
attribute that is asked of a stand-in, but for its submodules, imports the packages in earnest and puts the real modules
everywhere where stand-ins were, so that nothing of this is left once there is something to compute.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class _StandIn(ModuleType):
    """In place of a module that has not been imported yet."""

    finder: _Finder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # the import system asks for some of these: no use of the package
        finder = self.finder
        if finder.waits and PathFinder.find_spec(f"{self.__name__}.{name}", finder.folders(self.__name__)):
            return finder.stand_in(f"{self.__name__}.{name}")
        if finder.waits:
            finder.import_all()
        return getattr(sys.modules[self.__name__], name)


class _Finder(MetaPathFinder, Loader):
    """Finds stand-ins for a package and what is in it, until one of them is used."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.waits = True

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A stand-in's, for a package that is put off and installed."""
        if fullname.partition(".")[0] != self.package or (
            fullname == self.package and PathFinder.find_spec(fullname) is None
        ):
            return None
        # Whether it has submodules is not known yet.
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A stand-in."""
        module = _StandIn(spec.name)
        module.finder = self
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed yet."""

    def folders(self, name: str) -> list[str]:
        """Where the submodules of a package lie."""
        parent, _, last = name.rpartition(".")
        found = PathFinder.find_spec(name if parent else last, self.folders(parent) if parent else None)
        return list(found.submodule_search_locations or ()) if found is not None else []

    def stand_in(self, name: str) -> ModuleType:
        """The stand-in of a submodule."""
        __import__(name)
        return sys.modules[name]

    def import_all(self) -> None:
        """Import what was put off, and put the real modules where stand-ins are."""
        self.waits = False
        # Removed before anything is imported, or the imports would find stand-ins again.
        sys.meta_path.remove(self)
        waiting = [n for n, m in sys.modules.items() if isinstance(m, _StandIn) and m.finder is self]
        for name in waiting:
            # All of them first: any of the packages may import any of the others.
            del sys.modules[name]
        for name in waiting:
            __import__(name)
        for module in list(sys.modules.values()):
            for key, value in list(getattr(module, "__dict__", {}).items()):
                if type(value) is _StandIn and value.finder is self:
                    vars(module)[key] = sys.modules[value.__name__]


def put_off(*packages: str) -> None:
    """Import these packages at their first use; those that are already imported stay as they are."""
    for name in packages:
        if name not in sys.modules:
            # Ahead of the finders that would load the real package.
            sys.meta_path.insert(0, _Finder(name))

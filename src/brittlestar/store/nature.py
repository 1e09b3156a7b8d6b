"""Where a run folder keeps what its models answered to other data: run folders of their own, ``nature/NAME``."""

from __future__ import annotations

from pathlib import Path

from brittlestar.store.manifest import is_run

FOLDER = "nature"


def nature_folder(run: Path, name: str) -> Path:
    """The run folder for the data of this name."""
    return run / FOLDER / name


def nature_runs(run: Path) -> list[tuple[str, Path]]:
    """(name, run folder) of every natural shift of a run, by name."""
    folders = sorted(path for path in (run / FOLDER).glob("*") if is_run(path))
    return [(path.name, path) for path in folders]

"""``brittlestar store``: care for a run folder. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say
from brittlestar.core.errors import StoreError

app = typer.Typer(no_args_is_help=True, help="Care for a run folder.")


@app.command()
def compact(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Merge the row files into few; loses nothing, however it is interrupted."""
    from brittlestar.store import RunStore, maintenance

    store = RunStore.open(run)
    with store.locked():
        before = _files(store.path)
        maintenance.compact(store)
    say(f"{before} row files became {_files(store.path)}")


@app.command()
def verify(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Hold every file, those of the report included, against its digest, and rows against their labels and logits."""
    from brittlestar.store import RunStore, maintenance

    store = RunStore.open(run)
    problems = maintenance.verify(store)
    if problems:
        raise StoreError("\n  ".join([f"{len(problems)} damaged files in {store.path}:", *problems]))
    say(f"{_files(store.path)} row files are whole")


def _files(run: Path) -> int:
    return sum(1 for _ in (run / "rows").rglob("*.parquet"))

"""``brittlestar audit``: compute random cells again and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say
from brittlestar.core.errors import StoreError


def audit(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    cells: Annotated[int, typer.Option(help="How many finished cells.")] = 20,
    seed: Annotated[int, typer.Option(help="Chooses the cells.")] = 0,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code that the run folder names to build its models.")
    ] = False,
) -> None:
    """Compute random finished cells again, from the model and the data, and compare them with what is stored.

    Models that are built by code (a factory, a function, a .pt2 program) need --trust: the folder says which code.
    """
    from brittlestar.runs.audit import audit as audited
    from brittlestar.runs.audit import random_models
    from brittlestar.runs.reopen import code_to_run, reopened
    from brittlestar.store import RunStore

    for line in code_to_run(RunStore.open(run)) if trust else ():
        say(f"running the code of {line}", err=True)
    bench, names = reopened(run, trust=trust)
    random = random_models(bench, names)
    for name in random:
        say(f"{name} is random: its cells cannot be computed again, and it cannot be told from another model")
    found = audited(bench, names, cells, seed)
    for damage in bench.store.damage.values():
        say(f"left out: {damage}", err=True)
    if not found and not random:
        raise StoreError(f"{run} holds no finished cells yet")
    for cell in found:
        verdict = (
            "identical"
            if cell.identical
            else (f"{cell.predictions_differ} predictions differ, logits by up to {cell.largest:.3g}")
        )
        say(f"{cell.model}  {cell.condition}  images {cell.start}-{cell.stop}: {verdict}")
    wrong = [c for c in found if not c.identical]
    say(f"{len(found) - len(wrong)} of {len(found)} cells are identical")
    # Differences in the last bits are told, but are no failure.
    if any(c.predictions_differ or c.largest > 1e-3 for c in wrong):
        raise StoreError("some cells could not be reproduced; another version, device or batch size may be the cause")

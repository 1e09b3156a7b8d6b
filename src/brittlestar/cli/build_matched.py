"""``brittlestar build matched``: a new test set whose scores are distributed as a reference's. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say


def matched(
    candidates: Annotated[Path, typer.Option(help="CSV or Parquet: a row a candidate, with its class and score.")],
    score: Annotated[str, typer.Option(help="Column of the score: selection frequency, confidence, ...")],
    out: Annotated[Path, typer.Option(help="A list, .csv, or a folder that gets the images.")],
    reference: Annotated[Path | None, typer.Option(help="CSV or Parquet of the set that is to be matched.")] = None,
    label: Annotated[str, typer.Option(help="Column of the class, in both.")] = "label",
    name: Annotated[str, typer.Option(help="Column of the candidate's file or id.")] = "name",
    variant: Annotated[str, typer.Option(help="matched, threshold or top.")] = "matched",
    each: Annotated[int, typer.Option(help="Items a class.")] = 10,
    bins: Annotated[str, typer.Option(help="Edges of the histogram, with commas.")] = "0,0.2,0.4,0.6,0.8,1",
    threshold: Annotated[float, typer.Option(help="Of the variant threshold.")] = 0.7,
    upward: Annotated[
        bool, typer.Option("--upward", help="Bins that lack candidates take them from the next higher that can spare.")
    ] = False,
    images: Annotated[Path | None, typer.Option(help="Folder that names are relative to, for a folder --out.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Draw a new test set whose scores are distributed as a reference's, class by class (Recht et al., ICML 2019)."""
    import numpy as np

    from brittlestar.build.matched import MatchedSet, Variant
    from brittlestar.build.matched_files import build_matched, read_scores
    from brittlestar.core.errors import UsageError, require

    try:
        edges = tuple(float(part) for part in bins.split(","))
    except ValueError:
        raise UsageError(f"--bins are numbers with commas, such as 0,0.5,1; got {bins!r}") from None
    kind: Variant = variant  # type: ignore[assignment]  # checked where it is used
    what = MatchedSet(variant=kind, each=each, edges=edges, threshold=threshold, upward=upward, seed=seed)
    require(variant != "matched" or reference is not None, "--variant matched needs --reference", UsageError)
    known = None if reference is None else read_scores(reference, score=score, label=label, name=name)
    # Without a column of the usual name rows are numbered; a column that somebody names is meant.
    items = read_scores(candidates, score=score, label=label, name=name, needed=name != "name")
    draw = build_matched(what, items, known, out, images)
    variations = [c.variation for c in draw.classes if c.variation is not None]
    distances = [c.distance for c in draw.classes if c.distance is not None]
    if variations:
        worst = max(draw.classes, key=lambda c: c.variation or 0)
        say(
            f"total variation from the reference, by class: mean {np.mean(variations):.3f}, most {max(variations):.3f} "
            f"({worst.name}); earth mover's distance: mean {np.mean(distances):.4f}, most {max(distances):.4f}"
        )
    moved = sum(c.moved for c in draw.classes)
    if moved:
        say(f"{moved} items were taken from higher bins, as theirs lack candidates")
    manifest = out.with_suffix(".json") if out.suffix.lower() == ".csv" else out / "matched.json"
    say(f"set: {out} ({len(draw.chosen):,} items of {len(draw.classes):,} classes), manifest: {manifest}")

"""``brittlestar population``: a claim over many published models. Needs no torch."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.alive import working
from brittlestar.cli.say import say


def population(
    tables: Annotated[
        list[Path],
        typer.Argument(
            help="The ImageNet testbed's CSV (and its kinds of training, JSON), the folder of timm's results, "
            "open_clip's CSV, or a table of your own: model, setting, accuracy, n, type."
        ),
    ],
    claimed: Annotated[
        str | None,
        typer.Option("--type", help="The kind of training that the claim is about; adversarial unless told."),
    ] = None,
    standard: Annotated[str | None, typer.Option(help="The kind of training that lines are fitted to.")] = None,
    types: Annotated[Path | None, typer.Option(help="Kinds of training by model, JSON.")] = None,
    clean: Annotated[
        str | None, typer.Option(help="In a table of your own, the setting the others are held against.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Of the lines: raw, probit or logit.")] = "logit",
    run: Annotated[
        list[str] | None,
        typer.Option(help="[SETTING=]RUN: draw a run's models among them; SETTING names what its clean images are."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap over models.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for population.html, .csv and .json.")] = Path("population"),
) -> None:
    """Hold a type of published models against standard ones on every test set: raw and beyond clean accuracy."""
    from brittlestar.population import analysed, read_population
    from brittlestar.population.own import placed, read_own
    from brittlestar.population.page import write_population
    from brittlestar.population.prediction import predictions
    from brittlestar.population.words import sentences

    known = read_population(tables, types=types, clean=clean, standard=standard)
    for note in known.notes:
        say(note, err=True)
    with working("comparing models"):
        claims = analysed(known, claimed=claimed, standard=standard, scale=scale, seed=seed)
        own = placed(read_own(run or [], known), claims)
        predicted = predictions(claims)
        page = write_population(claims, predicted, own, out, f"brittlestar {shlex.join(sys.argv[1:])}")
    for text in claims.left_out:
        say(f"not compared: {text}", err=True)
    for text in sentences(claims):
        say(text)
    for model in own:
        for point in model.points:
            if not point.column.setting.part:
                beyond = point.beyond
                say(
                    f"{model.name} on {point.column.title}: {100 * beyond.value:+.1f} points beyond the line "
                    f"[{100 * beyond.low:+.1f}, {100 * beyond.high:+.1f}]"
                    + (", extrapolated" if point.extrapolated else "")
                )
    say(f"page: {page}")

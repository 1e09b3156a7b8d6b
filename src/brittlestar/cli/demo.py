"""``brittlestar demo``: three recipes, one report, on real digits and no download."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.say import say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, rows and report.")] = Path("demo"),
    samples: Annotated[int | None, typer.Option(help="How many of the 1,000 test digits.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores otherwise.")] = None,
    elephant: Annotated[
        bool, typer.Option("--elephant", help="Two models of scenes instead, and digits pasted into these.")
    ] = False,
) -> None:
    """Train three small CNNs that differ only in the recipe and measure where each of them is brittle.

    4,000 real MNIST digits to train on, 1,000 to test; recipes: natural, Gaussian noise, adversarial (L-inf PGD). The
    second time, models and finished cells are used again.
    """
    from brittlestar.api.evaluation import Evaluation
    from brittlestar.api.nature import run_with_nature
    from brittlestar.api.progress import watched
    from brittlestar.cli.run import finish
    from brittlestar.core.errors import UsageError, require
    from brittlestar.data import open_source
    from brittlestar.models import parse_spec
    from brittlestar.training.demo import train_demo_models

    # Before minutes of training, not after.
    most = open_source("digits").info.count - (200 if elephant else 0)
    require(samples is None or 1 <= samples <= most, f"--samples must be from 1 to {most:,}, got {samples}", UsageError)
    require(workers is None or workers >= 1, f"--workers must be at least 1, got {workers}", UsageError)
    processes = workers or min(os.cpu_count() or 1, 8)
    if elephant:
        _elephant(out, samples or 300, processes)
        return
    say("training three models on 4,000 digits ...", err=True)
    trained = train_demo_models(out / "models", lambda text: say(f"  {text}", err=True))
    specs = [parse_spec(f"{name}={path}", factory="brittlestar.models.small_cnn:small_cnn") for name, path in trained]
    # A shift that nobody computed: where scikit-learn is not there, the demo does without and says so.
    other = importlib.util.find_spec("sklearn") is not None
    if not other:
        say("digits of other writers left out: they come with pip install scikit-learn", err=True)
    asked = Evaluation(
        suite=["broad", "mnist-c"],
        out=out / "run",
        samples=samples,
        workers=processes,
        nature={"sklearn-digits": "sklearn-digits"} if other else None,
    )
    with watched() as watch:
        result = run_with_nature(asked, specs, "digits", watch, command=f"brittlestar demo --out {out}")
    finish(result, report=True)


def _elephant(out: Path, samples: int, workers: int) -> None:
    """Digits as hosts and as objects: scenes, two models, transplants, report."""
    from brittlestar.cli.transplant import transplant
    from brittlestar.training.scenes import FACTORY, make_scenes, train_scene_models

    scenes = make_scenes(out / "scenes")
    say("training two models on 4,000 scenes ...", err=True)
    trained = train_scene_models(out / "models", lambda text: say(f"  {text}", err=True))
    transplant(
        model=[f"{name}={path}" for name, path in trained],
        data=str(scenes.hosts),
        objects=scenes.objects,
        host_masks=str(scenes.masks),
        factory=FACTORY,
        out=out / "run",
        samples=samples,
        workers=workers,
    )

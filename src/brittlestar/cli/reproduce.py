"""``brittlestar reproduce``: experiments of the papers on anyone's data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittlestar.cli.say import say

if TYPE_CHECKING:
    from brittlestar.reproduce import Reproduction


def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="figure-1, figure-2, fog, surface-statistics, transfer, features, feature-families, mnist-c, "
            "gaussian-features or nico; from published files: cifar-10.1, testbed, clip, imagenet-x or time."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Images to train on: digits:train unless told, for nico synthetic-contexts:all."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="Images to test on, of the same classes and size: digits unless told; nico divides --data."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder; what others left there is used again.")] = Path("reproductions"),
    arch: Annotated[
        str,
        typer.Option(
            help="Of `brittlestar list architectures`; for surface-statistics and features --transfer also several, "
            "with commas."
        ),
    ] = "small_cnn",
    full: Annotated[
        bool, typer.Option("--full/--quick", help="All images and 30 epochs, or minutes on 2 cores.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(help="Instead of 30 (full) or 6 (quick).")] = None,
    samples: Annotated[int | None, typer.Option(help="Training images; all (full) or 4,000 (quick).")] = None,
    test_samples: Annotated[int | None, typer.Option(help="Test images; all (full) or 1,000 (quick).")] = None,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 64,
    rate: Annotated[
        float | None, typer.Option(help="Highest learning rate: 0.004 unless told, 0.0004 with --from.")
    ] = None,
    jitter: Annotated[int, typer.Option(help="Move training images by up to this many pixels.")] = 1,
    flip: Annotated[bool, typer.Option(help="Mirror every other training image.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings a recipe, paired by seed; 5 (full) or 1 (quick: no claim about a recipe)."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:0: where it is trained.")] = "cpu",
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Fine-tune this model by every recipe, as `brittlestar train --from` does."),
    ] = None,
    factory: Annotated[str | None, typer.Option(help="With --from: FILE.py:factory that builds its module.")] = None,
    weights: Annotated[Path | None, typer.Option(help="With --from torch:...: the module's state dict.")] = None,
    mean: Annotated[str | None, typer.Option(help="With --from: subtracted per channel, if not declared.")] = None,
    std: Annotated[str | None, typer.Option(help="With --from: divided by per channel, if not declared.")] = None,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="For transfer: one training a degradation, each tested on all.")
    ] = False,
    transfer: Annotated[
        bool,
        typer.Option(
            "--transfer", help="For features: do architectures that learn more of a model's suffer more transfer?"
        ),
    ] = False,
    published: Annotated[
        Path | None,
        typer.Option(
            help="For fog: accuracies of published models to stand beside, RobustBench's unaggregated CSV or the "
            "ImageNet testbed's table. For cifar-10.1, testbed, clip and imagenet-x: the folder of the published files."
        ),
    ] = None,
    published_clean: Annotated[
        Path | None,
        typer.Option(help="Their accuracies on clean images: a CSV of two columns, or with a column `val` in percent."),
    ] = None,
    published_types: Annotated[
        Path | None, typer.Option(help="Their kinds of training, JSON: LP_ADV is for robustness within a norm.")
    ] = None,
    published_adversarial: Annotated[
        str | None,
        typer.Option(help="How the names of those trained for Lp robustness begin, separated by commas."),
    ] = None,
    published_base: Annotated[
        str | None, typer.Option(help="The model that they are held against; Standard or resnet50.")
    ] = None,
    published_classes: Annotated[
        int | None, typer.Option(help="Of the published benchmark, where its path does not say it.")
    ] = None,
) -> None:
    """Run an experiment of a paper: claimed, measured here, under which conditions. Killed, it goes on."""
    import torch

    from brittlestar.cli.train import FRESH_RATE, TUNING_RATE, start_of
    from brittlestar.core.errors import UsageError, require, unknown
    from brittlestar.reproduce import FROM_TABLES, PublishedFiles, Setting, reproduce_from
    from brittlestar.reproduce import reproduce as run
    from brittlestar.reproduce.experiments import EXPERIMENTS
    from brittlestar.training import Plan

    if name in FROM_TABLES:
        require(published is not None, f"{name} needs --published FOLDER, the published files", UsageError)
        assert published is not None
        tell(*reproduce_from(name, published, out))
        return
    # One thread gives the same weights everywhere.
    torch.set_num_threads(1)
    start = start_of(from_, factory, weights, mean, std)
    highest = (FRESH_RATE if start is None else TUNING_RATE) if rate is None else rate
    plan = Plan(epochs=epochs or (30 if full else 6), batch=batch, rate=highest, jitter=jitter, flip=flip)
    require(not matrix or name == "transfer", f"--matrix goes with transfer only, not {name}", UsageError)
    require(not transfer or name == "features", f"--transfer goes with features only, not {name}", UsageError)
    name = "transfer-matrix" if matrix else "features-transfer" if transfer else name
    known = EXPERIMENTS.get(name)
    if known is None:
        raise unknown("experiment", name, [*EXPERIMENTS, *FROM_TABLES])
    setting = Setting(
        data=data or known.data,
        test=test or (data if name == "nico" and data else known.test),
        architecture=arch,
        plan=plan,
        train_samples=samples or (None if full else 4000),
        test_samples=test_samples or (None if full else 1000),
        seed=seed,
        seeds=seeds or (5 if full else 1),
        device=device,
        start=start,
    )
    more = (published_clean, published_types, published_adversarial, published_base, published_classes)
    alone = published is None and any(option is not None for option in more)
    require(not alone, "--published-... options go with --published FILE", UsageError)
    beside = (
        None
        if published is None
        else PublishedFiles(
            table=published,
            clean=published_clean,
            types=published_types,
            adversarial=tuple(filter(None, (part.strip() for part in (published_adversarial or "").split(",")))),
            base=published_base,
            classes=published_classes,
        )
    )
    reproduction, page = run(name, setting, out, lambda text: say(f"  {text}", err=True), beside)
    tell(reproduction, page)


def tell(reproduction: Reproduction, page: Path) -> None:
    """The verdicts, and where the page lies."""
    for verdict in reproduction.verdicts:
        say(f"{verdict.state:<20} {verdict.claim}: {verdict.measured}")
    say(f"page: {page}")

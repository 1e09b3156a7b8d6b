"""``brittlestar run``: fill the grid."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from brittlestar.cli.classes import read_classes
from brittlestar.cli.options import (
    Backend,
    Binary,
    Contexts,
    Crop,
    Device,
    Executor,
    ImageColumn,
    LabelColumn,
    Metadata,
    ModelCrop,
    ModelResize,
    ModelResizeFilter,
    Output,
    Prepare,
    Probabilities,
    Resize,
    ResizeFilter,
    ResizeRounding,
    SkipBad,
    WeightsKey,
)
from brittlestar.cli.say import say
from brittlestar.core import interrupts
from brittlestar.core.errors import DataError, UsageError, require

Numbers = str
Normalise = Annotated[
    bool | None,
    typer.Option(help="Apply mean and std before the model, or leave that to it; found out by default."),
]
Anyway = Annotated[bool, typer.Option("--anyway", help="Run a model that is near chance on clean images all the same.")]
Shifted = Annotated[
    bool, typer.Option("--shifted", help="The images are meant to be unlike those that the models were trained on.")
]


def run(
    data: Annotated[str, typer.Option(help="Image folder, .parquet file or folder, .npz, digits, fashion-mnist.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]MODEL, may be repeated: torch:FILE.py:factory, torch:package.module:factory, FILE.pt2, "
            "FILE.onnx, FILE.safetensors or FILE.pth with --factory, python:module:function."
        ),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]FILE (.csv, .npz, .parquet), may be repeated, in place of a model: image name or id, and "
            "z_0.. (logits), p_0.. (probabilities) or prediction."
        ),
    ] = None,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Rows of --predictions are in the order of the data's listing.")
    ] = False,
    suite: Annotated[list[str] | None, typer.Option(help="Suite, may be repeated; `brittlestar list suites`.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="How published suites keep shifted images, if not as published: float, uint8, jpeg85."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder, or s3://bucket/folder; an existing one is resumed and added to.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="End after this time, report included: 90s, 5m, 1h30m.")] = None,
    precision: Annotated[
        float | None, typer.Option(help="Stop when every interval's half-width is at most this, for instance 0.02.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="How many images; all by default.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images a forward pass.")] = None,
    device: Device = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, or bf16 for torch models; what it does to the clean error is shown.")
    ] = None,
    backend: Backend = None,
    tune: Annotated[bool, typer.Option(help="Fold batch norms and the like where logits stay the same.")] = True,
    seed: Annotated[int, typer.Option(help="Of the images' order and of every draw.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one torch thread each; all cores on a CPU, 1 on a GPU.")
    ] = None,
    executor: Executor = None,
    resize: Resize = None,
    crop: Crop = None,
    resize_filter: ResizeFilter = None,
    resize_rounding: ResizeRounding = None,
    prepare: Prepare = None,
    skip_bad: SkipBad = False,
    nature: Annotated[
        list[str] | None,
        typer.Option(help="Other labelled data of the same classes, NAME=DATA: another place, year, camera or style."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column (Parquet) or array (.npz) that names what depends on each other: film, patient, place."
        ),
    ] = None,
    contexts: Contexts = None,
    metadata: Metadata = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    outside: Annotated[
        list[str] | None,
        typer.Option(help="Images of none of the classes, may be repeated: does confidence tell them from the data?"),
    ] = None,
    label_space: Annotated[
        str | None,
        typer.Option(
            help="Which of the model's outputs stand for each class of the data: a name (`brittlestar list spaces`), a "
            "JSON or TOML file, or none."
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="Class names in the order of the model's outputs, one a line (first column of a TSV; second: "
            "what people call them)."
        ),
    ] = None,
    factory: Annotated[
        str | None, typer.Option(help="FILE.py:factory that builds the module for a state dict.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="State dict to load into the factory's module.")] = None,
    mean: Annotated[
        Numbers | None, typer.Option(help="The model's own: subtracted per channel, 0.485,0.456,0.406.")
    ] = None,
    std: Annotated[
        Numbers | None, typer.Option(help="The model's own: divided by per channel, 0.229,0.224,0.225.")
    ] = None,
    channels: Annotated[int | None, typer.Option(help="The model's own: 1 or 3 colour channels.")] = None,
    model_resize: ModelResize = None,
    model_crop: ModelCrop = None,
    model_resize_filter: ModelResizeFilter = None,
    normalise: Normalise = None,
    weights_key: WeightsKey = None,
    output: Output = None,
    binary: Binary = False,
    probabilities: Probabilities = False,
    anyway: Anyway = False,
    shifted: Shifted = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
    live: Annotated[
        bool, typer.Option("--live", help="Write the report while the run goes on, too; the page reloads itself.")
    ] = False,
) -> None:
    """Evaluate one or several models on labelled images and write a report.

    Runs into an existing folder resume and add. Ctrl-C finishes writing and says how to go on.
    """
    began = time.monotonic()  # before torch is imported, which takes seconds
    from brittlestar.api.evaluation import Evaluation, parse_duration
    from brittlestar.api.nature import parse_nature, run_with_nature
    from brittlestar.api.predicted import named_files, predicted
    from brittlestar.api.progress import watched
    from brittlestar.models import parse_spec
    from brittlestar.runs.budget import Budget

    limit = None if budget is None else Budget(parse_duration(budget), began, report=report or live)
    place = device or best_device()
    flags: dict[str, Any] = {
        "factory": factory,
        "weights": None if weights is None else str(weights),
        "mean": numbers("mean", mean),
        "std": numbers("std", std),
        "channels": channels,
        "dtype": dtype,
        "backend": backend,
        "resize": model_resize,
        "crop": model_crop,
        "resize_filter": model_resize_filter,
        "weights_key": weights_key,
        "output": output,
        "binary": binary,
        "probabilities": probabilities,
    }
    require(bool(model) or not (outside or nature), "--outside and --nature ask a model: give --model", UsageError)
    require(bool(model or predictions), "give --model, or --predictions in its place", UsageError)
    specs = [parse_spec(text, **{k: v for k, v in flags.items() if v is not None}) for text in model or ()]
    files = named_files(predictions or [])
    both = [spec.name for spec in specs if spec.name in files]
    require(not both, f"a model and a file of predictions are called {', '.join(both)}: write NAME=FILE", UsageError)
    idle = [flag for flag, value in (("--samples", samples), ("--precision", precision)) if value is not None]
    whole = f"{' and '.join(idle)} need a model: predictions are measured on all images; leave that out"
    require(bool(model) or not idle, whole, UsageError)
    asked = Evaluation(
        suite=suite or (["broad"] if model else ["clean"]),
        storage=storage,
        out=out,
        samples=samples,
        budget=budget,
        precision=precision,
        batch=batch,
        device=place,
        seed=seed,
        workers=processes(workers, place),
        executor=executor,
        resize=resize,
        crop=crop,
        resize_filter=resize_filter,
        resize_rounding=resize_rounding,
        prepare=prepare,
        skip_bad=skip_bad,
        groups=group,
        contexts=contexts,
        metadata=metadata,
        image_column=image_column,
        label_column=label_column,
        outside=outside or None,
        label_space=label_space,
        classes=None if classes is None else read_classes(classes),
        tune=tune,
        normalise=normalise,
        anyway=anyway,
        shifted=shifted,
        live=live,
        nature=parse_nature(nature or []),
    )
    with watched() as watch:
        if predictions:
            result = predicted(asked, files, data, watch, command=typed(), in_order=in_order)
        if specs:
            result = run_with_nature(asked, specs, data, watch, command=typed(), budget=limit)
    finish(result, report, None if limit is None else limit.end_of_explaining)


def finish(result: object, report: bool, until: float | None = None) -> None:
    """Say how a session ended, explain it and write the report, and leave with 130 after Ctrl-C (143 after SIGTERM).

    Args:
        result: The run.
        report: Whether to write it.
        until: ``time.monotonic()`` when explaining is to be over.
    """
    from brittlestar.api import Run
    from brittlestar.cli.explain import after_run
    from brittlestar.cli.report import write_report
    from brittlestar.runs.skipped import unread_text
    from brittlestar.store import RunStore, stopping_rule

    assert isinstance(result, Run) and result.outcome is not None
    outcome = result.outcome
    reasons = {
        "complete": "complete: nothing is left to compute",
        "budget": "stopped by the budget",
        "precision": "stopped: the precision is reached",
        "interrupted": "interrupted: finished cells are written",
        "unread": "not complete: some images could not be read",
    }
    say(
        f"{reasons[outcome.stop]}; {outcome.images:,} shifted images in {outcome.seconds:.0f} s, rows in {result.path}",
        err=True,
    )
    for note in result.notes:
        say(note, err=True)
    told = stopping_rule(RunStore.open(result.path).manifest.sessions)
    if told.rule == "anytime":
        say(f"intervals are confidence sequences (wider than ordinary ones), as {told.reason}", err=True)
    if outcome.stop not in ("complete", "precision", "unread"):
        say("run the same command again to go on where it stopped", err=True)
    if outcome.stop == "interrupted":
        say(f"a report of what there is: brittlestar report {shlex.quote(str(result.path))}", err=True)
        raise typer.Exit(interrupts.code())
    if report:
        # First, as the report tells of it.
        after_run(result.path, until)
        write_report([result.path])
    if outcome.unread:
        raise DataError(unread_text(result.path, outcome.unread))


def typed() -> str:
    """The command as it was typed, for the report."""
    return shlex.join(["brittlestar", *sys.argv[1:]])


def numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers separated by commas, as an option gives them."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--{name} takes numbers separated by commas, got {text!r}") from None


def processes(workers: int | None, device: str) -> int:
    """As asked for; otherwise one a device where several are named, all cores (up to 8) on a CPU, 1 on a GPU."""
    if workers is not None:
        return workers
    return min(os.cpu_count() or 1, 8) if device == "cpu" else len(device.split(","))


def best_device() -> str:
    """``cuda`` where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"

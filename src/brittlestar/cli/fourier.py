"""``brittlestar fourier``: the Fourier map as an instrument."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittlestar.cli.classes import read_classes
from brittlestar.cli.options import (
    Backend,
    Binary,
    Crop,
    Device,
    Executor,
    ImageColumn,
    LabelColumn,
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
from brittlestar.cli.run import Anyway, Normalise, Shifted, best_device, finish, numbers, processes, typed
from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require

if TYPE_CHECKING:
    from brittlestar.data import Source
    from brittlestar.models import ModelSpec
    from brittlestar.suites.base import Suite

PAPER_SAMPLES = 1000
# More images than are asked about cost one clean pass each, and their own variance is part of every interval.
SHARPER_SAMPLES = 10_000


def fourier(
    model: Annotated[list[str], typer.Option(help="[NAME=]MODEL, as for `brittlestar run`; may be repeated.")],
    data: Annotated[str, typer.Option(help="Labelled images, as for `brittlestar run`.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; resumed and added to.")] = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Images a wave: 1,000, or all; with --half-width those to choose from: 10,000, or all."),
    ] = None,
    half_width: Annotated[
        float | None,
        typer.Option(help="Look only where it pays, until all intervals hold together and none is wider: 0.06."),
    ] = None,
    region: Annotated[
        int | None, typer.Option(help="Side of the central square of frequencies; all up to 63 pixels, then 63.")
    ] = None,
    norm: Annotated[
        float | None, typer.Option(help="L2 norm of the waves per channel; 4 at 32 pixels, 15.7 at 224.")
    ] = None,
    clip: Annotated[bool, typer.Option("--clip", help="Clamp shifted images to [0, 1]; the paper does not.")] = False,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Map how far this layer's outputs move instead of the error; `penultimate` works everywhere."
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Also a figure for a paper, .png, .svg or .pdf (the extra `plots`).")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Images a forward pass.")] = None,
    device: Device = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, or bf16 for torch models; what it does to the clean error is shown.")
    ] = None,
    backend: Backend = None,
    tune: Annotated[bool, typer.Option(help="Fold batch norms and the like where logits stay the same.")] = True,
    seed: Annotated[int, typer.Option(help="Of the images' order and of every draw.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores on a CPU, 1 on a GPU.")] = None,
    executor: Executor = None,
    resize: Resize = None,
    crop: Crop = None,
    resize_filter: ResizeFilter = None,
    resize_rounding: ResizeRounding = None,
    prepare: Prepare = None,
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    classes: Annotated[Path | None, typer.Option(help="Class names in the order of the model's outputs.")] = None,
    factory: Annotated[str | None, typer.Option(help="FILE.py:factory for a state dict.")] = None,
    weights: Annotated[Path | None, typer.Option(help="State dict for the factory's module.")] = None,
    mean: Annotated[str | None, typer.Option(help="The model's own: subtracted per channel.")] = None,
    std: Annotated[str | None, typer.Option(help="The model's own: divided by per channel.")] = None,
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
) -> None:
    """Which frequencies is a model sensitive to? One wave at a time on every image (Yin et al., NeurIPS 2019).

    Maps of all models on one scale, their differences, and radial profiles: a report, and a figure if asked for.
    """
    from brittlestar.analyses.mapping import sharper
    from brittlestar.api.evaluation import Evaluation
    from brittlestar.api.progress import watched
    from brittlestar.data import open_source
    from brittlestar.models import parse_spec
    from brittlestar.report.figure import check_figure, draw, fourier_maps
    from brittlestar.store import RunStore
    from brittlestar.suites import get_suite
    from brittlestar.suites.fourier import fourier_suite

    if figure is not None:
        # Before the work, not after.
        check_figure(figure)
    place = device or best_device()
    flags = {
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
    specs = [parse_spec(text, **{k: v for k, v in flags.items() if v is not None}) for text in model]  # type: ignore[arg-type]
    names = None if classes is None else read_classes(classes)
    source = open_source(
        data,
        resize=resize,
        crop=crop,
        filter=resize_filter,
        rounding=resize_rounding,
        prepare=prepare,
        skip_bad=skip_bad,
        image_column=image_column,
        label_column=label_column,
        one_class=names is not None and len(names) > 1,
    )
    suite = fourier_suite(region=region, norm=norm, clip=clip)
    require(layer is None or half_width is None, "--half-width is for maps of the error, not of a layer", UsageError)
    most = SHARPER_SAMPLES if half_width is not None else PAPER_SAMPLES
    count = samples if samples is not None else min(most, source.info.count)
    if layer is not None:
        _layers(
            [dataclasses.replace(spec, device=place) for spec in specs],
            source,
            suite,
            layer,
            count,
            seed,
            out,
            figure,
            normalise,
        )
        return
    follow_up = None if half_width is None else sharper(suite, source.info.shape, half_width)
    asked = Evaluation(
        # With a half-width, the follow-up asks for single cells of the waves; the grid holds the clean images alone.
        suite=suite if follow_up is None else get_suite("clean"),
        out=out,
        samples=count,
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
        image_column=image_column,
        label_column=label_column,
        classes=names,
        tune=tune,
        normalise=normalise,
        anyway=anyway,
        shifted=shifted,
    )
    with watched() as watch:
        result = asked.run(specs, data, watch, command=typed(), follow_up=follow_up)
    finish(result, report=True)
    maps = fourier_maps(RunStore.open(result.path))
    for name, found in maps.items():
        widest = f"widest simultaneous interval +-{100 * found.half_width():.1f} points"
        say(f"{name}: mean error {100 * float(found.error.mean()):.1f} % over {len(found.error):,} waves, {widest}")
    if figure is not None:
        draw(maps, figure)
        say(f"figure: {figure}")


def _layers(
    specs: list[ModelSpec],
    source: Source,
    suite: Suite,
    layer: str,
    count: int,
    seed: int,
    out: Path | None,
    figure: Path | None,
    normalise: bool | None,
) -> None:
    """Maps of how far a layer moves: a table, and a figure if asked for."""
    import torch

    from brittlestar.analyses.layer_map import layer_map, write_layer_maps
    from brittlestar.models import load_model, settled_spec
    from brittlestar.report.figure import draw_planes

    torch.set_num_threads(1)
    require(count >= 1, f"--samples must be at least 1, got {count}", UsageError)
    folder = (out or Path("runs") / source.info.name) / "layers"
    models = [load_model(spec) for spec in specs]
    for spec, model in zip(specs, models, strict=True):
        model.space = source.space
        settled_spec(model, spec, source, source.labels, seed, normalise, lambda text: _told(f"WARNING: {text}"))
    maps = [
        (model.name, layer_map(model, source, suite, layer, count, folder, seed=seed, say=_told)) for model in models
    ]
    table = folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', layer)}.csv"
    write_layer_maps(maps, table)
    say(f"table: {table}")
    if figure is not None:
        planes = {f"{name}: {found.layer}": found.waves.matrix(found.mean) for name, found in maps}
        draw_planes(planes, figure, "mean distance (L2)")
        say(f"figure: {figure}")


def _told(text: str) -> None:
    say(f"  {text}", err=True)

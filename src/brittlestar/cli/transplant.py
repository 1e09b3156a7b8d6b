"""``brittlestar transplant``: objects of other pictures pasted into the images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from brittlestar.core.errors import UsageError, require


def transplant(
    model: Annotated[list[str], typer.Option(help="[NAME=]MODEL, as for `brittlestar run`; may be repeated.")],
    data: Annotated[str, typer.Option(help="The hosts: labelled images, as for `brittlestar run`.")],
    objects: Annotated[
        Path,
        typer.Option(
            help="Folder of objects, one sub-folder a class: pictures with an alpha channel, with NAME.mask.png beside "
            "them, or with boxes.csv (file, x, y, width, height, and label)."
        ),
    ],
    host_masks: Annotated[
        str | None,
        typer.Option(help="Where the hosts' own objects lie: a folder of masks, a .csv of boxes, or an .npy."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="The objects' longer side over the images' shorter one, or several; 0: as they are.")
    ] = "0.4",
    grid: Annotated[int, typer.Option(help="Places along each side.")] = 5,
    feather: Annotated[bool, typer.Option(help="Ask soft edges as well.")] = True,
    out: Annotated[Path | None, typer.Option(help="Run folder; resumed and added to.")] = None,
    samples: Annotated[int | None, typer.Option(help="How many hosts; all by default.")] = None,
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
    report: Annotated[bool, typer.Option(help="Write the report as well.")] = True,
) -> None:
    """Paste objects into images, at a grid of places: is an image still what it was? (Rosenfeld et al. 2018).

    Beside objects of another class: one of the same class, a grey patch, and a phase-scrambled object.
    """
    from brittlestar.analyses.transplant import check_masks, record_transplants
    from brittlestar.api.evaluation import Evaluation
    from brittlestar.api.progress import watched
    from brittlestar.data import open_source
    from brittlestar.data.objects import read_objects
    from brittlestar.models import parse_spec
    from brittlestar.store import RunStore
    from brittlestar.suites.transplant import transplant_suite

    where = device or best_device()
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
    require(source.truths is None, "transplants need data with one right class an image", UsageError)
    folder = str(objects.resolve())
    suite = transplant_suite(
        folder,
        read_objects(folder),
        source.info.classes if names is None else tuple(names),
        sizes=numbers("size", size) or (),
        grid=grid,
        feather=feather,
    )
    # Whatever does not fit is said before the models are loaded.
    suite.conditions(source.info.shape)
    if host_masks is not None:
        check_masks(source, host_masks, seed, samples)
    asked = Evaluation(
        suite=suite,
        out=out,
        samples=samples,
        batch=batch,
        device=where,
        seed=seed,
        workers=processes(workers, where),
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
        result = asked.run(specs, data, watch, command=typed())
    record_transplants(RunStore.open(result.path), host_masks)
    finish(result, report)

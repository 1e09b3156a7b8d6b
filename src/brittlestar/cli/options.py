"""Options that several commands share: how images are prepared before a shift, and by the model after it."""

from __future__ import annotations

from typing import Annotated

import typer

from brittlestar.core.preparation import FILTERS, PUBLISHED, ROUNDINGS

Resize = Annotated[int | None, typer.Option(help="Shorter side of the images in pixels, before the shift.")]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "--engine",  # as it was called first
        help="torch, or onnxruntime (the extra `onnx`) for the passes without gradients.",
    ),
]
Crop = Annotated[int | None, typer.Option(help="Central square of the images in pixels, before the shift.")]
ResizeFilter = Annotated[
    str | None,
    typer.Option(help=f"With --resize: {', '.join(FILTERS)}; {FILTERS[0]} otherwise, as the published sets were made."),
]
ResizeRounding = Annotated[
    str | None,
    typer.Option(
        help="Of sizes and offsets that are no whole numbers: "
        f"{' or '.join(ROUNDINGS)}; {ROUNDINGS[0]} otherwise, as the published sets were made."
    ),
]
Prepare = Annotated[
    str | None,
    typer.Option(
        help=f"Prepare photographs as for a published set, instead of the options with resize and crop: "
        f"{', '.join(PUBLISHED)}."
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable images out, and count them.")]
ImageColumn = Annotated[str | None, typer.Option(help="Parquet: the column of the images, if not image.")]
LabelColumn = Annotated[str | None, typer.Option(help="Parquet: the column of the labels, if not label.")]
Contexts = Annotated[
    str | None,
    typer.Option(
        help="COLUMN[,COLUMN]: what else is known of each image (background, site, camera), told apart in the report: "
        "columns (Parquet, or of --metadata), arrays (.npz); of a plain image folder, names for the folders between "
        "class and image."
    ),
]
Metadata = Annotated[
    str | None, typer.Option(help="CSV or TSV beside an image folder, one row an image, found by its file name.")
]
ModelResize = Annotated[int | None, typer.Option(help="The model's own: shorter side, after the shift.")]
ModelCrop = Annotated[int | None, typer.Option(help="The model's own: central square, after the shift.")]
ModelResizeFilter = Annotated[
    str | None, typer.Option(help=f"The model's own, with a resize: {', '.join(FILTERS)}; {FILTERS[0]} otherwise.")
]
Device = Annotated[
    str | None,
    typer.Option(
        help="cpu or cuda; cuda where there is one. With several --workers, cuda is all GPUs; or name them: "
        "cuda:0,cuda:1."
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        help="Where --workers compute: process, pool, ray or slurm, and options of it (ray:num_gpus=0.5); "
        "by default here, in a pool where there are several."
    ),
]
WeightsKey = Annotated[
    str | None,
    typer.Option(
        help="Which weights of a checkpoint that holds several (state_dict, state_dict_ema, ...); the averaged ones "
        "otherwise."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(help="Which of the model's several outputs holds the logits: its name, or its place from 0."),
]
Binary = Annotated[
    bool, typer.Option("--binary", help="The model gives one number: the logit of the second class of two.")
]
Probabilities = Annotated[
    bool,
    typer.Option(
        "--probabilities", help="The model gives probabilities; their logarithm is taken, without gradient attacks."
    ),
]

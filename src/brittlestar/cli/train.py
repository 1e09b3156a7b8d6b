"""``brittlestar train``: a recipe, data and an architecture in, a file of weights out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brittlestar.cli.options import Crop, Prepare, Resize, ResizeFilter, ResizeRounding
from brittlestar.core.errors import UsageError, unknown


def train(
    recipe: Annotated[str, typer.Option(help="A name of `brittlestar list recipes`.")],
    data: Annotated[str, typer.Option(help="Labelled images, as for `brittlestar run`.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors; the same command goes on where it stopped.")],
    arch: Annotated[
        str, typer.Option(help="small_cnn, resnet8, resnet20, resnet56, preact_resnet14, timm:NAME.")
    ] = "small_cnn",
    set_: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE of the recipe; may be repeated.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 10,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 128,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 4e-3,
    optimiser: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
    schedule: Annotated[str, typer.Option(help="one-cycle or cosine.")] = "one-cycle",
    weight_decay: Annotated[float, typer.Option(help="Of the weights.")] = 0.0,
    jitter: Annotated[int, typer.Option(help="Move images by up to this many pixels.")] = 0,
    flip: Annotated[bool, typer.Option(help="Mirror every other image.")] = False,
    ema: Annotated[float, typer.Option(help="Decay of an average of the weights; 0 keeps none.")] = 0.0,
    amp: Annotated[bool, typer.Option(help="Mixed precision (bfloat16).")] = False,
    channels_last: Annotated[bool, typer.Option(help="Memory format of the network.")] = False,
    seed: Annotated[int, typer.Option(help="Of weights, order and draws.")] = 0,
    samples: Annotated[int | None, typer.Option(help="Use so many images; all otherwise.")] = None,
    held_out: Annotated[float, typer.Option(help="Share kept for the accuracy after every epoch.")] = 0.1,
    resize: Resize = None,
    crop: Crop = None,
    resize_filter: ResizeFilter = None,
    resize_rounding: ResizeRounding = None,
    prepare: Prepare = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:0.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="Torch threads; 1 gives the same weights everywhere.")] = 1,
) -> None:
    """Train a model with a recipe, to see what the recipe buys and what it costs."""
    import torch

    from brittlestar.data import open_source
    from brittlestar.training import RECIPES, Epoch, Plan
    from brittlestar.training.fit import fit

    if recipe not in RECIPES:
        raise unknown("recipe", recipe, RECIPES)
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = RECIPES[recipe].from_config(fields(RECIPES[recipe], set_ or []))
    plan = Plan(
        epochs=epochs,
        batch=batch,
        rate=rate,
        optimiser=optimiser,
        schedule=schedule,
        weight_decay=weight_decay,
        jitter=jitter,
        flip=flip,
        ema=ema,
        amp=amp,
        channels_last=channels_last,
    )

    def told(epoch: Epoch) -> None:
        right = "" if epoch.accuracy is None else f", {epoch.accuracy:.1%} of the held-out images right"
        typer.echo(f"epoch {epoch.number} of {epoch.of}: loss {epoch.loss:.4f}{right}", err=True)
        if epoch.warning:
            typer.echo(f"  warning: {epoch.warning}", err=True)

    path = fit(
        open_source(data, resize=resize, crop=crop, filter=resize_filter, rounding=resize_rounding, prepare=prepare),
        chosen,
        plan,
        out,
        architecture=arch,
        seed=seed,
        samples=samples,
        held_out=held_out,
        device=device,
        progress=told,
    )
    typer.echo(f"model: {path}")


def fields(kind: Any, given: list[str]) -> dict[str, Any]:
    """``FIELD=VALUE`` texts as values of the types of the recipe's own defaults."""
    defaults = kind().config()
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set {text!r}: write FIELD=VALUE; {kind.name} has {', '.join(defaults) or 'no fields'}")
        if name not in defaults:
            raise unknown(f"field of {kind.name}", name, defaults)
        found[name] = _value(text, value, defaults[name])
    return found


def _value(text: str, value: str, default: Any) -> Any:
    if isinstance(default, bool):
        if value.lower() not in ("true", "false"):
            raise UsageError(f"--set {text!r}: the value is true or false")
        return value.lower() == "true"
    if isinstance(default, str):
        return value
    try:
        return type(default)(value)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UsageError(f"--set {text!r}: the value must be {kind}") from None

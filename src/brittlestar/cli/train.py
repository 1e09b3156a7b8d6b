"""``brittlestar train``: a recipe, data and an architecture in, a file of weights out."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brittlestar.cli.options import (
    Crop,
    ImageColumn,
    LabelColumn,
    Prepare,
    Resize,
    ResizeFilter,
    ResizeRounding,
    SkipBad,
    WeightsKey,
)
from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require, unknown

if TYPE_CHECKING:
    from brittlestar.models import ModelSpec


def train(
    recipe: Annotated[str, typer.Option(help="A name of `brittlestar list recipes`.")],
    data: Annotated[str, typer.Option(help="Labelled images, as for `brittlestar run`.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors; the same command goes on where it stopped.")],
    arch: Annotated[
        str | None,
        typer.Option(help="small_cnn (unless told), resnet8, resnet20, resnet56, preact_resnet14, timm:NAME."),
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE of the recipe; may be repeated.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 10,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 128,
    rate: Annotated[
        float | None, typer.Option(help="Highest learning rate: 0.004 unless told, 0.0004 with --from.")
    ] = None,
    optimiser: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
    schedule: Annotated[str, typer.Option(help="one-cycle or cosine.")] = "one-cycle",
    weight_decay: Annotated[float, typer.Option(help="Of the weights.")] = 0.0,
    jitter: Annotated[int, typer.Option(help="Move images by up to this many pixels.")] = 0,
    flip: Annotated[bool, typer.Option(help="Mirror every other image.")] = False,
    ema: Annotated[float, typer.Option(help="Decay of an average of the weights; 0 keeps none.")] = 0.0,
    amp: Annotated[bool, typer.Option(help="Mixed precision (bfloat16).")] = False,
    channels_last: Annotated[bool, typer.Option(help="Memory format of the network.")] = False,
    seed: Annotated[int, typer.Option(help="Of weights, order and draws.")] = 0,
    seeds: Annotated[
        int | None,
        typer.Option(help="Train so many times, seeds --seed and on, each into a folder seed-N of --out.", min=1),
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Use so many images; all otherwise.")] = None,
    held_out: Annotated[float, typer.Option(help="Share of each class kept for the accuracy after every epoch.")] = 0.1,
    resize: Resize = None,
    crop: Crop = None,
    resize_filter: ResizeFilter = None,
    resize_rounding: ResizeRounding = None,
    prepare: Prepare = None,
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Fine-tune: go on from this model's weights. FILE.safetensors of `train`, torch:FILE.py:factory, or a "
            "file of weights with --factory.",
        ),
    ] = None,
    factory: Annotated[str | None, typer.Option(help="With --from: FILE.py:factory that builds its module.")] = None,
    weights: Annotated[Path | None, typer.Option(help="With --from torch:...: the module's state dict.")] = None,
    weights_key: WeightsKey = None,
    mean: Annotated[str | None, typer.Option(help="With --from: subtracted per channel, if not declared.")] = None,
    std: Annotated[str | None, typer.Option(help="With --from: divided by per channel, if not declared.")] = None,
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
    start = start_of(from_, factory, weights, mean, std, weights_key)
    require(
        start is None or arch is None, "--from brings its own architecture: leave --arch out, or --from", UsageError
    )
    plan = Plan(
        epochs=epochs,
        batch=batch,
        rate=(FRESH_RATE if start is None else TUNING_RATE) if rate is None else rate,
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
        say(f"epoch {epoch.number} of {epoch.of}: loss {epoch.loss:.4f}{right}", err=True)
        if epoch.warning:
            say(f"  warning: {epoch.warning}", err=True)

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
    )
    files: dict[int, Path] = {}
    for number in range(seed, seed + (seeds or 1)):
        if seeds is not None:
            say(f"seed {number}", err=True)
        files[number] = fit(
            source,
            chosen,
            plan,
            out if seeds is None else out / f"seed-{number}",
            architecture=arch or "small_cnn",
            seed=number,
            samples=samples,
            held_out=held_out,
            device=device,
            start=start,
            progress=told,
        )
    for line in trained(files, recipe, several=seeds is not None):
        say(line)


FRESH_RATE, TUNING_RATE = 4e-3, 4e-4


def start_of(
    model: str | None,
    factory: str | None,
    weights: Path | None,
    mean: str | None,
    std: str | None,
    weights_key: str | None = None,
) -> ModelSpec | None:
    """What ``--from`` and the options that go with it name; ``None`` for a training from nothing."""
    from brittlestar.cli.run import numbers
    from brittlestar.models import parse_spec

    if model is None:
        given = {"--factory": factory, "--weights": weights, "--mean": mean, "--std": std}
        given["--weights-key"] = weights_key
        alone = [name for name, value in given.items() if value is not None]
        require(not alone, f"{' and '.join(alone)} must go with --from MODEL", UsageError)
        return None
    return parse_spec(
        model,
        factory=factory,
        weights=None if weights is None else str(weights),
        weights_key=weights_key,
        mean=numbers("mean", mean),
        std=numbers("std", std),
    )


def trained(files: Mapping[int, Path], recipe: str, several: bool) -> Iterator[str]:
    """What was trained, a line each, and how to give it to ``run``."""
    from brittlestar.models.files import state_dict

    rights, words = [], []
    for number, path in files.items():
        facts = state_dict(path)[1]
        start, history = facts.get("start"), facts["history"]
        right = history[-1]["accuracy"]
        told = "" if right is None else f"{right:.1%} of the {facts['data']['held_out']} held-out images right"
        if told and start is not None:
            told += f" ({start['accuracy']:.1%} before; {start['name']} may have been trained on them)"
        yield f"{f'seed {number}' if several else 'model'}: {path}{f'   {told}' if told else ''}"
        yield from (f"  note: {note}" for note in (start or {}).get("notes", ()))
        rights += [] if right is None else [right]
        words.append(f"--model {shlex.quote(f'{recipe}-{number}={path}' if several else str(path))}")
    if len(rights) > 1:
        spread = statistics.stdev(rights)
        yield f"held out: mean {statistics.mean(rights):.1%}, standard deviation over seeds {100 * spread:.1f} points"
    factory = facts.get("factory")
    more = f" --factory {shlex.quote(factory)}" if factory else ""
    yield f"measure: brittlestar run --data DATA {' '.join(words)}{more}"


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

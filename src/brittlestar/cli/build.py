"""``brittlestar build``: data sets made with the help of a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.build_matched import matched
from brittlestar.cli.build_nico import nico
from brittlestar.cli.options import Crop, ImageColumn, LabelColumn, Resize, SkipBad
from brittlestar.cli.run import Normalise
from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require

app = typer.Typer(no_args_is_help=True, help="Make data sets with the help of a model.")

app.command()(nico)
app.command()(matched)


@app.callback()
def root() -> None:
    """Make data sets with the help of a model."""


@app.command()
def features(
    *,
    kind: Annotated[
        str | None,
        typer.Argument(
            help="d_rand, d_det: attacked images under the attack's labels (random, the next class); d_r, d_nr: images "
            "with only the features of a robust, or of an ordinary, model."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Instead: images that a shift turned, under the class they were turned into; noise, "
            "fog:table=cifar-c,severity=5, or NAME:field=value. OUT-control.npz has them unshifted.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="[NAME=]MODEL, as for `brittlestar run`.")],
    data: Annotated[str, typer.Option(help="Labelled images, as for `brittlestar run`.")],
    out: Annotated[Path, typer.Option(help="The set, .npz; its manifest is written beside it, .json.")],
    epsilon: Annotated[float, typer.Option(help="L2 radius of the targeted attack, images in [0, 1].")] = 0.5,
    steps: Annotated[int, typer.Option(help="Gradient steps (the paper: 100 for attacks, 1,000 for features).")] = 100,
    step_size: Annotated[float, typer.Option(help="Their L2 length.")] = 0.1,
    layer: Annotated[str, typer.Option(help="Whose activations d_r and d_nr keep.")] = "penultimate",
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    samples: Annotated[int | None, typer.Option(help="Use so many images; all otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="Of order, targets and starting images.")] = 0,
    factory: Annotated[str | None, typer.Option(help="FILE.py:factory for a state dict.")] = None,
    normalise: Normalise = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:0.")] = "cpu",
) -> None:
    """Robust and non-robust features as data sets to train on (Ilyas et al., NeurIPS 2019)."""
    import numpy as np
    import torch

    from brittlestar.build import FeatureSet, build_features, parse_shift, turned, write_set
    from brittlestar.data import open_source
    from brittlestar.models import load_model, parse_spec, settled_spec

    torch.set_num_threads(1)
    require((kind is None) != (from_ is None), "name one kind of set, or a shift with --from", UsageError)
    shift = None if from_ is None else parse_shift(from_)
    what = FeatureSet(kind=kind or "d_rand", epsilon=epsilon, steps=steps, step_size=step_size, layer=layer, seed=seed)
    require(out.suffix == ".npz", f"--out {out}: a set is written as .npz", UsageError)
    source = open_source(data, skip_bad=skip_bad, image_column=image_column, label_column=label_column)
    spec = parse_spec(model, factory=factory)
    loaded = load_model(dataclasses.replace(spec, device=device))
    loaded.space = source.space
    settled_spec(loaded, spec, source, source.labels, seed, normalise, lambda text: say(f"WARNING: {text}", err=True))
    order = source.order(seed)[:samples]
    images = torch.from_numpy(source.load(order)).to(device)
    labels = torch.from_numpy(np.asarray(source.labels[order])).to(device, torch.int64)
    facts, ids, classes = {"data": source.info.as_json()}, source.ids[order], source.info.classes

    def told(text: str) -> None:
        say(f"  {text}", err=True)

    if shift is not None:
        built, control = turned(shift, loaded, images, labels, ids, seed, told)
        beside = out.with_name(f"{out.stem}-control.npz")
        write_set(control, classes, beside, facts)
        say(f"turned: {built.facts['turned']:.1%} of {built.facts['of']:,} images that are answered rightly")
        say(f"control: {beside}, the same images and labels without the shift")
    else:
        built = build_features(what, loaded, images, labels, ids, len(classes), told)
    write_set(built, classes, out, facts)
    for fact in ("reached_target", "kept_label", "feature_distance"):
        if fact in built.facts:
            say(f"{fact.replace('_', ' ')}: {built.facts[fact]:.1%}")
    say(f"set: {out} ({len(built.labels):,} images), manifest: {out.with_suffix('.json')}")


@app.command()
def spectrum(
    data: Annotated[str, typer.Option(help="Images of one size, as for `brittlestar run`.")],
    out: Annotated[Path, typer.Option(help="The mean amplitudes, .npy.")],
    samples: Annotated[int | None, typer.Option(help="Use so many images; all otherwise.")] = None,
    resize: Resize = None,
    crop: Crop = None,
    seed: Annotated[int, typer.Option(help="Of their order.")] = 0,
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Mean amplitudes of the grey images' spectra, for power equalisation (Geirhos et al., NeurIPS 2018)."""
    import numpy as np

    from brittlestar.build.spectrum import mean_amplitudes
    from brittlestar.core.files import replacing
    from brittlestar.data import open_source

    require(out.suffix == ".npy", f"--out {out}: amplitudes are written as .npy", UsageError)
    source = open_source(
        data,
        resize=resize,
        crop=crop,
        skip_bad=skip_bad,
        image_column=image_column,
        label_column=label_column,
        one_class=True,
    )
    order = source.order(seed)[:samples]
    require(len(order) > 0, f"--samples {samples}: at least one image is needed", UsageError)
    found = mean_amplitudes(source, order)
    with replacing(out) as beside, beside.open("wb") as file:
        np.save(file, found)
    say(f"mean amplitudes of {len(order):,} images of {found.shape[0]} x {found.shape[1]} pixels: {out}")
    say(f"for the suite geirhos-2018: BRITTLESTAR_SPECTRUM={out}")

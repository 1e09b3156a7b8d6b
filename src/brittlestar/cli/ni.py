"""``brittlestar ni``: how far the features of two sets of images lie apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from brittlestar.cli.options import Crop, ImageColumn, LabelColumn, Prepare, Resize, SkipBad
from brittlestar.cli.run import Normalise
from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require


def ni(
    model: Annotated[str, typer.Option(help="[NAME=]MODEL, as for `brittlestar run`: whose features.")],
    data: Annotated[str, typer.Option(help="Training images, as for `brittlestar run`.")],
    test: Annotated[str, typer.Option(help="Test images of the same classes and size.")],
    layer: Annotated[str, typer.Option(help="Whose values are the features.")] = "penultimate",
    samples: Annotated[int | None, typer.Option(help="Use so many images of each; all otherwise.")] = None,
    permutations: Annotated[int, typer.Option(help="Random divisions, for the value without a shift.")] = 200,
    seed: Annotated[int, typer.Option(help="Of order and divisions.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the numbers to this file, .json.")] = None,
    resize: Resize = None,
    crop: Crop = None,
    prepare: Prepare = None,
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    factory: Annotated[str | None, typer.Option(help="FILE.py:factory for a state dict.")] = None,
    normalise: Normalise = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:0.")] = "cpu",
) -> None:
    """How far two sets of images lie apart by NICO's index (He, Shen and Cui 2021), beside what no shift gives."""
    import torch

    from brittlestar.analyses.non_iid import index_between
    from brittlestar.core.sealed import write_json
    from brittlestar.data import open_source
    from brittlestar.models import load_model, parse_spec, settled_spec

    torch.set_num_threads(1)
    require(out is None or out.suffix == ".json", f"--out {out}: numbers are written as .json", UsageError)
    how: dict[str, Any] = {"resize": resize, "crop": crop, "prepare": prepare, "skip_bad": skip_bad}
    how |= {"image_column": image_column, "label_column": label_column}
    sources = [open_source(spec, **how) for spec in (data, test)]
    spec = parse_spec(model, factory=factory)
    loaded = load_model(dataclasses.replace(spec, device=device))
    first = sources[0]
    settled_spec(loaded, spec, first, first.labels, seed, normalise, lambda text: say(f"WARNING: {text}", err=True))
    by_class, mean = index_between(loaded, *sources, layer=layer, samples=samples, seed=seed, permutations=permutations)
    classes = first.info.classes
    lines = [(classes[k], one) for k, one in by_class.items()] + [("mean over classes", mean)]
    say(f"{'class':<24} {'index':>6} {'95 %':>14} {'no shift':>9} {'beyond':>7} {'p':>6}  train   test")
    for name, one in lines:
        e = one.index
        say(
            f"{name[:24]:<24} {e.value:6.2f} {f'[{e.low:.2f}, {e.high:.2f}]':>14} {one.null:9.2f} {one.beyond:7.2f} "
            f"{one.p:6.3f} {one.train:6,} {one.test:6,}"
        )
    varying = f"{mean.features[0]:,} of {mean.features[1]:,} vary"
    say(f"features of {loaded.name}, {layer}: {varying}; values compare within these only")
    if out is not None:
        told = [{"class": name, "beyond": one.beyond, **dataclasses.asdict(one)} for name, one in lines]
        write_json(out, {"model": loaded.name, "layer": layer, "data": data, "test": test, "indices": told}, indent=2)
        say(f"numbers: {out}")

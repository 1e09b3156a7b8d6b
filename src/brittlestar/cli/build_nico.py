"""``brittlestar build nico``: training and test sets whose contexts differ by as much as one wants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.options import Contexts, Crop, ImageColumn, LabelColumn, Metadata, Prepare, Resize, SkipBad
from brittlestar.cli.say import say
from brittlestar.core.errors import UsageError, require


def nico(
    setting: Annotated[
        str, typer.Option(help="minimum, proportional, compositional, combined or adversarial: how contexts shift.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for train.npz, test.npz, their lists (.csv) and nico.json.")],
    data: Annotated[
        str, typer.Option(help="Labelled images with a context, as for `brittlestar run`.")
    ] = "synthetic-contexts:all",
    contexts: Contexts = None,
    metadata: Metadata = None,
    train: Annotated[
        int | None, typer.Option(help="Training images a class; as many as there can be otherwise.")
    ] = None,
    test: Annotated[int | None, typer.Option(help="Test images a class.")] = None,
    ratio: Annotated[
        float, typer.Option(help="Of a class's dominant context to each other one, in training (5 is 5:1).")
    ] = 5.0,
    test_ratio: Annotated[float, typer.Option(help="The same in test, for proportional (0.2 is 1:5).")] = 1.0,
    seen: Annotated[int, typer.Option(help="Contexts of a class in training, for compositional and combined.")] = 7,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    group: Annotated[str | None, typer.Option(help="Column that names what depends on each other, as for run.")] = None,
    resize: Resize = None,
    crop: Crop = None,
    prepare: Prepare = None,
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Draw a training and a test set by one of NICO's five settings (He, Shen and Cui 2021) from any (class, context)
    table; refused, with what lacks, where the table cannot give it."""
    from brittlestar.build.nico import NicoSetting, sampled
    from brittlestar.build.nico_files import write_split
    from brittlestar.data import open_source

    what = NicoSetting(
        setting=setting, train=train, test=test, ratio=ratio, test_ratio=test_ratio, contexts=seen, seed=seed
    )
    source = open_source(
        data,
        resize=resize,
        crop=crop,
        prepare=prepare,
        skip_bad=skip_bad,
        groups=group,
        contexts=contexts,
        metadata=metadata,
        image_column=image_column,
        label_column=label_column,
    )
    asked = [name.strip() for name in contexts.split(",")] if contexts else list(source.contexts)
    require(
        len(asked) == 1,
        f"a setting shifts one context; {source.info.name} has {', '.join(source.contexts) or 'none'}: name one with "
        "--contexts",
        UsageError,
    )
    name = asked[0]
    split = sampled(what, source.labels, source.contexts[name], source.info.classes, source.groups)
    path = write_split(split, source, name, out)
    for part in ("train", "test"):
        counts = split.facts[part]
        say(f"{part}: {sum(counts.values()):,} images in {len(counts):,} cells of class and context")
    say(f"split: {path}; `brittlestar run --data {out / 'test.npz'} --contexts {name}` tells its contexts apart")

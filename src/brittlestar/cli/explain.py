"""``brittlestar explain``: do the Fourier maps of a run explain where its models fail?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brittlestar.cli.alive import working
from brittlestar.cli.options import Crop, Prepare, Resize, ResizeFilter, ResizeRounding
from brittlestar.cli.say import say
from brittlestar.core.errors import BrittlestarError


def explain(
    run: Annotated[Path, typer.Argument(help="A run folder with shifts and a Fourier map, such as that of broad.")],
    data: Annotated[str, typer.Option(help="The run's images.")],
    samples: Annotated[int, typer.Option(help="Images for the spectra.")] = 200,
    bandwidth: Annotated[
        int | None, typer.Option(help="Side of the square of low frequencies; half of the image's otherwise.")
    ] = None,
    resize: Resize = None,
    crop: Crop = None,
    resize_filter: ResizeFilter = None,
    resize_rounding: ResizeRounding = None,
    prepare: Prepare = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for explain.md and explain.csv; RUN/report otherwise.")
    ] = None,
) -> None:
    """Hold each shift's spectrum against the models' maps and errors: correlations, and sentences the data bear out.

    The images are to be prepared as they were in the run.
    """
    import torch

    from brittlestar.analyses import explain as explaining
    from brittlestar.core.places import place
    from brittlestar.data import open_source
    from brittlestar.data.spaced import in_space, recorded_space
    from brittlestar.report import build
    from brittlestar.runs.skipped import as_recorded
    from brittlestar.store import RunStore

    torch.set_num_threads(1)
    store = RunStore.open(run)
    how = store.manifest.data.get("how") or {}
    source = open_source(
        data,
        resize=resize,
        crop=crop,
        filter=resize_filter,
        rounding=resize_rounding,
        prepare=prepare,
        skip_bad=bool(how.get("skip_bad") or store.manifest.skipped),
        image_column=how.get("image_column"),
        label_column=how.get("label_column"),
        one_class=True,
    )
    source = as_recorded(in_space(source, recorded_space(store.manifest.data)), place(run), skip_bad=True)
    found = explaining.explain(store, source, samples, bandwidth)
    explaining.keep(found, store)
    for sentence in found.sentences:
        say(f"* {sentence}")
    for path in explaining.write(found, place(out or store.path / "report")):
        say(f"written: {path}")
    say(f"report: {build([store])}")


def after_run(folder: Path, until: float | None = None) -> None:
    """Explain a run that has shifts and a Fourier map, for its report; whatever is in the way is told and left.

    Args:
        folder: Of the run.
        until: ``time.monotonic()`` when it is to be over.
    """
    from brittlestar.analyses import explain as explaining

    try:
        with working("explaining the failures"):
            found = explaining.explained_again(folder, until=until)
        if found is not None:
            explaining.write(found, folder / "report")
    except BrittlestarError as error:
        say(f"the report does not say what explains a failure: {error}", err=True)

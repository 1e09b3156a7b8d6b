"""``brittlestar estimate``: how accurate are the models of a run on images that nobody has labelled?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittlestar.cli.alive import working
from brittlestar.cli.options import Crop, ImageColumn, Prepare, Resize, ResizeFilter, ResizeRounding, SkipBad
from brittlestar.cli.say import say

if TYPE_CHECKING:
    from brittlestar.analyses.estimate import ModelEstimate
    from brittlestar.measures.label_free_fit import LabelFreeFit


def estimate(
    run: Annotated[Path, typer.Option(help="A run folder with several families of shifts, such as that of broad.")],
    data: Annotated[
        str, typer.Option(help="Images without labels: a folder of pictures, flat or not, Parquet, .npz, .npy.")
    ],
    model: Annotated[str | None, typer.Option(help="One model of the run, by its name; all otherwise.")] = None,
    samples: Annotated[int | None, typer.Option(help="How many of the images; all otherwise.")] = None,
    level: Annotated[
        float | None,
        typer.Option(help="Of the interval; 0.9, or n / (n + 1) where the run has n < 9 families of shifts."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code that the run folder names to build its models.")
    ] = False,
    resize: Resize = None,
    crop: Crop = None,
    resize_filter: ResizeFilter = None,
    resize_rounding: ResizeRounding = None,
    prepare: Prepare = None,
    skip_bad: SkipBad = False,
    image_column: ImageColumn = None,
    report: Annotated[bool, typer.Option(help="Write the run's report again.")] = True,
) -> None:
    """Estimate, without labels, how many of a model's answers to new images are right.

    What the answers alone say is learned on the run's own conditions, and tested with each family of shifts left out
    in turn: the interval is what that error is worth for images of a kind that was not measured. Images unlike all
    that was measured get no estimate. They are prepared as the run's were, unless told otherwise.
    """
    from brittlestar.analyses import estimate as estimating
    from brittlestar.core.places import place
    from brittlestar.report import build
    from brittlestar.runs.reopen import code_to_run
    from brittlestar.store import RunStore

    folder = place(run)
    for line in code_to_run(RunStore.open(folder)) if trust else ():
        say(f"running the code of {line}", err=True)
    preparation = {
        "resize": resize,
        "crop": crop,
        "filter": resize_filter,
        "rounding": resize_rounding,
        "prepare": prepare,
        "skip_bad": skip_bad or None,
        "image_column": image_column,
    }
    with working("estimating"):
        found = estimating.estimate(
            folder,
            data,
            only=model,
            samples=samples,
            level=level,
            preparation=preparation,
            trust=trust,
            say=lambda text: say(f"  {text}", err=True),
        )
    for note in found.data.notes:
        say(f"{found.data.name}: {note}", err=True)
    for one in found.models:
        for sentence in told(one, found.data.name, found.samples[1]):
            say(sentence)
    say(f"kept: {found.path}")
    if report:
        say(f"report: {build([RunStore.open(folder)])}")


def told(one: ModelEstimate, data: str, distinct: int) -> list[str]:
    """What is said of one model, the first line alone; what it rests on is set in below."""
    from brittlestar.core.text import readable
    from brittlestar.report.estimated_words import beyond, share_without_labels

    name = f"{readable(one.model)} on {readable(data)} ({distinct:,} different images)"
    if one.any_mix is None or one.same_mix is None:
        return [
            f"{name}: no estimate",
            *(f"  {beyond(o.name, o.value, o.low, o.high, o.nearest)}" for o in one.outside),
        ]
    lines = [f"{name}: {share_without_labels(one.any_mix)}", f"  {_rests(one.any_mix_fit)}"]
    if one.any_mix_fit.chosen != one.same_mix_fit.chosen:
        lines.append(
            f"  if the classes are mixed as in the run's data, and only then: {share_without_labels(one.same_mix)}"
        )
        lines.append(f"  {_rests(one.same_mix_fit)}")
    return lines


def _rests(fit: LabelFreeFit) -> str:
    from brittlestar.report.estimated_words import rests

    return rests(fit.chosen, fit.miss, fit.plain, fit.covered, len(fit.left_out))

"""Whether what is asked can be asked of these data: frames around images, and answers where no labels are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from brittlestar.core.condition import TIME
from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.data.base import Source
from brittlestar.data.labels import numbered
from brittlestar.models.base import Model
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.shifts.conditions import Condition

UNTRIED = (
    "who normalises was not tried, as that takes labels: its mean and std are applied before it; "
    "say so where the model does that itself"
)


def askable(conditions: Sequence[Condition], source: Source) -> tuple[Condition, ...]:
    """The conditions that are asked of these data.

    Raises:
        UsageError: The data have no frames around their images, or no labels, which what is asked needs.
    """
    kinds = {condition.info.kind for condition in conditions}
    require(
        TIME not in kinds or source.neighbours is not None,
        f"suite time needs frames: a video (FILE.mp4) or folders of frames (FOLDER:every=21,within=10); "
        f"{source.info.spec} has single images",
        UsageError,
    )
    if source.info.labelled:
        return tuple(conditions)
    require(
        kinds <= {"clean", TIME} and TIME in kinds,
        f"{source.info.spec} has no labels, so nothing can be said of how often answers are right: ask "
        f"{option('suite', 'time')}, which says how steady they are, or give labels (a folder a class, or clips.csv)",
        UsageError,
    )
    # Clean images alone tell only how many are right.
    return tuple(condition for condition in conditions if condition.info.kind == TIME)


def numbered_outputs(models: Sequence[Model], source: Source) -> tuple[str, ...]:
    """Names of the classes where neither the data nor a person says them: the numbers of a model's outputs."""
    import torch

    first = torch.from_numpy(source.load(source.order(0)[:1]))
    with torch.inference_mode():
        found = [model.logits(first.to(model.device, torch.float32) / 255).shape[1] for model in models]
    return numbered(max(found))


def unjudged(watch: Watch) -> Watch:
    """A watch that is told of no errors, as none are known."""

    def progress(progress: Progress) -> None:
        watch.progress(dataclasses.replace(progress, tallies={}))

    return dataclasses.replace(watch, progress=progress)

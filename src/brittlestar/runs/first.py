"""The first clean answers: is a model worth asking anything else?

A model at chance on unchanged images is nearly always one that was given wrongly, and whatever a run would say about it
is noise. That is found out before the work, on as few images as it takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import NearChanceError
from brittlestar.core.options import option
from brittlestar.core.stopwatch import Stopwatch
from brittlestar.data.base import Source
from brittlestar.models.base import Model, infer

LOOKS = (20, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000)
"""After so many images it is asked whether more are needed; good models need the first 20 or 50."""

FEWEST = 500
"""So many clean images may be asked even where the run asks fewer."""


class Judgement(NamedTuple):
    """What a model's first answers say.

    Fields:
        near: Whether it is near chance; ``None`` as long as that is open.
        apart: Whether it is seen to do better than chance at all.
        text: The answers, their interval, and chance, in words.
    """

    near: bool | None
    apart: bool
    text: str


Judge = Callable[[npt.NDArray[np.bool_], npt.NDArray[np.int32]], Judgement]
"""Judges answers by whether they are right and by the labels; ``measures`` are behind it."""


@dataclasses.dataclass(frozen=True)
class First:
    """A model's first clean answers: how many are right, of how many, and the judgement."""

    right: int
    asked: int
    judgement: Judgement


def first_answers(
    model: Model,
    source: Source,
    order: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    judge: Judge,
    *,
    most: int,
    batch: int,
    seconds: float | None = None,
    known: npt.NDArray[np.int64] | None = None,
) -> First:
    """Ask a model about clean images until the judge has seen enough.

    Args:
        model: The model.
        source: The opened data.
        order: Places in the source's listing, in the seeded order.
        labels: (n,) in that order, as the model numbers them.
        judge: Says whether more are needed.
        most: How many images the run asks.
        batch: Samples a forward pass.
        seconds: How long it may take; then the judge has to do with what was asked. ``None`` for as long as it takes.
        known: Classes that the model has answered to the first images already; without, at least one image is asked.
    """
    most = min(max(most, FEWEST), len(order), LOOKS[-1])
    answers = np.empty(0, np.int64) if known is None else known[:most]
    stopwatch, before = Stopwatch(seconds), len(answers)
    for look in [*(n for n in LOOKS if n < most), most]:
        # Counted from what was known, which took this watch no time.
        for start, stop in stopwatch.pieces(len(answers) - before, look - before, batch):
            images = torch.from_numpy(source.load(order[start + before : stop + before]))
            answers = np.concatenate([answers, infer(model, images, batch).argmax(1).cpu().numpy()])
        late = len(answers) < look
        seen = answers[:look]
        right = seen == labels[: len(seen)]
        judgement = judge(right, labels[: len(seen)])
        if judgement.near is not None or late:
            break
    return First(int(right.sum()), len(right), judgement)


def near_chance_text(near: Mapping[str, First], others: Sequence[str]) -> str:
    """What is said of models near chance: which, how near, what to look at."""
    lead = "; ".join(f"{name} is right in {first.judgement.text}" for name, first in near.items())
    rest = f" ({_listing(others)} {'does' if len(others) == 1 else 'do'} better)" if others else ""
    return (
        f"near chance on clean images: {lead}{rest}. Check the normalisation ({option('mean')}, {option('std')}), "
        f"the order of the classes ({option('classes')}), the colour channels (RGB or BGR) and their range ([0, 1]), "
        "the weights and the labels"
    )


def refuse_near_chance(near: Mapping[str, First], others: Sequence[str]) -> None:
    """Stop a run whose models know nothing.

    Raises:
        NearChanceError: With what to look at, and how to run it all the same.
    """
    leave = f" Leave {_listing(list(near))} out to go on with {_listing(others)}." if others else ""
    raise NearChanceError(
        f"{near_chance_text(near, others)}. Nothing was run.{leave} {option('anyway', True)} runs it all the "
        f"same, and the report says nothing else of such a model; {option('shifted', True)} is for images "
        "that are meant to be unlike those it was trained on, where so low an accuracy is a finding"
    )


def _listing(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

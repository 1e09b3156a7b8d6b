"""What a session is asked to do, what is called meanwhile, and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.data.base import Source
from brittlestar.models.base import Model
from brittlestar.runs.bench import BenchSpec, ModelMaker
from brittlestar.runs.budget import Budget
from brittlestar.runs.executors import Executor
from brittlestar.runs.first import Judge
from brittlestar.runs.runner import Progress
from brittlestar.runs.truths import Truths
from brittlestar.shifts.conditions import Condition
from brittlestar.store import RunStore
from brittlestar.store.skipped import Skipped


@dataclasses.dataclass(frozen=True)
class FollowUp:
    """Work on single cells once the grid is filled, by the same executor and under the same lock.

    Fields:
        conditions: What is asked beside the grid's conditions.
        do: Gets the executor, what its benches are built from (the conditions are the grid's and these), the store, and
            where to say things; gives the number of shifted images that were evaluated.
        name: For the record.
    """

    conditions: tuple[Condition, ...]
    do: Callable[[Executor, BenchSpec, RunStore, Callable[[str], None]], int]
    name: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a session is asked to do.

    Fields:
        source: The opened data.
        labels: (n,) labels in the source's listing, as the models number them.
        classes: Class names in the models' order.
        titles: What people call these classes; empty where the names are all there is.
        models: Loaded models, all on one device; with ``makers`` that build them again in workers.
        makers: One a model; ``None`` keeps the work in this process.
        models_how: One a model: the fields that load it again, for the record; empty for objects.
        data_how: What opens the source again, for the record.
        conditions: In order; clean first.
        suites: Names, for the record.
        folder: The run folder.
        seed: Of the order and of all draws.
        samples: How many samples of the order; ``None`` for all.
        budget: Of the whole command, or ``None``.
        precision: Target half-width of every interval (``enough`` decides), or ``None``.
        batch: Samples a forward pass; ``None`` chooses by image size.
        workers: Processes; 1 works in this process.
        executor: Where tasks are run: a name, an executor, or ``None`` for what ``workers`` says (``executor_of``).
        devices: What workers compute on, in turn; empty: where the models lie.
        command: What the person typed, for the record.
        follow_up: Work on single cells once the grid is filled.
        tune: Whether models may answer in a faster way that gives the same logits.
        judge: Says from first clean answers whether a model is near chance; ``None`` asks none.
        anyway: Whether models near chance are run all the same.
        shifted: Whether the images were declared to be unlike those that the models were made for, for the record.
        skip_bad: Whether the run goes on without samples that cannot be read.
        truths: (n, most) right classes in the source's listing, as the models number them, where a sample has several.
    """

    source: Source
    labels: npt.NDArray[np.int32]
    classes: tuple[str, ...]
    models: Sequence[Model]
    makers: Sequence[ModelMaker] | None
    models_how: Sequence[dict[str, Any]]
    data_how: dict[str, Any]
    conditions: tuple[Condition, ...]
    suites: tuple[str, ...]
    folder: Path
    seed: int = 0
    samples: int | None = None
    budget: Budget | None = None
    precision: float | None = None
    batch: int | None = None
    workers: int = 1
    executor: str | Executor | None = None
    devices: tuple[str, ...] = ()
    command: str = ""
    follow_up: FollowUp | None = None
    tune: bool = True
    judge: Judge | None = None
    anyway: bool = False
    shifted: bool = False
    titles: tuple[str, ...] = ()
    skip_bad: bool = False
    truths: Truths | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a session ended: ``stop`` (complete, budget, precision, interrupted, unread), seconds, images, work left, and
    samples that could not be read, so that their blocks are not done."""

    folder: Path
    stop: str
    seconds: float
    images: int
    left: float
    unread: tuple[Skipped, ...] = ()


@dataclasses.dataclass(frozen=True)
class Watch:
    """Callbacks of a session; each may be left out.

    Fields:
        note: Called with one line of what happens now.
        phase: Called with what is being done, in a few words, which is told only if it takes long.
        warn: Called with what a person must know before believing any number.
        plan: Called once with the models' names, the conditions and the progress before work begins.
        progress: Called after every task.
        enough: Asked after every finished block whether to stop (precision).
    """

    note: Callable[[str], None] = lambda _: None
    phase: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    plan: Callable[[Sequence[str], Sequence[Condition], Progress], None] = lambda *_: None
    progress: Callable[[Progress], None] = lambda _: None
    enough: Callable[[Progress], bool] | None = None

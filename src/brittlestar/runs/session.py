"""One session on a run folder: check, plan, fill, record. Everything that can be refused is refused before work."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.attacks.base import Attack
from brittlestar.core.errors import UsageError, require
from brittlestar.core.options import option
from brittlestar.data.base import Source
from brittlestar.models import check_model
from brittlestar.models.base import Model, ModelInfo
from brittlestar.runs.bench import Bench, BenchSpec, ModelMaker
from brittlestar.runs.cell import passes
from brittlestar.runs.environment import hardware, versions
from brittlestar.runs.examples import write_examples
from brittlestar.runs.executors import Executor, ThisProcess, executor_of
from brittlestar.runs.first import First, Judge, first_answers, near_chance_text, refuse_near_chance
from brittlestar.runs.plan import FIRST_BLOCK, plan
from brittlestar.runs.process import one_thread
from brittlestar.runs.runner import Progress, run
from brittlestar.runs.task import Task
from brittlestar.shifts.conditions import Condition
from brittlestar.store import RunStore, SessionRecord


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
        budget: Seconds, or ``None``.
        precision: Target half-width of every interval (``enough`` decides), or ``None``.
        batch: Samples a forward pass; ``None`` chooses by image size.
        workers: Processes; 1 works in this process.
        executor: Where tasks are run: a name, an executor, or ``None`` for what ``workers`` says (``executor_of``).
        command: What the person typed, for the record.
        follow_up: Work on single cells once the grid is filled.
        tune: Whether models may answer in a faster way that gives the same logits.
        judge: Says from first clean answers whether a model is near chance; ``None`` asks none.
        anyway: Whether models near chance are run all the same.
        shifted: Whether the images were declared to be unlike those that the models were made for, for the record.
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
    budget: float | None = None
    precision: float | None = None
    batch: int | None = None
    workers: int = 1
    executor: str | Executor | None = None
    command: str = ""
    follow_up: FollowUp | None = None
    tune: bool = True
    judge: Judge | None = None
    anyway: bool = False
    shifted: bool = False
    titles: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a session ended: ``stop`` (complete, budget, precision, interrupted), seconds, images, work left."""

    folder: Path
    stop: str
    seconds: float
    images: int
    left: float


@dataclasses.dataclass(frozen=True)
class Watch:
    """Callbacks of a session; each may be left out.

    Fields:
        note: Called with one line of what happens now.
        warn: Called with what a person must know before believing any number.
        plan: Called once with the models' names, the conditions and the progress before work begins.
        progress: Called after every task.
        enough: Asked after every finished block whether to stop (precision).
    """

    note: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    plan: Callable[[Sequence[str], Sequence[Condition], Progress], None] = lambda *_: None
    progress: Callable[[Progress], None] = lambda _: None
    enough: Callable[[Progress], bool] | None = None


def run_session(request: Request, watch: Watch | None = None) -> Outcome:
    """Check everything, do what the folder lacks, record how it ended.

    Raises:
        UsageError: Impossible numbers, a model that breaks the contract.
        NearChanceError: A model near chance on clean images, where ``judge`` is given and ``anyway`` is not.
        StoreError: The folder is in use, of another version, or holds other data.
    """
    with one_thread(request.models[0].device):
        return _run_session(request, watch or Watch())


def _run_session(request: Request, watch: Watch) -> Outcome:
    note = watch.note
    source = request.source
    count = _sample_count(request)
    executor = _executor(request)
    order = source.order(request.seed)
    labels = request.labels[order].astype(np.int32)
    batch = request.batch or default_batch(source.info.shape)
    infos = _checked(request, order, labels, batch, watch)
    near = _near_chance(request, order, labels, batch, watch, count)  # before any folder is made
    infos = [dataclasses.replace(i, notes=(*i.notes, *near.notes.get(i.name, ()))) for i in infos]
    data = dataclasses.replace(source.info, classes=request.classes, titles=request.titles)
    store = RunStore.start(request.folder, data=data.as_json() | {"how": request.data_how}, seed=request.seed)
    with store.locked():
        for info in infos:
            store.register_model(dataclasses.asdict(info))
        store.register_conditions([c.info for c in request.conditions])
        groups, names = source.groups, source.names()
        ordered = [names[place] for place in order]
        store.write_samples(source.ids[order], labels, None if groups is None else groups[order], ordered)
        if request.titles:
            store.name_classes(request.titles)
        fingerprints = [info.fingerprint for info in infos]
        tasks, progress = _planned(request, store, infos, count)
        watch.plan([info.name for info in infos], request.conditions, progress)
        spec = BenchSpec(
            source=source,
            order=order,
            labels=labels,
            seed=request.seed,
            conditions=(*request.conditions, *(request.follow_up.conditions if request.follow_up else ())),
            makers=tuple(request.makers or ()),
            fingerprints=tuple(fingerprints),
            batch=batch,
            folder=request.folder,
            tune=request.tune,
        )
        bench = Bench(spec, request.models, store)
        record = _record(request, batch, count, bench.tuning)
        store.begin_session(dataclasses.replace(record, near_chance=near.by_name))
        began, stop = time.perf_counter(), "failed"  # what stays if an error breaks it off
        try:
            deadline = None if request.budget is None else time.monotonic() + request.budget
            if request.executor is None and len(tasks) < 2 and request.follow_up is None:
                executor = ThisProcess()  # for one task, a process of its own would take longer to begin than it saves
            if tasks or request.follow_up:
                with executor.started(bench):
                    stop = run(
                        tasks,
                        executor,
                        progress,
                        deadline=deadline,
                        enough=watch.enough,
                        on_progress=watch.progress,
                        on_interrupt=lambda: note(executor.stopping),
                    )
                    if request.follow_up and stop == "complete":
                        stop = _followed(request.follow_up, executor, spec, store, note, progress)
            else:
                stop = "complete"
            if stop != "interrupted" and (tasks or not (request.folder / "examples" / "examples.json").exists()):
                watch.note("choosing example images")
                write_examples(bench, [info.name for info in infos], count)
        except KeyboardInterrupt:
            # Between the runner's own care and here nothing is half written: rows and examples appear whole.
            stop = "interrupted"
        finally:
            seconds = time.perf_counter() - began
            store.end_session(stop=stop, wall_s=seconds, images=progress.images)
    return Outcome(request.folder, stop, seconds, progress.images, progress.work_total - progress.work_done)


def _followed(
    follow_up: FollowUp,
    executor: Executor,
    spec: BenchSpec,
    store: RunStore,
    note: Callable[[str], None],
    progress: Progress,
) -> str:
    try:
        progress.images += follow_up.do(executor, spec, store, note)
    except KeyboardInterrupt:
        note(executor.stopping)
        executor.close()
        return "interrupted"
    return "complete"


def default_batch(shape: tuple[int, int, int]) -> int:
    """Samples a forward pass: a whole block for small images, fewer for large ones."""
    return 250 if max(shape[1:]) <= 64 else 64 if max(shape[1:]) <= 128 else 25


def _sample_count(request: Request) -> int:
    total = request.source.info.count
    count = total if request.samples is None else request.samples
    for name, number in (("samples", count), ("workers", request.workers), ("batch", request.batch)):
        require(number is None or number >= 1, f"{option(name)} must be at least 1, got {number}", UsageError)
    too_many = f"{option('samples', count)} is more than the {total} images of {request.source.info.spec}"
    require(count <= total, too_many, UsageError)
    for name, value in (("budget", request.budget), ("precision", request.precision)):
        require(value is None or value > 0, f"{option(name)} must be positive, got {value}", UsageError)
    half_width = f"{option('precision')} is a half-width such as 0.02, got {request.precision}"
    require(request.precision is None or request.precision < 0.5, half_width, UsageError)
    names = [model.name for model in request.models]
    require(
        len(set(names)) == len(names),
        f"two models have one name: {names}; name them apart ({option('model', 'NAME=MODEL')})",
        UsageError,
    )
    return count


def _checked(
    request: Request, order: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], batch: int, watch: Watch
) -> list[ModelInfo]:
    first = order[: min(FIRST_BLOCK, len(order))]
    pixels = torch.from_numpy(request.source.load(first))
    infos = []
    for model, how in zip(request.models, request.models_how, strict=True):
        watch.note(f"checking {model.name}")
        images = pixels.to(model.device, torch.float32) / 255
        notes = check_model(model, images, torch.from_numpy(labels[: len(first)]), len(request.classes), batch)
        with torch.inference_mode():
            outputs = int(model.logits(images[:2]).shape[1])
        if not model.differentiable:
            notes = (*notes, "gives no gradients: white-box attacks are left out")
        infos.append(
            ModelInfo(
                name=model.name,
                spec=model.spec,
                fingerprint=model.fingerprint(),
                classes=outputs,
                input_shape=request.source.info.shape,
                preprocess=model.preprocess.as_json(),
                parameters=model.parameters,
                differentiable=model.differentiable,
                notes=notes,
                guards=model.guards,
                how=how,
            )
        )
    twins = {info.fingerprint for info in infos}
    require(len(twins) == len(infos), f"two of the models are the same: {[i.name for i in infos]}", UsageError)
    return infos


@dataclasses.dataclass(frozen=True)
class _Near:
    """Models near chance by name with [right, asked], and notes on those that could not be told from it."""

    by_name: dict[str, list[int]]
    notes: dict[str, tuple[str, ...]]


def _near_chance(
    request: Request,
    order: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    batch: int,
    watch: Watch,
    count: int,
) -> _Near:
    """Ask every model about clean images first; stop, or say what is wrong, where one does no more than guess."""
    if request.judge is None:
        return _Near({}, {})
    first: dict[str, First] = {}
    for model in request.models:
        first[model.name] = first_answers(
            model, request.source, order, labels, request.judge, most=count, batch=batch, budget=request.budget
        )
    near = {name: one for name, one in first.items() if one.judgement.near}
    if near:
        others = [name for name in first if name not in near]
        if not request.anyway:
            refuse_near_chance(near, others)
        watch.warn(near_chance_text(near, others))
    open_ = {name: one for name, one in first.items() if one.judgement.near is None and not one.judgement.apart}
    return _Near(
        {name: [one.right, one.asked] for name, one in near.items()},
        {
            name: (f"not told apart from chance on clean images: right in {one.judgement.text}",)
            for name, one in open_.items()
        },
    )


def _planned(request: Request, store: RunStore, infos: Sequence[ModelInfo], count: int) -> tuple[list[Task], Progress]:
    costs = [
        [
            None
            if isinstance(c.definition, Attack) and c.definition.needs_gradients and not m.differentiable
            else passes(c)
            for c in request.conditions
        ]
        for m in infos
    ]
    fingerprints = [c.fingerprint for c in request.conditions]
    finished = [store.finished_groups(info.fingerprint) for info in infos]
    tasks: list[Task] = [*plan(costs, fingerprints, count, finished)]
    tallies = {}
    for place, info in enumerate(infos):
        known = store.tallies(info.fingerprint) if finished[place] else {}
        tallies.update({(place, c): list(known[f]) for c, f in enumerate(fingerprints) if f in known})
    design = store.design()
    sizes = np.unique(design.labels, return_counts=True)[1]
    even = bool(sizes.max() <= 1.1 * sizes.min())  # only clearly unequal classes are worth telling
    grouped = design.groups is not None
    return tasks, Progress(tallies, sum(task.work for task in tasks), even=even, grouped=grouped)


def _executor(request: Request) -> Executor:
    """Where tasks are run.

    Raises:
        UsageError: The executor needs models that can be loaded again, and these cannot.
    """
    if request.executor is None and request.makers is None:
        return ThisProcess()
    executor = executor_of(request.executor, request.workers)
    require(
        executor.local or request.makers is not None,
        f"the executor {type(executor).__name__} loads models where it computes: give them as specifications (text)",
        UsageError,
    )
    return executor


def _record(request: Request, batch: int, count: int, tuning: dict[str, str]) -> SessionRecord:
    device = request.models[0].device
    return SessionRecord(
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=request.command,
        suite=", ".join([*request.suites, *([request.follow_up.name] if request.follow_up else [])]),
        rule="anytime" if request.precision is not None else "fixed",
        stop="running",
        samples=count,
        budget_s=request.budget,
        precision=request.precision,
        workers=request.workers,
        device=str(device),
        batch=batch,
        tuning=tuning,
        versions=versions(),
        hardware=hardware(device),
        shifted=request.shifted,
        conditions=[c.info.id for c in request.conditions],
        models=[model.name for model in request.models],
    )

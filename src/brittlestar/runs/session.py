"""One session on a run folder: check, plan, fill, record. Everything that can be refused is refused before work."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import time
from collections.abc import Callable, Sequence

import numpy as np

from brittlestar.attacks.base import Attack
from brittlestar.core import interrupts
from brittlestar.core.condition import TIME
from brittlestar.core.errors import UsageError, require, text_of
from brittlestar.models.base import ModelInfo
from brittlestar.models.wrap import TorchModel
from brittlestar.runs import hung
from brittlestar.runs.bench import PROBE, TUNING, Bench, BenchSpec
from brittlestar.runs.budget import Patience
from brittlestar.runs.cell import passes
from brittlestar.runs.checking import checked, default_batch, near_chance, refuse_too_large, sample_count
from brittlestar.runs.clip_pictures import write_clips
from brittlestar.runs.environment import hardware, versions
from brittlestar.runs.examples import PER_CONDITION, write_examples
from brittlestar.runs.executors import Executor, ThisProcess, executor_of
from brittlestar.runs.identity import identified, keep_behaviours, refuse_changed
from brittlestar.runs.pace import Pace
from brittlestar.runs.plan import Backlog, plan
from brittlestar.runs.process import one_thread
from brittlestar.runs.request import FollowUp, Outcome, Request, Watch
from brittlestar.runs.runner import Progress, run
from brittlestar.runs.skipped import skip, skip_lacking
from brittlestar.runs.steady import UNSTEADY, Unsteady, check_steady, refuse_unsteady
from brittlestar.store import RunStore, SessionRecord, repaired
from brittlestar.store.skipped import skipped_of

BEGINNING = 4.0
"""Seconds at least that a worker process takes to begin."""


def run_session(request: Request, watch: Watch | None = None) -> Outcome:
    """Check everything, do what the folder lacks, record how it ended.

    Raises:
        UsageError: Impossible numbers, a model that breaks the contract.
        NearChanceError: A model near chance on clean images, where ``judge`` is given and ``anyway`` is not.
        StoreError: The folder is in use, of another version, or holds other data.
    """
    with one_thread(request.models[0].device), hung.watched():
        return _run_session(request, watch or Watch())


def _run_session(request: Request, watch: Watch) -> Outcome:
    note = watch.note
    source = request.source
    count = sample_count(request)
    refuse_too_large(request)
    executor = _executor(request)
    order = source.order(request.seed)
    labels = request.labels[order].astype(np.int32)
    batch = request.batch or default_batch(source.info.shape)
    budget = request.budget
    patience = Patience(None if budget is None else budget.for_checks / len(request.models))
    readable = source.present(order)
    truth = request.labels[readable].astype(np.int32)
    infos, seen = checked(request, readable, truth, batch, watch, patience)
    # Asked first, as nothing is to be spent on a model that the folder refuses; and once more under the lock.
    refuse_changed(request.folder, source.info.fingerprint, request.seed, infos, seen)
    near = near_chance(request, readable, truth, batch, watch, count, patience, seen)  # before any folder is made
    infos = [dataclasses.replace(i, notes=(*i.notes, *near.notes.get(i.name, ()))) for i in infos]
    data = dataclasses.replace(source.info, classes=request.classes, titles=request.titles)
    store = RunStore.start(request.folder, data=data.as_json() | {"how": request.data_how}, seed=request.seed)
    with store.locked():
        for line in repaired(store):
            watch.warn(line)
        refuse_unsteady(store, [info.name for info in infos])
        groups, names = source.groups, source.names()
        ordered = [names[place] for place in order]
        # First, as stored rows that a model is compared with are read with them.
        told = {name: column[order] for name, column in source.contexts.items()}
        truths = None if request.truths is None else request.truths[order]
        own = None if groups is None else groups[order]
        store.write_samples(source.ids[order], labels, own, ordered, truths, told)
        infos, lacking = identified(store, infos, seen)
        keep_behaviours(store, lacking)
        for info in infos:
            store.register_model(dataclasses.asdict(info))
        store.register_conditions([c.info for c in request.conditions])
        skip_lacking(store, source, order)
        if request.titles:
            store.name_classes(request.titles)
        fingerprints = [info.fingerprint for info in infos]
        backlog, progress = _planned(request, store, infos, count)
        watch.plan([info.name for info in infos], request.conditions, progress)
        hurry = not patience.allows(TUNING)
        if hurry and request.tune and any(isinstance(model, TorchModel) for model in request.models):
            note("answers are not made faster: the budget leaves no time to try it")
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
            tune=request.tune and not hurry,
            probe=2 if hurry else PROBE,
            behaviours=tuple(seen),
            devices=request.devices,
            truths=truths,
        )
        bench = Bench(spec, request.models, store)
        record = _record(request, batch, count, bench.tuning)
        # A session that ended otherwise may have left examples of fewer rows, or fewer examples, than there could be.
        choosing = not store.manifest.sessions or store.manifest.sessions[-1].stop not in ("complete", "precision")
        choosing = choosing or bool(backlog) or not (request.folder / "examples" / "examples.json").exists()
        store.begin_session(dataclasses.replace(record, near_chance=near.by_name))
        began, stop, why = time.perf_counter(), "failed", ""  # what stays if an error breaks it off

        def hangs(text: str) -> None:
            store.end_session(stop="failed", why=text, wall_s=time.perf_counter() - began, images=progress.images)

        hung.records.append(hangs)
        try:
            pace = Pace(patience.slowest)
            deadline = _end_of_filling(request, pace)
            few = len(backlog.tasks) < 2 or not _worth_starting(request, deadline)
            if request.executor is None and few and request.follow_up is None:
                executor = ThisProcess()  # processes of their own would take longer to begin than they save
            ended = "complete"
            if backlog or request.follow_up:
                executor.say = note
                with executor.started(bench):
                    fill = functools.partial(
                        run,
                        executor=executor,
                        progress=progress,
                        pace=pace,
                        deadline=deadline,
                        enough=watch.enough,
                        on_progress=watch.progress,
                        on_interrupt=lambda: note(executor.stopping),
                    )
                    ended = fill(backlog)
                    # What was skipped is recorded before anything is stored without it.
                    while request.skip_bad and skip(store, progress.unread) and ended == "complete":
                        backlog = _planned(request, store, infos, count)[0]
                        progress.work_total = progress.work_done + backlog.work
                        ended = fill(backlog)
                    ended = "unread" if progress.unread and ended == "complete" else ended
                    if request.follow_up and ended == "complete":
                        ended = _followed(request.follow_up, executor, spec, store, note, progress)
            if isinstance(executor, ThisProcess) and progress.images:
                check_steady(request.models, seen, source)
            if ended != "interrupted" and choosing:
                note("choosing example images")
                names, until = [info.name for info in infos], None if budget is None else budget.end_of_examples
                left_out = write_examples(bench, names, until, pace.a_pass)
                write_clips(bench, names, until)
                if left_out:
                    note(f"no time to choose all examples of {left_out} conditions")
                    ended = "budget" if ended == "complete" else ended
            # Last, as nothing is complete before.
            stop = ended
        except KeyboardInterrupt:
            # Between the runner's own care and here nothing is half written: rows and examples appear whole.
            stop = "interrupted"
        except BaseException as error:
            stop, why = (
                UNSTEADY if isinstance(error, Unsteady) else "failed",
                f"{type(error).__name__}: {text_of(error, 1000)}",
            )
            raise
        finally:
            with interrupts.held():
                hung.records.remove(hangs)
                seconds = time.perf_counter() - began
                why = interrupts.why() if stop == "interrupted" else why
                store.end_session(stop=stop, wall_s=seconds, images=progress.images, why=why)
    left = progress.work_total - progress.work_done
    return Outcome(request.folder, stop, seconds, progress.images, left, tuple(progress.unread))


def _end_of_filling(request: Request, pace: Pace) -> float | None:
    """When the last cell is to be filled, so that there is time for what comes then; ``None`` without a budget."""
    if request.budget is None:
        return None
    other = ("fourier", "sequence", "transplant", TIME, "clean")
    shown = sum(passes(c) for c in request.conditions if c.info.kind not in other)
    return request.budget.end_of_filling(PER_CONDITION * shown * len(request.models) * (pace.a_pass or 0.0))


def _worth_starting(request: Request, deadline: float | None) -> bool:
    """Whether several processes get more done by the deadline than this one, though they have yet to begin."""
    if request.budget is None or deadline is None:
        return True
    now = time.monotonic()
    # They load what this process has loaded.
    start = max(now - request.budget.began, BEGINNING)
    return (deadline - now - start) * request.workers > deadline - now


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


def _planned(request: Request, store: RunStore, infos: Sequence[ModelInfo], count: int) -> tuple[Backlog, Progress]:
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
    backlog = plan(costs, fingerprints, count, finished, skipped_of(store.manifest))
    deadline = None if request.budget is None else request.budget.end
    tallies = {}
    for place, info in enumerate(infos):
        known = store.tallies(info.fingerprint) if finished[place] else {}
        tallies.update({(place, c): list(known[f]) for c, f in enumerate(fingerprints) if f in known})
    design = store.design()
    sizes = np.unique(design.labels, return_counts=True)[1]
    even = bool(sizes.max() <= 1.1 * sizes.min())  # only clearly unequal classes are worth telling
    grouped = design.groups is not None
    return backlog, Progress(tallies, backlog.work, even=even, grouped=grouped, deadline=deadline)


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
        budget_s=None if request.budget is None else request.budget.seconds,
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

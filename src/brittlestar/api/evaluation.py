"""From what was asked to a filled run folder: what ``brittlestar.evaluate`` and the commands that measure share."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.analyses.stopping import judge_of, precise_enough
from brittlestar.api.arguments import check_arguments
from brittlestar.api.arguments import parse_duration as parse_duration
from brittlestar.api.asked import UNTRIED, askable, numbered_outputs, unjudged
from brittlestar.api.effect import effect_on_clean, mapped_labels, truths_of
from brittlestar.api.outside import opened_outside, run_outside
from brittlestar.api.run import Run
from brittlestar.api.spaces import outputs_of, settled_space, titles_of
from brittlestar.core.errors import UsageError, require
from brittlestar.core.label_space import LabelSpace
from brittlestar.core.options import option
from brittlestar.core.places import place
from brittlestar.core.preparation import PUBLISHED, as_published, preparation_note
from brittlestar.data import open_source
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.contexts import asked_contexts
from brittlestar.data.given import refuse_options
from brittlestar.data.labels import checked_classes
from brittlestar.models import ModelSpec, as_model, load_model, settled_output, settled_spec
from brittlestar.models.base import Model
from brittlestar.models.devices import check_device
from brittlestar.models.neighbours import forget
from brittlestar.report.live import LiveReport
from brittlestar.runs.budget import Budget
from brittlestar.runs.devices import devices_of
from brittlestar.runs.executors import Executor
from brittlestar.runs.request import FollowUp, Outcome, Request, Watch
from brittlestar.runs.runner import Progress
from brittlestar.runs.session import run_session
from brittlestar.runs.skipped import as_recorded
from brittlestar.shifts.conditions import Condition
from brittlestar.suites import get_suite
from brittlestar.suites.base import Suite
from brittlestar.suites.given import Asked, suites_of


@dataclasses.dataclass(frozen=True)
class Opened:
    """Data as they are measured: the source in its label space, what opens it again, the run folder, and classes, what
    people call them, labels and (where there are several a sample) right classes, as the models number them."""

    source: Source
    how: dict[str, Any]
    folder: Path
    classes: tuple[str, ...]
    titles: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    truths: npt.NDArray[np.int32] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is asked of models, apart from the models and the data; the fields are the arguments of ``evaluate``."""

    suite: Asked | Sequence[Asked] = "broad"
    storage: str | None = None
    out: str | Path | None = None
    samples: int | None = None
    budget: str | float | None = None
    precision: float | None = None
    batch: int | None = None
    device: str | None = None
    seed: int = 0
    workers: int = 1
    executor: str | Executor | None = None
    resize: int | None = None
    crop: int | None = None
    resize_filter: str | None = None
    resize_rounding: str | None = None
    prepare: str | None = None
    skip_bad: bool = False
    groups: Any = None
    contexts: Any = None
    metadata: str | Path | None = None
    image_column: str | None = None
    label_column: str | None = None
    label_space: str | Path | Mapping[str, Any] | LabelSpace | None = None
    classes: Sequence[str] | Mapping[str, str] | None = None
    tune: bool = True
    normalise: bool | None = None
    anyway: bool = False
    shifted: bool = False
    live: bool = False
    nature: Mapping[str, Any] | None = None
    outside: Any = None

    def run(
        self,
        model: Any,
        data: Any,
        watch: Watch,
        *,
        command: str = "",
        follow_up: FollowUp | None = None,
        budget: Budget | None = None,
        opened: Opened | None = None,
    ) -> Run:
        """Check everything, fill what the folder lacks, and say how it ended; ``nature`` is for ``run_with_nature``.

        Args:
            model: As for ``evaluate``.
            data: As for ``evaluate``.
            watch: Callbacks.
            command: Recorded in the report as the command that repeats it.
            follow_up: Work on single cells once the grid is filled (``brittlestar.analyses.mapping``).
            budget: Of a command that began before and goes on afterwards; ``self.budget`` begins and ends here.
            opened: The data, where ``self.opened`` has opened them already.

        Raises:
            NearChanceError, UsageError, StoreError: As ``evaluate`` does.
        """
        check_arguments(vars(self))
        both = self.budget is not None and self.precision is not None
        require(not both, f"give {option('budget')} or {option('precision')}, not both", UsageError)
        if budget is None and self.budget is not None:
            budget = Budget(parse_duration(self.budget), report=self.live)
        watch.phase("opening the data")
        suites = suites_of(self.suite)
        opened = opened or self.opened(data, suites, watch)
        source, labels, folder = opened.source, opened.labels, opened.folder
        apart = {} if self.outside is None else opened_outside(self.outside, source, opened.classes, opened.how)
        devices = () if self.device is None else devices_of(str(self.device), self.workers)
        for device in devices:
            check_device(device)
        models, specs = self._loaded(model, source, labels, devices, watch, budget)
        if budget is not None:
            budget = dataclasses.replace(budget, loading=time.monotonic() - budget.began)
        conditions = askable(conditions_of(suites, source.info.shape, self.storage, source.info.cropped), source)
        known = source.info.labelled
        require(known or self.precision is None, f"{option('precision')} needs labels", UsageError)
        watch = watch if known else unjudged(watch)
        named = opened.classes if known or self.classes is not None else numbered_outputs(models, source)
        portable = all(isinstance(value, ModelSpec) for value in specs)
        specifications = f"{option('workers')} above 1 needs models given as specifications (text)"
        require(self.workers <= 1 or portable, specifications, UsageError)
        for note in source.info.notes:
            watch.note(note)
        if self.precision is not None and watch.enough is None:
            enough = precise_enough(self.precision, folder, source, models, conditions)
            watch = dataclasses.replace(watch, enough=enough)
        request = Request(
            source=source,
            labels=labels,
            classes=named,
            models=models,
            makers=[functools.partial(load_model, value) for value in specs] if portable else None,
            models_how=[dataclasses.asdict(value) if isinstance(value, ModelSpec) else {} for value in specs],
            data_how=opened.how,
            conditions=conditions,
            suites=tuple(s.name for s in suites),
            folder=folder,
            seed=self.seed,
            samples=self.samples,
            budget=budget,
            precision=self.precision,
            batch=self.batch,
            workers=self.workers,
            executor=self.executor,
            devices=devices if len(devices) > 1 else (),
            command=command,
            follow_up=follow_up,
            tune=self.tune,
            judge=None if self.shifted or not known else judge_of(labels),
            anyway=self.anyway,
            shifted=self.shifted,
            titles=opened.titles,
            skip_bad=self.skip_bad,
            truths=opened.truths,
        )
        notes = preparation_notes(suites, source.info)
        for note in notes:
            watch.note(note)
        outcome = self._filled(request, watch)
        if outcome.stop != "interrupted":
            run_outside(request, apart, watch)
        return Run(folder, outcome, notes)

    def _filled(self, request: Request, watch: Watch) -> Outcome:
        if not self.live:
            return run_session(request, watch)
        page = LiveReport(request.folder, watch.note)
        outer = watch.progress

        def grow(progress: Progress) -> None:
            outer(progress)
            page.grow()

        try:
            return run_session(request, dataclasses.replace(watch, progress=grow))
        finally:
            page.close()

    def opened(self, data: Any, suites: Sequence[Suite], watch: Watch) -> Opened:
        """The data as they are measured."""
        source, how = self._opened(data, suites, watch)
        names = None if self.classes is None else checked_classes(list(self.classes), option("classes"))
        source = settled_space(source, self.label_space, names)
        folder = place(self.out) if self.out is not None else Path("runs") / source.info.name
        source = as_recorded(source, folder, self.skip_bad)
        # In a label space the names of the outputs have done their work.
        classes = names if source.space is None else None
        return Opened(
            source,
            how,
            folder,
            source.info.classes if classes is None else classes,
            titles_of(source, self.classes),
            source.labels if classes is None else mapped_labels(source, classes),
            truths_of(source, classes),
        )

    def _opened(self, data: Any, suites: Sequence[Suite], watch: Watch) -> tuple[Source, dict[str, Any]]:
        """The data, and what opens them again; photographs of different sizes as the first suite's set has them."""
        if isinstance(data, Source):
            left = f"{option('groups')}, {option('contexts')} and {option('metadata')}"
            own = f"an opened source has its groups and contexts: leave {left} out, and set source.groups or .contexts"
            require(self.groups is None and self.contexts is None and self.metadata is None, own, UsageError)
            refuse_options(
                resize=self.resize,
                crop=self.crop,
                resize_filter=self.resize_filter,
                resize_rounding=self.resize_rounding,
                prepare=self.prepare,
                skip_bad=self.skip_bad,
                image_column=self.image_column,
                label_column=self.label_column,
            )
            return data, {}
        asked: dict[str, Any] = {
            "resize": self.resize,
            "crop": self.crop,
            "filter": self.resize_filter,
            "rounding": self.resize_rounding,
            "prepare": self.prepare,
        }
        name = next((suite.prepared for suite in suites if suite.prepared), "")
        otherwise = PUBLISHED[name] if name else None
        several = self.classes is not None and len(self.classes) > 1
        columns: dict[str, Any] = {"image_column": self.image_column, "label_column": self.label_column}
        source = open_source(
            data,
            **asked,
            **columns,
            otherwise=otherwise,
            skip_bad=self.skip_bad,
            groups=self.groups,
            contexts=self.contexts,
            metadata=self.metadata,
            unlabelled=True,
            one_class=several,
        )
        if otherwise is not None and not any(asked.values()) and as_published(source.info.prepared, name):
            watch.note(f"the images differ in size: prepared as for {name} ({source.info.preparation})")
            asked["prepare"] = name
        if isinstance(data, str | Path):
            columns["contexts"] = list(asked_contexts(self.contexts)) or None
            columns["metadata"] = None if self.metadata is None else str(self.metadata)
        return source, asked | {"skip_bad": self.skip_bad} | {k: v for k, v in columns.items() if v is not None}

    def _loaded(
        self,
        model: Any,
        source: Source,
        labels: npt.NDArray[np.int32],
        devices: Sequence[str],
        watch: Watch,
        budget: Budget | None,
    ) -> tuple[list[Model], list[Any]]:
        """The models, and what loads them again: specifications where they were given so, else the objects."""
        watch.phase("loading the models")
        own: dict[str, Any] = {"device": devices[0]} if devices else {}
        named = [
            (name, dataclasses.replace(value, **own) if isinstance(value, ModelSpec) else value)
            for name, value in _named_models(model)
        ]
        seconds = None if budget is None else budget.for_checks / max(len(named), 1)
        forget()
        models = [_loaded(value, name, devices) for name, value in named]
        specs = []
        for loaded, (_, value) in zip(models, named, strict=True):
            spec = value if isinstance(value, ModelSpec) else None
            for note in loaded.notes if spec is not None else ():
                watch.note(f"{loaded.name}: {note}")
            loaded.space = source.space
            spec = settled_output(loaded, spec, outputs_of(source, self.classes))
            watch.phase(f"trying {loaded.name} with and without normalisation")
            said = self.normalise
            if said is None and not source.info.labelled:
                said = loaded.preprocess.mean is not None or loaded.preprocess.std is not None
                loaded.notes = (*loaded.notes, UNTRIED) if said else loaded.notes
            settled = settled_spec(loaded, spec, source, labels, self.seed, said, watch.warn, seconds)
            specs.append(settled or value)
        for loaded, value in zip(models, specs, strict=True):
            other = isinstance(value, ModelSpec) and (value.dtype, value.backend) != ("float32", "torch")
            if other and source.info.labelled:
                watch.note(f"{loaded.name}: what {value.dtype if value.backend == 'torch' else value.backend} changes")
                names = None if self.classes is None or source.space is not None else tuple(self.classes)
                effect = effect_on_clean(loaded, value, source, self.seed, names, seconds)
                loaded.notes = (*loaded.notes, effect)
                watch.note(f"{loaded.name}: {effect}")
        return models, specs


def preparation_notes(suites: Sequence[Suite], info: DataInfo) -> tuple[str, ...]:
    """What must be said of the published suites' images: how their preparation differs from the published one."""
    found: list[str] = []
    for suite in suites if info.kind != "named" else ():
        first = suite.conditions(info.shape, cropped=info.cropped)[1:2]
        if first and (len(suite.storages) > 1 or first[0].info.kind == "sequence"):
            note = preparation_note(info.prepared, first[0].info.table, *info.shape[1:])
            found += [f"{suite.name}: {note}"] if note else []
    return tuple(found)


def conditions_of(
    names: Sequence[str | Suite], shape: tuple[int, int, int], storage: str | None = None, cropped: bool = False
) -> tuple[Condition, ...]:
    """The conditions of several suites, each once, in order; ``storage`` is for those that were published with one,
    ``cropped`` as in ``Suite.conditions``."""
    suites = [get_suite(name) if isinstance(name, str) else name for name in names]
    require(
        storage is None or any(len(suite.storages) > 1 for suite in suites),
        f"a storage is for published suites such as imagenet-c; {', '.join(s.name for s in suites)} has none",
        UsageError,
    )
    seen: dict[str, Condition] = {}
    for suite in suites:
        for condition in suite.conditions(shape, storage if len(suite.storages) > 1 else None, cropped):
            seen.setdefault(condition.fingerprint, condition)
    return tuple(seen.values())


def _named_models(model: Any) -> list[tuple[str | None, Any]]:
    if isinstance(model, Mapping):
        weights = bool(model) and all(isinstance(value, torch.Tensor) for value in model.values())
        state = "a state dict is no model: load it into its module (module.load_state_dict), and give the module"
        require(not weights, state, UsageError)
        require(bool(model), "no model was given: the mapping is empty", UsageError)
        return [(name, _spec_or_object(value, name)) for name, value in model.items()]
    values = list(model) if isinstance(model, list | tuple) else [model]
    require(bool(values), f"no model was given: {option('model')} is one, or a mapping of names to models", UsageError)
    return [(None, _spec_or_object(value, None)) for value in values]


def _spec_or_object(value: Any, name: str | None) -> Any:
    from brittlestar.models import parse_spec

    if isinstance(value, str):
        value = parse_spec(value)
    return dataclasses.replace(value, name=name) if isinstance(value, ModelSpec) and name is not None else value


def _loaded(value: Any, name: str | None, devices: Sequence[str]) -> Model:
    if isinstance(value, ModelSpec):
        return load_model(value)
    loaded = as_model(value, name=name or "model")
    for device in devices[:1]:
        require(
            torch.device(device).type == loaded.device.type,
            f"the model lies on {loaded.device}; move it to {device} yourself, or give no device",
            UsageError,
        )
    return loaded

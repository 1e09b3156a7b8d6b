"""The library's front door: evaluate a model on data, get a run, get a report."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brittlestar import measures
from brittlestar.analyses.stopping import judge_of, precise_enough
from brittlestar.core.errors import UsageError, require
from brittlestar.core.preparation import PUBLISHED, as_published, preparation_note
from brittlestar.data import open_source
from brittlestar.data.base import DataInfo, Source
from brittlestar.measures.samples import Samples, mean_difference_of
from brittlestar.models import ModelSpec, as_model, load_model, map_labels, settled_spec
from brittlestar.models.base import Model, infer
from brittlestar.models.tune import tune
from brittlestar.runs.session import FollowUp, Outcome, Request, Watch, run_session
from brittlestar.shifts.conditions import Condition
from brittlestar.store import RunStore, stopping_rule
from brittlestar.store.design import Design
from brittlestar.suites import get_suite
from brittlestar.suites.base import Suite

LEVEL = 0.95


def parse_duration(text: str | float) -> float:
    """Seconds from ``90``, ``"90s"``, ``"5m"``, ``"1h30m"``."""
    if isinstance(text, int | float):
        return float(text)
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if parts is None or not any(parts.groups()):
        raise UsageError(f"cannot read the duration {text!r}: write it like 90s, 5m or 1h30m")
    return sum(float(part or 0) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True))


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder that was just worked on, or opened again with ``Run(path)``.

    Fields:
        path: The folder.
        outcome: How the last session ended; ``None`` for a folder opened again.
        notes: What was said of the preparation of the images, and must stand beside the numbers.
    """

    path: Path
    outcome: Outcome | None = None
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """Accuracy of every model under every condition but single Fourier frequencies, worst first."""
        found = self._candidates()
        rows = [_row(model, name, one(LEVEL)) for model, named in found.items() for name, one in named.items()]
        return Table(sorted(rows, key=lambda row: row["accuracy"]), self.worst())

    def worst(self) -> list[dict[str, Any]]:
        """Each model's condition with the lowest accuracy but clean, its interval for the lowest of them all.

        The interval allows for the condition having been chosen by its number (``measures.lowest``); ``of`` says of
        how many.
        """
        clean = {info.id for info in RunStore.open(self.path).manifest.conditions.values() if info.kind == "clean"}
        rows = []
        for model, named in self._candidates().items():
            shifted = {name: one for name, one in named.items() if name not in clean}
            if shifted:
                name, interval = measures.lowest(shifted, LEVEL)
                rows.append(_row(model, name, interval) | {"of": len(shifted)})
        return rows

    def _candidates(self) -> dict[str, dict[str, measures.Candidate]]:
        """By model and condition (but single Fourier frequencies) the accuracy at a level."""
        store = RunStore.open(self.path)
        rule = stopping_rule(store.manifest.sessions).rule
        wanted = [info for info in store.manifest.conditions.values() if info.kind != "fourier"]
        found: dict[str, dict[str, measures.Candidate]] = {}
        for name, model in store.manifest.models.items():
            rows = store.read(model["fingerprint"], [info.fingerprint for info in wanted], detail=False)
            found[name] = {
                info.id: functools.partial(measures.accuracy, rows[info.fingerprint], rule)
                for info in wanted
                if info.fingerprint in rows
            }
        return found

    def report(self, path: str | Path | None = None) -> Path:
        """Write the HTML report (with ``summary.json``, ``results.csv``, ``results.md`` beside it); give its path."""
        from brittlestar.report import build

        if path is None:
            return build([self.path])
        target = Path(path)
        if target.suffix != ".html":
            return build([self.path], out=target)
        written = build([self.path], out=target.parent)
        return written.rename(target) if written != target else written


def _row(model: str, condition: str, interval: measures.Estimate) -> dict[str, Any]:
    return {
        "model": model,
        "condition": condition,
        "accuracy": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
    }


class Table(list[dict[str, Any]]):
    """Rows as dictionaries, each with an interval of its own; prints as aligned text.

    ``worst``: see ``Run.worst``; printed below the rows.
    """

    def __init__(self, rows: Sequence[dict[str, Any]], worst: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(rows)
        self.worst = tuple(worst)

    def __str__(self) -> str:
        head = f"{'model':<20} {'condition':<44} {'accuracy':>8}  {'interval':<16} {'n':>6}"
        lines = [
            f"{r['model']:<20} {r['condition']:<44} {100 * r['accuracy']:>7.1f}%  "
            f"[{100 * r['low']:5.1f}, {100 * r['high']:5.1f}]   {r['n']:>6}"
            for r in self
        ]
        below = [
            f"{r['model']}: worst of {r['of']} is {r['condition']}, {100 * r['accuracy']:.1f}% "
            f"[{100 * r['low']:.1f}, {100 * r['high']:.1f}] (interval for the worst of them all)"
            for r in self.worst
            if r["of"] > 1
        ]
        return "\n".join([head, *lines, *below])


def interval_of(successes: int, n: int, rule: str, level: float = LEVEL) -> measures.Estimate:
    """The interval of independent outcomes that count alike, as the way the run was stopped asks for."""
    return measures.rate(successes, n, rule, level)


def evaluate(
    model: Any,
    data: Any,
    *,
    suite: str | Suite | Sequence[str | Suite] = "broad",
    storage: str | None = None,
    out: str | Path | None = None,
    samples: int | None = None,
    budget: str | float | None = None,
    precision: float | None = None,
    batch: int | None = None,
    device: str | None = None,
    seed: int = 0,
    workers: int = 1,
    resize: int | None = None,
    crop: int | None = None,
    resize_filter: str | None = None,
    resize_rounding: str | None = None,
    prepare: str | None = None,
    skip_bad: bool = False,
    groups: Any = None,
    classes: Sequence[str] | Mapping[str, str] | None = None,
    watch: Watch | None = None,
    command: str = "",
    follow_up: FollowUp | None = None,
    tune: bool = True,
    normalise: bool | None = None,
    anyway: bool = False,
    shifted: bool = False,
) -> Run:
    """Measure how brittle one or several models are.

    Args:
        model: A specification as on the command line, an ``nn.Module`` in evaluation mode, a callable on numpy arrays,
            a ``ModelSpec``, or a mapping of names to any of these. Images in [0, 1], NCHW, in; logits out.
        data: A path or name as on the command line, ``(images, labels)`` arrays, or an opened source.
        suite: Name of a suite, or a suite of one's own, or several.
        storage: How published suites keep shifted images (``float``, ``uint8``, ``jpeg85``), if not as published.
        out: Run folder; ``runs/<data>`` by default. A later call on the same folder resumes and adds.
        samples: How many images; all by default.
        budget: Stop after this time (``"5m"``).
        precision: Stop when every interval's half-width is at most this; intervals are then confidence sequences.
        batch: Images a forward pass.
        device: ``cpu``, ``cuda``; by default where an ``nn.Module`` lies, else the CPU.
        seed: Of the order of the images and of every draw.
        workers: Processes (one torch thread each); more than 1 only for models given as specifications.
        resize, crop: Shorter side and central square of the images in pixels, before the shift.
        resize_filter, resize_rounding: Bilinear and as in torchvision otherwise, as the published sets were made.
        prepare: Prepare as for a published set (``imagenet-c-299``), instead of the four above. Photographs of
            different sizes, of which nothing is asked, are prepared as for the suite's published set.
        skip_bad: Leave unreadable images out (they are counted in the report).
        groups: Which images depend on each other: the name of a column, or one value an image for arrays; intervals are
            then those of groups (``open_source``).
        classes: Class names in the order of the model's outputs, where they are not the data's own classes; a mapping
            also says what people call each (``{"n01440764": "tench", ...}``), which the report shows.
        watch: Callbacks.
        command: Recorded in the report as the command that repeats it.
        follow_up: Work on single cells once the grid is filled (``brittlestar.analyses.mapping``).
        tune: Whether models may answer in a faster way that gives the same logits to 1e-4 (batch norms folded into
            convolutions, channels-last memory); gradients are always taken through the model as it was given.
        normalise: Whether a model's mean and std are applied before it (true) or it applies them itself (false); by
            default the first images are answered both ways, and where that does not tell, it is asked.
        anyway: Run models that are near chance on clean images all the same.
        shifted: The images are meant to be unlike those that the models were made for, so that an accuracy near chance
            is a finding and no mistake.

    Raises:
        NearChanceError: A model is near chance on the first clean images (``measures.near_chance``): nothing was run.
        UsageError: Anything that cannot work, with what to do about it, before work begins.
        StoreError: The run folder holds something else or is in use.
    """
    require(budget is None or precision is None, "give a budget or a precision, not both", UsageError)
    require(
        groups is None or not isinstance(data, Source), "an opened source has its groups; set source.groups", UsageError
    )
    watch = watch or Watch()
    suites = [
        get_suite(one) if isinstance(one, str) else one
        for one in ([suite] if isinstance(suite, str | Suite) else suite)
    ]
    asked = {"resize": resize, "crop": crop, "filter": resize_filter, "rounding": resize_rounding, "prepare": prepare}
    source, data_how = (data, {}) if isinstance(data, Source) else _opened(data, asked, suites, skip_bad, groups, watch)
    specs = _named_models(model)
    models = [_loaded(value, name, device) for name, value in specs]
    names = tuple(classes) if classes is not None else source.info.classes
    labels = source.labels if classes is None else _mapped(source, names)
    settled = []
    for model_, (given, value) in zip(models, specs, strict=True):
        spec = value if isinstance(value, ModelSpec) else None
        found = settled_spec(model_, spec, source, labels, seed, normalise, watch.warn)
        settled.append((given, found or value))
    specs = settled
    for model_, (_, value) in zip(models, specs, strict=True):
        if isinstance(value, ModelSpec) and (value.dtype, value.backend) != ("float32", "torch"):
            watch.note(f"{model_.name}: what {value.dtype if value.backend == 'torch' else value.backend} changes")
            told = effect_on_clean(model_, value, source, seed, None if classes is None else tuple(classes))
            model_.notes = (*model_.notes, told)
            watch.note(f"{model_.name}: {told}")
    conditions = conditions_of(suites, source.info.shape, storage, source.info.cropped)
    portable = all(isinstance(value, ModelSpec) for _, value in specs)
    require(workers == 1 or portable, "more than one worker needs models given as specifications (text)", UsageError)
    folder = Path(out) if out is not None else Path("runs") / source.info.name
    for told in source.info.notes:
        watch.note(told)
    if precision is not None and watch.enough is None:
        enough = precise_enough(precision, folder, source, [m.name for m in models], conditions)
        watch = dataclasses.replace(watch, enough=enough)
    request = Request(
        source=source,
        labels=labels,
        classes=names,
        models=models,
        makers=[functools.partial(load_model, value) for _, value in specs] if portable else None,
        models_how=[dataclasses.asdict(value) if isinstance(value, ModelSpec) else {} for _, value in specs],
        data_how=data_how,
        conditions=conditions,
        suites=tuple(s.name for s in suites),
        folder=folder,
        seed=seed,
        samples=samples,
        budget=None if budget is None else parse_duration(budget),
        precision=precision,
        batch=batch,
        workers=workers,
        command=command,
        follow_up=follow_up,
        tune=tune,
        judge=None if shifted else judge_of(labels),
        anyway=anyway,
        shifted=shifted,
        titles=tuple(classes.values()) if isinstance(classes, Mapping) else (),
    )
    notes = preparation_notes(suites, source.info)
    for note in notes:
        watch.note(note)
    return Run(request.folder, run_session(request, watch), notes)


def _opened(
    data: Any, asked: dict[str, Any], suites: Sequence[Suite], skip_bad: bool, groups: Any, watch: Watch
) -> tuple[Source, dict[str, Any]]:
    """The data, and what opens them again; photographs of different sizes as the first suite's set prepared them."""
    name = next((suite.prepared for suite in suites if suite.prepared), "")
    otherwise = PUBLISHED[name] if name else None
    source = open_source(data, **asked, otherwise=otherwise, skip_bad=skip_bad, groups=groups)
    if otherwise is not None and not any(asked.values()) and as_published(source.info.prepared, name):
        watch.note(f"the images differ in size: prepared as for {name} ({source.info.preparation})")
        asked = asked | {"prepare": name}
    return source, asked | {"skip_bad": skip_bad}


def preparation_notes(suites: Sequence[Suite], info: DataInfo) -> tuple[str, ...]:
    """What must be said of the published suites' images: how their preparation differs from the published one."""
    found: list[str] = []
    for suite in suites if info.kind != "named" else ():
        first = suite.conditions(info.shape, cropped=info.cropped)[1:2]
        if first and (len(suite.storages) > 1 or first[0].info.kind == "sequence"):
            note = preparation_note(info.prepared, first[0].info.table, *info.shape[1:])
            found += [f"{suite.name}: {note}"] if note else []
    return tuple(found)


EFFECT_SAMPLES = 1000


def effect_on_clean(
    model: Model, spec: ModelSpec, source: Source, seed: int, classes: tuple[str, ...] | None = None
) -> str:
    """What computing in another type, or by another backend, does to the clean error: a sentence with its interval."""
    whole = source.order(seed)
    order = whole[:EFFECT_SAMPLES]
    images = torch.from_numpy(source.load(order))
    labels = (source.labels if classes is None else _mapped(source, classes))[order]
    samples = drawn_from(source, whole, len(order))
    tune(model, images[:16].to(model.device, torch.float32) / 255, faster=False)
    plain = load_model(dataclasses.replace(spec, dtype="float32", backend="torch"))
    wrong = [infer(m, images).argmax(1).cpu().numpy() != labels for m in (plain, model)]
    more, fewer = int((wrong[1] & ~wrong[0]).sum()), int((wrong[0] & ~wrong[1]).sum())
    apart = measures.paired_rates(more, fewer, len(order), LEVEL)
    if not samples.plain:
        apart = mean_difference_of(samples, wrong[1].astype(np.float64) - wrong[0], level=LEVEL)
    before, after = (100 * float(samples.average(w.astype(np.float64))) for w in wrong)
    return (
        f"{spec.dtype if spec.backend == 'torch' else 'ONNX Runtime'} instead of float32 in torch: clean error "
        f"{before:.2f} % to {after:.2f} %, {100 * apart.value:+.2f} points "
        f"[{100 * apart.low:+.2f}, {100 * apart.high:+.2f}] (n = {len(order):,}; {more} more and {fewer} fewer errors)"
    )


def drawn_from(source: Source, order: npt.NDArray[np.int64], count: int) -> Samples:
    """How the first samples of a seeded order of all were drawn: their groups, and the weights of their classes."""
    design = Design(source.labels[order])
    position, group = np.arange(count, dtype=np.int32), None
    if source.groups is not None and len(np.unique(source.groups[order[:count]])) < count:
        group = source.groups[order[:count]]
    if design.alike or count == len(order):
        return Samples(position, group)
    weight, unseen = design.weights(position)
    return Samples(position, group, weight, unseen, design.labels[:count])


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
        return [(name, _spec_or_object(value, name)) for name, value in model.items()]
    values = list(model) if isinstance(model, list | tuple) else [model]
    return [(None, _spec_or_object(value, None)) for value in values]


def _spec_or_object(value: Any, name: str | None) -> Any:
    from brittlestar.models import parse_spec

    if isinstance(value, str):
        value = parse_spec(value)
    return dataclasses.replace(value, name=name) if isinstance(value, ModelSpec) and name is not None else value


def _loaded(value: Any, name: str | None, device: str | None) -> Model:
    if isinstance(value, ModelSpec):
        return load_model(dataclasses.replace(value, device=device) if device is not None else value)
    loaded = as_model(value, name=name or "model")
    if device is not None:
        require(
            torch.device(device).type == loaded.device.type,
            f"the model lies on {loaded.device}; move it to {device} yourself, or give no device",
            UsageError,
        )
    return loaded


def _mapped(source: Source, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    to = map_labels(source.info.classes, names)
    return np.asarray(to, dtype=np.int32)[source.labels]

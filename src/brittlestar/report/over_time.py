"""What the frames around a frame show of each model: summaries, curves over the offset, distances against the ball."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import TIME
from brittlestar.core.sealed import Damaged
from brittlestar.measures import Estimate, NoSamplesError
from brittlestar.measures.base import NotAvailableError
from brittlestar.measures.clips import Neighbourhoods
from brittlestar.report.gather import Gathered, sample_ids
from brittlestar.report.panels import Curve, Panel, Point
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.report.words import MINUS
from brittlestar.store.clip_pictures import read_pictures
from brittlestar.store.damage import Damage

MOST_OFFSETS = 20
"""Up to so many offsets on either side have a place of their own; of more, so many that lie evenly."""

PICTURES_LEFT_OUT = "the pictures of its clips are left out; give the same `brittlestar run` command again"


@dataclass(frozen=True, kw_only=True)
class TimeNumber:
    """A number of a model: its name in ``results.csv``, what it is called, and the estimate, where there is one."""

    key: str
    title: str
    estimate: Estimate | None
    unit: str = "%"


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far frames so many frames apart (0: all) are from each other in pixels.

    Fields:
        offset: Before or after.
        linf, l2: Medians, pixels in [0, 1].
        outside, outside_l2: Shares outside of the L-inf ball of 16/255, and of the L2 ball around it.
    """

    offset: int
    linf: float
    l2: float
    outside: Estimate
    outside_l2: Estimate


@dataclass(frozen=True, kw_only=True)
class TimeModel:
    """A model on clips.

    Fields:
        model: Whose.
        data: Name of its data set.
        labelled: Whether labels are known; without, nothing says how often answers are right.
        reach: How many frames the farthest neighbour is away.
        anchors, frames, clips: How many there are.
        groups: How many groups of anchors the intervals are of: clips, or stretches where there are few.
        summaries: What the table shows.
        details: (name in ``results.csv``, estimate) of everything by offset and by k.
        distances: By offset.
        pictures: The clips whose answers change most.
        classes: Their names.
    """

    model: ModelEntry
    data: str
    labelled: bool
    reach: int
    anchors: int
    frames: int
    clips: int
    groups: int
    summaries: tuple[TimeNumber, ...]
    details: Mapping[str, Estimate]
    distances: tuple[Distance, ...]
    pictures: tuple[Mapping[str, Any], ...]
    classes: tuple[str, ...]


def models_over_time(gathered: Gathered) -> tuple[TimeModel, ...]:
    """Every model that was shown the frames around its images."""
    return tuple(
        _model(gathered, subject, info)
        for subject in gathered.subjects
        for info, moving in subject.sequences.items()
        if moving.kind == TIME and info in subject.frames
    )


def _model(gathered: Gathered, subject: Subject, info: str) -> TimeModel:
    found = Neighbourhoods.of(subject.frames[info], gathered.numbers.rule, gathered.numbers.level)
    labelled = bool(subject.data.about.get("labelled", True))
    rates = _rates(gathered, subject, found.anchors.position)
    group = found.anchors.group
    store = gathered.stores[subject.run]
    try:
        pictures = read_pictures(store.path, str(subject.entry.about["name"]))
    except Damaged as error:
        store.note(Damage(error.path, error.why, PICTURES_LEFT_OUT))
        pictures = []
    return TimeModel(
        model=subject.entry,
        data=subject.data.name,
        labelled=labelled,
        reach=found.reach,
        anchors=len(found.anchors),
        frames=len(found.around),
        clips=len({clip_of(name) for name in store.names() or ()}),
        groups=len(found.anchors) if group is None else len(np.unique(group)),
        summaries=tuple(_summaries(found, labelled, rates, math.prod(subject.data.shape))),
        details=dict(_details(found, labelled)),
        distances=tuple(_distances(found, math.prod(subject.data.shape))),
        pictures=tuple(pictures),
        classes=subject.data.classes,
    )


def _summaries(
    found: Neighbourhoods, labelled: bool, rates: npt.NDArray[np.float64], pixels: int
) -> Iterator[TimeNumber]:
    k = found.reach
    if labelled:
        yield TimeNumber(key="pm0", title="right (pm-0)", estimate=found.accuracy_within(0))
        yield TimeNumber(key=f"pm{k}", title=f"right with all within {k} (pm-{k})", estimate=found.accuracy_within(k))
        yield TimeNumber(key="pm_drop", title="drop", estimate=found.drop(k), unit="points")
        yield TimeNumber(
            key="random_neighbour", title="right at a random neighbour", estimate=_or_none(found.random_neighbour, k)
        )
        yield TimeNumber(
            key="conditional", title="neighbours right, anchor right", estimate=_or_none(found.conditional, k)
        )
        yield TimeNumber(key="kept", title="anchors kept, pm-k / pm-0", estimate=_or_none(found.kept, k))
    yield TimeNumber(
        key="same_answer", title="same answer at a neighbour", estimate=_or_none(found.steady_neighbour, k)
    )
    yield TimeNumber(key=f"same_answer_within_{k}", title=f"same answer within {k}", estimate=found.steady_within(k))
    yield TimeNumber(key="flips", title="next frame, another answer", estimate=_or_none(found.flips))
    a_second = _or_none(found.flips_a_second, rates)
    yield TimeNumber(key="flips_a_second", title="changes a second", estimate=a_second, unit="a second")
    outside = functools.partial(found.outside, flipped=True)
    yield TimeNumber(
        key="outside_linf_of_flips", title="of changed answers, outside the ball", estimate=_or_none(outside)
    )
    wider = functools.partial(found.outside, flipped=True, pixels=pixels)
    yield TimeNumber(
        key="outside_l2_of_flips", title="of changed answers, outside the L2 ball", estimate=_or_none(wider)
    )


def _details(found: Neighbourhoods, labelled: bool) -> Iterator[tuple[str, Estimate]]:
    """Everything by offset and by k."""
    for k in range(1, found.reach + 1) if found.reach <= 2 * MOST_OFFSETS else _steps(found.reach):
        if labelled:
            yield f"pm{k}", found.accuracy_within(k)
        yield f"same_answer_within_{k}", found.steady_within(k)
    for offset in offsets_of(found):
        if labelled:
            yield f"accuracy_at_{offset:+d}", found.accuracy_at(offset)
            if (kept := _or_none(found.conditional_at, offset)) is not None:
                yield f"conditional_at_{offset:+d}", kept
        yield f"same_answer_at_{offset:+d}", found.steady_at(offset)
        yield f"confidence_drift_at_{offset:+d}", found.drift_at(offset)


def _distances(found: Neighbourhoods, pixels: int) -> Iterator[Distance]:
    for offset in (*sorted({abs(offset) for offset in offsets_of(found)}), 0):
        which = offset or None
        try:
            linf, l2 = found.median_change(which)
        except (NoSamplesError, NotAvailableError):
            continue
        outside, wider = found.outside(which), found.outside(which, pixels=pixels)
        yield Distance(offset=offset, linf=linf, l2=l2, outside=outside, outside_l2=wider)


def _steps(reach: int) -> list[int]:
    return sorted({round(reach * step / MOST_OFFSETS) for step in range(1, MOST_OFFSETS + 1)})


def offsets_of(found: Neighbourhoods) -> list[int]:
    """The offsets that have a place of their own, ascending."""
    there = sorted(set(found.around.frame.tolist()))
    if found.reach <= MOST_OFFSETS:
        return there
    shown = {step * sign for step in _steps(found.reach) for sign in (-1, 1)}
    return [offset for offset in there if offset in shown]


def _or_none(measure: Callable[..., Estimate], *how: Any) -> Estimate | None:
    try:
        return measure(*how)
    except (NoSamplesError, NotAvailableError):
        return None


def clip_of(name: str) -> str:
    """The clip of a frame by the frame's name: ``bikes.mp4`` of ``bikes.mp4#124``, ``cat/1`` of ``cat/1/0004.jpg``."""
    return name.rpartition("#")[0] if "#" in name else name.rpartition("/")[0]


def _rates(gathered: Gathered, subject: Subject, positions: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """(n,) frames a second of the samples' clips; NaN where not known."""
    known = subject.data.about.get("rates") or {}
    of_id: dict[str, float] = {}
    # Positions of several runs on the same data are places among the ids in the order in which they come.
    for run, store in enumerate(gathered.stores):
        if known and gathered.data_of[run] == subject.entry.data:
            names = store.names() or []
            for sample, name in zip(sample_ids(store), names, strict=False):
                clip = clip_of(name)
                # A folder of frames that is the data itself has its own name.
                of_id.setdefault(sample, float(known.get(clip) or (known[next(iter(known))] if not clip else math.nan)))
    rates = np.array(list(of_id.values()) or [math.nan])
    inside = positions < len(rates)
    return np.where(inside, rates[np.where(inside, positions, 0)], math.nan)


def panels(models: Sequence[TimeModel]) -> Iterator[tuple[Panel, str, bool]]:
    """Charts, what each measures, and whether its scale ends at the largest interval."""
    labelled = [m for m in models if m.labelled]
    by_k = "frames before and after"
    by_offset = "frames after the anchor"
    for key, title, whose, start in (
        ("pm", "Right together with all frames so near", labelled, "pm0"),
        ("same_answer_within_", "The same answer on all frames so near", models, ""),
    ):
        lines = [_curve(m, key, start) for m in whose]
        if any(line.points for line in lines):
            yield _panel(key, title, by_k, lines), "share", False
    for key, title, whose in (
        ("conditional_at_", "Right, where the anchor is right", labelled),
        ("same_answer_at_", "The same answer as the anchor's", models),
        ("confidence_drift_at_", "How far the confidence moves", models),
    ):
        lines = [_curve(m, key) for m in whose]
        if any(line.points for line in lines):
            drift = key.startswith("confidence")
            yield _panel(key, title, by_offset, lines), "mean difference" if drift else "share", drift


def _panel(key: str, title: str, axis: str, lines: Sequence[Curve]) -> Panel:
    return Panel(family=TIME, title=title, axis=axis, lines=tuple(lines), key=key.strip("_"))


def _curve(found: TimeModel, key: str, start: str = "") -> Curve:
    listed = dict(found.details)
    if start:
        listed |= {s.key: s.estimate for s in found.summaries if s.key == start and s.estimate is not None}
    points = []
    for name, estimate in listed.items():
        rest = name.removeprefix(key)
        if rest != name and rest.lstrip("+-").isdecimal():
            x = int(rest)
            points.append(Point(x=x, label=f"{x}" if x >= 0 else f"{MINUS}{-x}", estimate=estimate))
    return Curve(model=found.model, points=tuple(sorted(points, key=lambda p: p.x)))

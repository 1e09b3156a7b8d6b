"""The published corruption sets: a table per set, its summaries with their normaliser, and what they may be called."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brittlestar import measures
from brittlestar.core.condition import ConditionInfo
from brittlestar.measures import ALEXNET, CORRUPTION_SETS, Estimate, Normalised, NormalisedSet, NoSamplesError
from brittlestar.measures.alexnet import PublishedErrors
from brittlestar.measures.corruption import Conditions, Normaliser, RunErrors
from brittlestar.measures.sensitivity import Sensitivity, corrected_together
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.panels import Point
from brittlestar.report.stored import preparation_caveat, prepared_words, storage_words
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.report.words import count, images, set_title

FEWEST = 10
"""A set gets a section from this many of its corruptions on: more than the eight that the broad suite has of them."""

GROUPS = {
    "Noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "Blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "Weather": ("snow", "frost", "fog", "brightness"),
    "Digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
"""The published groups of the 15."""

MNIST_GROUPS = {
    "Noise": ("shot_noise", "impulse_noise"),
    "Blur": ("glass_blur", "motion_blur"),
    "Geometry": ("shear", "scale", "rotate", "translate"),
    "Light and weather": ("brightness", "fog", "spatter"),
    "Drawn over": ("stripe", "dotted_line", "zigzag", "canny_edges"),
}

MARK = "†"
# AlexNet's published errors are those of a choice among so many; a choice among fewer is easier.
ALEXNET_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class SetModel:
    """A model's summaries: mean corruption error, mean CE and mean relative CE; ``None`` without a normaliser.

    ``marked``: whether the numbers contain a corruption that differs from the published one. ``worst``: the corruption
    with the largest error, in an interval for the largest of them all. ``against``: the set held against clean on two
    scales beside the model that is divided by; ``None`` where that is none of the run's.
    """

    model: ModelEntry
    mean: Normalised
    mce: Normalised | None
    relative: Normalised | None
    marked: bool
    worst: tuple[str, Estimate]
    against: Sensitivity | None = None


@dataclass(frozen=True, kw_only=True)
class SetCell:
    """One corruption and model: error averaged over severities, CE, relative CE, and the error by severity."""

    error: Estimate
    ce: Estimate | None
    relative: Estimate | None
    curve: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class SetRow:
    """One corruption; ``cells`` has one entry a model; ``marked`` as in ``SetModel``."""

    corruption: str
    title: str
    group: str
    marked: bool
    cells: tuple[SetCell | None, ...]


@dataclass(frozen=True, kw_only=True)
class CorruptionSet:
    """A published set on one data set.

    Fields:
        key: ``imagenet-c/jpeg85``: the set and its storage, for files.
        title: ``ImageNet-C``, with the data set where there are several.
        data: Index of the data set.
        basis: Corruptions, severities and images, in words.
        storage: How the images were prepared and kept, in words.
        caveat: What must stand beside every number: ``not prepared as published: bicubic``; empty otherwise.
        normaliser: What CE divides by; empty without one.
        why: Why there is no published normaliser; empty where there is one.
        models, rows: See their classes.
        curved: Whether corruptions have severities.
        notes: What must be said below the table.
    """

    key: str
    title: str
    data: int
    basis: str
    storage: str
    caveat: str
    normaliser: str
    why: str
    models: tuple[SetModel, ...]
    rows: tuple[SetRow, ...]
    curved: bool
    notes: tuple[str, ...]


RENAMED = {"rotation": "rotate", "translation": "translate"}
"""Shifts that MNIST-C calls otherwise."""


def published_name(info: ConditionInfo) -> str:
    """What the condition's published set calls its shift; empty where it is none of the set's corruptions."""
    name = info.shift
    if info.table == "mnist-c":
        # Ours carry the set's name where a shift of the same name has another definition.
        name = name.removeprefix("mnist_")
        name = RENAMED.get(name, name)
    return name if name in CORRUPTION_SETS.get(info.table, ()) else ""


def build_corruptions(gathered: Gathered, numbers: Numbers, apart: Collection[str] = ()) -> tuple[CorruptionSet, ...]:
    """Every published set of which these runs have at least ``FEWEST`` corruptions, in the order of the runs.

    Models whose keys are in ``apart`` stand last, so that none is divided by them.
    """
    asked: dict[tuple[int, str, str], dict[str, ConditionInfo]] = {}
    for subject in gathered.subjects:
        for info in subject.of_kind("shift"):
            if published_name(info):
                asked.setdefault((subject.entry.data, info.table, info.storage), {})[info.id] = info
    found = []
    for (data, table, storage), infos in asked.items():
        if len({published_name(info) for info in infos.values()}) >= FEWEST:
            subjects = [s for s in gathered.subjects if s.entry.data == data and any(i in s.rows for i in infos)]
            subjects.sort(key=lambda s: s.entry.key in apart)
            found.append(_section(gathered, numbers, subjects, table, storage, infos))
    return tuple(found)


def _section(
    gathered: Gathered,
    numbers: Numbers,
    subjects: Sequence[Subject],
    table: str,
    storage: str,
    infos: Mapping[str, ConditionInfo],
) -> CorruptionSet:
    data = subjects[0].entry.data
    normalisers, why = _normalisers(subjects, table, infos)
    errors: list[NormalisedSet | None] = []
    relatives: list[NormalisedSet | None] = []
    models = []
    odd = {published_name(info) for info in infos.values() if info.config.get("textures") == "procedural"}
    how: dict[str, Any] = {"table": table, "rule": numbers.rule, "level": numbers.level}
    for subject, normaliser in zip(subjects, normalisers, strict=True):
        conditions = _conditions(subject, infos)
        ce = relative = None
        with contextlib.suppress(NoSamplesError):  # a normaliser run on other images
            if normaliser is not None:
                ce = measures.corruption_errors(conditions, normaliser, **how)
                # Relative CE subtracts the normaliser's clean error too: a published one is known, a run's must have
                # been asked.
                if subject.clean is not None and (isinstance(normaliser, PublishedErrors) or normaliser.clean):
                    relative = measures.relative_corruption_errors(conditions, subject.clean, normaliser, **how)
        errors.append(ce)
        relatives.append(relative)
        by_corruption: dict[str, list[str]] = {}
        for info in infos.values():
            if info.id in subject.rows:
                by_corruption.setdefault(published_name(info), []).append(info.id)
        models.append(
            SetModel(
                model=subject.entry,
                mean=measures.mean_corruption_error(conditions, **how),
                mce=ce.mean if ce else None,
                relative=relative.mean if relative else None,
                marked=any(key[0] in odd for key in conditions),
                worst=numbers.highest_mean_error(subject, by_corruption),
            )
        )
    models = _held_against(models, subjects, normalisers, numbers, list(infos))
    rows = []
    for corruption in _ordered(table):
        own = [info for info in infos.values() if published_name(info) == corruption]
        if own:
            cells = tuple(
                _cell(subject, numbers, own, e, r) for subject, e, r in zip(subjects, errors, relatives, strict=True)
            )
            group = next(g for g, members in _groups(table).items() if corruption in members)
            rows.append(
                SetRow(
                    corruption=corruption,
                    title=gathered.subjects[0].titles[own[0].id],
                    group=group,
                    marked=corruption in odd,
                    cells=cells,
                )
            )
    named = next((m.mce.normaliser for m in models if m.mce is not None), "")
    title = set_title(table) + (f" · {subjects[0].data.name}" if len(gathered.data) > 1 else "")
    kept, caveat = "" if storage == "float" else storage, preparation_caveat(subjects[0].data, table)
    return CorruptionSet(
        key="/".join([part for part in (table, kept, "procedural-frost" if odd else "", caveat) if part]),
        title=title,
        data=data,
        basis=_basis(models, table),
        storage=storage_words(table, storage, prepared_words(subjects[0].data, table), caveat),
        caveat=caveat,
        normaliser=named,
        why=why,
        models=tuple(models),
        rows=tuple(rows),
        curved=any(info.severity is not None for info in infos.values()),
        notes=(
            *_notes(table, bool(odd), named, subjects),
            *undefined_notes("CE", [(m.model, e) for m, e in zip(models, errors, strict=True)]),
            *undefined_notes("Relative CE", [(m.model, r) for m, r in zip(models, relatives, strict=True)]),
        ),
    )


def _normalisers(
    subjects: Sequence[Subject], table: str, infos: Mapping[str, ConditionInfo]
) -> tuple[list[Normaliser | None], str]:
    """What each model's errors are divided by: AlexNet's, or the first model's; and why not AlexNet's."""
    # The model's outputs count and not the data's classes: ten of ImageNet's classes may be asked of a model of
    # 1,000.
    outputs = {int(s.entry.about.get("classes") or len(s.data.classes)) for s in subjects}
    if table == ALEXNET.table and outputs == {ALEXNET_CLASSES}:
        return [ALEXNET] * len(subjects), ""
    if table == ALEXNET.table:
        why = "AlexNet's published errors are for the 1,000 classes of ImageNet, so there is no published mCE here"
    else:
        why = f"AlexNet's errors on {set_title(table)} were never published, so there is no published mCE for it"
    first, *rest = subjects
    base = RunErrors(name=first.entry.name, conditions=_conditions(first, infos), clean=first.clean)
    shared = [base if any(key in base.conditions for key in _conditions(s, infos)) else None for s in rest]
    # The first model over itself would be 100 % everywhere.
    return [None, *shared], why


def _held_against(
    models: Sequence[SetModel],
    subjects: Sequence[Subject],
    normalisers: Sequence[Normaliser | None],
    numbers: Numbers,
    conditions: Sequence[str],
) -> list[SetModel]:
    """The models with ``against``, corrected for their number; a ratio of raw errors alone decides nothing."""
    runs = [place for place, normaliser in enumerate(normalisers) if isinstance(normaliser, RunErrors)]
    claims = {place: numbers.sensitivity(subjects[place], subjects[0], conditions) for place in runs}
    known = {place: claim for place, claim in claims.items() if claim is not None}
    judged = dict(zip(known, corrected_together(list(known.values())), strict=True))
    return [dataclasses.replace(m, against=judged.get(place)) for place, m in enumerate(models)]


def _conditions(subject: Subject, infos: Mapping[str, ConditionInfo]) -> Conditions:
    return {(published_name(info), info.severity): subject.rows[i] for i, info in infos.items() if i in subject.rows}


def _groups(table: str) -> Mapping[str, tuple[str, ...]]:
    return MNIST_GROUPS if table == "mnist-c" else GROUPS


def _ordered(table: str) -> list[str]:
    return [corruption for members in _groups(table).values() for corruption in members]


def _cell(
    subject: Subject,
    numbers: Numbers,
    infos: Sequence[ConditionInfo],
    ce: NormalisedSet | None,
    relative: NormalisedSet | None,
) -> SetCell | None:
    # MNIST-C's corruptions have no severities.
    have = sorted((i for i in infos if i.id in subject.rows), key=lambda i: i.severity or 0)
    if not have:
        return None
    points = tuple(
        Point(
            x=float(info.severity or 0),
            label=f"severity {info.severity}" if info.severity is not None else "",
            estimate=numbers.error(subject, info.id),
            condition=info.id,
        )
        for info in have
    )
    return SetCell(
        error=numbers.mean_error(subject, [i.id for i in have]),
        ce=_part(ce, published_name(have[0])),
        relative=_part(relative, published_name(have[0])),
        curve=points,
    )


def _part(found: NormalisedSet | None, corruption: str) -> Estimate | None:
    part = found.parts.get(corruption) if found is not None else None
    return part.estimate if part is not None else None


def _basis(models: Sequence[SetModel], table: str) -> str:
    # In an unfinished run the models have not come equally far.
    most = max((m.mean for m in models), key=lambda mean: (len(mean.parts), mean.conditions))
    asked, every = len(most.parts), len(CORRUPTION_SETS[table])
    words = f"all {every} corruptions" if asked == every else f"{asked} of the {every} corruptions"
    if most.severities:
        even = most.conditions == asked * len(most.severities)
        words += (
            f" at {count(len(most.severities), 'severity', 'severities')}"
            if even
            else f" at {most.conditions} severities in all"
        )
    samples = {m.mean.samples for m in models}
    return f"{words}, {images(min(samples))}" + ("" if len(samples) == 1 else f" to {max(samples):,}")


def undefined_notes(name: str, found: Sequence[tuple[ModelEntry, NormalisedSet | None]]) -> tuple[str, ...]:
    """Why some numbers are dashes: ``Relative CE of b under fog is undefined: a is not shown to rise ...``."""
    lines = []
    for model, numbers in found:
        none = {c: p.undefined for c, p in numbers.parts.items() if p.estimate is None} if numbers is not None else {}
        if none:
            reasons = [f"{c} ({why})" for c, why in none.items()]
            more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
            lines.append(f"{name} of {model.name} is undefined under {', '.join(reasons[:3])}{more}.")
    return tuple(lines)


def _notes(table: str, procedural: bool, normaliser: str, subjects: Sequence[Subject]) -> tuple[str, ...]:
    notes = []
    if procedural:
        notes.append(
            f"{MARK} Frost is made with procedural textures, not with the reference's photographs: numbers that "
            f"contain it are not comparable with published {set_title(table)}."
        )
    if table == ALEXNET.table and normaliser == ALEXNET.name and len(subjects[0].data.classes) != ALEXNET_CLASSES:
        notes.append(
            f"AlexNet's errors are over all 1,000 classes; these images are of {len(subjects[0].data.classes)}."
        )
    return tuple(notes)


def marked(text: str, mark: bool) -> str:
    """The text, with the mark where it applies."""
    return text + MARK if mark else text


def summaries(entry: SetModel) -> list[tuple[str, Normalised]]:
    """The model's summaries with the names they may have, those first that need no normaliser."""
    listed = [entry.mean, entry.mce, entry.relative]
    return [(marked(n.name, entry.marked), n) for n in listed if n is not None]


def slug(name: str) -> str:
    """``mean CE over 7 of 15`` as ``mean_ce_over_7_of_15``."""
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())

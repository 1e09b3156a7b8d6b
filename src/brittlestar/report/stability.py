"""Stability along sequences: flip probability, flip rate over a named normaliser, top-5 distance."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brittlestar import measures
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.rows import Rows
from brittlestar.measures import (
    ALEXNET_FLIPS,
    SEQUENCE_SETS,
    Estimate,
    Normalised,
    NormalisedSet,
    NoSamplesError,
    RunSequences,
)
from brittlestar.measures.stability import compare_of
from brittlestar.report.corruptions import undefined_notes
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.stored import preparation_caveat
from brittlestar.report.subjects import SEQUENCE, ModelEntry, Subject
from brittlestar.report.words import count, images, number

TITLES = {"imagenet-p": "ImageNet-P", "cifar-p": "CIFAR-P", "tiny-p": "Tiny-ImageNet-P"}
VIDEO = "the published ones are H.264 video, whose compression changes the numbers"
# AlexNet's flip probabilities are as two sources remember them, which agree; nobody held them to the paper.
REMEMBERED = "not verified against the paper"
ALEXNET_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class StabilityModel:
    """A model's means over the set's sequences; ``None`` where not defined or not measured.

    Fields:
        model: Whose.
        flips: Mean FP.
        distance: Mean T5D.
        rate: mFR over the first model.
        remembered: mFR over AlexNet's flip rates as they are remembered.
        worst: The counted sequence (its condition) with the largest FP, in an interval for the largest of them all.
    """

    model: ModelEntry
    flips: Normalised | None
    distance: Normalised | None
    rate: Normalised | None
    remembered: Normalised | None
    worst: tuple[str, Estimate] | None


@dataclass(frozen=True, kw_only=True)
class StabilityCell:
    """One sequence and model: FP, T5D, Zipf distance (with few classes), FR over the first model.

    ``harder``: FP with frames d apart by d, for sequences whose harder ones are these.
    """

    flips: Estimate
    harder: Mapping[int, Estimate]
    distance: Estimate | None
    zipf: Estimate | None
    rate: Estimate | None


@dataclass(frozen=True, kw_only=True)
class StabilityRow:
    """One sequence; ``compared`` says with which frame; ``counted`` whether it is in the means."""

    condition: str
    title: str
    frames: int
    compared: str
    counted: bool
    cells: tuple[StabilityCell | None, ...]


@dataclass(frozen=True, kw_only=True)
class StabilitySet:
    """The sequences of one published set on one data set.

    Fields:
        key: ``imagenet-p``, with the storage if there is one.
        title: ``ImageNet-P``, with the data set where there are several.
        basis: Sequences and images, in words.
        storage: How the frames were kept, in words.
        caveat: As in ``CorruptionSet``.
        normaliser: The first model, where there are several.
        models, rows: See their classes.
        limit: End of the common scale of flip probabilities.
        notes: What must be said below the table.
    """

    key: str
    title: str
    basis: str
    storage: str
    caveat: str
    normaliser: str
    models: tuple[StabilityModel, ...]
    rows: tuple[StabilityRow, ...]
    limit: float
    notes: tuple[str, ...]


def build_stability(gathered: Gathered, numbers: Numbers, apart: Collection[str] = ()) -> tuple[StabilitySet, ...]:
    """Every set of sequences, in the order of the runs; models in ``apart`` stand last: none is divided by them."""
    asked: dict[tuple[int, str, str], dict[str, ConditionInfo]] = {}
    for subject in gathered.subjects:
        for info in (info for info in subject.sequences.values() if info.kind == SEQUENCE):
            asked.setdefault((subject.entry.data, info.table, info.storage), {})[info.id] = info
    return tuple(
        _section(gathered, numbers, data, table, storage, infos, apart)
        for (data, table, storage), infos in asked.items()
    )


def _section(
    gathered: Gathered,
    numbers: Numbers,
    data: int,
    table: str,
    storage: str,
    infos: Mapping[str, ConditionInfo],
    apart: Collection[str],
) -> StabilitySet:
    subjects = [s for s in gathered.subjects if s.entry.data == data and any(i in s.frames for i in infos)]
    subjects.sort(key=lambda s: s.entry.key in apart)
    counted: dict[str, str] = {}
    ten = _ten(table, infos)
    for info in infos.values():
        if info.shift in SEQUENCE_SETS.get(ten, ()):
            # The first of a name: harder variants of a sequence are in no mean of the set.
            counted.setdefault(info.shift, info.id)
    compare = {infos[i].shift: _compare(infos[i]) for i in counted.values()}
    how: dict[str, Any] = {"rule": numbers.rule, "level": numbers.level, "compare": compare}
    first = _sequences(subjects[0], counted)
    rates: list[NormalisedSet | None] = [None]
    for subject in subjects[1:]:
        own = _sequences(subject, counted)
        run = RunSequences(name=subjects[0].entry.name, sequences=first)
        rates.append(None)
        if set(own) & set(first):
            with contextlib.suppress(NoSamplesError):  # the first model was run on other images
                rates[-1] = measures.flip_rates(own, run, table=ten, **how)
    rows = []
    harder = sorted({int(d) for i in infos.values() if (d := i.series.removeprefix("difficulty ")).isdigit()})
    for info in infos.values():
        # Frames d apart mean nothing where every frame is compared with the first.
        steps = harder if _compare(info) == "previous" else ()
        cells = tuple(_cell(s, info, numbers, r, steps) for s, r in zip(subjects, rates, strict=True))
        sample = next(s.frames[info.id] for s in subjects if info.id in s.frames)
        rows.append(
            StabilityRow(
                condition=info.id,
                title=info.title + (f", {info.series}" if info.series else ""),
                frames=int(sample.frame.max()) + 1,
                compared="first" if _compare(info) == "first" else "previous",
                counted=info.id in counted.values(),
                cells=cells,
            )
        )
    rows.sort(key=lambda row: not row.counted)
    models = tuple(_means(s, counted, table, ten, rate, how) for s, rate in zip(subjects, rates, strict=True))
    most = max(c.flips.high for row in rows for c in row.cells if c is not None)
    samples = {c.flips.n for row in rows for c in row.cells if c is not None}
    title = TITLES.get(table, table) + (", with the sequences of ImageNet-P" if ten != table else "")
    title += f" · {subjects[0].data.name}" if len(gathered.data) > 1 else ""
    caveat = preparation_caveat(subjects[0].data, table)
    return StabilitySet(
        key="/".join([part for part in (table, storage if storage != "float" else "", caveat) if part]),
        title=title,
        basis=f"{count(len(rows), 'sequence')}, {images(min(samples))}"
        + ("" if len(samples) == 1 else f" to {max(samples):,}"),
        storage=(f"{caveat}; " if caveat else "") + _storage_words(storage),
        caveat=caveat,
        normaliser=subjects[0].entry.name if len(subjects) > 1 else "",
        models=models,
        rows=tuple(rows),
        limit=_limit(most),
        notes=(
            *_notes(rows, models, table),
            *undefined_notes("FR", [(m.model, r) for m, r in zip(models, rates, strict=True)]),
        ),
    )


def _ten(table: str, infos: Mapping[str, ConditionInfo]) -> str:
    """The set whose ten sequences are meant: ImageNet-P's where its own were made at the strengths for small images."""
    # CIFAR-10-P has spatter where ImageNet-P has snow; the other nine are the same.
    asked = {info.shift for info in infos.values()}
    return "imagenet-p" if table == "cifar-p" and "snow" in asked and "spatter" not in asked else table


def _compare(info: ConditionInfo) -> str:
    return str(info.config.get("compare") or compare_of(info.shift))


def _sequences(subject: Subject, counted: Mapping[str, str]) -> dict[str, Rows]:
    return {name: subject.frames[i] for name, i in counted.items() if i in subject.frames}


def _ranked(rows: Rows) -> bool:
    """Whether the rows tell the likeliest classes."""
    return rows.logits is not None or (rows.top_classes is not None and rows.top_classes.shape[1] >= 5)


def _cell(
    subject: Subject,
    info: ConditionInfo,
    numbers: Numbers,
    rates: NormalisedSet | None,
    harder: Sequence[int],
) -> StabilityCell | None:
    rows = subject.frames.get(info.id)
    if rows is None:
        return None
    how: dict[str, Any] = {"compare": _compare(info), "rule": numbers.rule, "level": numbers.level}
    part = rates.parts.get(info.shift) if rates is not None else None
    return StabilityCell(
        flips=measures.flip_probability(rows, **how),
        harder={d: measures.flip_probability(rows, difficulty=d, **how) for d in harder},
        distance=measures.top5_distance(rows, **how) if _ranked(rows) else None,
        # It weighs the ranks of all classes, not of the first five.
        zipf=measures.zipf_distance(rows, **how) if rows.logits is not None else None,
        rate=part.estimate if part is not None else None,
    )


def _means(
    subject: Subject,
    counted: Mapping[str, str],
    table: str,
    ten: str,
    rates: NormalisedSet | None,
    how: Mapping[str, Any],
) -> StabilityModel:
    own = _sequences(subject, counted)
    outputs = int(subject.entry.about.get("classes") or len(subject.data.classes))
    known = table == ALEXNET_FLIPS.table and outputs == ALEXNET_CLASSES
    return StabilityModel(
        model=subject.entry,
        flips=measures.mean_flip_probability(own, ten, **how) if own else None,
        distance=measures.mean_top5_distance(own, ten, **how) if own and all(map(_ranked, own.values())) else None,
        rate=rates.mean if rates is not None else None,
        remembered=measures.flip_rates(own, ALEXNET_FLIPS, table=table, **how).mean if own and known else None,
        worst=_worst(own, counted, how) if own else None,
    )


def _worst(own: Mapping[str, Rows], counted: Mapping[str, str], how: Mapping[str, Any]) -> tuple[str, Estimate]:
    def candidate(name: str) -> measures.Candidate:
        compare = how["compare"][name]
        return lambda level: measures.flip_probability(own[name], compare=compare, rule=how["rule"], level=level)

    return measures.highest({counted[name]: candidate(name) for name in own}, how["level"])


def _storage_words(storage: str) -> str:
    kept = {
        "float": "in memory as floats",
        "uint8": "stored as 8 bits",
        "rounded8": "stored as 8 bits",
        "jpeg85": "stored as JPEG of quality 85",
    }
    return f"{kept.get(storage, f'stored as {storage}')}; {VIDEO}"


def _limit(most: float) -> float:
    """A round end of the scale at or above the largest limit, at most 1."""
    return next(v for v in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0) if v >= min(most, 1.0))


def _notes(rows: Sequence[StabilityRow], models: Sequence[StabilityModel], table: str) -> tuple[str, ...]:
    notes = []
    if any(row.compared == "first" for row in rows):
        notes.append(
            "Frames of noise sequences are compared with the first, clean frame, those of the others with the frame "
            "before. A model that is wrong but steady flips never: read this beside the accuracy."
        )
    if any(not row.counted for row in rows):
        asked = "the sequences marked ○ are not among the ten of the set and are in no mean"
        notes.append(f"{asked[0].upper()}{asked[1:]}.")
    if any(m.remembered is not None for m in models):
        notes.append(f"mFR over {ALEXNET_FLIPS.name}: those denominators are {REMEMBERED}; quote FP, which needs none.")
    if any(m.distance is not None for m in models):
        notes.append("T5D is not normalised: 0 where the five likeliest classes stay, 15 where all five change.")
    return tuple(notes)


def means(entry: StabilityModel) -> list[Normalised]:
    """The model's means that there are."""
    return [n for n in (entry.flips, entry.distance, entry.rate, entry.remembered) if n is not None]


def plain(estimate: Estimate | None) -> str:
    """A number that is no share: ``2.01 [1.95, 2.06]``."""
    if estimate is None:
        return "–"
    low, high = (number(v, 2) for v in (estimate.low, estimate.high))
    return f"{number(estimate.value, 2)} [{low}, {high}]"

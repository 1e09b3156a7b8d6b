"""How accurate is a model on images that nobody has labelled? Learned and tested on the run's own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar import measures
from brittlestar.analyses.unlabelled_answers import Say, asked, seen_under_shifts
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import DataError, UsageError, require, unknown
from brittlestar.core.options import option
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import write_json
from brittlestar.data.base import DataInfo, Source
from brittlestar.data.order import balanced_order
from brittlestar.data.unlabelled import open_unlabelled
from brittlestar.measures import Estimate
from brittlestar.measures.label_free import Clean, ModelAnswers, clean_of, predictions
from brittlestar.measures.label_free_fit import KnownCell, LabelFreeFit, label_free_fit, require_enough
from brittlestar.measures.label_free_range import BeyondRange, Described, MeasuredRange, answered, described
from brittlestar.report.estimated import SCHEMA
from brittlestar.report.explained import identity_of
from brittlestar.runs.reopen import reopened
from brittlestar.store import RunStore
from brittlestar.store.unlabelled import ESTIMATE, FOLDER

FEWEST_ROWS = 20
"""Conditions with fewer answers say nothing on how far a method misses; fewer new images are refused."""


@dataclass(frozen=True, kw_only=True)
class ModelEstimate:
    """What is estimated of one model on unlabelled images.

    Fields:
        model: Its name.
        any_mix: Share of right answers, estimated without labels; ``None`` where that is refused.
        same_mix: The same where the classes are known to be mixed as in the run's data, which more methods may then
            use; ``None`` where that is refused. Under another mix it is wrong.
        outside: Why it is refused: what of these images lies beyond all that the run has measured.
        said: What each method says as it stands.
        clean: Accuracy on the run's clean images.
        any_mix_fit, same_mix_fit: What the two rest on.
    """

    model: str
    any_mix: Estimate | None
    same_mix: Estimate | None
    outside: tuple[BeyondRange, ...]
    said: Mapping[str, float]
    clean: Estimate
    any_mix_fit: LabelFreeFit
    same_mix_fit: LabelFreeFit


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """What was made of unlabelled images.

    Fields:
        data: Of them.
        samples: How many were answered, and how many of these are different.
        models: One each.
        path: Where it is kept.
    """

    data: DataInfo
    samples: tuple[int, int]
    models: tuple[ModelEstimate, ...]
    path: Path


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """What a run knows of one model: its clean images, and a cell each other condition."""

    clean: Clean
    accuracy: Estimate
    cells: tuple[KnownCell, ...]
    answers: Mapping[str, ModelAnswers]


def measured(store: RunStore) -> dict[str, KnownModel]:
    """By model, the conditions that methods without labels are learned and tested on: shifts, no attacks.

    Raises:
        UsageError: There are too few.
    """
    classes = len(store.manifest.data["classes"])
    infos = [i for i in store.manifest.conditions.values() if i.kind in ("clean", "shift")]
    rows: dict[str, dict[str, Rows]] = {}
    for name, model in store.manifest.models.items():
        read = store.read(model["fingerprint"], [i.fingerprint for i in infos])
        rows[name] = {i.id: r for i in infos if (r := read.get(i.fingerprint)) is not None and len(r) >= FEWEST_ROWS}
    clean = next((i.id for i in infos if i.kind == "clean"), "")
    for name, own in rows.items():
        require(clean in own, f"{name} has answered fewer than {FEWEST_ROWS} clean images of this run yet", UsageError)
        require_enough([i.family for i in infos if i.id in own and i.id != clean])
    answers = {name: {c: ModelAnswers.of(r, classes) for c, r in own.items()} for name, own in rows.items()}
    return {name: _measured(name, infos, rows[name], answers, clean, classes) for name in rows}


def _measured(
    name: str,
    infos: Sequence[ConditionInfo],
    rows: Mapping[str, Rows],
    answers: Mapping[str, Mapping[str, ModelAnswers]],
    clean: str,
    classes: int,
) -> KnownModel:
    def others(condition: str) -> list[ModelAnswers]:
        return [a[condition] for other, a in answers.items() if other != name and condition in a]

    known = clean_of(rows[clean], others(clean), classes)
    cells = [
        KnownCell(
            condition=info.id,
            family=info.family,
            said=predictions(known, answers[name][info.id], others(info.id)),
            right=int(rows[info.id].correct.sum()),
            samples=len(rows[info.id]),
        )
        for info in infos
        if info.id in rows and info.id != clean
    ]
    accuracy = measures.accuracy(rows[clean])
    return KnownModel(clean=known, accuracy=accuracy, cells=tuple(cells), answers=answers[name])


def fitted(known: KnownModel, level: float | None) -> tuple[LabelFreeFit, LabelFreeFit]:
    """What methods are worth for a model: those that bear any mix of classes, and all of them."""
    return (
        label_free_fit(known.cells, known.clean.accuracy, level, any_mix=True),
        label_free_fit(known.cells, known.clean.accuracy, level),
    )


def estimate(
    folder: Path,
    data: Any,
    *,
    only: str | None = None,
    samples: int | None = None,
    level: float | None = None,
    preparation: Mapping[str, Any] | None = None,
    trust: bool = False,
    models: Mapping[str, Any] | None = None,
    own: Source | None = None,
    say: Say = lambda _: None,
) -> Estimated:
    """Estimate the accuracy of a run's models on unlabelled images; what is computed is kept in the run folder.

    Args:
        folder: The run folder.
        data: The images, as ``data.unlabelled.open_unlabelled`` takes them.
        only: The one model that is wanted; all by default.
        samples: How many of the images, in a seeded order; all by default.
        level: Of the intervals; as high as the run's families bear out, at most 90 %, by default.
        preparation: Arguments of ``open_unlabelled``, where the images are not to be prepared as the run's were.
        trust, models, own: As ``runs.reopen.reopened`` takes them.
        say: Told what is done.

    Raises:
        UsageError: The run has too little to learn from, or does not bear out the level.
        DataError: Images of another shape than the run's, or too few.
        StoreError: The run's models or data are not what they were.
    """
    store = RunStore.open(folder)
    names = list(store.manifest.models)
    if only is not None and only not in names:
        raise unknown("model of this run", only, names)
    require(samples is None or samples >= 1, f"{option('samples')} must be at least 1, got {samples}", UsageError)
    # First what takes no time, and needs no model.
    known = measured(store)
    source = _opened(store, data, preparation or {})
    # Not the source's own order, which balances classes: no label may play a part.
    nothing = np.zeros(len(source.ids), np.int32)
    order = balanced_order(source.ids, nothing, store.manifest.seed)[:samples]
    distinct = len(np.unique(source.ids[order] if source.groups is None else source.groups[order]))
    require(
        distinct >= FEWEST_ROWS,
        f"{source.info.name} has {distinct} different images; an estimate takes at least {FEWEST_ROWS}",
        DataError,
    )
    fits = {name: fitted(known[name], level) for name in names if only in (None, name)}
    bench, _ = reopened(folder, trust=trust, models=models, own=own)
    with bench.store.locked():
        answered_in = store.path / FOLDER / fingerprint_of([source.info.fingerprint, store.manifest.seed])
        rows, values = asked(bench, names, source, order, answered_in, say)
        seen = seen_under_shifts(bench, say)
        classes = len(store.manifest.data["classes"])
        answers = {name: ModelAnswers.of(rows[name], classes) for name in names}
        looks = described(values)
        found = []
        for name, (any_mix, same_mix) in fits.items():
            others = [answers[other] for other in names if other != name]
            said = predictions(known[name].clean, answers[name], others)
            outside = _outside(known[name], seen, store, answers[name], looks, classes)
            found.append(
                ModelEstimate(
                    model=name,
                    any_mix=None if outside else any_mix.estimate(said, distinct),
                    same_mix=None if outside else same_mix.estimate(said, distinct),
                    outside=outside,
                    said=said,
                    clean=known[name].accuracy,
                    any_mix_fit=any_mix,
                    same_mix_fit=same_mix,
                )
            )
        made = Estimated(
            data=source.info, samples=(len(order), distinct), models=tuple(found), path=answered_in / ESTIMATE
        )
        write_json(made.path, as_json(made, store), allow_nan=False)
    return made


def _opened(store: RunStore, data: Any, asked: Mapping[str, Any]) -> Source:
    """The images, prepared as the run's were unless something else was asked for.

    Raises:
        DataError: They have another shape.
    """
    how = store.manifest.data.get("how") or {}
    recorded = {key: how.get(key) for key in ("resize", "crop", "filter", "rounding", "prepare")}
    given = {key: value for key, value in asked.items() if value is not None}
    source = open_unlabelled(data, **(given if recorded.keys() & given.keys() else recorded | given))
    shape = tuple(store.manifest.data["shape"])
    require(
        source.info.shape == shape,
        f"{source.info.name} has images of {_shape(source.info.shape)}, the run was made with {_shape(shape)}: give "
        f"{option('resize')} and {option('crop')}, so that they are prepared as those were",
        DataError,
    )
    return source


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} channels and {shape[1]} x {shape[2]} pixels"


def _outside(
    known: KnownModel,
    seen: Mapping[str, Described],
    store: RunStore,
    answers: ModelAnswers,
    looks: Described,
    classes: int,
) -> tuple[BeyondRange, ...]:
    infos = store.manifest.conditions
    every = [
        (condition, infos[condition].family, dict(seen[condition]) | answered(known.clean.answers, own, classes))
        for condition, own in known.answers.items()
        if condition in seen
    ]
    return MeasuredRange.of(every).outside(dict(looks) | answered(known.clean.answers, answers, classes))


def as_json(found: Estimated, store: RunStore) -> dict[str, Any]:
    """Plain values, for the report and for programs."""
    return {
        "schema": SCHEMA,
        "identity": identity_of(store),
        "data": {"name": found.data.name, "spec": found.data.spec, "notes": list(found.data.notes)},
        "samples": found.samples[0],
        "distinct": found.samples[1],
        "models": [
            {
                "model": one.model,
                "any_mix": None if one.any_mix is None else asdict(one.any_mix),
                "same_mix": None if one.same_mix is None else asdict(one.same_mix),
                "outside": [asdict(o) for o in one.outside],
                "said": dict(one.said),
                "clean": asdict(one.clean),
                "any_mix_fit": _fit(one.any_mix_fit),
                "same_mix_fit": _fit(one.same_mix_fit),
            }
            for one in found.models
        ],
    }


def _fit(fit: LabelFreeFit) -> dict[str, Any]:
    return {
        "methods": list(fit.chosen),
        "level": fit.level,
        "miss": fit.miss,
        "plain": dict(fit.plain),
        "between": fit.fit.between,
        "within": fit.fit.within,
        "left_out": [
            {
                "condition": one.cell.condition,
                "family": one.cell.family,
                "accuracy": one.cell.accuracy,
                "estimate": asdict(one.estimate),
            }
            for one in fit.left_out
        ],
    }

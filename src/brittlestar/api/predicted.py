"""Measure predictions that somebody else's pipeline made: rows as a model would have given them, without one."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.api.evaluation import Evaluation, conditions_of
from brittlestar.api.run import Run
from brittlestar.core.errors import DataError, UsageError, require, unknown
from brittlestar.core.options import option
from brittlestar.core.rows import Rows
from brittlestar.data.predictions import CLEAN, Predictions, answered, places_of, read_predictions
from brittlestar.models.base import ModelInfo
from brittlestar.runs.cell import rows_of
from brittlestar.runs.environment import hardware, versions
from brittlestar.runs.request import Outcome, Request, Watch
from brittlestar.runs.truths import answers_folded
from brittlestar.shifts.conditions import Condition
from brittlestar.store import RunStore, SessionRecord, repaired
from brittlestar.store.manifest import now
from brittlestar.suites.given import suites_of

SPEC = "predictions:"
"""What the specification of a model begins with that is a file."""


def store_predictions(request: Request, files: Mapping[str, Path], in_order: bool = False) -> Outcome:
    """Write the rows of prediction files into the run folder, one model a file; finished ones are kept.

    Args:
        request: Data, labels, conditions, folder, seed; its models are not asked.
        files: Path by the model's name.
        in_order: Whether rows are in the order of the data's listing.

    Raises:
        DataError: A file that cannot be read, is of other samples, or answers what is no class.
        StoreError: The folder holds something else, or another file under this name.
    """
    began = time.perf_counter()
    tables = {name: read_predictions(path) for name, path in files.items()}
    source, order = request.source, request.source.order(request.seed)
    known = {c.info.id: c for c in request.conditions}
    made = {
        name: {
            condition: _rows(request, table.of(condition), order, known[condition], name, in_order)
            for condition in _conditions(table, known)
        }
        for name, table in tables.items()
    }
    data = dataclasses.replace(source.info, classes=request.classes, titles=request.titles)
    store = RunStore.start(request.folder, data=data.as_json() | {"how": request.data_how}, seed=request.seed)
    with store.locked():
        repaired(store)
        groups, names = source.groups, source.names()
        truths = None if request.truths is None else request.truths[order]
        labels = request.labels[order].astype(np.int32)
        ordered = [names[place] for place in order]
        told = {name: column[order] for name, column in source.contexts.items()}
        own = None if groups is None else groups[order]
        store.write_samples(source.ids[order], labels, own, ordered, truths, told)
        for name, cells in made.items():
            store.register_model(dataclasses.asdict(_info(name, tables[name], request)))
            store.register_conditions([known[condition].info for condition in cells])
        used = [c for c in known if any(c in cells for cells in made.values())]
        record = SessionRecord(
            started=now(),
            command=request.command,
            suite=", ".join(request.suites),
            samples=len(order),
            versions=versions(),
            hardware=hardware(torch.device("cpu")),
            shifted=request.shifted,
            conditions=used,
            models=list(made),
        )
        store.begin_session(record)
        images = 0
        for name, cells in made.items():
            fingerprint = store.manifest.models[name]["fingerprint"]
            done = {c for _, _, conditions in store.finished_groups(fingerprint) for c in conditions}
            new = [(known[c].fingerprint, rows) for c, rows in cells.items() if known[c].fingerprint not in done]
            if new:
                store.write_cells(fingerprint, 0, len(order), new)
                images += len(order) * len(new)
        seconds = time.perf_counter() - began
        store.end_session(stop="complete", wall_s=seconds, images=images)
    return Outcome(request.folder, "complete", seconds, images, 0.0)


def predicted(
    asked: Evaluation, files: Mapping[str, Path], data: Any, watch: Watch, *, command: str = "", in_order: bool = False
) -> Run:
    """Measure prediction files on data: what ``Evaluation.run`` does for models.

    Args:
        asked: Suite (whose conditions the files may name), data options, label space, run folder, seed.
        files: Path by name.
        data: As for ``evaluate``.
        watch: Callbacks.
        command: Recorded as the command that repeats it.
        in_order: Whether rows are in the order of the data's listing.

    Raises:
        UsageError, StoreError: As ``store_predictions`` does.
    """
    watch.phase("opening the data")
    suites = suites_of(asked.suite)
    opened = asked.opened(data, suites, watch)
    info = opened.source.info
    for note in info.notes:
        watch.note(note)
    request = Request(
        source=opened.source,
        labels=opened.labels,
        classes=opened.classes,
        models=(),
        makers=None,
        models_how=(),
        data_how=opened.how,
        conditions=conditions_of(suites, info.shape, asked.storage, info.cropped),
        suites=tuple(suite.name for suite in suites),
        folder=opened.folder,
        seed=asked.seed,
        command=command,
        shifted=asked.shifted,
        titles=opened.titles,
        truths=opened.truths,
    )
    outcome = store_predictions(request, files, in_order)
    store = RunStore.open(opened.folder)
    for name in files:
        fingerprint = store.manifest.models[name]["fingerprint"]
        done = {c for _, _, conditions in store.finished_groups(fingerprint) for c in conditions}
        lacking = [c.info.id for c in request.conditions if c.fingerprint not in done]
        if lacking:
            few = f"{', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}"
            watch.note(f"{name} has no predictions under {len(lacking):,} conditions of the suite ({few})")
    return Run(opened.folder, outcome)


def _conditions(table: Predictions, known: Mapping[str, Condition]) -> list[str]:
    found = [str(one) for one in dict.fromkeys(table.conditions.tolist())]
    for one in found:
        if one not in known:
            lead = f"{table.path} has rows of condition {one!r}: name the suite that holds it ({option('suite')}); "
            raise UsageError(lead + str(unknown("condition", one, known, "brittlestar show suite NAME")))
    attack = [one for one in found if known[one].info.kind in ("attack", "sequence")]
    need = f"{table.path}: {', '.join(attack[:3])} need a model, or more than one row an image"
    require(not attack, need, UsageError)
    require(CLEAN in found, f"{table.path} has no rows of clean images (condition {CLEAN!r})", DataError)
    return found


def _rows(
    request: Request,
    table: Predictions,
    order: npt.NDArray[np.int64],
    condition: Condition,
    name: str,
    in_order: bool,
) -> Rows:
    """Rows in the seeded order."""
    at = np.empty(len(order), np.int64)
    at[places_of(table, request.source, in_order)] = np.arange(len(order))
    values = table.values[at[order]]
    labels, positions = request.labels[order].astype(np.int32), np.arange(len(order), dtype=np.int32)
    truths = None if request.truths is None else request.truths[order]
    if table.kind == "labels":
        answers = answered(dataclasses.replace(table, values=values), request.classes, request.titles)
        if truths is not None:
            answers = answers_folded(answers[:, None], labels, truths)[:, 0]
        nothing = np.full(len(order), np.nan, np.float32)
        return Rows(
            position=positions,
            frame=np.zeros(len(order), np.int16),
            label=labels,
            prediction=answers,
            label_logit=nothing,
            top_logit=nothing,
            log_sum_exp=nothing,
        )
    space, outputs, classes = request.source.space, values.shape[1], len(request.classes)
    wanted = space.outputs if space is not None else classes
    require(
        outputs in (wanted, classes),
        f"{table.path} has {outputs:,} columns of {table.kind} and the data {classes:,} classes"
        + (f", in a label space of models of {wanted:,} outputs" if space is not None else "")
        + f": list the names of its columns with {option('classes')}, or give {option('label_space')}",
        DataError,
    )
    right = None if truths is None else torch.from_numpy(truths).to(torch.int64)
    target = torch.from_numpy(labels).to(torch.int64)
    given = torch.from_numpy(values.astype(np.float32))
    # Somebody may have cut or merged the outputs already.
    own = space if outputs == wanted else None
    return rows_of(given, target, labels, positions, condition, name, own, right)


def _info(name: str, table: Predictions, request: Request) -> ModelInfo:
    digest = hashlib.sha256(b"predictions")
    for part in (table.values, table.conditions, *([] if table.keys is None else [table.keys])):
        digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    told = {
        "logits": "logits that another pipeline made",
        "probabilities": "probabilities that another pipeline made: their logarithms serve as logits",
        "labels": "classes that another pipeline answered: nothing is known of its confidence",
    }
    return ModelInfo(
        name=name,
        spec=f"{SPEC}{table.path}",
        fingerprint=digest.hexdigest()[:16],
        classes=table.values.shape[1] if table.values.ndim == 2 else len(request.classes),
        input_shape=request.source.info.shape,
        preprocess={},
        notes=(told[table.kind],),
    )


def named_files(texts: Sequence[str]) -> dict[str, Path]:
    """Paths by name, from ``[NAME=]FILE``.

    Raises:
        UsageError: Two of one name.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        own, file = (name, Path(path)) if equals and not Path(text).exists() else (Path(text).stem, Path(text))
        require(own not in found, f"two files of predictions are called {own}: write NAME=FILE", UsageError)
        found[own] = file
    return found

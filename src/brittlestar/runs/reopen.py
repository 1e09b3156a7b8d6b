"""A bench from a run folder alone: the models, the data and the conditions are opened again as recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brittlestar.attacks import ATTACKS
from brittlestar.core.condition import TIME, ConditionInfo
from brittlestar.core.errors import StoreError, UsageError, require
from brittlestar.core.options import option
from brittlestar.core.text import readable
from brittlestar.data.base import Source
from brittlestar.models import ModelSpec, as_model, load_model, map_labels
from brittlestar.models.base import Model
from brittlestar.models.code import code_named
from brittlestar.models.neighbours import forget
from brittlestar.runs.bench import Bench, BenchSpec
from brittlestar.runs.identity import check_same, kept_behaviour
from brittlestar.runs.skipped import as_recorded, reopened_as_recorded
from brittlestar.runs.truths import table_of
from brittlestar.shifts import SEQUENCES, SHIFTS
from brittlestar.shifts.conditions import Condition, fingerprint_with
from brittlestar.shifts.transplant import Transplant
from brittlestar.store import RunStore


def condition_of(info: ConditionInfo) -> Condition:
    """The condition that a stored description names.

    Raises:
        StoreError: Its definition has changed since.
    """
    if info.kind in ("clean", TIME):
        return Condition(info, None)
    catalogues: dict[str, Any] = {"attack": ATTACKS, "sequence": SEQUENCES, "transplant": {Transplant.name: Transplant}}
    definition = catalogues.get(info.kind, SHIFTS)[info.shift].from_config(info.config)
    require(
        fingerprint_with(definition, info.storage) == info.fingerprint,
        f"{info.id} is defined otherwise in this version; its rows cannot be made again",
        StoreError,
    )
    return Condition(info, definition)


def reopened(
    folder: Path, *, trust: bool = False, models: Mapping[str, Any] | None = None, own: Source | None = None
) -> tuple[Bench, list[str]]:
    """The bench that filled a run folder, and the models' names.

    Args:
        folder: The run folder.
        trust: Whether the code that the folder names may be run (see ``code_to_run``).
        models: By name, those that were given as Python objects.
        own: The run's data, opened, where they were given as Python objects.

    Raises:
        StoreError: Model or data are not what they were, or were given as Python objects.
        UsageError: The folder names code, and is not trusted; nothing was opened.
    """
    store = RunStore.open(folder)
    objects = models or {}
    data, manifest = store.manifest.data, store.manifest
    how = data.get("how") or {}
    python = "the data of this run were given as Python objects: give them again, from Python"
    require(own is not None or "resize" in how, python, StoreError)
    for key in ("spec", "classes"):
        require(key in data, f"{folder}: what opens the data is damaged in the manifest ({key} is missing)", StoreError)
    recorded_models = {name: recorded for name, recorded in manifest.models.items() if name not in objects}
    specs = {name: _spec(name, recorded, folder) for name, recorded in recorded_models.items()}
    code = code_to_run(store)
    require(
        trust or not code,
        f"{folder} names code that this would run: {'; '.join(code)}. Nothing was run: look at it, and add "
        f"{option('trust', True)} if you trust it and whoever made this folder",
        UsageError,
    )
    source = reopened_as_recorded(store) if own is None else as_recorded(own, store.path, True)
    require(source.info.fingerprint == data["fingerprint"], f"the data at {data['spec']} have changed", StoreError)
    order = source.order(manifest.seed)
    forget()
    loaded = {name: load_model(spec) for name, spec in specs.items()}
    loaded |= {name: as_model(value, name=name) for name, value in objects.items() if name in manifest.models}
    for model in loaded.values():
        model.space = source.space
    benched = [_same(store, name, loaded[name], source) for name in manifest.models]
    to = np.asarray(map_labels(source.info.classes, tuple(data["classes"])), dtype=np.int32)
    spec = BenchSpec(
        source=source,
        order=order,
        labels=to[source.labels][order],
        seed=manifest.seed,
        conditions=tuple(condition_of(info) for info in manifest.conditions.values()),
        makers=(),
        fingerprints=tuple(m["fingerprint"] for m in manifest.models.values()),
        # Batch size and tuning as in the last session: both move the last bits of logits.
        batch=manifest.sessions[-1].batch,
        folder=folder,
        tune=bool(manifest.sessions[-1].tuning),
        truths=None if source.truths is None else to[table_of(source.truths)][order],
    )
    if all(model.device.type == "cpu" for model in benched):
        # As in runs: with several threads, sums are split otherwise and end in other bits.
        torch.set_num_threads(1)
    return Bench(spec, benched, store), list(manifest.models)


def code_to_run(store: RunStore) -> list[str]:
    """The code that opening this folder's models again would run, a line a model; nothing is run or imported."""
    lines = []
    for name, recorded in store.manifest.models.items():
        code = code_named(_spec(name, recorded, store.path)) if recorded.get("how") else ()
        lines += [readable(f"model {name}: {', '.join(code)}")] if code else []
    return lines


def _spec(name: str, recorded: dict[str, Any], folder: Path) -> ModelSpec:
    how = recorded.get("how")
    given = str(recorded.get("spec")).startswith("predictions:")
    require(not given, f"{name} is a file of predictions, not a model: it cannot be asked again", StoreError)
    python = f"model {name} was given as a Python object: give it again, from Python"
    require(bool(how), python, StoreError)
    told = f"{folder}: what loads model {name} is damaged in the manifest"
    try:
        spec = ModelSpec.from_record(how or {})
    except (TypeError, AttributeError) as error:
        raise StoreError(f"{told} ({error})") from error
    texts = (spec.spec, spec.device, spec.factory or "", spec.weights or "")
    require(all(isinstance(text, str) for text in texts), told, StoreError)
    return spec


def _same(store: RunStore, name: str, model: Model, source: Source) -> Model:
    """The model, once it is known to be the one that was measured.

    Raises:
        StoreError: It is another one.
    """
    recorded = store.manifest.models[name]
    key = str(recorded["fingerprint"])
    files, kept = str(recorded.get("files") or key), kept_behaviour(store.path, key)
    if kept is not None:
        remedy = "Its rows are of what it was then: bring that back to audit them"
        check_same(name, store, key, files, kept.asked_again(model, source), remedy)
    else:
        changed = f"model {name} ({recorded['spec']}) has changed"
        require(model.fingerprint() == files, changed, StoreError)
    return model

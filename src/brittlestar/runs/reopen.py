"""A bench from a run folder alone: the models, the data and the conditions are opened again as recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from brittlestar.attacks import ATTACKS
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.errors import StoreError, require
from brittlestar.models import ModelSpec, load_model, map_labels
from brittlestar.runs.bench import Bench, BenchSpec
from brittlestar.runs.skipped import reopened_as_recorded
from brittlestar.shifts import SEQUENCES, SHIFTS
from brittlestar.shifts.conditions import Condition, fingerprint_with
from brittlestar.store import RunStore


def condition_of(info: ConditionInfo) -> Condition:
    """The condition that a stored description names.

    Raises:
        StoreError: Its definition has changed since.
    """
    if info.kind == "clean":
        return Condition(info, None)
    catalogues: dict[str, Any] = {"attack": ATTACKS, "sequence": SEQUENCES}
    definition = catalogues.get(info.kind, SHIFTS)[info.shift].from_config(info.config)
    require(
        fingerprint_with(definition, info.storage) == info.fingerprint,
        f"{info.id} is defined otherwise in this version; its rows cannot be made again",
        StoreError,
    )
    return Condition(info, definition)


def reopened(folder: Path) -> tuple[Bench, list[str]]:
    """The bench that filled a run folder, and the models' names.

    Raises:
        StoreError: Model or data are not what they were, or were given as Python objects.
    """
    store = RunStore.open(folder)
    data, manifest = store.manifest.data, store.manifest
    how = data.get("how") or {}
    require("resize" in how, "the data of this run were given as Python objects; audit it from Python", StoreError)
    source = reopened_as_recorded(store)
    require(source.info.fingerprint == data["fingerprint"], f"the data at {data['spec']} have changed", StoreError)
    models = []
    for name, recorded in manifest.models.items():
        require(
            bool(recorded.get("how")), f"model {name} was given as a Python object; audit it from Python", StoreError
        )
        model = load_model(ModelSpec.from_record(recorded["how"]))
        require(
            model.fingerprint() == recorded["fingerprint"], f"model {name} ({recorded['spec']}) has changed", StoreError
        )
        models.append(model)
    order = source.order(manifest.seed)
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
    )
    if all(model.device.type == "cpu" for model in models):
        # As in runs: with several threads, sums are split otherwise and end in other bits.
        torch.set_num_threads(1)
    return Bench(spec, models, store), list(manifest.models)

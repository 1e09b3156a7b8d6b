"""Makers of rows and stores for the store's tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import read_json, write_json
from brittlestar.store import RunStore

DATA = {"name": "d", "spec": "d.npz", "fingerprint": "d" * 16, "classes": ["x", "y"]}


def random_rows(
    start: int, stop: int, *, seed: int = 0, kind: str = "logits", classes: int = 5, frames: int = 1
) -> Rows:
    """Rows for positions ``[start, stop)``; ``kind`` is ``logits``, ``top`` or ``outcome``."""
    chance = np.random.default_rng([seed, start])
    n = (stop - start) * frames
    z = chance.normal(size=(n, classes)).astype(np.float32)
    label = np.repeat(np.arange(start, stop, dtype=np.int32) % classes, frames)
    order = np.argsort(-z, axis=1, kind="stable")[:, :3].astype(np.int32)
    return Rows(
        position=np.repeat(np.arange(start, stop, dtype=np.int32), frames),
        frame=np.tile(np.arange(frames, dtype=np.int16), stop - start),
        label=label,
        prediction=z.argmax(1).astype(np.int32),
        label_logit=z[np.arange(n), label],
        top_logit=z.max(1),
        log_sum_exp=np.log(np.exp(z).sum(1)),
        top_classes=order if kind == "top" else None,
        top_logits=np.take_along_axis(z, order, 1) if kind == "top" else None,
        logits=z if kind == "logits" else None,
    )


def cells(
    start: int, stop: int, conditions: Sequence[str], *, seed: int = 0, kind: str = "logits"
) -> list[tuple[str, Rows]]:
    """A cell group with rows of its own for each condition."""
    return [(c, random_rows(start, stop, seed=seed * 1000 + k, kind=kind)) for k, c in enumerate(conditions)]


def describe(condition: str) -> ConditionInfo:
    """A description whose id and fingerprint are the name."""
    return ConditionInfo(id=condition, fingerprint=condition, kind="shift", family="noise", shift="s", title="S")


def make_store(path: Path, *, samples: int = 200, conditions: Sequence[str] = ()) -> RunStore:
    """A store that is ready for cells."""
    store = RunStore.start(path, data=DATA, seed=0)
    store.register_conditions([describe(c) for c in conditions])
    ids = np.array([f"{k:016x}" for k in range(samples)])
    store.write_samples(ids, np.arange(samples, dtype=np.int32) % 5)
    return store


@contextlib.contextmanager
def edited(path: Path) -> Iterator[dict[str, Any]]:
    """What a JSON file of a run folder holds, to be changed; it is written back with its digest."""
    content = read_json(path, required=False)
    yield content
    write_json(path, content)


def same(one: Rows, other: Rows) -> None:
    """Fail unless both have the same columns with the same bits."""
    assert one.unseen == other.unseen
    columns, others = one.columns(), other.columns()
    assert columns.keys() == others.keys()
    for name, left in columns.items():
        assert left.dtype == others[name].dtype, name
        np.testing.assert_array_equal(left, others[name], err_msg=name)

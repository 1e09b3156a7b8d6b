"""What computing in another type, or by another backend, does to a model's clean error."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from brittlestar import measures
from brittlestar.api.run import LEVEL
from brittlestar.core.sizes import at_once
from brittlestar.core.stopwatch import Stopwatch
from brittlestar.data.base import Source
from brittlestar.measures.samples import Samples, mean_difference_of
from brittlestar.models import ModelSpec, load_model, map_labels
from brittlestar.models.base import BATCH, Model, infer
from brittlestar.models.tune import tune
from brittlestar.runs.truths import Truths, table_of
from brittlestar.store.design import Design

EFFECT_SAMPLES, EFFECT_FEWEST = 1000, 20
"""On how many clean images that is asked, and on how many at the least, where there is little time."""


def effect_on_clean(
    model: Model,
    spec: ModelSpec,
    source: Source,
    seed: int,
    classes: tuple[str, ...] | None = None,
    seconds: float | None = None,
) -> str:
    """What computing in another type, or by another backend, does to the clean error: a sentence with its interval.

    Args:
        model: As it is to be run.
        spec: What it was loaded from.
        source: The opened data.
        seed: Of the order.
        classes: Names in the order of the outputs, where they are not the data's.
        seconds: How long it may take; ``None`` for as long as it takes.
    """
    whole = source.present(source.order(seed))
    order = whole[:EFFECT_SAMPLES]
    labels = (source.labels if classes is None else mapped_labels(source, classes))[order]
    few = at_once(source.info.shape, EFFECT_SAMPLES)
    # Only the type or the backend is to differ, so nothing else is made faster.
    first = torch.from_numpy(source.load(order[: at_once(source.info.shape, 16 if seconds is None else 2)]))
    tune(model, first.to(model.device, torch.float32) / 255, faster=False)
    plain = load_model(dataclasses.replace(spec, dtype="float32", backend="torch"))
    plain.space = model.space
    answers: list[npt.NDArray[np.int64]] = []
    done = 0
    batch = min(few, BATCH)
    for start, stop in Stopwatch(seconds).pieces(0, len(order), few if seconds is None else batch):
        images = torch.from_numpy(source.load(order[start:stop]))
        answers.append(np.stack([infer(m, images, batch).argmax(1).cpu().numpy() for m in (plain, model)]))
        done = stop
    called = spec.dtype if spec.backend == "torch" else "ONNX Runtime"
    if done < min(EFFECT_FEWEST, len(order)):
        return f"{called} instead of float32 in torch: what it changes was not measured, as the budget leaves no time"
    order, labels = order[:done], labels[:done]
    samples = drawn_from(source, whole, len(order))
    wrong = np.concatenate(answers, axis=1) != labels
    more, fewer = int((wrong[1] & ~wrong[0]).sum()), int((wrong[0] & ~wrong[1]).sum())
    apart = measures.paired_rates(more, fewer, len(order), LEVEL)
    # Exact only where images are independent and count alike.
    if not samples.plain:
        apart = mean_difference_of(samples, wrong[1].astype(np.float64) - wrong[0], level=LEVEL)
    before, after = (100 * float(samples.average(w.astype(np.float64))) for w in wrong)
    return (
        f"{called} instead of float32 in torch: clean error "
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


def mapped_labels(source: Source, names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """(n,) labels of the source as places among these names, those of a model's outputs."""
    to = map_labels(source.info.classes, names)
    return np.asarray(to, dtype=np.int32)[source.labels]


def truths_of(source: Source, names: tuple[str, ...] | None) -> Truths | None:
    """(n, most) right classes of the source's samples as places among these names, where a sample has several."""
    if source.truths is None:
        return None
    table = table_of(source.truths)
    return table if names is None else np.asarray(map_labels(source.info.classes, names), np.int32)[table]

"""What a run with transplanted objects needs beside its rows: which objects went where, and the worst placements."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.core.errors import UsageError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged
from brittlestar.data.base import Source
from brittlestar.data.objects import host_masks, objects_with
from brittlestar.runs.reopen import condition_of
from brittlestar.runs.skipped import reopened_as_recorded
from brittlestar.shifts.conditions import CLEAN_ID
from brittlestar.shifts.transplant import REACH, Transplant
from brittlestar.store import RunStore
from brittlestar.store.transplants import Transplanted, read_transplanted, write_transplanted, write_worst

Masks = list[npt.NDArray[np.bool_]]

WORST = 8
"""Placements a model that are shown."""


def record_transplants(store: RunStore, masks: str | None = None) -> None:
    """Write what was pasted where into the run folder, and pictures of each model's worst placements.

    Args:
        store: A run whose conditions hold ``Transplant``.
        masks: Where the hosts' own objects lie (``data.objects.host_masks``).

    Raises:
        DataError: Masks that do not fit the data.
        UsageError: Masks are missing that an earlier session had.
    """
    source = reopened_as_recorded(store)
    order, labels = source.order(store.manifest.seed), store.samples()[1]
    count = min(max((s.samples for s in store.manifest.sessions), default=0), len(order))
    height, width = source.info.shape[1:]
    names = source.names()
    keys = SampleKeys.of(store.manifest.seed, [str(source.ids[place]) for place in order[:count]])
    with store.locked():
        found = None if masks is None else host_masks(masks, names, order[:count].tolist(), (height, width))
        for info, definition in _transplants(store):
            made = _transplanted(definition, labels[:count], keys, found, (height, width))
            _keep(store, info.fingerprint, made)
        write_worst(store.path, [*_worst(store, source, order)])


def check_masks(source: Source, masks: str, seed: int, samples: int | None) -> None:
    """Read the masks of the hosts that will be asked, so that what is wrong is said before the work."""
    order = source.order(seed)[:samples].tolist()
    host_masks(masks, source.names(), order, source.info.shape[1:])


def _transplants(store: RunStore) -> Iterator[tuple[Any, Transplant]]:
    for info in store.manifest.conditions.values():
        if info.kind == Transplant.kind:
            definition = condition_of(info).definition
            assert isinstance(definition, Transplant)
            yield info, definition


def _keep(store: RunStore, fingerprint: str, made: Transplanted) -> None:
    try:
        before = read_transplanted(store.path, fingerprint)
    except Damaged:
        before = None
    if made.clear is None and before is not None and before.clear is not None:
        told = "an earlier session had the hosts' masks: give them again"
        require(len(before.donor) >= len(made.donor), told, UsageError)
        return
    write_transplanted(store.path, fingerprint, made)


def _transplanted(
    definition: Transplant, labels: npt.NDArray[np.int32], keys: SampleKeys, masks: Masks | None, size: tuple[int, int]
) -> Transplanted:
    donor = definition.donors(labels, keys)
    classes = np.asarray((*definition.classes, -1), np.int32)
    if masks is None:
        return Transplanted(donor, classes[donor])
    clear = np.zeros((len(donor), definition.count), bool)
    overlap = np.zeros(clear.shape, np.float32)
    for position in np.flatnonzero(donor >= 0):
        own, covered = masks[position], definition.covered(int(donor[position]), *size)
        high, wide = covered.shape
        whole = int(own.sum())
        for place, (top, left) in enumerate(zip(*definition.places(int(donor[position]), *size), strict=True)):
            # One margin for soft and for hard edges, and the box for every treatment: they share their clear places.
            near = own[max(top - REACH, 0) : top + high + REACH, max(left - REACH, 0) : left + wide + REACH]
            clear[position, place] = not near.any()
            overlap[position, place] = (own[top : top + high, left : left + wide] & covered).sum() / whole
    return Transplanted(donor, classes[donor], clear, overlap)


def _worst(store: RunStore, source: Source, order: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """The surest wrong answers to clear placements on hosts that are right without an object, one a host."""
    donors = [(i, d) for i, d in _transplants(store) if d.treatment == "donor"]
    clean = store.manifest.conditions.get(CLEAN_ID)
    for name, about in store.manifest.models.items():
        asked = [i.fingerprint for i, _ in donors] + ([clean.fingerprint] if clean else [])
        rows = store.read(about["fingerprint"], asked, detail=False)
        if clean is None or clean.fingerprint not in rows:
            continue
        bare = rows[clean.fingerprint]
        right = bare.position[bare.correct]
        chosen: list[tuple[float, int, int, Any, Transplant, Transplanted, Rows]] = []
        for info, definition in donors:
            kept = read_transplanted(store.path, info.fingerprint)
            if kept is None or info.fingerprint not in rows:
                continue
            answers = rows[info.fingerprint]
            inside = answers.position < len(kept.donor)
            counts = inside & ~answers.correct & np.isin(answers.position, right)
            counts[inside] &= kept.donor[answers.position[inside]] >= 0
            if kept.clear is not None:
                counts[inside] &= kept.clear[answers.position[inside], answers.frame[inside]]
            for row in np.flatnonzero(counts):
                key = (-float(answers.confidence[row]), int(answers.position[row]), int(answers.frame[row]))
                chosen.append((*key, info, definition, kept, answers.take(slice(row, row + 1))))
        seen: set[int] = set()
        for one in sorted(chosen, key=lambda c: c[:3]):
            if one[1] not in seen and len(seen) < WORST:
                seen.add(one[1])
                yield _shown(store, source, order, name, bare, one)


def _shown(
    store: RunStore, source: Source, order: npt.NDArray[np.int64], model: str, bare: Rows, one: tuple[Any, ...]
) -> dict[str, Any]:
    _, position, frame, info, definition, kept, row = one
    place = order[position : position + 1]
    pixels = source.load(place)
    host = torch.from_numpy(pixels).to(torch.float32) / 255
    keys = SampleKeys.of(store.manifest.seed, [str(source.ids[place[0]])])
    made = next(x for number, x in enumerate(definition.frames(host, row.label, keys)) if number == frame)
    cut = objects_with(definition.objects, definition.content).cuts[int(kept.donor[position])]
    return {
        "model": model,
        "condition": info.id,
        "position": position,
        "place": frame,
        "name": source.names()[int(place[0])],
        "object": cut.name,
        "object_class": cut.label,
        "label": int(row.label[0]),
        "prediction": int(row.prediction[0]),
        "confidence": float(row.confidence[0]),
        "clean_confidence": float(bare.confidence[bare.position == position][0]),
        "clean": _png(host[0]),
        "shifted": _png(made[0]),
    }


def _png(image: torch.Tensor) -> str:
    """(channel, height, width) in [0, 1] as a PNG in base64, at most 160 pixels wide and high."""
    levels = (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    picture = Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))
    picture.thumbnail((160, 160))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()

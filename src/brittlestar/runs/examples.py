"""Example images for the report: samples a model gets right when clean and wrong, surely, when shifted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.attacks.base import Attack
from brittlestar.core.files import write_atomic
from brittlestar.core.rows import Rows
from brittlestar.runs.bench import Bench
from brittlestar.runs.cell import perturbed
from brittlestar.shifts.conditions import CLEAN_ID, Condition

PER_CONDITION = 2
LARGEST = 112
"""Thumbnails are at most this wide and high."""


def write_examples(bench: Bench, names: Sequence[str], count: int) -> None:
    """Write ``examples/examples.json`` and its thumbnails into the run folder.

    For every model and every condition but Fourier ones and sequences: the failures (right when clean) with the
    highest confidence among the first ``count`` samples. Pixels are made again from the sample's key; an example whose
    prediction does not come out the same again is left out.
    """
    store, spec = bench.store, bench.spec
    clean = next((c for c in spec.conditions if c.info.id == CLEAN_ID), None)
    if clean is None:
        return
    shown = [c for c in spec.conditions if c.info.kind not in ("fourier", "sequence") and c is not clean]
    chosen: list[tuple[int, Condition, int, Rows, Rows]] = []
    for place, fingerprint in enumerate(spec.fingerprints):
        before = store.read(fingerprint, [clean.fingerprint], detail=False).get(clean.fingerprint)
        if before is None:
            continue
        for condition in shown:
            rows = store.read(fingerprint, [condition.fingerprint], detail=False).get(condition.fingerprint)
            if rows is not None:
                chosen += [(place, condition, p, rows, before) for p in _worst(rows, before)]
    folder = spec.folder / "examples"
    beside = spec.folder / ".examples.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    listed = [entry for choice in chosen if (entry := _example(bench, names, beside, *choice)) is not None]
    write_atomic(beside / "examples.json", json.dumps({"examples": listed}, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def _worst(rows: Rows, before: Rows) -> list[int]:
    """Positions of the surest failures among the samples that were right before."""
    right = before.position[before.correct]
    wrong = np.flatnonzero(~rows.correct & np.isin(rows.position, right))
    surest = wrong[np.argsort(-rows.confidence[wrong], kind="stable")[:PER_CONDITION]]
    return [int(p) for p in rows.position[surest]]


def _example(
    bench: Bench,
    names: Sequence[str],
    folder: Path,
    place: int,
    condition: Condition,
    position: int,
    rows: Rows,
    before: Rows,
) -> dict[str, Any] | None:
    images, keys, labels, _ = bench.block(position, position + 1)
    model = bench.models[place]
    x = images.to(torch.float32) / 255
    target = torch.from_numpy(labels).to(x.device, torch.int64)
    shifted = perturbed(condition, x, target, keys, model)
    with torch.inference_mode():
        again = int(model.logits(shifted).argmax())
    row, clean_row = (r.take(r.position == position) for r in (rows, before))
    if again != int(row.prediction[0]):
        return None
    attacked = isinstance(condition.definition, Attack)
    shifted_name = f"{condition.fingerprint}-{position}{f'-{place}' if attacked else ''}.png"
    clean_name = f"clean-{position}.png"
    for name, pixels in ((clean_name, x), (shifted_name, shifted)):
        if not (folder / name).exists():
            thumbnail(pixels[0].cpu().numpy()).save(folder / name, optimize=True)
    return {
        "model": names[place],
        "condition": condition.info.id,
        "position": position,
        "sample_id": str(bench.spec.source.ids[bench.spec.order[position]]),
        "label": int(row.label[0]),
        "prediction": int(row.prediction[0]),
        "confidence": float(row.confidence[0]),
        "clean_prediction": int(clean_row.prediction[0]),
        "clean_confidence": float(clean_row.confidence[0]),
        "clean": clean_name,
        "shifted": shifted_name,
    }


def thumbnail(pixels: npt.NDArray[np.float32], largest: int = LARGEST) -> Image.Image:
    """A picture of a (channel, height, width) image in [0, 1]; values outside are cut off."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
    if max(picture.size) > largest:
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    return picture

"""Example images for the report: samples a model gets right when clean and wrong, surely, when shifted."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.attacks.base import Attack
from brittlestar.core import whereabouts
from brittlestar.core.errors import DataError
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.runs.bench import Bench
from brittlestar.runs.cell import perturbed
from brittlestar.shifts.conditions import CLEAN_ID, Condition
from brittlestar.store.example_files import write_list

PER_CONDITION = 3
"""The surest failure, one of the commonest confusion, one of another class: a condition seldom does one thing only."""

LARGEST = 112
"""Thumbnails are at most this wide and high."""


@dataclasses.dataclass(frozen=True)
class _Choice:
    """The failures of one model under one condition that are shown.

    Fields:
        place: Of the model.
        positions: Of the samples, in the order in which they are shown.
        shifted, clean: The model's rows of these.
    """

    place: int
    positions: tuple[int, ...]
    shifted: Rows
    clean: Rows


def write_examples(bench: Bench, names: Sequence[str], count: int) -> None:
    """Write ``examples/examples.json`` and its thumbnails into the run folder.

    For every model and every condition but Fourier ones and sequences: up to ``PER_CONDITION`` failures (right when
    clean) among the first ``count`` samples. Pixels are made again from the sample's key; an example whose prediction
    does not come out the same again is left out.
    """
    store, spec = bench.store, bench.spec
    clean = next((c for c in spec.conditions if c.info.id == CLEAN_ID), None)
    if clean is None:
        return
    shown = [c for c in spec.conditions if c.info.kind not in ("fourier", "sequence") and c is not clean]
    chosen: dict[str, list[_Choice]] = {}
    for place, fingerprint in enumerate(spec.fingerprints):
        before = store.read(fingerprint, [clean.fingerprint], detail=False).get(clean.fingerprint)
        if before is None:
            continue
        for condition in shown:
            rows = store.read(fingerprint, [condition.fingerprint], detail=False).get(condition.fingerprint)
            positions = () if rows is None else _failures(rows, before)
            if rows is not None and positions:
                own = [r.take(np.isin(r.position, positions)) for r in (rows, before)]
                chosen.setdefault(condition.fingerprint, []).append(_Choice(place, positions, *own))
    folder = spec.folder / "examples"
    beside = spec.folder / ".examples.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    # Folders of old versions have no names.
    files = store.names() or []
    listed: list[tuple[int, dict[str, Any]]] = []
    for condition in shown:
        # Images may be gone since they were answered.
        with contextlib.suppress(DataError):
            listed += _examples(bench, condition, chosen.get(condition.fingerprint, []), beside)
    listed.sort(key=lambda pair: pair[0])
    entries = [
        {"model": names[place], **entry, "name": files[entry["position"]] if files else ""} for place, entry in listed
    ]
    write_list(beside, entries)
    shutil.rmtree(folder, ignore_errors=True)
    # Put in place as a whole, so that a report never finds half of it.
    beside.rename(folder)


def _failures(rows: Rows, before: Rows) -> tuple[int, ...]:
    """Positions of failures among the samples that were right before: see ``PER_CONDITION``."""
    right = before.position[before.correct]
    wrong = np.flatnonzero(~rows.correct & np.isin(rows.position, right))
    if not len(wrong):
        return ()
    # Stable, so that equal confidences come out in the same order every time.
    surest = wrong[np.argsort(-rows.confidence[wrong], kind="stable")]
    label, answer = rows.label[surest], rows.prediction[surest]
    pairs, size = np.unique(np.stack([label, answer]), axis=1, return_counts=True)
    commonest = pairs[:, size.argmax()]
    chosen = [0]
    for fits in ((label == commonest[0]) & (answer == commonest[1]), ~np.isin(label, [label[0], commonest[0]])):
        chosen += [int(i) for i in np.flatnonzero(fits) if i not in chosen][:1]
    chosen += [i for i in range(min(len(surest), PER_CONDITION)) if i not in chosen]
    return tuple(int(p) for p in rows.position[surest[chosen[:PER_CONDITION]]])


def _examples(
    bench: Bench, condition: Condition, choices: Sequence[_Choice], folder: Path
) -> list[tuple[int, dict[str, Any]]]:
    """(model, example) of one condition; the samples of all models are read and shifted together."""
    positions = sorted({p for choice in choices for p in choice.positions})
    if not positions:
        return []
    images, target, keys = _batch(bench, positions)
    attacked = isinstance(condition.definition, Attack)
    shared = None if attacked else perturbed(condition, images, target, keys, None)
    found: list[tuple[int, dict[str, Any]]] = []
    for choice in choices:
        model = bench.models[choice.place]
        index = torch.tensor([positions.index(p) for p in choice.positions], device=images.device)
        shifted = (
            perturbed(condition, images[index], target[index], keys[index], model) if shared is None else shared[index]
        )
        with torch.inference_mode(), whereabouts.at(f"{condition.info.id}, choosing examples"):
            again = model.logits(shifted).argmax(1).tolist()
        for place, position in enumerate(choice.positions):
            row, clean = (rows.take(rows.position == position) for rows in (choice.shifted, choice.clean))
            if again[place] != int(row.prediction[0]):
                continue
            # An attack's picture belongs to one model; a shift's is the same for all.
            shifted_name = f"{condition.fingerprint}-{position}{f'-{choice.place}' if attacked else ''}.png"
            clean_name = f"clean-{position}.png"
            for name, pixels in ((clean_name, images[index[place]]), (shifted_name, shifted[place])):
                # A clean picture serves several conditions, a shifted one several models.
                if not (folder / name).exists():
                    thumbnail(pixels.cpu().numpy()).save(folder / name, optimize=True)
            about = {
                "condition": condition.info.id,
                "position": position,
                "sample_id": str(bench.spec.source.ids[bench.spec.order[position]]),
                "label": int(row.label[0]),
                "prediction": int(row.prediction[0]),
                "confidence": float(row.confidence[0]),
                "clean_prediction": int(clean.prediction[0]),
                "clean_confidence": float(clean.confidence[0]),
                "clean": clean_name,
                "shifted": shifted_name,
            }
            found.append((choice.place, about))
    return found


def _batch(bench: Bench, positions: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor, SampleKeys]:
    """Images in [0, 1], labels and keys of some samples."""
    spec, device = bench.spec, bench.models[0].device
    places = spec.order[list(positions)]
    images = torch.from_numpy(spec.source.load(places)).to(device, torch.float32) / 255
    labels = torch.from_numpy(spec.labels[list(positions)]).to(device, torch.int64)
    return images, labels, SampleKeys.of(spec.seed, [str(i) for i in spec.source.ids[places]]).to(device)


def thumbnail(pixels: npt.NDArray[np.float32], largest: int = LARGEST) -> Image.Image:
    """A picture of a (channel, height, width) image in [0, 1]; values outside are cut off."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
    if max(picture.size) > largest:
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    return picture

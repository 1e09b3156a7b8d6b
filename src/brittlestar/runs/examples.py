"""Example images for the report: samples a model gets right when clean and wrong, surely, when shifted."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from brittlestar.attacks.base import Attack
from brittlestar.core import whereabouts
from brittlestar.core.condition import TIME
from brittlestar.core.errors import DataError
from brittlestar.core.files import new_folder_for, put_in_place
from brittlestar.core.keys import SampleKeys
from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged, read_bytes
from brittlestar.runs.bench import Bench
from brittlestar.runs.cell import passes, perturbed
from brittlestar.runs.truths import folded
from brittlestar.shifts.conditions import CLEAN_ID, Condition
from brittlestar.store.example_files import FOLDER, LIST, check_picture, read_list, write_list
from brittlestar.store.skipped import skipped_of

PER_CONDITION = 3
"""The surest failure, one of the commonest confusion, one of another class: a condition seldom does one thing only."""

AT_ONCE = 32
"""Conditions whose rows are held at once."""

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

    def only(self, positions: Sequence[int]) -> _Choice:
        """Some of it."""
        return dataclasses.replace(self, positions=tuple(positions))

    def about(self, bench: Bench, condition: Condition, position: int) -> dict[str, Any]:
        """What is told of one of them."""
        row, before = (rows.take(rows.position == position) for rows in (self.shifted, self.clean))
        clean_picture, shifted_picture = _pictures(condition, position, self.place)
        return {
            "condition": condition.info.id,
            "position": position,
            "sample_id": str(bench.spec.source.ids[bench.spec.order[position]]),
            "label": int(row.label[0]),
            "prediction": int(row.prediction[0]),
            "confidence": float(row.confidence[0]),
            "clean_prediction": int(before.prediction[0]),
            "clean_confidence": float(before.confidence[0]),
            "clean": clean_picture,
            "shifted": shifted_picture,
        }


def write_examples(bench: Bench, names: Sequence[str], until: float | None = None, a_pass: float | None = None) -> int:
    """Write ``examples/examples.json`` and its thumbnails into the run folder.

    For every model and every condition but Fourier ones and sequences: up to ``PER_CONDITION`` failures (right when
    clean). Pixels are made again from the sample's key; an example whose prediction does not come out the same again is
    left out. Those that were chosen before are kept. At Ctrl-C those that were chosen so far are written.

    Args:
        bench: With the models.
        names: Theirs.
        until: ``time.monotonic()`` when it is to be over; the conditions with the most errors come first.
        a_pass: Seconds a forward pass, as far as is known.

    Returns:
        How many conditions were left out, wholly or in part, for want of time.
    """
    spec = bench.spec
    clean = next((c for c in spec.conditions if c.info.id == CLEAN_ID), None)
    if clean is None:
        return 0
    other = ("fourier", "sequence", "transplant", TIME)
    shown = [c for c in spec.conditions if c.info.kind not in other and c is not clean]
    if until is not None and time.monotonic() >= until:
        return len(shown)
    chosen, errors = _chosen(bench, clean, shown)
    folder = spec.folder / FOLDER
    beside = new_folder_for(folder)
    known, hurry = _Known(folder, names), _Hurry(until, a_pass)
    listed: list[tuple[int, int, int, dict[str, Any]]] = []
    left_out = 0

    def add(number: int, made: list[tuple[int, dict[str, Any]]]) -> None:
        # Told as if all had been made at once.
        choices = chosen[shown[number].fingerprint]
        order = {(choice.place, p): i for choice in choices for i, p in enumerate(choice.positions)}
        listed.extend((place, number, order[place, entry["position"]], entry) for place, entry in made)

    numbers = [i for i in range(len(shown)) if shown[i].fingerprint in chosen]
    try:
        for number in numbers:
            add(number, known.again(bench, shown[number], chosen[shown[number].fingerprint], beside))
        for number in sorted(numbers, key=lambda i: -errors[shown[i].fingerprint]):
            condition = shown[number]
            asked = hurry.fitting(condition, known.lacking(condition, chosen[condition.fingerprint]))
            left_out += hurry.cut
            # Images may be gone since they were answered.
            with contextlib.suppress(DataError):
                add(number, _examples(bench, condition, asked, beside) if asked else [])
            hurry.passes += passes(condition) * sum(len(choice.positions) for choice in asked)
    finally:
        _put_in_place(bench, names, listed, beside, folder)
    return left_out


def _chosen(
    bench: Bench, clean: Condition, shown: Sequence[Condition]
) -> tuple[dict[str, list[_Choice]], dict[str, float]]:
    """By condition the failures that are to be shown, and the highest error rate of a model."""
    chosen: dict[str, list[_Choice]] = {}
    errors = dict.fromkeys((c.fingerprint for c in shown), 0.0)
    for place, fingerprint in enumerate(bench.spec.fingerprints):
        before = bench.store.read(fingerprint, [clean.fingerprint], detail=False).get(clean.fingerprint)
        if before is None:
            continue
        # Their images are gone since they were answered.
        before = before.take(~np.isin(before.position, list(skipped_of(bench.store.manifest))))
        for condition, rows in _rows_of(bench, fingerprint, shown):
            errors[condition.fingerprint] = max(errors[condition.fingerprint], 1 - float(rows.correct.mean()))
            positions = _failures(rows, before)
            if positions:
                own = [r.take(np.isin(r.position, positions)) for r in (rows, before)]
                chosen.setdefault(condition.fingerprint, []).append(_Choice(place, positions, *own))
    return chosen, errors


def _rows_of(bench: Bench, fingerprint: str, shown: Sequence[Condition]) -> Iterator[tuple[Condition, Rows]]:
    """A model's rows of the conditions that have some; read many at a time, as each reading opens all files."""
    for first in range(0, len(shown), AT_ONCE):
        some = shown[first : first + AT_ONCE]
        found = bench.store.read(fingerprint, [c.fingerprint for c in some], detail=False)
        yield from ((c, found[c.fingerprint]) for c in some if c.fingerprint in found and len(found[c.fingerprint]))


def _put_in_place(
    bench: Bench, names: Sequence[str], listed: list[tuple[int, int, int, dict[str, Any]]], beside: Path, folder: Path
) -> None:
    """The list beside its thumbnails, and both where reports look, as a whole: none finds half of it."""
    # Folders of old versions have no names.
    files = bench.store.names() or []
    listed.sort(key=lambda one: one[:3])
    entries = [
        {"model": names[place], **entry, "name": files[entry["position"]] if files else ""}
        for place, _, _, entry in listed
    ]
    write_list(beside, entries)
    put_in_place(beside, folder, LIST)


class _Known:
    """Examples that an earlier session has chosen, which need not be made again.

    Args:
        folder: Of examples; may be missing.
        names: The models'.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._pictures: dict[tuple[int, str, int], tuple[str, str]] = {}
        places = {name: place for place, name in enumerate(names)}
        try:
            entries, digests = read_list(folder, required=False)
            for entry in entries:
                pictures = (str(entry["clean"]), str(entry["shifted"]))
                # A list that others may have written: no name of it leads out of the folder.
                paths = [folder / Path(name).name for name in pictures]
                inside = all(path.is_file() and not path.is_symlink() for path in paths)
                for path in paths if inside else ():
                    check_picture(path, read_bytes(path), digests)
                if inside and entry["model"] in places:
                    # The picture's name begins with what it was shifted by: an id may mean another condition since.
                    fingerprint = pictures[1].partition("-")[0]
                    self._pictures[places[entry["model"]], fingerprint, int(entry["position"])] = pictures
        except (Damaged, ValueError, KeyError, TypeError):
            # What cannot be read is made again.
            self._pictures = {}

    def lacking(self, condition: Condition, choices: Sequence[_Choice]) -> list[_Choice]:
        """The choices without what is known of them."""
        rest = [
            choice.only([p for p in choice.positions if (choice.place, condition.fingerprint, p) not in self._pictures])
            for choice in choices
        ]
        return [choice for choice in rest if choice.positions]

    def again(
        self, bench: Bench, condition: Condition, choices: Sequence[_Choice], to: Path
    ) -> list[tuple[int, dict[str, Any]]]:
        """(model, example) of what is known of the choices, the thumbnails copied to a folder."""
        listed = []
        for choice in choices:
            for position in choice.positions:
                known = self._pictures.get((choice.place, condition.fingerprint, position))
                if known is None:
                    continue
                for name, own in zip(known, _pictures(condition, position, choice.place), strict=True):
                    if not (to / own).exists():
                        (to / own).write_bytes((self._folder / Path(name).name).read_bytes())
                listed.append((choice.place, choice.about(bench, condition, position)))
        return listed


def _pictures(condition: Condition, position: int, place: int) -> tuple[str, str]:
    """Names of the clean and of the shifted thumbnail."""
    # An attack's picture belongs to one model; a shift's is the same for all.
    own = f"-{place}" if isinstance(condition.definition, Attack) else ""
    return f"clean-{position}.png", f"{condition.fingerprint}-{position}{own}.png"


class _Hurry:
    """What there is time for.

    Args:
        until: ``time.monotonic()`` when it is to be over; ``None`` for all the time that it takes.
        a_pass: Seconds a forward pass, until some were made here.
    """

    def __init__(self, until: float | None, a_pass: float | None) -> None:
        self._until, self._a_pass = until, a_pass or 0.0
        self._began = time.monotonic()
        self.passes = 0.0
        self.cut = False

    def fitting(self, condition: Condition, choices: list[_Choice]) -> list[_Choice]:
        """As much of the choices as there is time for: all, one example of each model, or none; ``cut`` says so."""
        self.cut = False
        if self._until is None or not choices:
            return choices
        now = time.monotonic()
        a_pass = (now - self._began) / self.passes if self.passes else self._a_pass
        for some in (choices, [choice.only(choice.positions[:1]) for choice in choices]):
            count = sum(len(choice.positions) for choice in some)
            if now + a_pass * passes(condition) * count < self._until:
                return some
            self.cut = True
        return []


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
    """(model, example) of one condition; the samples of all models are read and shifted together, a batch at a time."""
    positions = sorted({p for choice in choices for p in choice.positions})
    found = []
    for start in range(0, len(positions), bench.spec.batch):
        some = positions[start : start + bench.spec.batch]
        own = [choice.only([p for p in choice.positions if p in some]) for choice in choices]
        found += _examples_of(bench, condition, [choice for choice in own if choice.positions], some, folder)
    return found


def _examples_of(
    bench: Bench, condition: Condition, choices: Sequence[_Choice], positions: Sequence[int], folder: Path
) -> list[tuple[int, dict[str, Any]]]:
    images, target, keys = _batch(bench, positions)
    truths = bench.spec.truths
    right = None if truths is None else torch.from_numpy(truths[list(positions)]).to(images.device, torch.int64)
    shared = None if isinstance(condition.definition, Attack) else perturbed(condition, images, target, keys, None)
    found: list[tuple[int, dict[str, Any]]] = []
    for choice in choices:
        model = bench.models[choice.place]
        index = torch.tensor([positions.index(p) for p in choice.positions], device=images.device)
        own = None if right is None else right[index]
        shifted = (
            perturbed(condition, images[index], target[index], keys[index], model, own)
            if shared is None
            else shared[index]
        )
        with torch.inference_mode(), whereabouts.at(f"{condition.info.id}, choosing examples"):
            logits = model.logits(shifted)
            again = (logits if own is None else folded(logits, target[index], own)).argmax(1).tolist()
        for place, position in enumerate(choice.positions):
            if again[place] != int(choice.shifted.prediction[choice.shifted.position == position][0]):
                continue
            pictures = zip(
                _pictures(condition, position, choice.place), (images[index[place]], shifted[place]), strict=True
            )
            for name, pixels in pictures:
                # A clean picture serves several conditions, a shifted one several models.
                if not (folder / name).exists():
                    thumbnail(pixels.cpu().numpy()).save(folder / name, optimize=True)
            found.append((choice.place, choice.about(bench, condition, position)))
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

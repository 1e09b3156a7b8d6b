"""Detectors on shifted photographs: what is lacking is computed, block by block, and stored."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import ModelError, UsageError, require
from brittlestar.core.files import locked, make_folder
from brittlestar.core.keys import SampleKeys
from brittlestar.core.text import readable
from brittlestar.data.boxes import Photographs
from brittlestar.data.objects import objects_with
from brittlestar.models.detector import Detections, Detector
from brittlestar.runs.process import one_thread
from brittlestar.shifts.base import Shift
from brittlestar.shifts.conditions import Condition
from brittlestar.shifts.geometric import Affine
from brittlestar.shifts.storage import stored
from brittlestar.shifts.transplant import Transplant
from brittlestar.store.detections import DetectionRows, DetectionStore
from brittlestar.suites.base import Suite

BLOCK = 8
"""Photographs a stored file."""

HOST = -2
"""The class that hosts have for ``Transplant``: none of the objects', so that any of these may be pasted."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class DetectionCondition:
    """One condition for photographs of every size that there is.

    Fields:
        info: Its description, with a fingerprint over all sizes.
        by_shape: What is done to photographs of a shape.
    """

    info: ConditionInfo
    by_shape: dict[tuple[int, int, int], Condition]

    @property
    def frames(self) -> int:
        """Images that a photograph becomes."""
        definition = next(iter(self.by_shape.values())).definition
        return definition.count if isinstance(definition, Transplant) else 1


def asked_of(suites: Sequence[Suite], data: Photographs) -> tuple[list[DetectionCondition], list[str]]:
    """The conditions that detectors can be asked, and titles of those that are left out.

    Boxes stay where they are, so whatever moves the whole picture (rotation, translation, scale, shear) is left out,
    and so are attacks, sequences and single frequencies.

    Raises:
        UsageError: Nothing is left, or a suite has other conditions for photographs of another size.
    """
    listed: dict[str, dict[tuple[int, int, int], Condition]] = {}
    left_out: dict[str, None] = {}
    shapes = sorted({(3, *size) for size in data.sizes})
    for shape in shapes:
        for suite in suites:
            for condition in suite.conditions(shape):
                definition = condition.definition
                plain = isinstance(definition, Shift) and condition.info.kind == "shift"
                if (
                    definition is None
                    or isinstance(definition, Transplant)
                    or (plain and not isinstance(definition, Affine))
                ):
                    listed.setdefault(condition.info.id, {})[shape] = condition
                else:
                    left_out[condition.info.title] = None
    for name, by_shape in listed.items():
        lacking = next((shape for shape in shapes if shape not in by_shape), None)
        told = f"{name} is not asked of photographs of {lacking and lacking[1:]}: take photographs of one size"
        require(lacking is None, told, UsageError)
    found = []
    for by_shape in listed.values():
        info = next(iter(by_shape.values())).info
        whole = fingerprint_of(sorted({c.fingerprint for c in by_shape.values()}))
        found.append(DetectionCondition(dataclasses.replace(info, fingerprint=whole), by_shape))
    told = f"of {', '.join(s.name for s in suites)} nothing is left that leaves boxes where they are"
    require(any(one.info.kind != "clean" for one in found) or not left_out, told, UsageError)
    return found, list(left_out)


@dataclass(frozen=True)
class DetectionOutcome:
    """How a session ended: photographs (frames of them) that were given to detectors, and whether all is done."""

    images: int
    complete: bool


def run_detection(
    folder: Path,
    data: Photographs,
    detectors: Sequence[Detector],
    asked: Sequence[DetectionCondition],
    *,
    seed: int = 0,
    samples: int | None = None,
    command: str = "",
    say: Say = lambda _: None,
) -> DetectionOutcome:
    """Compute what the folder lacks, block by block through all conditions; at Ctrl-C finished blocks are kept.

    Raises:
        ModelError: A detector breaks the contract, or does not give the same answer twice.
        StoreError: The folder is in use, or of other data.
    """
    names = {d.name for d in detectors}
    require(len(names) == len(detectors), "two detectors have one name: write NAME=FILE.py:factory", UsageError)
    count = len(data.names) if samples is None else samples
    many = f"the number of photographs must be from 1 to {len(data.names):,}, got {count}"
    require(1 <= count <= len(data.names), many, UsageError)
    order = np.random.default_rng(seed).permutation(len(data.names))[:count].tolist()
    with one_thread(torch.device("cpu")):
        for detector in detectors:
            _steady(detector, data, order[0])
        make_folder(folder)
        with locked(folder / "lock", "run"):
            store = DetectionStore.start(folder, _about(data), seed)
            pasted = {one.info.id: _pasted(one, data, order, seed) for one in asked if one.info.kind == Transplant.kind}
            store = _registered(store, detectors, asked, order, command, pasted)
            done, interrupted = 0, False
            try:
                for start in range(0, count, BLOCK):
                    # Blocks are named by places in the seeded order, the last one by where it ends.
                    places = order[start : start + BLOCK]
                    done += _block(store, data, detectors, asked, start, places, seed)
                    say(f"{min(start + BLOCK, count):,} of {count:,} photographs")
            except KeyboardInterrupt:
                interrupted = True
            _ended(store, done, "interrupted" if interrupted else "complete")
    return DetectionOutcome(done, not interrupted)


def _steady(detector: Detector, data: Photographs, place: int) -> None:
    image = torch.from_numpy(data.load(place)).to(torch.float32) / 255
    first, second = detector.detect(image), detector.detect(image)
    same = all(np.array_equal(getattr(first, n), getattr(second, n)) for n in ("boxes", "scores", "labels"))
    told = f"detector {detector.name} answers otherwise when it is asked twice about {readable(data.names[place])}"
    require(same, f"{told}: switch dropout and augmentation off", ModelError)
    if data.truths is not None:
        known = {str(name) for truth in data.truths for name in truth.labels}
        strange = len(first.labels) > 0 and not known & {*first.labels.tolist()}
        detector_says = ", ".join(sorted({*first.labels.tolist()})[:5])
        told = f"detector {detector.name} says {detector_says}, and the boxes are of {', '.join(sorted(known)[:5])}"
        numbers = all(name.lstrip("-").isdigit() for name in first.labels.tolist())
        mend = "give it an attribute `classes`, a list of names by number" if numbers else "name them alike"
        require(not (strange and numbers), f"{told}: {mend}", ModelError)


def _about(data: Photographs) -> dict[str, Any]:
    images = []
    for place, name in enumerate(data.names):
        one: dict[str, Any] = {"name": readable(name), "id": data.ids[place], "size": list(data.sizes[place])}
        if data.truths is not None:
            truth = data.truths[place]
            one |= {
                "boxes": truth.boxes.tolist(),
                "labels": truth.labels.tolist(),
                "crowd": truth.crowd.tolist(),
            }
        images.append(one)
    return {"name": readable(data.root.resolve().name), "fingerprint": data.fingerprint, "images": images}


def _registered(
    store: DetectionStore,
    detectors: Sequence[Detector],
    asked: Sequence[DetectionCondition],
    order: list[int],
    command: str,
    pasted: dict[str, dict[str, Any]],
) -> DetectionStore:
    known = dict(store.manifest["detectors"])
    for detector in detectors:
        entry = {"spec": detector.spec, "identity": detector.identity}
        before = known.get(detector.name, entry)
        told = f"detector {detector.name} has changed since {store.path} was made: give it another name (NEW=...)"
        require(before["identity"] == detector.identity, told, UsageError)
        known[detector.name] = entry
    before_pasted = store.manifest.get("pasted", {})
    pasted = before_pasted | {name: before_pasted.get(name, {}) | own for name, own in pasted.items()}
    conditions = store.manifest["conditions"] | {one.info.id: one.info.as_json() for one in asked}
    began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    session = {"started": began, "command": command, "samples": len(order), "stop": "running", "images": 0}
    sessions = [*store.manifest["sessions"], session]
    return store.changed(detectors=known, conditions=conditions, pasted=pasted, sessions=sessions)


def _ended(store: DetectionStore, images: int, stop: str) -> None:
    *before, last = store.manifest["sessions"]
    store.changed(sessions=[*before, last | {"stop": stop, "images": images}])


def _block(
    store: DetectionStore,
    data: Photographs,
    detectors: Sequence[Detector],
    asked: Sequence[DetectionCondition],
    start: int,
    places: list[int],
    seed: int,
) -> int:
    """What a block lacks; gives the number of images that were shown to detectors."""
    stop = start + len(places)
    lacking = [
        (one, [d for d in detectors if not store.holds(d.identity, one.info.fingerprint, start, stop)]) for one in asked
    ]
    if not any(wanting for _, wanting in lacking):
        return 0
    photographs = [torch.from_numpy(data.load(place)).to(torch.float32)[None] / 255 for place in places]
    keys = SampleKeys.of(seed, [data.ids[place] for place in places])
    done = 0
    for one, wanting in lacking:
        if not wanting:
            continue
        found: list[list[tuple[int, int, Detections]]] = [[] for _ in wanting]
        for number, (place, image) in enumerate(zip(places, photographs, strict=True)):
            for frame, shown in enumerate(_shown(one, image, keys[number : number + 1])):
                for own, detector in zip(found, wanting, strict=True):
                    own.append((place, frame, detector.detect(shown[0])))
                    done += 1
        for own, detector in zip(found, wanting, strict=True):
            path = store.cell(detector.identity, one.info.fingerprint, start, stop)
            store.write(path, _rows(own), places, one.frames)
    return done


def _shown(one: DetectionCondition, image: torch.Tensor, key: SampleKeys) -> Iterator[torch.Tensor]:
    condition = one.by_shape[(3, int(image.shape[2]), int(image.shape[3]))]
    definition = condition.definition
    if definition is None:
        yield image
    elif isinstance(definition, Transplant):
        yield from definition.frames(image, np.array([HOST], np.int32), key)
    else:
        assert isinstance(definition, Shift)
        with torch.inference_mode():
            yield stored(definition.compute(image, key), condition.info.storage)


def _rows(found: list[tuple[int, int, Detections]]) -> DetectionRows:
    counts = [len(seen.scores) for _, _, seen in found]
    return DetectionRows(
        image=np.repeat(np.array([place for place, _, _ in found], np.int32), counts),
        frame=np.repeat(np.array([frame for _, frame, _ in found], np.int32), counts),
        box=np.concatenate([seen.boxes for _, _, seen in found]).reshape(-1, 4),
        score=np.concatenate([seen.scores for _, _, seen in found]),
        label=np.concatenate([seen.labels.astype(np.str_) for _, _, seen in found]),
    )


def _pasted(one: DetectionCondition, data: Photographs, order: Sequence[int], seed: int) -> dict[str, Any]:
    """By photograph: the class of the object that it gets, and its box at each place (left, top, right, bottom)."""
    found = {}
    for place in order:
        height, width = data.sizes[place]
        definition = one.by_shape[(3, height, width)].definition
        assert isinstance(definition, Transplant)
        key = SampleKeys.of(seed, [data.ids[place]])
        donor = int(definition.donors(np.array([HOST], np.int32), key)[0])
        high, wide = definition.mask(donor, height, width).shape
        label = readable(objects_with(definition.objects, definition.content).cuts[donor].label)
        corners = zip(*definition.places(donor, height, width), strict=True)
        found[str(place)] = {
            "label": label,
            "boxes": [[int(x), int(y), int(x + wide), int(y + high)] for y, x in corners],
        }
    return found

"""Failing examples: thumbnails of the run made small enough for one page."""

from __future__ import annotations

import functools
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from brittlestar.report.drawing.maps import data_uri
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Section
from brittlestar.report.series import condition_title
from brittlestar.report.subjects import ModelEntry, Subject

BUDGET = 1_200_000
"""Bytes of all embedded thumbnails together; less with many models, whose tables are large."""

SMALL = 48
"""Images up to this side stay lossless; larger ones become WebP."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failing example; images are data URIs."""

    model: ModelEntry
    condition: str
    title: str
    sample: str
    label: str
    prediction: str
    confidence: float
    clean_prediction: str
    clean_confidence: float
    clean: str
    shifted: str
    difference: str
    gain: float


@dataclass(frozen=True, kw_only=True)
class Examples(Section):
    """Images that were right when clean and are most surely wrong under a shift."""

    id: ClassVar[str] = "examples"
    nav: ClassVar[str] = "Examples"
    title: ClassVar[str] = "What failure looks like"

    failures: tuple[Failure, ...]
    note: str
    models: tuple[ModelEntry, ...]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        failures, note = build_failures(gathered)
        models = tuple(s.entry for s in gathered.subjects)
        return cls(failures=failures, note=note, models=models) if failures else None


def build_failures(gathered: Gathered, budget: int | None = None) -> tuple[tuple[Failure, ...], str]:
    """As many failing examples as the budget allows, spread over models and shifts, and how to read them."""
    by_subject: list[list[list[tuple[Subject, Path, dict[str, Any]]]]] = []
    for subject in gathered.subjects:
        folder = Path(gathered.stores[subject.run].path) / "examples"
        by_subject.append([[(subject, folder, e) for e in group] for group in _by_shift(subject, _listed(folder))])
    queues = list(_round_robin(by_subject))
    failures: list[Failure] = []
    left = max(BUDGET - 70_000 * max(len(gathered.subjects) - 4, 0), 300_000) if budget is None else budget
    total = sum(len(q) for q in queues)
    for subject, folder, entry in _round_robin(queues):
        failure = _failure(subject, folder, entry)
        if failure is None:
            continue
        left -= len(failure.clean) + len(failure.shifted) + len(failure.difference)
        if left < 0:
            break
        failures.append(failure)
    note = (
        "Images that were right when clean and are most surely wrong under the shift: the label, then what the model "
        "says and how sure it is. In the picture of the change, middle grey is no change."
    )
    if len(failures) < total:
        note += f" {len(failures)} of the {total:,} stored examples are shown here."
    return tuple(failures), note


def _listed(folder: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads((folder / "examples.json").read_text())["examples"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in found if isinstance(entry, dict)]


def _by_shift(subject: Subject, entries: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The subject's examples by severity curve; in each, the middle failing strength's surest first.

    Families take turns, so that the first ones shown are of all kinds.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    name = subject.entry.about.get("name", subject.entry.name)
    order = {condition: place for place, condition in enumerate(subject.infos)}
    for entry in entries:
        info = subject.infos.get(str(entry.get("condition")))
        if entry.get("model") == name and info is not None:
            groups.setdefault((info.shift, info.series), []).append(entry)
    for group in groups.values():
        strengths = sorted({order[e["condition"]] for e in group})
        middle = len(strengths) // 2
        turn = {s: abs(i - middle) for i, s in enumerate(strengths)}
        group.sort(key=lambda e: (turn[order[e["condition"]]], -float(e.get("confidence", 0))))
    families: dict[str, list[list[dict[str, Any]]]] = {}
    for group in groups.values():
        families.setdefault(subject.infos[group[0]["condition"]].family, []).append(group)
    return list(_round_robin(list(families.values())))


def _round_robin(queues: Sequence[Sequence[Any]]) -> Iterator[Any]:
    return (item for turn in itertools.zip_longest(*queues) for item in turn if item is not None)


def _failure(subject: Subject, folder: Path, entry: dict[str, Any]) -> Failure | None:
    clean, shifted = (_pixels(folder, str(entry.get(which, ""))) for which in ("clean", "shifted"))
    if clean is None or shifted is None:
        return None
    info = subject.infos[entry["condition"]]
    difference, gain = _difference(clean, shifted)
    return Failure(
        model=subject.entry,
        condition=info.id,
        title=condition_title(subject, info.id),
        sample=str(entry.get("sample_id", "")),
        label=_class(subject, entry["label"]),
        prediction=_class(subject, entry["prediction"]),
        confidence=float(entry["confidence"]),
        clean_prediction=_class(subject, entry["clean_prediction"]),
        clean_confidence=float(entry["clean_confidence"]),
        clean=_embedded(clean),
        shifted=_embedded(shifted),
        difference=_embedded(difference) if difference is not None else "",
        gain=gain,
    )


def _class(subject: Subject, index: int) -> str:
    names = subject.data.classes
    return names[index] if 0 <= index < len(names) else f"class {index}"


@functools.lru_cache(maxsize=64)
def _read(path: Path, _stamp: int) -> Pixels | None:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "I;16") else "RGB"))
    except (OSError, ValueError):
        return None


def _pixels(folder: Path, name: str) -> Pixels | None:
    """The thumbnail, if it lies in the folder itself."""
    path = folder / Path(name).name
    return _read(path, path.stat().st_mtime_ns) if name and path.is_file() else None


def _difference(clean: Pixels, shifted: Pixels) -> tuple[Pixels | None, float]:
    """The change around middle grey, and how much it is enlarged."""
    if clean.shape != shifted.shape:
        return None, 1.0
    change = shifted.astype(np.float64) - clean.astype(np.float64)
    largest = float(np.abs(change).max())
    gain = next((g for g in (16.0, 8.0, 4.0, 2.0, 1.0) if largest * g <= 255), 1.0) if largest else 1.0
    return np.clip(127.5 + change * gain / 2, 0, 255).astype(np.uint8), gain


def _embedded(pixels: Pixels) -> str:
    picture = Image.fromarray(pixels)
    if max(picture.size) <= SMALL:
        return data_uri(picture, optimize=True)
    picture.thumbnail((112, 112), Image.Resampling.BOX)
    lossless = io.BytesIO()
    picture.save(lossless, "PNG", optimize=True)
    if lossless.tell() < 2500:
        return data_uri(picture, optimize=True)
    return data_uri(picture, "WEBP", quality=78, method=4)

"""Failing examples: thumbnails of the run made small enough for one page, reached from every number."""

from __future__ import annotations

import base64
import functools
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from brittlestar.core.rows import Rows
from brittlestar.core.sealed import Damaged, read_bytes
from brittlestar.report.anchors import condition_mark
from brittlestar.report.drawing.maps import data_uri
from brittlestar.report.gather import Gathered
from brittlestar.report.section import Section
from brittlestar.report.series import condition_title
from brittlestar.report.subjects import ModelEntry, Subject
from brittlestar.store import RunStore
from brittlestar.store.damage import Damage
from brittlestar.store.example_files import FOLDER, LIST, check_picture, read_list

BUDGET = 1_000_000
"""Bytes of all embedded pictures together, each counted once; less with many models, whose tables are large."""

SMALL = 48
"""Images up to this side stay lossless; larger ones become WebP."""

LARGEST = 112
"""Pictures are at most this wide and high."""

EXAMPLES_LEFT_OUT = "examples are left out; give the same `brittlestar run` command again: it chooses them again"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failing example; images are data URIs.

    Fields:
        model, condition, title: Whose failure, and under what.
        sample, name: The sample's id, and where it is found: a file of a folder, a row of one (empty in old runs).
        label, prediction, clean_prediction: Readable names of classes.
        confidence, clean_confidence: Of the answers, in [0, 1].
        clean, shifted: The same image.
        difference: Their difference around middle grey, ``gain`` times as large; empty where the page makes it itself,
            of pictures that are stored without loss.
    """

    model: ModelEntry
    condition: str
    title: str
    sample: str
    name: str
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
class Failed:
    """How many images of a model fail under a condition, of those that are right when clean; how many are stored."""

    failed: int
    right: int
    stored: int


@dataclass(frozen=True, kw_only=True)
class Examples(Section):
    """Images that were right when clean and are wrong under a shift.

    Fields:
        failures: Those on the page.
        stored: How many the runs hold.
        models: All of the report.
        titles: Of every shift and attack, by id.
        failed: By model and condition; without an entry where clean images were not asked about.
    """

    id: ClassVar[str] = "examples"
    nav: ClassVar[str] = "Examples"
    title: ClassVar[str] = "What failure looks like"

    failures: tuple[Failure, ...]
    stored: int
    models: tuple[ModelEntry, ...]
    titles: Mapping[str, str]
    failed: Mapping[tuple[str, str], Failed]

    @classmethod
    def build(cls, gathered: Gathered) -> Self | None:
        stored = gathered.once(stored_examples)
        failures = build_failures(gathered, stored)
        if not failures:
            return None
        titles: dict[str, str] = {}
        failed: dict[tuple[str, str], Failed] = {}
        for subject in gathered.subjects:
            held = Counter(str(e["condition"]) for _, e in stored[subject.entry.key])
            for info in subject.of_kind("shift", "attack"):
                titles.setdefault(info.id, condition_title(subject, info.id))
                if subject.clean is not None:
                    failed[subject.entry.key, info.id] = _failed(subject.rows[info.id], subject.clean, held[info.id])
        return cls(
            failures=failures,
            stored=sum(map(len, stored.values())),
            models=tuple(s.entry for s in gathered.subjects),
            titles=titles,
            failed=failed,
        )

    def script(self) -> Mapping[str, Any]:
        pictures: dict[str, int] = {}
        place = {condition: i for i, condition in enumerate(self.titles)}
        listed = [
            [
                f.model.key,
                place[f.condition],
                *(f.label, f.prediction, round(f.confidence, 3), f.clean_prediction, round(f.clean_confidence, 3)),
                f.name or f"sample {f.sample}",
                # Each picture stands on the page once: a clean one comes again with every shift.
                *(pictures.setdefault(p, len(pictures)) if p else -1 for p in (f.clean, f.shifted, f.difference)),
                f.gain,
            ]
            for f in self.failures
        ]
        counts = {
            m.key: [
                [found.failed, found.right, found.stored] if (found := self.failed.get((m.key, c))) else None
                for c in self.titles
            ]
            for m in self.models
        }
        return {
            "examples": {
                "conditions": [[c, condition_mark(c), title] for c, title in self.titles.items()],
                "keys": [m.key for m in self.models],
                "list": listed,
                "counts": counts,
                "pictures": list(pictures),
            }
        }


def _failed(rows: Rows, clean: Rows, stored: int) -> Failed:
    right = clean.position[clean.correct]
    asked = np.isin(rows.position, right)
    return Failed(failed=int((asked & ~rows.correct).sum()), right=int(asked.sum()), stored=stored)


Entry = dict[str, Any]
Stored = Mapping[str, Sequence[tuple[Path, Entry]]]


def stored_examples(gathered: Gathered) -> Stored:
    """The examples that the runs hold, by model: (folder, entry), those first that are to be seen first."""
    folders = [store.path / FOLDER for store in gathered.stores]
    listed = [_listed(store) for store in gathered.stores]
    return {s.entry.key: [(folders[s.run], e) for e in _in_turn(s, listed[s.run])] for s in gathered.subjects}


def build_failures(gathered: Gathered, stored: Stored, budget: int | None = None) -> tuple[Failure, ...]:
    """As many failing examples as the budget allows, spread over models and shifts."""
    failures: list[Failure] = []
    # With 50,000 bytes less for each further model, a page on twelve stays under 5 MB.
    left = max(BUDGET - 50_000 * max(len(gathered.subjects) - 4, 0), 300_000) if budget is None else budget
    seen: set[str] = set()
    queues = [[(subject, *pair) for pair in stored[subject.entry.key]] for subject in gathered.subjects]
    for subject, folder, entry in _round_robin(queues):
        failure = _failure(subject, folder, entry)
        if failure is None:
            continue
        pictures = {p for p in (failure.clean, failure.shifted, failure.difference) if p} - seen
        left -= sum(map(len, pictures))
        if left < 0:
            break
        seen |= pictures
        failures.append(failure)
    return tuple(failures)


def _listed(store: RunStore) -> list[Entry]:
    """The examples of a run whose pictures are what was written; damaged ones are noted and left out."""
    folder, damaged = store.path / FOLDER, set()
    if not (folder / LIST).is_file():
        return []
    try:
        entries, pictures = read_list(folder, required=store.manifest.sealed)
    except Damaged as error:
        store.note(Damage(error.path, error.why, EXAMPLES_LEFT_OUT))
        return []
    for name in pictures or ():
        try:
            check_picture(folder / name, read_bytes(folder / name), pictures)
        except Damaged as error:
            damaged.add(name)
            store.note(Damage(error.path, error.why, EXAMPLES_LEFT_OUT))
    return [entry for entry in entries if damaged.isdisjoint((entry.get("clean"), entry.get("shifted")))]


def _in_turn(subject: Subject, entries: Sequence[Entry]) -> list[Entry]:
    """The subject's examples: the first of every condition, then the second of every condition, and so on.

    Among these families take turns, and in them shifts, each with its middle strength first: it says most.
    """
    name = subject.entry.about.get("name", subject.entry.name)
    by_condition: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.get("model") == name and entry.get("condition") in subject.infos:
            by_condition.setdefault(str(entry["condition"]), []).append(entry)
    shifts: dict[tuple[str, str], list[str]] = {}
    for condition, info in subject.infos.items():
        if condition in by_condition:
            shifts.setdefault((info.shift, info.series), []).append(condition)
    families: dict[str, list[list[str]]] = {}
    for conditions in shifts.values():
        middle = len(conditions) // 2
        nearest = sorted(range(len(conditions)), key=lambda i: abs(i - middle))
        families.setdefault(subject.infos[conditions[0]].family, []).append([conditions[i] for i in nearest])
    order = list(_round_robin([list(_round_robin(group)) for group in families.values()]))
    return list(_round_robin([by_condition[c] for c in order]))


def _round_robin(queues: Sequence[Sequence[Any]]) -> Iterator[Any]:
    return (item for turn in itertools.zip_longest(*queues) for item in turn if item is not None)


def _failure(subject: Subject, folder: Path, entry: dict[str, Any]) -> Failure | None:
    thumbnails = [_thumbnail(folder, str(entry.get(which, ""))) for which in ("clean", "shifted")]
    if any(thumbnail is None for thumbnail in thumbnails):
        return None
    (clean, _), (shifted, _) = read = [thumbnail for thumbnail in thumbnails if thumbnail is not None]
    info = subject.infos[entry["condition"]]
    pictures = [_as_stored(data) or _embedded(pixels) for pixels, data in read]
    difference, gain = _difference(clean, shifted)
    exact = all(p.startswith("data:image/png") for p in pictures) and max(clean.shape[:2]) <= LARGEST
    return Failure(
        model=subject.entry,
        condition=info.id,
        title=condition_title(subject, info.id),
        sample=str(entry.get("sample_id", "")),
        name=str(entry.get("name", "")),
        label=class_name(subject, entry["label"]),
        prediction=class_name(subject, entry["prediction"]),
        confidence=float(entry["confidence"]),
        clean_prediction=class_name(subject, entry["clean_prediction"]),
        clean_confidence=float(entry["clean_confidence"]),
        clean=pictures[0],
        shifted=pictures[1],
        difference=_embedded(difference) if difference is not None and not exact else "",
        gain=gain,
    )


def class_name(subject: Subject, index: int) -> str:
    """The readable name of a class."""
    names = subject.data.classes
    return names[index] if 0 <= index < len(names) else f"class {index}"


Thumbnail = tuple[Pixels, bytes]


# A clean picture comes again with every shift that it fails under, hundreds of others between.
@functools.lru_cache(maxsize=1024)
def _read(path: Path, _stamp: int) -> Thumbnail | None:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "I;16") else "RGB")), data
    except (OSError, ValueError):
        return None


def _as_stored(data: bytes) -> str:
    """The file as text that a page can hold, where it is small and nothing but pixels as ``_embedded`` would store
    them; empty for any other."""
    header = data[:8] == b"\x89PNG\r\n\x1a\n" and data[8:16] == b"\0\0\0\rIHDR"
    width, height, depth, colour = (
        int.from_bytes(data[a:b], "big") for a, b in ((16, 20), (20, 24), (24, 25), (25, 26))
    )
    if not header or max(width, height) > SMALL or depth != 8 or colour not in (0, 2):  # grey or RGB
        return ""
    # Behind the signature (8 bytes) and the header's chunk (25).
    at, kind = 33, b""
    while at < len(data) and kind != b"IEND":
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        # Other chunks may hold text or a colour profile: such a file is decoded and written anew.
        if kind not in (b"IDAT", b"IEND"):
            return ""
        # A chunk has its length, kind and checksum around its content, 4 bytes each.
        at += 12 + size
    return f"data:image/png;base64,{base64.b64encode(data).decode()}" if at == len(data) and kind == b"IEND" else ""


def _thumbnail(folder: Path, name: str) -> Thumbnail | None:
    """Pixels and file of a thumbnail, if it lies in the folder itself."""
    path = folder / Path(name).name
    return _read(path, path.stat().st_mtime_ns) if name and path.is_file() else None


def _difference(clean: Pixels, shifted: Pixels) -> tuple[Pixels | None, float]:
    """The change around middle grey, and how much it is enlarged."""
    if clean.shape != shifted.shape:
        return None, 1.0
    change = shifted.astype(np.float64) - clean.astype(np.float64)
    largest = float(np.abs(change).max())
    gain = next((g for g in (16.0, 8.0, 4.0, 2.0, 1.0) if largest * g <= 255), 1.0) if largest else 1.0
    # Changes lie in -255 to 255: halved around the middle they fit a byte.
    return np.clip(127.5 + change * gain / 2, 0, 255).astype(np.uint8), gain


def _embedded(pixels: Pixels) -> str:
    picture = Image.fromarray(pixels)
    if max(picture.size) <= SMALL:
        return data_uri(picture, optimize=True)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    lossless = io.BytesIO()
    picture.save(lossless, "PNG", optimize=True)
    # A picture of few colours is small without loss too, and then the page can make the difference itself.
    if lossless.tell() < 2500:
        return data_uri(picture, optimize=True)
    return data_uri(picture, "WEBP", quality=78, method=4)

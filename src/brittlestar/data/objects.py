"""Objects cut out of pictures, and where the objects of other pictures lie: by alpha channels, mask files or boxes."""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.text import readable
from brittlestar.data.decode import decode, decode_with_alpha
from brittlestar.data.tree import EXTENSIONS

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BOXES = "boxes.csv"
"""The file of a folder that says where its objects lie."""

COLUMNS = ("file", "x", "y", "width", "height")
"""What it has a column of; ``label`` may be another."""

MASK_SUFFIXES = (".mask", "_mask", "-mask")
"""What stands behind a picture's name in that of its mask."""

OPAQUE = 128
"""From this opacity on (or this brightness of a mask) a pixel belongs to the object."""

WAYS = (
    "an object is told by the picture's alpha channel, by a mask file beside it (NAME.mask.png, white is the object), "
    f"or by a row of {BOXES} ({', '.join(COLUMNS)})"
)


@dataclass(frozen=True)
class Cut:
    """An object cut out of a picture.

    Fields:
        name: Where it is found, for people.
        label: Its class's name.
        colours: (3, height, width) uint8, of the smallest box around the object.
        mask: (height, width), which of these pixels are the object's.
    """

    name: str
    label: str
    colours: Pixels
    mask: Mask


@dataclass(frozen=True)
class Objects:
    """A set of objects.

    Fields:
        cuts: In the order of their names.
        digest: 8 hexadecimal digits over all pixels, masks and labels, in order.
    """

    cuts: tuple[Cut, ...]
    digest: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The class of each."""
        return tuple(cut.label for cut in self.cuts)


@functools.lru_cache(maxsize=4)
def objects_with(folder: str, digest: str) -> Objects:
    """The objects of a folder that were read before, as another process reads them again (``read_objects``).

    Raises:
        DataError: They have changed since.
    """
    objects = read_objects(folder)
    changed = f"the objects in {readable(folder)} have changed: put them back as they were, or begin a new run"
    require(objects.digest == digest, changed, DataError)
    return objects


def read_objects(folder: str) -> Objects:
    """The objects of a folder with one sub-folder a class (or with ``boxes.csv``, whose rows may name the label).

    Raises:
        DataError: No such folder; a picture whose object is not told; an empty mask, or one of another size.
    """
    root = Path(folder)
    require(root.is_dir(), f"no such folder of objects: {readable(folder)}", DataError)
    rows = boxes_of(root / BOXES) if (root / BOXES).is_file() else {}
    cuts = []
    for path in sorted(_pictures(root)):
        name = path.relative_to(root).as_posix()
        cuts += list(_cut(path, name, rows.pop(name, ()), bool(rows)))
    lost = readable(next(iter(rows), ""))
    require(not rows, f"{BOXES} in {readable(folder)} names {lost}, which is not there", DataError)
    require(bool(cuts), f"{readable(folder)} holds no picture; {WAYS}", DataError)
    whole = hashlib.sha256()
    for cut in cuts:
        whole.update(repr((cut.label, cut.mask.shape)).encode() + cut.colours.tobytes() + cut.mask.tobytes())
    return Objects(tuple(cuts), whole.hexdigest()[:8])


def _pictures(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in EXTENSIONS and path.is_file() and not hidden and not is_mask(path):
            yield path


def is_mask(path: Path) -> bool:
    """Whether a file's name says that it is the mask of another."""
    return path.stem.lower().endswith(MASK_SUFFIXES)


def mask_beside(path: Path) -> Path | None:
    """The mask file of a picture; ``None`` where it has none."""
    beside = (path.with_name(path.stem + mark + kind) for mark in MASK_SUFFIXES for kind in (".png", path.suffix))
    return next((mask for mask in beside if mask.is_file()), None)


def _cut(path: Path, name: str, boxes: Sequence[Mapping[str, str]], by_boxes: bool) -> Iterator[Cut]:
    """The objects of one picture: one, or as many as there are boxes."""
    shown = readable(name)
    pixels, alpha = decode_with_alpha(path.read_bytes(), shown)
    colours, height, width = pixels[:3], *pixels.shape[1:]
    folder = path.parent.name if "/" in name else ""
    for row in boxes:
        label = row.get("label") or folder
        require(bool(label), f"{shown}: its class is told neither by a sub-folder nor by a column `label`", DataError)
        left, top, wide, high = box_within(row, width, height, shown)
        here = (slice(top, top + high), slice(left, left + wide))
        told = f"{name} at {left}, {top}" if len(boxes) > 1 else name
        yield Cut(told, label, np.ascontiguousarray(colours[:, *here]), np.ones((high, wide), bool))
    if boxes:
        return
    require(bool(folder), f"{shown}: put it into a sub-folder that is named like its class", DataError)
    beside = mask_beside(path)
    if beside is not None:
        mask = read_mask(beside, (height, width), shown)
    else:
        require(not by_boxes, f"{shown} has no row in {BOXES}", DataError)
        mask = pixels[3] >= OPAQUE
        opaque = f"{shown} has no transparent pixel" if alpha else f"{shown} has no alpha channel"
        require(alpha and not mask.all(), f"{opaque}, and no mask; {WAYS}", DataError)
    require(bool(mask.any()), f"{shown}: its mask is empty, so there is no object", DataError)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    yield Cut(name, folder, np.ascontiguousarray(colours[:, *part]), np.ascontiguousarray(mask[part]))


def read_mask(path: Path, size: tuple[int, int], of: str) -> Mask:
    """The (height, width) mask of a picture: what is white, or opaque where the file has transparent pixels.

    Raises:
        DataError: It cannot be read, or is of another size.
    """
    shown = readable(path.name)
    pixels, alpha = decode_with_alpha(path.read_bytes(), shown)
    if alpha and bool((pixels[3] < OPAQUE).any()):
        mask = pixels[3] >= OPAQUE
    else:
        mask = decode(path.read_bytes(), shown).max(axis=0) >= OPAQUE
    high, wide = mask.shape
    sizes = f"{shown} is {wide} x {high}, and {of}, whose mask it is, {size[1]} x {size[0]}"
    require(mask.shape == size, f"{sizes}: give masks of the same size", DataError)
    return np.asarray(mask)


def boxes_of(path: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of a table of boxes by the picture that they are of.

    Raises:
        DataError: It cannot be read, or lacks a column.
    """
    shown = readable(str(path))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            lacking = [column for column in COLUMNS if column not in (table.fieldnames or ())]
            needed = f"it has {', '.join(table.fieldnames or ['no columns'])} and needs {', '.join(COLUMNS)}"
            require(
                not lacking, f"{shown} lacks the column {readable(', '.join(lacking))}: {readable(needed)}", DataError
            )
            found: dict[str, list[dict[str, str]]] = {}
            for row in table:
                found.setdefault(row["file"] or "", []).append({k: v for k, v in row.items() if k and v is not None})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {shown}: {error}") from error
    return found


def box_within(row: Mapping[str, str], width: int, height: int, of: str) -> tuple[int, int, int, int]:
    """The whole pixels (left, top, width, height) of a row's box.

    Raises:
        DataError: No numbers, an empty box, or one that is not wholly inside the picture.
    """
    text = ", ".join(row.get(column, "") for column in COLUMNS[1:])
    try:
        left, top, wide, high = (float(row.get(column, "")) for column in COLUMNS[1:])
    except ValueError:
        raise DataError(f"the box of {of} is no four numbers: {readable(text)}") from None
    inside = left >= 0 and top >= 0 and left + wide <= width and top + high <= height
    told = f"the box {readable(text)} (x, y, width, height) of {of} is not inside its {width} x {height} pixels"
    # Also false for NaN.
    require(inside and wide >= 1 and high >= 1, f"{told}, or is smaller than a pixel", DataError)
    first = (min(round(left), width - 1), min(round(top), height - 1))
    return *first, max(round(left + wide) - first[0], 1), max(round(top + high) - first[1], 1)


def host_masks(given: str, names: Sequence[str], places: Sequence[int], size: tuple[int, int]) -> list[Mask]:
    """Where the object of each host lies, (height, width) each.

    Args:
        given: A folder of mask files that are named like the hosts (any suffix, ``.mask`` before it or not), a table of
            boxes (``.csv``), or an ``.npy`` of (hosts, height, width) in the order of the data.
        names: Where each host of the data is found.
        places: Which hosts are asked for.
        size: (height, width) of the prepared hosts.

    Raises:
        DataError: A host without a mask, an empty mask, one of another size.
    """
    path = Path(given)
    require(path.exists(), f"no such masks: {readable(given)}", DataError)
    if path.suffix == ".npy":
        found = _of_array(path, len(names), places, size)
    elif path.suffix == ".csv":
        found = [_of_boxes(boxes_of(path), names[place], size, path) for place in places]
    else:
        require(path.is_dir(), f"masks are a folder, a .csv of boxes or an .npy, not {readable(given)}", DataError)
        found = [_of_file(path, names[place], size) for place in places]
    for place, mask in zip(places, found, strict=True):
        require(bool(mask.any()), f"the mask of {readable(names[place])} is empty", DataError)
    return found


def _of_array(path: Path, count: int, places: Sequence[int], size: tuple[int, int]) -> list[Mask]:
    try:
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {readable(str(path))}: {error}") from error
    shape = (count, *size)
    require(whole.shape == shape, f"{readable(str(path))} has the shape {whole.shape}, and needs {shape}", DataError)
    return [np.asarray(whole[place]) > 0 for place in places]


def _of_boxes(rows: Mapping[str, Sequence[Mapping[str, str]]], name: str, size: tuple[int, int], path: Path) -> Mask:
    require(name in rows, f"{readable(path.name)} has no row for {readable(name)}", DataError)
    mask = np.zeros(size, bool)
    for row in rows[name]:
        left, top, wide, high = box_within(row, size[1], size[0], readable(name))
        mask[top : top + high, left : left + wide] = True
    return mask


def _of_file(folder: Path, name: str, size: tuple[int, int]) -> Mask:
    # A name from the data must not lead out of the folder.
    inside = (folder / name).resolve().is_relative_to(folder.resolve())
    require(inside, f"{readable(name)} leads out of the folder of masks", DataError)
    stem = (folder / name).with_suffix("")
    tried = [stem.with_name(stem.name + mark + kind) for mark in (*MASK_SUFFIXES, "") for kind in (".png", ".jpg", "")]
    path = next((file for file in tried if file.is_file()), None)
    require(path is not None, f"{readable(str(folder))} has no mask of {readable(name)} ({tried[-3].name})", DataError)
    assert path is not None
    return read_mask(path, size, readable(name))

"""Photographs with boxes around their objects: a folder, and a COCO file or a table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.preparation import Preparation
from brittlestar.core.text import readable
from brittlestar.data.decode import Pixels, decode, read_header
from brittlestar.data.objects import box_within, boxes_of, is_mask
from brittlestar.data.tree import EXTENSIONS


@dataclass(frozen=True)
class Truth:
    """The objects of one photograph.

    Fields:
        boxes: (n, 4) float64: left, top, right, bottom in pixels.
        labels: (n,) names.
        crowd: (n,) whether a box is around many objects at once, which are neither counted nor held against a detector.
    """

    boxes: npt.NDArray[np.float64]
    labels: npt.NDArray[np.str_]
    crowd: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Photographs:
    """A folder of photographs.

    Fields:
        root: The folder.
        names: Paths inside it.
        ids: 16 hexadecimal digits over the bytes and the name of each.
        sizes: (height, width) of each.
        truths: Its objects; ``None`` where no boxes are given.
        fingerprint: Over ids and objects.
    """

    root: Path
    names: tuple[str, ...]
    ids: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    truths: tuple[Truth, ...] | None
    fingerprint: str

    def load(self, place: int) -> Pixels:
        """(3, height, width) uint8 of one.

        Raises:
            DataError: It cannot be read, or has changed.
        """
        content = _content(self.root / self.names[place])
        same = _digest(self.names[place], content) == self.ids[place]
        require(same, f"{readable(self.names[place])} has changed since it was listed", DataError)
        return decode(content, readable(self.names[place]), Preparation(channels=3))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {readable(str(path))}: {error.strerror or error}") from error


def _digest(name: str, content: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\0" + content).hexdigest()[:16]


def open_photographs(folder: Path, boxes: Path | None = None) -> Photographs:
    """The photographs of a folder, with sub-folders.

    Args:
        folder: Photographs (JPEG, PNG, ...).
        boxes: A COCO ``.json``, whose images alone are taken; or a ``.csv`` of file, x, y, width, height, label, where
            a photograph without a row holds no object.

    Raises:
        DataError: No photographs; boxes of photographs that are not there, outside of them, or without a class.
    """
    require(folder.is_dir(), f"no such folder of photographs: {readable(str(folder))}", DataError)
    kept = [p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file() and not is_mask(p)]
    names = [p.relative_to(folder).as_posix() for p in sorted(kept)]
    listed: dict[str, list[dict[str, Any]]] | None = None
    if boxes is not None:
        require(boxes.is_file(), f"no such file of boxes: {readable(str(boxes))}", DataError)
        in_json = boxes.suffix.lower() == ".json"
        listed = _coco(boxes) if in_json else {k: list(v) for k, v in boxes_of(boxes).items()}
        require(any(listed.values()), f"{readable(boxes.name)} holds no box: nothing could be found", DataError)
        lost = next((name for name in listed if name not in names), "")
        require(not lost, f"{readable(boxes.name)} names {readable(lost)}, which is not in the folder", DataError)
        names = [name for name in names if name in listed] if in_json else names
    require(bool(names), f"{readable(str(folder))} holds no photograph", DataError)
    ids, sizes, truths = [], [], []
    for name in names:
        content = _content(folder / name)
        header = read_header(content, readable(name))
        ids.append(_digest(name, content))
        sizes.append((header.size[1], header.size[0]))
        truths.append(_truth((listed or {}).get(name, []), header.size, name))
    whole = hashlib.sha256("\n".join(ids).encode())
    for truth in truths if listed is not None else ():
        whole.update(repr((truth.boxes.tolist(), truth.labels.tolist(), truth.crowd.tolist())).encode())
    told = tuple(truths) if listed is not None else None
    return Photographs(folder, tuple(names), tuple(ids), tuple(sizes), told, whole.hexdigest()[:16])


def _truth(rows: list[dict[str, Any]], size: tuple[int, int], name: str) -> Truth:
    boxes, labels = [], []
    for row in rows:
        # Boxes are kept as fine as they were given; whole pixels only tell that they lie inside.
        box_within({k: str(v) for k, v in row.items()}, *size, readable(name))
        left, top, wide, high = (float(row[key]) for key in ("x", "y", "width", "height"))
        require(bool(row.get("label")), f"a box of {readable(name)} has no label", DataError)
        boxes.append((left, top, left + wide, top + high))
        labels.append(readable(str(row["label"])))
    crowd = np.array([bool(row.get("crowd")) for row in rows], bool)
    return Truth(np.array(boxes, np.float64).reshape(-1, 4), np.array(labels, np.str_), crowd)


def _coco(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows by file name of a COCO file of instances."""
    shown = readable(path.name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = {one["id"]: str(one["file_name"]) for one in content["images"]}
        classes = {one["id"]: str(one["name"]) for one in content["categories"]}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in images.values()}
        for one in content["annotations"]:
            x, y, width, height = (float(v) for v in one["bbox"])
            row = {"x": x, "y": y, "width": width, "height": height, "label": classes[one["category_id"]]}
            found[images[one["image_id"]]].append(row | {"crowd": bool(one.get("iscrowd", 0))})
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {shown}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        kind = f"{type(error).__name__}: {error}"
        raise DataError(f"{shown} is no COCO file of instances (images, annotations, categories): {kind}") from error
    require(len(found) == len(images), f"{shown} lists a file name twice", DataError)
    return found

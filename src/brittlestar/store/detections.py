"""What detectors saw, on disk: one sealed file a condition and block of photographs, and a manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import StoreError, require
from brittlestar.core.options import option
from brittlestar.core.sealed import Damaged, read_arrays, read_json, write_arrays, write_json

MANIFEST, FOLDER, SCHEMA = "detections.json", "detections", 1
COLUMNS = ("image", "frame", "box", "score", "label", "images", "frames")


@dataclass(frozen=True)
class DetectionRows:
    """Detections of a block of photographs under one condition.

    Fields:
        image, frame: (n,) int32: whose they are.
        box: (n, 4) float32: left, top, right, bottom.
        score: (n,) float32.
        label: (n,) names.
    """

    image: npt.NDArray[np.int32]
    frame: npt.NDArray[np.int32]
    box: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    label: npt.NDArray[np.str_]

    def of(self, image: int, frame: int = 0) -> npt.NDArray[np.intp]:
        """Places of those of one photograph and frame."""
        return np.flatnonzero((self.image == image) & (self.frame == frame))


@dataclass(frozen=True)
class DetectionStore:
    """A folder of detections.

    Fields:
        path: The folder.
        manifest: ``data`` (name, fingerprint, images with their objects), ``seed``, ``detectors``, ``conditions``,
            ``sessions``.
    """

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> DetectionStore:
        """An existing folder.

        Raises:
            StoreError: It is none, or damaged.
        """
        require((path / MANIFEST).exists(), f"{path} holds no detections: run `brittlestar detect` first", StoreError)
        manifest = read_json(path / MANIFEST)
        known = manifest.get("schema") == SCHEMA
        require(known, f"{path} is of another version ({manifest.get('schema')}, here {SCHEMA})", StoreError)
        return cls(path, manifest)

    @classmethod
    def start(cls, path: Path, data: Mapping[str, Any], seed: int) -> DetectionStore:
        """The folder, made if need be.

        Raises:
            StoreError: It holds other data or another seed, or something else.
        """
        if not (path / MANIFEST).exists():
            strange = path.exists() and [p.name for p in path.iterdir() if p.name != "lock"]
            told = f"{path} holds no detections and is not empty: take another {option('out')}"
            require(not strange, told, StoreError)
            path.mkdir(parents=True, exist_ok=True)
            first = {"schema": SCHEMA, "data": dict(data), "seed": seed}
            return cls(path, {**first, "detectors": {}, "conditions": {}, "sessions": []})
        store = cls.open(path)
        before = store.manifest["data"].get("fingerprint"), store.manifest.get("seed")
        now = data["fingerprint"], seed
        told = f"{path} holds detections of other photographs, boxes or seed: take another {option('out')}"
        require(before == now, told, StoreError)
        return store

    def changed(self, **fields: Any) -> DetectionStore:
        """With other fields of the manifest, written."""
        store = dataclasses.replace(self, manifest=self.manifest | fields)
        write_json(store.path / MANIFEST, store.manifest, indent=1)
        return store

    def cell(self, detector: str, condition: str, start: int, stop: int) -> Path:
        """Where a block lies."""
        return self.path / FOLDER / detector / condition / f"{start}-{stop}.npz"

    def holds(self, detector: str, condition: str, start: int, stop: int) -> bool:
        """Whether a block is there, and whole."""
        try:
            self._read(self.cell(detector, condition, start, stop))
        except Damaged:
            return False
        return True

    def write(self, path: Path, rows: DetectionRows, images: Sequence[int], frames: int) -> None:
        """Write a block, whole or not at all."""
        own = {name: getattr(rows, name) for name in COLUMNS[:5]}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, own | {"images": np.asarray(images, np.int32), "frames": np.asarray(frames)})

    def blocks(self, detector: str, condition: str) -> Iterator[tuple[DetectionRows, npt.NDArray[np.int32], int]]:
        """Every whole block of a condition: rows, the photographs that it covers, and frames; damaged ones are left
        out, as if they were not done."""
        for path in sorted((self.path / FOLDER / detector / condition).glob("*.npz")):
            try:
                arrays = self._read(path)
            except Damaged:
                continue
            yield DetectionRows(*(arrays[name] for name in COLUMNS[:5])), arrays["images"], int(arrays["frames"])

    def _read(self, path: Path) -> dict[str, npt.NDArray[Any]]:
        arrays = read_arrays(path)
        lacking = set(COLUMNS) - set(arrays)
        if lacking:
            raise Damaged(path, f"{min(lacking)} is missing")
        return arrays

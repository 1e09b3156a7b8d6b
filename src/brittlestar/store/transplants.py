"""What was pasted into which sample of a run, and where: beside the rows, as these hold answers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.sealed import Damaged, read_arrays, read_json, write_arrays, write_json

FOLDER, WORST = "transplants", "worst.json"


@dataclass(frozen=True)
class Transplanted:
    """The objects of one condition by position.

    Fields:
        donor: (n,) int32, place of the object among the objects; -1 where the sample got none.
        label: (n,) int32, its class; -1 for one that the data do not have.
        clear: (n, places) whether nothing pasted comes near the sample's own object; ``None`` where no masks say where
            that lies.
        overlap: (n, places) float32, the share of the sample's own object that is covered; ``None`` in the same case.
    """

    donor: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    clear: npt.NDArray[np.bool_] | None = None
    overlap: npt.NDArray[np.float32] | None = None


def write_transplanted(run: Path, fingerprint: str, kept: Transplanted) -> None:
    """Record the objects of a condition."""
    masked = {} if kept.clear is None or kept.overlap is None else {"clear": kept.clear, "overlap": kept.overlap}
    write_arrays(_path(run, fingerprint), {"donor": kept.donor, "label": kept.label, **masked})


def read_transplanted(run: Path, fingerprint: str) -> Transplanted | None:
    """The record of a condition; ``None`` where there is none.

    Raises:
        Damaged: It is not what was written.
    """
    path = _path(run, fingerprint)
    if not path.exists():
        return None
    arrays = read_arrays(path)
    lacking = {"donor", "label"} - set(arrays)
    if lacking:
        raise Damaged(path, f"{min(lacking)} is missing")
    return Transplanted(arrays["donor"], arrays["label"], arrays.get("clear"), arrays.get("overlap"))


def _path(run: Path, fingerprint: str) -> Path:
    return run / FOLDER / f"{fingerprint}.npz"


def write_worst(run: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Keep the placements that are shown, pictures included."""
    write_json(run / FOLDER / WORST, {"placements": list(entries)})


def read_worst(run: Path) -> list[dict[str, Any]]:
    """The placements that are shown; none where none were chosen.

    Raises:
        Damaged: The file is not what was written.
    """
    path = run / FOLDER / WORST
    if not path.exists():
        return []
    listed = read_json(path).get("placements")
    if not isinstance(listed, list):
        raise Damaged(path, "it lists no placements")
    return [entry for entry in listed if isinstance(entry, dict)]

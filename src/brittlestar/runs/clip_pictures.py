"""Which clips the report shows: those where answers change most around one frame, a few of their frames each."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.condition import TIME
from brittlestar.core.errors import DataError
from brittlestar.core.rows import Rows
from brittlestar.core.text import readable
from brittlestar.runs.bench import Bench
from brittlestar.store.clip_pictures import write_pictures

CLIPS = 5
"""Clips a model."""

FRAMES = 7
"""Frames a clip, the anchor among them."""

SIDE = 112
"""Pixels of the shorter side of a thumbnail."""


def write_clips(bench: Bench, names: Sequence[str], until: float | None = None) -> None:
    """Write the clips of all models; those that time allows.

    Args:
        bench: After the grid was filled.
        names: The models'.
        until: ``time.monotonic()`` when it is to be over.
    """
    spec = bench.spec
    condition = next((c for c in spec.conditions if c.info.kind == TIME), None)
    if condition is None or spec.source.neighbours is None:
        return
    found: dict[str, Any] = {}
    for name, fingerprint in zip(names, spec.fingerprints, strict=True):
        if until is not None and time.monotonic() >= until:
            break
        rows = bench.store.read(fingerprint, [condition.fingerprint], detail=False).get(condition.fingerprint)
        if rows is not None:
            found[name] = [_clip(bench, rows, position) for position in _worst(rows, spec.source.info.labelled)]
    write_pictures(spec.folder, {name: [clip for clip in clips if clip] for name, clips in found.items()})


def _worst(rows: Rows, labelled: bool) -> list[int]:
    """Positions of the anchors with the most neighbours that are wrong where they are right, or answered otherwise."""
    anchors = rows.take(rows.frame == 0)
    owner = np.searchsorted(anchors.position, rows.position)
    good = rows.correct if labelled else rows.prediction == anchors.prediction[owner]
    bad = np.bincount(owner, ~good, len(anchors))
    bad[~anchors.correct & labelled] = 0
    order = np.argsort(-bad, kind="stable")
    chosen: list[int] = []
    seen: set[int] = set()
    for place in order:
        group = int(anchors.group[place]) if anchors.group is not None else int(place)
        # One anchor of a clip: its neighbours would show nearly the same pictures again.
        if bad[place] > 0 and group not in seen and len(chosen) < CLIPS:
            seen.add(group)
            chosen.append(int(anchors.position[place]))
    return chosen


def _clip(bench: Bench, rows: Rows, position: int) -> dict[str, Any] | None:
    """What is told of one; ``None`` where its frames are gone since."""
    own = rows.take(rows.position == position)
    source, place = bench.spec.source, bench.spec.order[position]
    assert source.neighbours is not None
    anchor = own.take(own.frame == 0)
    changed = own.prediction != anchor.prediction[0]
    first = int(source.neighbours.first[place])
    offsets = source.neighbours.offset[first : int(source.neighbours.first[place + 1])]
    frames = []
    try:
        for at in _shown(own, changed):
            offset = int(own.frame[at])
            pixels = (
                source.load(np.array([place]))
                if offset == 0
                else source.load_neighbours(np.array([first + int(np.flatnonzero(offsets == offset)[0])]))
            )
            frames.append(
                {
                    "offset": offset,
                    "prediction": int(own.prediction[at]),
                    "confidence": float(own.confidence[at]),
                    "right": bool(own.correct[at]),
                    "picture": _thumbnail(pixels[0]),
                }
            )
    except DataError:
        return None
    return {
        "position": position,
        "name": readable(source.names()[place]),
        "label": int(anchor.label[0]),
        "changed": int(changed.sum()),
        "wrong": int((~own.correct).sum()),
        "of": len(own) - 1,
        "frames": frames,
    }


def _shown(own: Rows, changed: npt.NDArray[np.bool_]) -> list[int]:
    """Places of the frames that are shown: the anchor, the nearest change, the ends, and what lies evenly between."""
    count = len(own)
    anchor = int(np.flatnonzero(own.frame == 0)[0])
    nearest = sorted(np.flatnonzero(changed).tolist(), key=lambda at: abs(int(own.frame[at])))[:1]
    must = {0, count - 1, anchor, *nearest}
    even = [round(i * (count - 1) / (FRAMES - 1)) for i in range(FRAMES)]
    for at in even:
        if len(must) >= min(FRAMES, count):
            break
        must.add(at)
    return sorted(must)


def _thumbnail(pixels: npt.NDArray[np.uint8]) -> str:
    """A JPEG of a (1 or 3, height, width) image, in base64."""
    from PIL import Image

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    share = SIDE / min(image.size)
    if share < 1:
        image = image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return base64.b64encode(buffer.getvalue()).decode()

"""The pair of pictures of a finding: an image that was right when clean, and the same image shifted."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from brittlestar.report.gather import Gathered
from brittlestar.report.sections.examples import class_name, stored_examples
from brittlestar.report.subjects import Subject

SIDE = 112
"""Pixels of a picture on the screen, about: small images are enlarged by a whole number, photographs made smaller."""


WIDEST = 120
"""So wide an image may be that is enlarged by a whole number; others are scaled smoothly."""


@dataclass(frozen=True, kw_only=True)
class PicturePair:
    """An example of a model under one condition.

    Fields:
        clean, shifted: Data URIs.
        width, height: On the screen.
        pixelated: Whether they are enlarged, so that pixels stay pixels.
        label, prediction: Names of classes.
        confidence: Of the prediction, in [0, 1].
    """

    clean: str
    shifted: str
    width: int
    height: int
    pixelated: bool
    label: str
    prediction: str
    confidence: float


def pair_of(
    gathered: Gathered, subject: Subject, condition: str, classes: tuple[int, int] | None = None
) -> PicturePair | None:
    """The example that the model is surest of; ``None`` where the run stored none under this condition.

    ``classes`` are a label and an answer: an example of these comes first.
    """
    stored = gathered.once(stored_examples)[subject.entry.key]
    own = [(folder, e) for folder, e in stored if e.get("condition") == condition]
    own.sort(key=lambda one: (_classes(one[1]) != classes, -float(one[1].get("confidence", 0))))
    for folder, entry in own:
        pictures = [_picture(folder, str(entry.get(which, ""))) for which in ("clean", "shifted")]
        if pictures[0] is not None and pictures[1] is not None:
            return _pair(subject, entry, pictures[0], pictures[1])
    return None


def _classes(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    return entry.get("label"), entry.get("prediction")


def _picture(folder: Path, name: str) -> Image.Image | None:
    """The thumbnail, if it lies in the folder itself."""
    # The name alone: an entry that names a path elsewhere must not bring that file onto the page.
    path = folder / Path(name).name
    try:
        with path.open("rb") as file, Image.open(file) as picture:
            return picture.convert("L" if picture.mode in ("L", "1", "I;16") else "RGB")
    except (OSError, ValueError):
        return None


def _pair(subject: Subject, entry: Mapping[str, Any], clean: Image.Image, shifted: Image.Image) -> PicturePair:
    side = max(clean.size)
    zoom = round(SIDE / side)
    whole = zoom > 1 and zoom * side <= WIDEST
    scale = zoom if whole else SIDE / side
    return PicturePair(
        clean=_embedded(clean),
        shifted=_embedded(shifted),
        width=round(clean.width * scale),
        height=round(clean.height * scale),
        pixelated=whole,
        label=class_name(subject, int(entry["label"])),
        prediction=class_name(subject, int(entry["prediction"])),
        confidence=float(entry["confidence"]),
    )


def _embedded(picture: Image.Image) -> str:
    """Small images as they are, larger ones made as small as twice what is shown."""
    kind, buffer = "png", io.BytesIO()
    if max(picture.size) <= SIDE:
        picture.save(buffer, "PNG", optimize=True)
    else:
        kind, small = "webp", picture.copy()
        # Screens have up to two dots a CSS pixel.
        small.thumbnail((2 * SIDE, 2 * SIDE))
        small.save(buffer, "WEBP", quality=80, method=4)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"

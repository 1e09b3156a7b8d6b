"""Small pictures of the clips whose answers change most, for the report; one sealed file, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brittlestar.core.sealed import Damaged, read_json, write_json

NAME = "clips.json"


def write_pictures(folder: Path, models: Mapping[str, Any]) -> None:
    """Write the clips of each model, by the model's name."""
    write_json(folder / NAME, {"models": dict(models)})


def read_pictures(folder: Path, model: str) -> list[dict[str, Any]]:
    """The clips of a model, the worst first; none where none were kept.

    Raises:
        Damaged: The file is not what was written.
    """
    if not (folder / NAME).is_file():
        return []
    models = read_json(folder / NAME).get("models")
    if not isinstance(models, dict):
        raise Damaged(folder / NAME, "it holds no clips")
    return [clip for clip in models.get(model, ()) if isinstance(clip, dict)]

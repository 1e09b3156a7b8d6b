"""The list of example pictures in a run folder, with the digest of every picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brittlestar.core.sealed import CHANGED, Damaged, digest_of, read_bytes, read_json, write_json

FOLDER, LIST = "examples", "examples.json"


def write_list(folder: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """List examples whose pictures lie in ``folder``; each entry names its ``clean`` and its ``shifted`` one."""
    names = sorted({str(entry[which]) for entry in entries for which in ("clean", "shifted")})
    pictures = {name: digest_of(read_bytes(folder / name)) for name in names}
    write_json(folder / LIST, {"examples": list(entries), "pictures": pictures}, indent=1)


def read_list(folder: Path, *, required: bool) -> tuple[list[dict[str, Any]], dict[str, str] | None]:
    """The examples, and the digests of their pictures by name; ``None`` for those of earlier versions.

    Args:
        folder: Of the pictures.
        required: Whether a list without a digest is damaged.

    Raises:
        Damaged: The list is missing, or not what was written.
    """
    content = read_json(folder / LIST, required=required)
    listed, pictures = content.get("examples"), content.get("pictures")
    if not isinstance(listed, list) or not (pictures is None or isinstance(pictures, dict)):
        raise Damaged(folder / LIST, "it lists no examples")
    return [entry for entry in listed if isinstance(entry, dict)], pictures


def check_picture(path: Path, content: bytes, pictures: Mapping[str, str] | None) -> None:
    """Hold a picture against its digest.

    Raises:
        Damaged: It is not what was written.
    """
    if pictures is not None and pictures.get(path.name) != digest_of(content):
        raise Damaged(path, CHANGED)

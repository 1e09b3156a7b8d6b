"""``SHA256SUMS``: digests of the files of a report, in the form that ``sha256sum -c`` reads."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from brittlestar.core.files import write_atomic
from brittlestar.core.sealed import CHANGED, Damaged, read_bytes

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n/]+)\n")


def known_sums(folder: Path) -> dict[str, str]:
    """The digests that a folder lists, by file name; empty where it lists none.

    Raises:
        Damaged: A line is not as ``summed`` writes it.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    text = read_bytes(path).decode("utf-8", "replace")
    found = {match[2]: match[1] for match in _LINE.finditer(text)}
    if _text(found) != text:
        raise Damaged(path, CHANGED)
    return found


@contextlib.contextmanager
def summed(folder: Path, contents: Mapping[str, str | bytes]) -> Iterator[None]:
    """List the digests of files that are written meanwhile; other files of the folder stay listed.

    Nothing is listed until all are written, so that no file that a killed process left is called damaged.

    Args:
        folder: Where they lie.
        contents: By name, what is written.
    """
    try:
        listed = {name: one for name, one in known_sums(folder).items() if (folder / name).is_file()}
    except Damaged:
        listed = {}
    with contextlib.suppress(OSError):  # what cannot be written is told by the writing
        (folder / NAME).unlink(missing_ok=True)
    yield
    for name, content in contents.items():
        raw = content.encode() if isinstance(content, str) else content
        listed[name] = hashlib.sha256(raw).hexdigest()
    write_atomic(folder / NAME, _text(listed))


def differing(folder: Path) -> list[Damaged]:
    """The listed files of a folder that are not what was written, and the list itself where it is damaged."""
    try:
        listed = known_sums(folder)
    except Damaged as error:
        return [error]
    found = []
    for name, digest in listed.items():
        try:
            if hashlib.sha256(read_bytes(folder / name)).hexdigest() == digest:
                continue
            why = "do not agree"
        except Damaged as error:
            why = f"do not agree: {error.why}"
        # Which of the two is damaged, nothing tells.
        found.append(Damaged(folder / name, f"it and {folder.name}/{NAME} {why}"))
    return found


def _text(listed: Mapping[str, str]) -> str:
    return "".join(f"{listed[name]}  {name}\n" for name in sorted(listed))

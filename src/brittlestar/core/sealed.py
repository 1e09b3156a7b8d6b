"""Files that tell whether they are still what was written: each carries a digest (BLAKE2b) of its content.

Where the digest stands:

* a file that is written once and found by listing its folder has it in its name (``name_digest``);
* a JSON file has it as its first key, ``"digest"``, over the file's bytes with the digest's own characters as zeros;
* a Parquet file that keeps its name has it in its metadata, over the bytes in the same way (``sealed_inside``);
* any other binary file ends in a seal: 16 bytes that say so, and 16 bytes of digest.

A file of an earlier version has none. Where such a file may lie (``required=False``) it is taken as it is; a seal of
which only one half fits is damage all the same, so that a flipped bit in the seal itself does not pass for an old file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import StoreError
from brittlestar.core.files import write_atomic
from brittlestar.core.places import ObjectPath

_SEAL = b"brittlestar-seal"
_SIZE = 16
_HEAD = b'{"digest": "'
_BEFORE, _AFTER = b"brittlestar-digest:", b":brittlestar-digest"
_BLANK = b"0" * (2 * _SIZE)


class Damaged(StoreError):
    """A file of a run folder that is not what was written into it.

    Attributes:
        path: The file.
        why: What is wrong with it, as the end of a sentence.
    """

    def __init__(self, path: Path, why: str, remedy: str = "") -> None:
        super().__init__(f"{path} is damaged ({why})" + (f"; {remedy}" if remedy else ""))
        self.path, self.why, self.remedy = path, why, remedy

    def __reduce__(self) -> tuple[type[Damaged], tuple[Path, str, str]]:
        """Errors of workers are pickled, and are made again of the arguments."""
        return type(self), (self.path, self.why, self.remedy)


CHANGED = "its content is not what was written"
UNSEALED = "the digest of its content is missing"


def digest_of(content: bytes) -> str:
    """32 hexadecimal digits that go with this content alone."""
    return hashlib.blake2b(content, digest_size=_SIZE).hexdigest()


def name_digest(content: bytes) -> str:
    """16 hexadecimal digits for the name of a file with this content."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def read_bytes(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        Damaged: It is missing or cannot be read.
        StoreError: Object storage is out of reach.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Damaged(path, "it is missing") from None
    except OSError as error:
        if isinstance(path, ObjectPath):
            raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
        raise Damaged(path, f"it cannot be read: {error.strerror or error}") from error


def write_sealed(path: Path, content: bytes) -> None:
    """Write content and its seal as one file, whole or not at all."""
    write_atomic(path, content + _SEAL + hashlib.blake2b(content, digest_size=_SIZE).digest())


def read_sealed(path: Path, *, required: bool = True) -> bytes:
    """The content that ``write_sealed`` wrote.

    Args:
        path: The file.
        required: Whether a file without a seal is damaged; otherwise it is one of an earlier version.

    Raises:
        Damaged: The file is missing, or not what was written.
    """
    whole = read_bytes(path)
    content, seal, digest = whole[: -2 * _SIZE], whole[-2 * _SIZE : -_SIZE], whole[-_SIZE:]
    fits = hashlib.blake2b(content, digest_size=_SIZE).digest() == digest
    return content if _judged(path, seal == _SEAL, fits, required) else whole


def _judged(path: Path, marked: bool, fits: bool, required: bool) -> bool:
    """Whether a file is sealed, by whether it says so and whether its digest fits."""
    if marked != fits:
        raise Damaged(path, CHANGED)
    if required and not marked:
        raise Damaged(path, UNSEALED)
    return marked


def write_json(path: Path, value: Mapping[str, Any], **how: Any) -> None:
    """Write a mapping as JSON with its digest, whole or not at all.

    Args:
        path: The file.
        value: At least one key, ``"digest"`` not among them.
        how: Arguments of ``json.dumps``.
    """
    if not value or "digest" in value:
        raise ValueError(f"keys that cannot be sealed: {list(value)}")
    blank = _HEAD + _BLANK + b'",' + json.dumps(value, **how)[1:].encode()
    write_atomic(path, _with_digest(blank, len(_HEAD)))


def read_json(path: Path, *, required: bool = True) -> dict[str, Any]:
    """The mapping that ``write_json`` wrote.

    Args:
        path: The file.
        required: Whether a file without a digest is damaged; otherwise it is one of an earlier version.

    Raises:
        Damaged: The file is missing, or not what was written, or no mapping.
    """
    content = read_bytes(path)
    # Where it stands is fixed, so that a digest is found whose key is damaged.
    _judged(path, content.startswith(_HEAD), _digest_fits(_HEAD + content[len(_HEAD) :], len(_HEAD)), required)
    try:
        value = json.loads(content)
    # RecursionError is what json raises for thousands of nested brackets.
    except (ValueError, RecursionError) as error:
        raise Damaged(path, str(error) or type(error).__name__) from error
    if not isinstance(value, dict):
        raise Damaged(path, "it holds no mapping")
    value.pop("digest", None)
    return value


def placeholder() -> str:
    """A text to be written into a file's metadata, where ``sealed_inside`` puts the digest."""
    return (_BEFORE + _BLANK + _AFTER).decode()


def sealed_inside(content: bytes) -> bytes:
    """The content with its digest in its ``placeholder``, which it holds once."""
    return _with_digest(content, content.rindex(_BEFORE + _BLANK + _AFTER) + len(_BEFORE))


def check_inside(path: Path, content: bytes, *, required: bool = True) -> None:
    """Hold a content against the digest inside it (see ``read_sealed``).

    Raises:
        Damaged: It is not what was written.
    """
    before, after = content.rfind(_BEFORE), content.rfind(_AFTER)
    # Either of the two tells that there was a digest, and both must stand where they belong.
    marked = before >= 0 or after >= 0
    apart = after - before == len(_BEFORE) + len(_BLANK)
    fits = before >= 0 and after >= 0 and apart and _digest_fits(content, before + len(_BEFORE))
    _judged(path, marked, fits, required)


def _with_digest(blank: bytes, at: int) -> bytes:
    return blank[:at] + digest_of(blank).encode() + blank[at + len(_BLANK) :]


def _digest_fits(content: bytes, at: int) -> bool:
    blank = content[:at] + _BLANK + content[at + len(_BLANK) :]
    return content[at : at + len(_BLANK)] == digest_of(blank).encode()


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as a sealed ``.npz``, whole or not at all."""
    file = io.BytesIO()
    np.savez_compressed(file, **dict(arrays))  # type: ignore[arg-type]
    write_sealed(path, file.getvalue())


def read_arrays(path: Path, *, required: bool = True) -> dict[str, npt.NDArray[Any]]:
    """The arrays that ``write_arrays`` wrote; nothing is unpickled (arguments and errors: ``read_sealed``)."""
    content = read_sealed(path, required=required)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    # What numpy and zipfile raise for files that are none of theirs.
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise Damaged(path, str(error) or type(error).__name__) from error

"""What an ``.onnx`` file refers to, read from its bytes alone: the files beside it that hold its weights.

torch's exporter writes weights into a second file by default, and two trainings then give the same ``.onnx``. So every
file that a program's tensors name is a part of it. Only the few messages of ONNX's format (onnx.proto) in which tensors
can stand are followed; the package ``onnx`` is not needed for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from brittlestar.core.errors import ModelError, require
from brittlestar.models.foreign import what_it_is

# Field numbers of onnx.proto: in which fields of a message which messages stand.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 200
"""Messages within messages; graphs within loops within graphs need a few dozen."""


def digest_of(path: Path) -> hashlib._Hash:
    """SHA-256 over a program's bytes and, where it refers to other files, their names and contents.

    Raises:
        ModelError: No ONNX file, or one of the files is missing or lies outside the program's folder.
    """
    other = what_it_is(path)
    require(not other, f"{path} is {other}", ModelError)
    content = path.read_bytes()
    digest = hashlib.sha256(content)
    for name in external_files(path, content):
        digest.update(b"\0" + name.encode() + b"\0")
        with (path.parent / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest


def external_files(path: Path, content: bytes) -> list[str]:
    """Names of the files beside a program that hold its tensors, sorted, each once.

    Raises:
        ModelError: Bytes that are no ONNX, or a file that is missing or lies outside the program's folder.
    """
    try:
        names = sorted(set(_locations(memoryview(content), "model", 0)))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is no ONNX file that ONNX Runtime can run, or is cut off ({error})") from error
    for name in names:
        parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
        outside = ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor or not name
        require(
            not outside,
            f"{path} keeps weights in {name!r}, outside its own folder: save it again with its weights beside it",
            ModelError,
        )
        require(
            (path.parent / name).is_file(),
            f"{path} keeps its weights in {name}, which is missing: put that file into {path.parent} too",
            ModelError,
        )
    return names


def _locations(data: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("messages nested too deep")
    for number, value in _fields(data):
        inside = _INSIDE[kind].get(number)
        if inside == "entry":
            pair = {n: bytes(v) for n, v in _fields(value)}
            if pair.get(1) == b"location":
                yield pair.get(2, b"").decode()
        elif inside is not None:
            yield from _locations(value, inside, depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field with a length; all others are passed over."""
    at = 0
    while at < len(data):
        key, at = _whole_number(data, at)
        wire = key & 7
        if wire == 0:
            _, at = _whole_number(data, at)
        elif wire == 2:
            size, at = _whole_number(data, at)
            if at + size > len(data):
                raise ValueError("a field ends after the file")
            yield key >> 3, data[at : at + size]
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"a field of kind {wire}")
    if at > len(data):
        raise ValueError("a field ends after the file")


def _whole_number(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")

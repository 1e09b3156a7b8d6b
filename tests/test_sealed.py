"""Sealed files: every flipped bit is seen, in the content and in the seal; files of earlier versions are still read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brittlestar.core import sealed
from brittlestar.core.sealed import Damaged

VALUE = {"schema": 1, "names": ["ä", "b"], "more": {"x": 1.5}}
ARRAYS = {"a": np.arange(5, dtype=np.float32), "b": np.array([[1, 2]], np.int64)}


def inside(path: Path) -> None:
    content = b"PAR1 columns " + sealed.placeholder().encode() + b" footer PAR1"
    path.write_bytes(sealed.sealed_inside(content))


def check_inside(path: Path, **how: Any) -> None:
    sealed.check_inside(path, path.read_bytes(), **how)


FORMS: dict[str, tuple[Callable[[Path], None], Callable[..., Any]]] = {
    "bytes": (lambda path: sealed.write_sealed(path, b"content"), sealed.read_sealed),
    "json": (lambda path: sealed.write_json(path, VALUE, indent=1), sealed.read_json),
    "arrays": (lambda path: sealed.write_arrays(path, ARRAYS), sealed.read_arrays),
    "inside": (inside, check_inside),
}


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_every_flipped_bit_and_every_cut_is_seen(tmp_path: Path, form: str, required: bool) -> None:
    write, read = FORMS[form]
    path = tmp_path / "file"
    write(path)
    whole = path.read_bytes()
    read(path, required=required)
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(Damaged, match="is damaged"):
            read(path, required=required)
    for length in (0, 1, 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        if required:
            with pytest.raises(Damaged):
                read(path)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    for name, (write, _) in FORMS.items():
        write(tmp_path / name)
    assert sealed.read_sealed(tmp_path / "bytes") == b"content"
    assert sealed.read_json(tmp_path / "json") == VALUE
    assert json.loads((tmp_path / "json").read_text()) == {**VALUE, "digest": (tmp_path / "json").read_text()[12:44]}
    found = sealed.read_arrays(tmp_path / "arrays")
    assert {k: (v.dtype, v.tolist()) for k, v in found.items()} == {k: (v.dtype, v.tolist()) for k, v in ARRAYS.items()}


def test_files_without_a_seal_are_those_of_earlier_versions_only_where_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for read, content in (
        (sealed.read_sealed, b"x" * 40),
        (sealed.read_json, b'{"a": 1}'),
        (check_inside, b"PAR1 columns PAR1"),
    ):
        path.write_bytes(content)
        read(path, required=False)
        with pytest.raises(Damaged, match="digest of its content is missing"):
            read(path)
    np.savez(path.with_suffix(".npz"), **ARRAYS)  # type: ignore[arg-type]
    assert list(sealed.read_arrays(path.with_suffix(".npz"), required=False)) == ["a", "b"]
    for content in (b"", b"[1, 2]", b"{", b"[" * 100_000, b"\xff"):
        path.write_bytes(content)
        with pytest.raises(Damaged):
            sealed.read_json(path, required=False)
        with pytest.raises(Damaged):
            sealed.read_arrays(path, required=False)
    with pytest.raises(Damaged, match="missing"):
        sealed.read_sealed(tmp_path / "none")


def test_the_error_survives_the_way_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(Damaged(Path("a"), "it is cut", "run again")))
    assert (error.path, str(error)) == (Path("a"), "a is damaged (it is cut); run again")


def test_a_mapping_that_cannot_be_sealed_is_refused(tmp_path: Path) -> None:
    for value in ({}, {"digest": 1}):
        with pytest.raises(ValueError, match="sealed"):
            sealed.write_json(tmp_path / "file", value)

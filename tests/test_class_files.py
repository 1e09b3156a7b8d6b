"""Class files as editors, PowerShell, Python and data sets write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brittlestar.cli.classes import read_classes
from brittlestar.core.errors import UsageError

NAMES = ["blue_sky", "gr\u00fcn", "red_rose"]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(tmp_path: Path, coding: str, end: str) -> None:
    (tmp_path / "c.txt").write_bytes((end.join(NAMES) + 3 * end).encode(coding))
    assert read_classes(tmp_path / "c.txt") == dict(zip(NAMES, ["blue sky", "gr\u00fcn", "red rose"], strict=True))


def test_utf_16_the_other_way_round(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"\xfe\xff" + "\n".join(NAMES).encode("utf-16-be"))
    assert list(read_classes(tmp_path / "c.txt")) == NAMES


@pytest.mark.parametrize("coding", ["latin-1", "utf-16"])
def test_what_cannot_be_decoded_is_told_with_a_remedy(tmp_path: Path, coding: str) -> None:
    (tmp_path / "c.txt").write_bytes("\n".join(NAMES).encode(coding)[: None if coding == "latin-1" else -1])
    with pytest.raises(UsageError, match=r"c\.txt line \d is not UTF-.*save the file as UTF-8"):
        read_classes(tmp_path / "c.txt")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0\n1\n10\n", ["0", "1", "10"]),
        ("cat\n7\n", ["cat", "7"]),
        ("0\tn01\ttench\n1\tn02\tgoldfish\n\n", ["n01", "n02"]),
        ("tench\t0\ngold\u2028fish\t1", ["tench", "gold\u2028fish"]),
        (json.dumps(["cat", "dog"]), ["cat", "dog"]),
        (json.dumps({"0": ["n01", "tench"], "1": ["n02", "goldfish"]}), ["n01", "n02"]),
        (json.dumps({"1": "dog", "0": "cat"}), ["cat", "dog"]),
        (json.dumps({"dog": 1, "cat": 0}), ["cat", "dog"]),
        (json.dumps([0, 1]), ["0", "1"]),
    ],
)
def test_forms(tmp_path: Path, text: str, names: list[str]) -> None:
    (tmp_path / "c").write_text(text, encoding="utf-8")
    assert list(read_classes(tmp_path / "c")) == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cat\ndog\ncat\nelk\ndog", "names classes twice: cat, dog"),
        ("cat\ncat", "names a class twice: cat"),
        ("", "names no class"),
        ("0\t1\n2\tcat", "line 1 holds no class name"),
        ("[1.5]", "class 0 is 1.5, not a name"),
        ('["a", ["b", "c", "d"]]', "class 1 is"),
        ('{"1": "a", "2": "b"}', "numbers of the outputs, 0 to 1"),
        ("[oops", "begins like JSON"),
        ("[" * 100_000, "begins like JSON"),
    ],
)
def test_refusals(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        read_classes(tmp_path / "c")


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark(tmp_path: Path, coding: str) -> None:
    (tmp_path / "c.txt").write_bytes("\n".join(NAMES).encode(coding))
    assert list(read_classes(tmp_path / "c.txt")) == NAMES


def test_imagenet_lists_name_a_synset_and_its_words(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n")
    assert read_classes(tmp_path / "c.txt") == {"n01440764": "tench", "n01443537": "goldfish"}

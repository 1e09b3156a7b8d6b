"""Parquet as the Hugging Face hub and pandas write it: literal names, shards, columns, labels, and what is refused."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import brittlestar
from brittlestar.core.errors import DataError, UsageError
from brittlestar.data import Source, open_source, parquet, reopened
from brittlestar.data.encoded import png
from brittlestar.data.parquet import ParquetSource
from conftest import shared_path

NAMES = ("ant", "bee", "cat")


def picture(label: int, number: int = 0) -> bytes:
    return png(np.full((3, 8, 8), 10 * label + number, np.uint8))


def write(
    path: Path,
    rows: Sequence[tuple[int, int, Any]] | None = None,
    *,
    select: str = "{'bytes': b, 'path': p} AS image, l AS label",
    kind: str = "BIGINT",
    names: Sequence[str] | None = NAMES,
    column: str = "label",
) -> Path:
    """Rows of (class, number, label)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute(f"CREATE TABLE t (b BLOB, p VARCHAR, l {kind})")
    rows = [(k, i, k) for k in range(3) for i in range(2)] if rows is None else rows
    con.executemany("INSERT INTO t VALUES (?, ?, ?)", [(picture(k, i), f"{k}-{i}.png", label) for k, i, label in rows])
    features = {"image": {"_type": "Image"}, column: {"names": list(names or ()), "_type": "ClassLabel"}}
    text = json.dumps({"info": {"features": features}}).replace("'", "''")
    more = "" if names is None else f", KV_METADATA {{huggingface: '{text}'}}"
    quoted = str(path).replace("'", "''")
    con.execute(f"COPY (SELECT {select} FROM t) TO '{quoted}' (FORMAT parquet {more})")
    return path


def told(source: Source) -> str:
    return "\n".join(source.info.notes)


def right(source: Source) -> bool:
    """Whether each label is that of its picture."""
    images = source.load(np.arange(len(source.labels)))
    return bool((images[:, 0, 0, 0] // 10 == source.labels).all())


@pytest.mark.parametrize(
    "name", ["part[1]", "a*", "what?", "it's", 'say "a"', "{x}", "a=b", "a b", "%s", "x.PARQUET", "ü"]
)
def test_names_are_literal(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"set {name}" / (name if name.endswith("PARQUET") else f"{name}.parquet")
    write(tmp_path / "plain.parquet", [(0, 5, 0), (1, 5, 1)]).rename(tmp_path / "part1.parquet")
    write(tmp_path / "written.parquet")
    file.parent.mkdir()
    (tmp_path / "written.parquet").rename(file)
    for path in (file, file.parent):
        source = open_source(path)
        assert source.info.count == 6 and right(source)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet").rename(tmp_path / os.fsdecode(b"\xe9.parquet"))
    with pytest.raises(DataError, match="not UTF-8: rename it"):
        open_source(file)


def test_one_part_of_a_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00002.parquet")
    write(tmp_path / "train-00001-of-00002.parquet", [(0, 7, 0)])
    write(tmp_path / "test-00000-of-00001-0123456789abcdef.parquet", [(0, 5, 0), (1, 5, 1)])
    (tmp_path / "._test-00000-of-00001.parquet").write_bytes(b"AppleDouble")
    (tmp_path / "README.md").write_text("")
    with pytest.raises(DataError, match=rf"parts test, train of a data set.*{tmp_path}:test"):
        open_source(tmp_path)
    test, train = open_source(f"{tmp_path}:test"), open_source(f"{tmp_path}:train")
    assert test.info.count == 2 and train.info.count == 7 and right(train)
    assert "left out: 2 files" in told(train) and train.info.name.endswith("-train")
    again = reopened({"spec": train.info.spec, "how": train.info.prepared | {"skip_bad": False}})
    assert again.info.fingerprint == train.info.fingerprint
    with pytest.raises(DataError, match="val"):
        open_source(f"{tmp_path}:val")
    assert "one of 2 files" in told(open_source(tmp_path / "train-00000-of-00002.parquet"))


def test_missing_and_doubled_files_are_told(tmp_path: Path) -> None:
    for number in (0, 2):
        write(tmp_path / f"train-{number:05d}-of-00003.parquet", [(0, number, 0), (1, number, 1)])
    with pytest.raises(DataError, match=r"lacks 1 of the 3 files of its set \(00001-of-00003\)"):
        open_source(tmp_path)
    write(tmp_path / "train-00001-of-00003.parquet")
    assert open_source(tmp_path).info.count == 10
    write(tmp_path / "train-00001-of-00003-0123456789ab.parquet")
    with pytest.raises(DataError, match="one file of a set twice"):
        open_source(tmp_path)
    (tmp_path / "train-00001-of-00003-0123456789ab.parquet").rename(tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match="two versions of train: of 1 files and of 3 files"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"names": NAMES[::-1]}, "numbers its classes otherwise"),
        ({"names": ("ant", "bee", "dog")}, "numbers its classes otherwise"),
        ({"names": None}, "without names"),
        ({"select": "{'bytes': b, 'path': p} AS image, l AS labels"}, "has no column label"),
        ({"kind": "VARCHAR"}, "label is VARCHAR in .*BIGINT in"),
    ],
)
def test_files_that_are_not_of_one_set_are_refused(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    write(tmp_path / "part0.parquet")
    write(tmp_path / "part1.parquet", **other)
    with pytest.raises(DataError, match=words):
        open_source(tmp_path)


def test_the_repository_around_the_files_points_to_them(tmp_path: Path) -> None:
    write(tmp_path / "repo" / "data" / "train.parquet")
    with pytest.raises(DataError, match=r"Parquet files below: give .*repo/data"):
        open_source(tmp_path / "repo")


IMAGE = "{'bytes': b, 'path': p}"


@pytest.mark.parametrize(
    ("select", "column", "words"),
    [
        (f"{IMAGE} AS img, l AS label", "label", ""),
        (f"{IMAGE} AS img, l % 2 AS coarse_label, l AS fine_label", "fine_label", "fine_label, not of coarse_label"),
        (f"{IMAGE} AS image, l AS labels", "labels", "column labels"),
        ("b AS image, l AS label", "label", ""),
        ("b AS jpg, l AS label", "label", "images are those of column jpg"),
        (f"{IMAGE} AS image, l AS sort", "sort", "labels are those of column sort"),
    ],
)
def test_usual_columns_are_found(tmp_path: Path, select: str, column: str, words: str) -> None:
    source = open_source(write(tmp_path / "x.parquet", select=select, column=column))
    assert right(source) and source.info.classes == NAMES and (words in told(source) if words else not told(source))


def test_other_columns_are_named(tmp_path: Path) -> None:
    select = f'{IMAGE} AS one, {IMAGE} AS "two ""b""", l AS sort, 2 - l AS "the ""label"""'
    file = write(tmp_path / "x.parquet", select=select, names=None)
    with pytest.raises(DataError, match=r"columns one, two \"b\", sort.*image_column=\"NAME\""):
        open_source(file)
    with pytest.raises(DataError, match=r"label_column=\"NAME\""):
        open_source(file, image_column="one")
    chosen = {"image_column": 'two "b"', "label_column": "sort"}
    source = open_source(file, **chosen)
    assert right(source) and source.info.classes == ("0", "1", "2")
    assert open_source(file, image_column="one", label_column='the "label"').labels.tolist() == [2, 2, 1, 1, 0, 0]
    again = reopened({"spec": str(file), "how": {"skip_bad": False, **chosen}})
    assert again.info.fingerprint == source.info.fingerprint
    with pytest.raises(DataError, match=r"no label_column=\"none\""):
        open_source(file, image_column="one", label_column="none")
    for data in ("digits", (np.zeros((2, 8, 8), np.uint8), [0, 1])):
        with pytest.raises(DataError, match="has no columns: leave image_column"):
            open_source(data, image_column="one")
    with pytest.raises(UsageError, match="label_column"):
        brittlestar.evaluate(lambda x: x, source, label_column="sort", progress=False)


@pytest.mark.parametrize(
    ("kind", "labels", "names", "classes", "numbers"),
    [
        ("VARCHAR", ["wasp", "ant", "bee"], None, ("ant", "bee", "wasp"), [2, 0, 1]),
        ("VARCHAR", ["10", "9", "0"], None, ("0", "9", "10"), [2, 1, 0]),
        ("VARCHAR", ["bee", "ant", "cat"], ("cat", "bee", "ant"), ("cat", "bee", "ant"), [1, 2, 0]),
        ("ENUM ('b', 'a', 'c')", ["b", "a", "c"], None, ("a", "b", "c"), [1, 0, 2]),
        ("DOUBLE", [2.0, 0.0, 1.0], None, ("0", "1", "2"), [2, 0, 1]),
        ("BOOLEAN", [True, False, True], None, ("0", "1"), [1, 0, 1]),
        ("UBIGINT", [2, 0, 1], NAMES, NAMES, [2, 0, 1]),
        ("HUGEINT", [2, 0, 1], None, ("0", "1", "2"), [2, 0, 1]),
    ],
)
def test_labels_of_every_type(
    tmp_path: Path, kind: str, labels: list[Any], names: Any, classes: Any, numbers: list[int]
) -> None:
    rows = [(0, place, label) for place, label in enumerate(labels)]
    source = open_source(write(tmp_path / "x.parquet", rows, kind=kind, names=names))
    assert source.info.classes == tuple(classes) and source.labels.tolist() == numbers


@pytest.mark.parametrize(
    ("kind", "labels", "names", "words"),
    [
        ("BIGINT", [0, 1, None], NAMES, "row 2 of .* has no label"),
        ("VARCHAR", ["a", None, "b"], None, "row 1 of .* has no label"),
        ("BIGINT", [0, -1, -1], NAMES, "row 1 of .* has the label -1: parts whose labels are kept secret"),
        ("BIGINT", [0, 1, 3], NAMES, "row 2 of .* has the label 3; label has 3 classes, counted from 0"),
        ("BIGINT", [0, 1, 9_000_000_000], None, "row 2 .* label 9000000000; label has 100,000 classes at the most"),
        ("HUGEINT", [0, 1, 2**100], None, r"row 2 .* label 1\.2676506002282294e\+30"),
        ("UBIGINT", [0, 1, 2**63 + 1], None, "row 2 .* label 9223372036854775809"),
        ("DOUBLE", [0, 1, 0.5], None, "row 2 .* no number of a class: 0.5"),
        ("DOUBLE", [0, 1, float("nan")], None, "row 2 .* no number of a class: nan"),
        ("VARCHAR", ["ant", "bee", "dog"], NAMES, "'dog' is none of its classes"),
        ("BIGINT[]", [[0], [1], [1, 2]], None, "several labels a row"),
        ("DATE", ["2020-01-01", "2020-01-02", "2020-01-03"], None, "label is DATE"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, kind: str, labels: list[Any], names: Any, words: str) -> None:
    rows = [(0, place, label) for place, label in enumerate(labels)]
    with pytest.raises(DataError, match=words):
        open_source(write(tmp_path / "x.parquet", rows, kind=kind, names=names))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("[{'bytes': b, 'path': p}]", "several images a row"),
        ("[b]", "several images a row"),
        ("l", "must hold the bytes of image files"),
        ("NULL::BLOB", "row 0 of .* has no image"),
        ("{'bytes': NULL::BLOB, 'path': NULL::VARCHAR}", "row 0 of .* has no image"),
        ("{'bytes': NULL::BLOB, 'path': p}", r"row 0 .*its path 0-0\.png is no image file below"),
        ("{'bytes': NULL::BLOB, 'path': '../' || p}", r"no image file below"),
        ("{'bytes': NULL::BLOB, 'path': '/etc/passwd'}", r"no image file below"),
        ("'\x01' || p", r"no image file below"),
    ],
)
def test_images_that_are_none(tmp_path: Path, image: str, words: str) -> None:
    (tmp_path / "0-0.png").write_bytes(picture(0))
    with pytest.raises(DataError, match=words):
        open_source(write(tmp_path / "in" / "x.parquet", select=f"{image} AS image, l AS label"))


@pytest.mark.parametrize("image", ["{'bytes': NULL::BLOB, 'path': 'p/' || p}", "'p/' || p", IMAGE])
def test_images_beside_the_file(tmp_path: Path, image: str) -> None:
    for k in range(3):
        for i in range(2):
            (tmp_path / "p").mkdir(exist_ok=True)
            (tmp_path / "p" / f"{k}-{i}.png").write_bytes(picture(k, i))
    (tmp_path / "p" / "2-1.png").unlink()
    (tmp_path / "p" / "2-1.png").symlink_to("/etc/passwd")
    file = write(tmp_path / "x.parquet", select=f"{image} AS image, l AS label")
    if image == IMAGE:
        assert open_source(file).info.count == 6, "bytes come first"
        return
    with pytest.raises(DataError, match=r"row 5 .*2-1\.png is no image file below"):
        open_source(file)
    source = open_source(file, skip_bad=True)
    assert source.info.count == 5 and right(source) and source.info.skipped == ("row 5 of x.parquet",)


def test_rows_are_read_in_pieces_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "x.parquet", [(k, i, k) for k in range(3) for i in range(8)])
    whole = open_source(file)
    size = len(picture(0))
    monkeypatch.setattr(parquet, "PIECE", 3 * size + 20)
    source = open_source(file)
    assert isinstance(source, ParquetSource)
    index = np.array([23, 0, 5, 5, 11, 2, 23, 1, 9])
    pieces = list(source._pieces(index))
    assert np.concatenate(pieces).tolist() == index.tolist() and max(map(len, pieces)) > 1
    assert all(len(piece) == 1 or source.sizes[piece].sum() <= parquet.PIECE for piece in pieces)
    assert (source.load(index) == whole.load(index)).all()
    assert source.info.fingerprint == whole.info.fingerprint
    monkeypatch.setattr(parquet, "LARGEST_FILE", size - 1)
    small = [len(picture(k, i)) < size for k in range(3) for i in range(8)]
    with pytest.raises(DataError, match=r"holds \d+ bytes, more than any image.*skip_bad=True"):
        open_source(file)
    if len({k // 8 for k, fits in enumerate(small) if fits}) > 1:
        assert open_source(file, skip_bad=True).info.count == sum(small)


def test_a_label_of_nine_billion_is_refused_in_little_memory() -> None:
    file = shared_path("cases/use/label_nine_billion.parquet")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"row 0 .* label 8000000000; label has 100,000 classes"):
        open_source(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


HUGE = """
import sys
from pathlib import Path
from brittlestar.core.errors import DataError
from brittlestar.data import open_source
try:
    open_source(sys.argv[1])
except DataError as error:
    print(error)
print(open_source(sys.argv[1], skip_bad=True).info.count)
# ru_maxrss would hold the memory of the process that started this one.
(peak,) = (line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(peak)
"""


@pytest.mark.slow
def test_a_cell_of_400_megabytes_takes_less_than_two_gibibytes(tmp_path: Path) -> None:
    content = "CASE WHEN p = '1-1.png' THEN repeat('0', 400000000)::BLOB ELSE b END"
    select = f"{{'bytes': {content}, 'path': p}} AS image, l AS label"
    file = write(tmp_path / "x.parquet", select=select)
    words = [sys.executable, "-c", HUGE, str(file)]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "row 3 of x.parquet holds 400,000,000 bytes" in lines[0] and lines[1] == "5" and int(lines[2]) < 2 << 20


@pytest.mark.parametrize(
    ("content", "said"), [(b"version https://git-lfs", "git lfs pull"), (b"<html>", "a web page"), (b"", "is empty")]
)
def test_what_is_no_parquet_is_told_by_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DataError, match=said):
        open_source(tmp_path / "x.parquet")

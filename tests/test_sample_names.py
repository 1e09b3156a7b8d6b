"""Where an image is found and what people call its class: from the source into the run folder."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

import brittlestar as bs
from brittlestar.cli.classes import read_classes
from brittlestar.core.rows import Rows
from brittlestar.data import open_source
from brittlestar.runs.examples import _failures
from brittlestar.store import RunStore
from brittlestar.store.store import readable
from store_tools import make_store
from tiny import MODEL

HOSTILE = "<b>&\"'\u202egnp.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four classes of ten pictures, one of them with a name that means harm."""
    generator = np.random.default_rng(0)
    for label in range(4):
        (tmp_path / "pictures" / f"n0{label}" / "deep").mkdir(parents=True)
        for number in range(10):
            pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            name = HOSTILE if label == number == 0 else f"deep/{number}.png"
            Image.fromarray(pixels).save(tmp_path / "pictures" / f"n0{label}" / name)
    return tmp_path / "pictures"


def test_names_are_relative_to_the_data(folder: Path, tmp_path: Path) -> None:
    names = open_source(str(folder)).names()
    assert names[0] == f"n00/{HOSTILE}" and names[-1] == "n03/deep/9.png"
    assert not any(str(tmp_path) in name for name in names)
    contents = [(path.read_bytes(), n % 2) for n, path in enumerate(sorted(folder.rglob("*.png"))[:12])]
    con = duckdb.connect()
    con.execute("CREATE TABLE t (image STRUCT(bytes BLOB, path VARCHAR), label INTEGER)")
    con.executemany("INSERT INTO t VALUES ({'bytes': ?, 'path': NULL}, ?)", contents)
    (tmp_path / "parts").mkdir()
    for part, where in (("a", "< 5"), ("b", ">= 5")):
        con.execute(f"COPY (SELECT * FROM t WHERE rowid {where}) TO '{tmp_path / 'parts' / part}.parquet'")
    source = open_source(str(tmp_path / "parts"))
    assert source.names()[4:6] == ["row 4 of a.parquet", "row 0 of b.parquet"]
    bad = open_source((np.full((20, 8, 8), 9, np.uint8), np.arange(20) % 2))
    assert bad.names()[19] == "image 19"


def test_skipped_images_shift_no_name(folder: Path) -> None:
    (folder / "n00" / "a_broken.png").write_bytes(b"no picture")
    source = open_source(str(folder), skip_bad=True)
    assert source.names()[0] == f"n00/{HOSTILE}" and len(source.names()) == 40


def test_a_run_keeps_names_and_titles(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "classes.tsv").write_text("".join(f"{k}\tn0{k}\tbig_cat\n" for k in range(2)) + "2\tn02\n3\tn03\tfox\n")
    classes = read_classes(tmp_path / "classes.tsv")
    assert classes == {"n00": "big cat (n00)", "n01": "big cat (n01)", "n02": "n02", "n03": "fox"}
    how = {"suite": "clean", "out": tmp_path / "run", "anyway": True}
    spec = f"torch:{tmp_path}/model.py:model"
    bs.evaluate(spec, str(folder), **how)
    store = RunStore.open(tmp_path / "run")
    assert store.manifest.data["titles"] == []
    fingerprint = store.manifest.data["fingerprint"]
    bs.evaluate(spec, str(folder), classes=classes, **how)
    store = RunStore.open(tmp_path / "run")
    assert store.manifest.data["titles"] == list(classes.values())
    assert store.manifest.data["classes"] == list(classes) and store.manifest.data["fingerprint"] == fingerprint
    names = store.names()
    assert names is not None and len(names) == 40 and readable(f"n00/{HOSTILE}") in names
    ids, _ = store.samples()
    source = open_source(str(folder))
    by_id = dict(zip(source.ids.tolist(), source.names(), strict=True))
    assert names == [readable(by_id[i]) for i in ids]


def test_old_folders_are_read_and_learn_their_names(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    ids, labels = store.samples()
    assert store.names() is None
    groups = np.arange(len(ids), dtype=np.int64) // 2
    store.write_samples(ids, labels, groups)
    store.write_samples(ids, labels, names=[f"row {i}" for i in range(len(ids))])
    assert store.names() == [f"row {i}" for i in range(len(ids))]
    known = store.design().groups
    assert known is not None and np.array_equal(known, groups)
    store.write_samples(ids, labels)
    assert store.names() == [f"row {i}" for i in range(len(ids))]


def test_what_cannot_be_printed_is_written_out() -> None:
    assert readable("a b/ü.png") == "a b/ü.png"
    assert readable("x\n\u202e\udce9") == r"x\n\u202e\udce9"
    json.dumps(readable("\udce9")).encode()


def answered(label: list[int], prediction: list[int], sure: list[float]) -> Rows:
    n = len(label)
    zeros = np.zeros(n, np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=np.array(label, np.int32),
        prediction=np.array(prediction, np.int32),
        label_logit=zeros,
        top_logit=np.log(np.array(sure, np.float32)),
        log_sum_exp=zeros,
    )


def test_examples_are_of_several_kinds() -> None:
    """The surest failure, one of the commonest confusion, one of another class; never what was wrong before."""
    label = [0, 0, 1, 1, 1, 1, 2, 2]
    before = answered(label, [0, 0, 1, 1, 1, 1, 2, 1], [0.9] * 8)
    after = answered(label, [1, 2, 0, 0, 0, 1, 0, 1], [0.9, 0.95, 0.5, 0.6, 0.4, 0.99, 0.3, 1.0])
    assert _failures(after, before) == (1, 3, 6)
    assert _failures(before, before) == ()
    alone = answered(label, [0, 0, 0, 0, 0, 0, 2, 1], [0.9, 0.9, 0.5, 0.6, 0.4, 0.7, 0.9, 0.9])
    assert _failures(alone, before) == (5, 3, 2)


def test_examples_say_where_the_image_is_found(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    bs.evaluate(f"torch:{tmp_path}/model.py:model", str(folder), suite="noise", out=tmp_path / "run", anyway=True)
    store = RunStore.open(tmp_path / "run")
    names, (ids, labels) = store.names(), store.samples()
    listed = json.loads((tmp_path / "run" / "examples" / "examples.json").read_text())["examples"]
    assert listed and names is not None
    for entry in listed:
        place = entry["position"]
        assert entry["name"] == names[place] and entry["sample_id"] == ids[place] and entry["label"] == labels[place]
        assert (tmp_path / "run" / "examples" / entry["shifted"]).is_file()

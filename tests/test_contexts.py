"""What else is known of samples: from every form of data into the run folder, and back."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
from PIL import Image

import brittlestar as bs
from brittlestar.core.errors import DataError, UsageError
from brittlestar.data import Source, open_source
from brittlestar.data.encoded import png
from brittlestar.runs.skipped import reopened_as_recorded
from brittlestar.store import RunStore
from store_tools import make_store
from tiny import MODEL, called

SITES = ["north", "south", "", "east"]


def pixels(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, 12, 12, 3), dtype=np.uint8)


def sites(count: int) -> list[str]:
    return [SITES[place % 3] for place in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four classes, each with pictures of two sites; every name is there once."""
    for place, image in enumerate(pixels(40)):
        path = tmp_path / "pictures" / f"class{place % 4}" / SITES[place % 3 % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "pictures"


def by_name(source: Source, context: str) -> dict[str, str]:
    return dict(zip(source.names(), source.contexts[context].tolist(), strict=True))


def test_arrays_and_npz(tmp_path: Path) -> None:
    x, y = pixels(24), np.arange(24) % 4
    source = open_source(
        (x, y), contexts={"site": sites(24), "camera": torch.arange(24) % 2, "depth": [1.0, None] * 12}
    )
    assert source.contexts["site"].tolist() == sites(24) and source.contexts["camera"].tolist() == ["0", "1"] * 12
    assert source.contexts["depth"].tolist() == ["1", ""] * 12
    plain = open_source((x, y))
    assert plain.info.fingerprint == source.info.fingerprint and plain.contexts == {}
    assert np.array_equal(plain.order(3), source.order(3))
    np.savez(tmp_path / "data.npz", x=x, y=y, site=np.array(sites(24)), when=np.arange(24) // 12)
    source = open_source(tmp_path / "data.npz", contexts="site, when")
    assert source.contexts["site"].tolist() == sites(24) and set(source.contexts["when"].tolist()) == {"0", "1"}
    with pytest.raises(DataError, match=r"holds no array place; it has site, when, x, y"):
        open_source(tmp_path / "data.npz", contexts=["place"])
    for wrong, why in (
        ({"site": ["a"]}, "1 values for 24 samples"),
        ({"site": "a" * 24}, "one value a sample, got a text"),
        (["site"], "a mapping of names"),
        ({"site": [{"a": 1}] * 24}, "dict as its value"),
        ({"site": ["x" * 300] * 24}, "names no group"),
    ):
        with pytest.raises(DataError, match=why):
            open_source((x, y), contexts=wrong)
    with pytest.raises(DataError, match="names site twice"):
        open_source(tmp_path / "data.npz", contexts="site,site")
    with pytest.raises(DataError, match="goes with an image folder"):
        open_source(tmp_path / "data.npz", metadata="table.csv")


def test_parquet_columns_have_the_names_that_the_file_gives(tmp_path: Path) -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t (image STRUCT(bytes BLOB, path VARCHAR), label INTEGER, site VARCHAR, weather INTEGER)")
    for place, image in enumerate(pixels(12)):
        row = [png(image.transpose(2, 0, 1)), place % 2, SITES[place % 2] if place else None, place % 2]
        con.execute("INSERT INTO t VALUES ({'bytes': ?::BLOB, 'path': NULL}, ?, ?, ?)", row)
    names = '{"info": {"features": {"label": {"names": ["a", "b"]}, "weather": {"names": ["sun", "rain"]}}}}'
    path = tmp_path / "t.parquet"
    con.execute(f"COPY t TO '{path}' (FORMAT parquet, KV_METADATA {{huggingface: '{names}'}})")
    source = open_source(path, contexts="site,weather")
    assert source.contexts["weather"].tolist() == ["sun", "rain"] * 6
    assert source.contexts["site"].tolist() == ["", "south", *["north", "south"] * 5]
    with pytest.raises(DataError, match="has no column place"):
        open_source(path, contexts="place")


def test_folders_between_class_and_image(folder: Path) -> None:
    source = open_source(folder, contexts="site")
    assert by_name(source, "site")["class0/north/0.png"] == "north" and set(source.contexts["site"]) == {
        "north",
        "south",
    }
    with pytest.raises(DataError, match=r"lies 1 folders below .* names 2 \(site, camera\)"):
        open_source(folder, contexts="site,camera")


def test_a_table_beside_a_folder(folder: Path, tmp_path: Path) -> None:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    expected = {file: f"camera {len(file)}" for file in files}
    forms = {"whole": lambda f: f, "from the table": lambda f: f"pictures/{f}", "last": lambda f: f.split("/")[-1]}
    for form, named in forms.items():
        lines = ["split,file_name,camera,burst", *(f"t,{named(f)},{expected[f]},{n // 2}" for n, f in enumerate(files))]
        (tmp_path / "table.csv").write_text("\n".join([*lines, "t,not_there.png,x,1"]))
        source = open_source(folder, contexts="camera", metadata=tmp_path / "table.csv", groups="burst")
        assert by_name(source, "camera") == expected, form
        assert source.groups is not None and len(np.unique(source.groups)) == 20
    table = tmp_path / "table.csv"
    for text, why in (
        ("file_name,camera\n" + "\n".join(f"{f},1" for f in files[1:]), "no row for 1 of the 40 images"),
        (f"file_name,camera\n{files[0]},1\n{files[0]},2", "other things of"),
        ("file_name,camera,camera\na,1,2", "two columns 'camera'"),
        ("file_name,camera\na", "line 2 has 1 of 2 columns"),
        ("file_name,site\na,1", "has no column camera; it has site"),
        ("file_name", "no rows"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=why):
            open_source(folder, contexts="camera", metadata=table)
    with pytest.raises(DataError, match="which columns of"):
        table.write_text("file_name,camera\na,1")
        open_source(folder, metadata=table)
    with pytest.raises(DataError, match="cannot read"):
        open_source(folder, contexts="camera", metadata=tmp_path / "none.csv")


def test_a_run_keeps_contexts(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    words = [
        "--model",
        f"torch:{tmp_path}/model.py:model",
        "--data",
        folder,
        "--suite",
        "clean",
        "--anyway",
        "--no-report",
    ]
    words += ["--out", tmp_path / "run", "--workers", "1"]
    first = called("run", *words)
    assert first.returncode == 0, first.stderr
    store = RunStore.open(tmp_path / "run")
    assert store.contexts() == {}
    rows = sorted((path.name, path.read_bytes()) for path in (tmp_path / "run" / "rows").rglob("*.parquet"))
    assert called("run", *words, "--contexts", "site").returncode == 0
    store = RunStore.open(tmp_path / "run")
    names = store.names()
    assert names is not None
    assert dict(zip(names, store.contexts()["site"].tolist(), strict=True)) == {n: n.split("/")[1] for n in names}
    # Without, they stay; and no row was made again.
    assert called("run", *words).returncode == 0
    kept = RunStore.open(tmp_path / "run")
    assert kept.contexts()["site"].tolist() == store.contexts()["site"].tolist()
    assert rows == sorted((path.name, path.read_bytes()) for path in (tmp_path / "run" / "rows").rglob("*.parquet"))
    # An image is gone: its context stays known.
    gone = names[3]
    (folder / gone).unlink()
    again = reopened_as_recorded_without(kept)
    assert again.contexts["site"].tolist() == np.array([n.split("/")[1] for n in again.names()]).tolist()
    assert called("run", *words, "--contexts", "site", "--skip-bad").returncode == 0
    assert RunStore.open(tmp_path / "run").contexts()["site"].tolist() == store.contexts()["site"].tolist()


def reopened_as_recorded_without(store: RunStore) -> Source:
    store.manifest.data["how"]["skip_bad"] = True
    return reopened_as_recorded(store)


def test_from_python(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    x, y = pixels(24), np.arange(24) % 4
    how = {"suite": "clean", "out": tmp_path / "run", "anyway": True, "progress": False}
    spec = f"torch:{tmp_path}/model.py:model"
    bs.evaluate(spec, (x, y), contexts={"site": sites(24), "x=1\n": [1] * 24}, **how)
    store = RunStore.open(tmp_path / "run")
    assert set(store.contexts()) == {"site", r"x=1\n"}
    source = open_source((x, y), contexts={"site": sites(24)})
    assert store.contexts()["site"].tolist() == source.contexts["site"][source.order(0)].tolist()
    with pytest.raises(UsageError, match="has its groups and contexts"):
        bs.evaluate(spec, source, contexts={"site": sites(24)}, **how)
    bs.evaluate(spec, source, **how)


def test_old_folders_learn_contexts(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    ids, labels = store.samples()
    assert store.contexts() == {}
    site = np.array([SITES[place % 3] for place in range(len(ids))])
    store.write_samples(ids, labels, contexts={"site": site})
    store.write_samples(ids, labels, contexts={"site": np.where(site == "north", "far north", ""), "b": site})
    found = RunStore.open(tmp_path / "run").contexts()
    assert found["b"].tolist() == site.tolist()
    assert found["site"].tolist() == np.where(site == "north", "far north", site).tolist()


def test_a_table_tells_nothing_of_a_file_of_equal_name_elsewhere(folder: Path, tmp_path: Path) -> None:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    one, two = files[0], f"class3/{files[0].split('/')[-1]}"
    (folder / one).rename(folder / two)
    files[0] = two
    Image.fromarray(pixels(41)[40]).save(folder / one)
    # Breaks of lines in a cell are no new row, and are shown.
    table = tmp_path / "table.csv"
    table.write_text("file_name,camera\n" + "\n".join(f'{f},"a\nb"' for f in files))
    with pytest.raises(DataError, match=f"no row for 1 of the 41 images, for instance {one}"):
        open_source(folder, contexts="camera", metadata=table)
    (folder / one).unlink()
    assert set(by_name(open_source(folder, contexts="camera", metadata=table), "camera").values()) == {r"a\nb"}

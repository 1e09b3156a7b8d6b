"""Rows come back as they were written: types, order, absent columns, damage that is named."""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brittlestar.core.sealed import Damaged
from brittlestar.store import RunStore, compact, repaired, verify
from brittlestar.store.rowfile import query
from counting import lines_run
from store_tools import cells, make_store, random_rows, same

DTYPES = {
    "position": np.int32,
    "frame": np.int16,
    "label": np.int32,
    "prediction": np.int32,
    "label_logit": np.float32,
    "top_logit": np.float32,
    "log_sum_exp": np.float32,
    "top_classes": np.int32,
    "top_logits": np.float32,
    "logits": np.float32,
}


@pytest.mark.parametrize("kind", ["logits", "top", "outcome"])
def test_rows_come_back_bit_for_bit_with_their_types(tmp_path: Path, kind: str) -> None:
    store = make_store(tmp_path / "run", samples=100)
    written = cells(0, 100, ["a", "b", "c"], kind=kind)
    store.write_cells("m", 0, 100, written)
    found = store.read("m", ["c", "a", "b"])
    assert list(found) == ["c", "a", "b"]
    for condition, rows in written:
        same(found[condition], rows)
        for name, dtype in DTYPES.items():
            column = getattr(found[condition], name)
            assert column is None or column.dtype == dtype, name


def test_columns_that_one_condition_lacks_are_absent_for_it_only(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    full, outcome, top = (random_rows(0, 40, kind=kind) for kind in ("logits", "outcome", "top"))
    store.write_cells("m", 0, 40, [("full", full), ("outcome", outcome), ("top", top)])
    found = store.read("m", ["full", "outcome", "top"])
    same(found["full"], full)
    same(found["outcome"], outcome)
    same(found["top"], top)


def test_without_detail_wide_columns_are_left_out_and_the_others_equal(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    written = cells(0, 60, ["a", "b"])
    store.write_cells("m", 0, 60, written)
    for condition, rows in store.read("m", ["a", "b"], detail=False).items():
        assert rows.logits is None
        same(rows, dataclasses.replace(dict(written)[condition], logits=None))


def test_infinite_logits_are_kept(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    rows = random_rows(0, 6)
    assert rows.logits is not None
    rows.logits[2, (rows.prediction[2] + 1) % 5], rows.logits[3, (rows.prediction[3] + 1) % 5] = -np.inf, -1e30
    rows.label_logit[:] = rows.logits[np.arange(6), rows.label]
    store.write_cells("m", 0, 6, [("a", rows)])
    same(store.read("m", ["a"])["a"], rows)


def test_frames_are_kept_and_sorted(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    ordered = random_rows(0, 10, frames=3)
    shuffled = ordered.take(np.random.default_rng(1).permutation(30))
    store.write_cells("m", 0, 10, [("a", shuffled)])
    same(store.read("m", ["a"])["a"], ordered)


def test_blocks_come_in_order_whatever_order_they_were_written_in(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", samples=250)
    whole = random_rows(0, 250)
    for start, stop in ((100, 250), (0, 50), (50, 100)):
        store.write_cells("m", start, stop, [("a", whole.take(np.arange(start, stop)))])
    same(store.read("m", ["a"])["a"], whole)
    assert store.finished_groups("m") == [(0, 50, ("a",)), (50, 100, ("a",)), (100, 250, ("a",))]


@settings(max_examples=25, deadline=None)
@given(
    edges=st.sets(st.integers(1, 199), max_size=5),
    groups=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True),
    cut=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_any_blocks_and_groups_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, edges: set[int], groups: list[str], cut: int, seed: int
) -> None:
    store = make_store(tmp_path_factory.mktemp("any") / "run", samples=200)
    ends = [*sorted(edges), 200]
    whole = {c: random_rows(0, 200, seed=seed + ord(c)) for c in groups}
    for start, stop in zip([0, *ends[:-1]], ends, strict=True):
        for part in (groups[:cut], groups[cut:]):
            if part:
                written = [(c, whole[c].take(np.arange(start, stop))) for c in part]
                store.write_cells("m", start, stop, written)
    found = store.read("m", groups)
    compact(store)
    merged = store.read("m", groups)
    for c in groups:
        same(found[c], whole[c])
        same(merged[c], whole[c])
    assert len(store.files("m")) == 1
    assert verify(store) == []


def test_rows_of_other_positions_are_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    with pytest.raises(ValueError, match=r"block \[0, 50\)"):
        store.write_cells("m", 0, 50, cells(0, 40, ["a"]))
    assert store.files("m") == []


@pytest.mark.parametrize("name", ["run[1]", "r*n", "r?n", "it's {a,b}", "ü ñ", "year=2026"])
def test_folder_names_are_taken_literally(tmp_path: Path, name: str) -> None:
    make_store(tmp_path / "run").write_cells("m", 0, 20, cells(0, 20, ["a"], seed=1))
    store = make_store(tmp_path / name)
    written = cells(0, 20, ["a"], seed=2)
    store.write_cells("m", 0, 20, written)
    same(store.read("m", ["a"])["a"], written[0][1])
    assert len(store.samples()[0]) == 200


@pytest.mark.parametrize("detail", [True, False])
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, damage: str, detail: bool) -> None:
    store = make_store(tmp_path / "run")
    paths = [store.write_cells("m", a, a + 50, cells(a, a + 50, ["a", "b"])) for a in (0, 50, 100)]
    content = paths[1].read_bytes()
    flipped = content[:-400] + bytes(b ^ 0xFF for b in content[-400:-8]) + content[-8:]
    paths[1].write_bytes(
        {"empty": b"", "cut": content[: len(content) // 2], "flipped": flipped, "text": b"hello" * 100}[damage]
    )
    found = store.read("m", ["a", "b"], detail=detail)
    assert [int(p) for p in found["a"].position] == [*range(50), *range(100, 150)], "what is damaged is left out"
    (left,) = store.damage.values()
    assert (left.path, left.conditions, left.rows) == (paths[1], ("a", "b"), (50, 100))
    assert "give the same `brittlestar run` command again" in str(left) and str(paths[1]) in str(left)
    assert store.tallies("m") == {}, "the manifest names no conditions"
    problems = verify(store)
    assert len(problems) == 1
    assert str(paths[1]) in problems[0]


def test_verify_finds_files_that_do_not_hold_what_their_name_says(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", samples=200)
    path = store.write_cells("m", 0, 50, cells(0, 50, ["a", "b"]))
    assert verify(store) == []
    path.rename(path.with_name(path.name.replace("00000050", "00000060")))
    store.write_cells("m", 190, 210, cells(190, 210, ["a"]))
    problems = verify(store)
    assert len(problems) == 2
    assert "it holds other cells than its name says" in problems[0]
    assert "it goes to sample 210, and there are 200" in problems[1]


def test_a_lost_or_changed_group_list_is_read_from_the_row_files(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    store.write_cells("m", 0, 20, cells(0, 20, ["a", "b"]))
    whole = store.read("m", ["a", "b"])
    listing = next((tmp_path / "run" / "groups").iterdir())
    for content in ('["b", "a"]', "{", None):
        if content is None:
            listing.unlink()
        else:
            listing.write_text(content)
        again = RunStore.open(tmp_path / "run")
        assert again.finished_groups("m") == [(0, 20, ("a", "b"))]
        for condition, rows in again.read("m", ["a", "b"]).items():
            same(rows, whole[condition])
        (problem,) = verify(again)
        assert str(listing) in problem and "read from the row files instead" in problem
    with again.locked():
        (line,) = repaired(again)
    assert line.endswith("written again from the row files")
    assert json.loads(listing.read_text()) == ["a", "b"] and verify(RunStore.open(tmp_path / "run")) == []


def test_a_full_disk_gives_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writes fail in the same place, with an OSError."""
    make_store(tmp_path / "run")
    script = f"""
import resource
from counting import lines_run
from store_tools import cells
from brittlestar.core.errors import StoreError
from brittlestar.store import RunStore
store = RunStore.open({str(tmp_path / "run")!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
for write in (
    lambda: store.write_cells("m", 0, 500, cells(0, 500, ["a"])),
    lambda: store.register_model({{"name": "x" * 4000, "fingerprint": "f"}}),
):
    try:
        write()
    except StoreError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("free some space") == 2, done.stdout
    assert [p.name for p in (tmp_path / "run").rglob("*") if p.is_file() and "rows" in p.parts] == []
    assert not list((tmp_path / "run").rglob(".*.tmp"))
    assert RunStore.open(tmp_path / "run").finished_groups("m") == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 3000


def test_tallies_count_rows_and_errors_and_count_nothing_twice(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", conditions=["a", "b", "c"])
    whole = {c: random_rows(0, 100, seed=k) for k, c in enumerate("abcx")}

    def write(start: int, stop: int, names: str) -> None:
        store.write_cells("m", start, stop, [(c, whole[c].take(np.arange(start, stop))) for c in names])

    write(0, 50, "ab")
    write(50, 100, "ab")
    write(0, 100, "b")  # what an interrupted compaction leaves
    write(0, 50, "cx")  # x is no condition of the manifest
    expected = {c: (n, int((~whole[c].correct[:n]).sum())) for c, n in (("a", 100), ("b", 100), ("c", 50))}
    assert store.tallies("m") == expected
    assert store.tallies("nobody") == {}


def test_work_of_writing_and_reading_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    """What is done for each row is done by the database and numpy, not by Python."""
    names = [f"c{k}" for k in range(40)]
    lines = []
    for step in (20, 400):
        store = make_store(tmp_path / f"run{step}", samples=2 * step, conditions=names)
        groups = [(start, cells(start, start + step, names)) for start in (0, step)]

        def write(store: RunStore = store, groups: Any = groups, step: int = step) -> None:
            for start, group in groups:
                store.write_cells("m", start, start + step, group)

        written = lines_run(write)
        read = lines_run(lambda store=store: store.read("m", names, detail=False))  # type: ignore[misc]
        counted = lines_run(lambda store=store: store.tallies("m"))  # type: ignore[misc]
        assert {n for n, _ in store.tallies("m").values()} == {2 * step}
        lines.append((written, read, counted))
    assert all(large < small * 1.1 for small, large in zip(*lines, strict=True)), lines


def test_a_column_that_only_some_files_have_is_absent(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    full, bare = random_rows(0, 20), random_rows(20, 40, kind="outcome")
    store.write_cells("m", 0, 20, [("a", full)])
    store.write_cells("m", 20, 40, [("a", bare)])
    found = store.read("m", ["a"])["a"]
    assert found.logits is None
    np.testing.assert_array_equal(found.prediction, np.concatenate([full.prediction, bare.prediction]))


def test_rows_of_the_same_samples_share_their_positions(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    for start in (0, 20):
        store.write_cells("m", start, start + 20, cells(start, start + 20, ["a", "b"]))
    found = store.read("m", ["a", "b"])
    assert found["a"].position is found["b"].position and list(found["a"].position) == list(range(40))


def test_a_lost_row_file_is_damage_and_not_a_connection(tmp_path: Path) -> None:
    """Where object storage is out of reach, nothing is damaged; a file on this machine that cannot be read is."""
    with pytest.raises(Damaged):
        query([tmp_path / "b0-4-lost.parquet"], "SELECT count(*) FROM {files}")


def test_what_people_call_the_classes_is_written_when_it_changes(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", samples=4)
    store.name_classes(["tench", "shark"])
    before = (tmp_path / "run" / "manifest.json").stat().st_ino
    store.name_classes(["tench", "shark"])
    assert RunStore.open(tmp_path / "run").manifest.data["titles"] == ["tench", "shark"]
    assert (tmp_path / "run" / "manifest.json").stat().st_ino == before, "written again without need"

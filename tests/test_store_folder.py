"""The run folder: what it refuses, what survives a kill, a crash in any step of a merge, and how fast it is scanned."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brittlestar.core.definition import fingerprint_of
from brittlestar.core.errors import StoreError
from brittlestar.core.rows import Rows
from brittlestar.store import RunStore, SessionRecord, compact, verify
from brittlestar.store.maintenance import ROWS_A_FILE, _joined
from counting import lines_run
from store_tools import DATA, cells, describe, make_store, random_rows, same


def child(script: str) -> subprocess.Popen[str]:
    """A process that runs the script beside the test helpers."""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


def test_everything_in_the_manifest_comes_back(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", conditions=["a", "b"])
    store.register_model({"name": "net", "fingerprint": "f" * 16, "input_shape": (3, 8, 8), "notes": ("x",)})
    session = SessionRecord(started="now", command="run", suite="broad, clean", budget_s=5.0, versions={"torch": "2"})
    with store.locked():
        store.begin_session(session)
        assert RunStore.open(store.path).manifest.sessions == [session]
    store.end_session(stop="budget", wall_s=4.5, images=900)
    found = RunStore.open(store.path).manifest
    assert found == store.manifest
    assert (found.schema, found.seed, found.data) == (1, 0, DATA)
    assert found.suites == ["broad", "clean"]
    assert list(found.conditions.values()) == [describe("a"), describe("b")]
    assert found.models["net"]["input_shape"] == [3, 8, 8]
    assert (found.sessions[0].stop, found.sessions[0].images) == ("budget", 900)
    assert found.sessions[0].ended
    assert found.created.endswith("+00:00")


def test_a_changed_definition_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", conditions=["a", "b"])
    store.write_cells("m", 0, 20, cells(0, 20, ["a", "b"]))
    store.register_conditions([dataclasses.replace(describe("a"), fingerprint="a2")])
    assert list(store.read("m", None)) == ["b"]
    assert list(store.tallies("m")) == ["b"]
    assert list(store.manifest.conditions) == ["a", "b"]


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    store.register_model({"name": "net", "fingerprint": "1"})
    store.register_model({"name": "net", "fingerprint": "1"})
    with pytest.raises(StoreError, match=r"net has changed since .* another name"):
        store.register_model({"name": "net", "fingerprint": "2"})
    assert RunStore.open(store.path).manifest.models["net"]["fingerprint"] == "1"


def test_other_data_seed_or_samples_are_refused_naming_both(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    with pytest.raises(StoreError, match=r"other data \(d.npz, fingerprint d{16}; now e.npz, e{16}\)"):
        RunStore.start(store.path, data=DATA | {"spec": "e.npz", "fingerprint": "e" * 16}, seed=0)
    with pytest.raises(StoreError, match="seed=0, not 7"):
        RunStore.start(store.path, data=DATA, seed=7)
    ids, labels = store.samples()
    store.write_samples(ids, labels)
    for other in ((ids[::-1], labels), (ids, labels + 1), (ids[:-1], labels[:-1])):
        with pytest.raises(StoreError, match="other samples or labels"):
            store.write_samples(*other)
    assert RunStore.start(store.path, data=DATA, seed=0).manifest == store.manifest


def _folder(path: Path, content: dict[str, str]) -> Path:
    path.mkdir()
    for name, text in content.items():
        (path / name).write_text(text)
    return path


GOOD = {"schema": 1, "created": "", "seed": 0, "data": {}, "models": {}, "conditions": {}, "suites": [], "sessions": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such run folder"),
        ({}, "not a run folder: it has no manifest.json"),
        ({"manifest.json": ""}, "is damaged"),
        ({"manifest.json": "[1, 2]"}, "is damaged"),
        ({"manifest.json": '{"seed": 1}'}, "is damaged"),
        ({"manifest.json": json.dumps(GOOD)[:-9]}, "is damaged"),
        ({"manifest.json": json.dumps(GOOD | {"conditions": {"a": {"id": "a"}}})}, "is damaged"),
        ({"manifest.json": json.dumps(GOOD | {"sessions": 3})}, "is damaged"),
        ({"manifest.json": json.dumps(GOOD | {"schema": 2})}, "layout 2, this version reads layout 1: use the version"),
        ({"manifest.json": json.dumps(GOOD | {"mood": 1})}, r"does not know \(mood\): update"),
        (
            {"manifest.json": json.dumps(GOOD | {"sessions": [{"started": "", "zeal": 1}]})},
            r"does not know \(zeal\): update",
        ),
    ],
)
def test_what_is_no_run_folder_is_told(tmp_path: Path, content: dict[str, str] | None, message: str) -> None:
    path = tmp_path / "run"
    if content is not None:
        _folder(path, content)
    with pytest.raises(StoreError, match=message):
        RunStore.open(path)


def test_folders_that_cannot_become_runs_are_refused(tmp_path: Path) -> None:
    notes = _folder(tmp_path / "notes", {"thoughts.txt": "hm"})
    with pytest.raises(StoreError, match=r"not empty \(it holds thoughts.txt\)"):
        RunStore.start(notes, data=DATA, seed=0)
    assert [p.name for p in notes.iterdir()] == ["thoughts.txt"]
    for path in (notes / "thoughts.txt", notes / "thoughts.txt" / "run"):
        with pytest.raises(StoreError, match=r"thoughts\.txt"):
            RunStore.start(path, data=DATA, seed=0)
    empty = _folder(tmp_path / "empty", {"lock": "", ".manifest.json.12-ab.tmp": "half"})
    assert RunStore.start(empty, data=DATA, seed=3).manifest.seed == 3


def test_a_second_process_is_refused_at_once_and_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    script = f"""
import sys
from brittlestar.store import RunStore
with RunStore.open({str(store.path)!r}).locked():
    print("held", flush=True)
    sys.stdin.read()
"""
    with child(script) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=f"in use by process {holder.pid}"), store.locked():
            pass
        assert holder.poll() is None, "who waits for the holder would wait for ever"
        holder.kill()
    with store.locked():
        pass


def test_what_a_killed_process_left_is_swept_and_other_files_stay(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    rows = store.path / "rows" / "m"
    rows.mkdir(parents=True)
    (rows / ".b00000000-00000050-0123456789abcdef.parquet.1-ab.tmp").write_text("half")
    (store.path / "notes.tmp").write_text("mine")
    assert store.finished_groups("m") == []
    with store.locked():
        assert list(rows.iterdir()) == []
        assert (store.path / "notes.tmp").exists()


def test_killed_at_random_moments_what_counts_as_finished_is_readable(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", samples=100_000)
    script = """
import os, signal, sys
from store_tools import cells
from brittlestar.store import RunStore
store, start, left = RunStore.open(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def killed(frame, event, argument):
    global left
    left -= "brittlestar" in frame.f_code.co_filename
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return killed

while True:
    store.write_cells("m", start, start + 50, cells(start, start + 50, [f"c{k}" for k in range(20)]))
    start += 50
    sys.settrace(killed)
"""
    chance = random.Random(3)
    start = 0
    for _ in range(4):
        lines = chance.randrange(6000)  # a write runs some 2000
        words = [sys.executable, "-c", script, str(store.path), str(start), str(lines)]
        writer = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parent)
        assert writer.returncode == -signal.SIGKILL, writer.stderr
        done = RunStore.open(store.path).finished_groups("m")
        assert len(done) > start // 50
        start = done[-1][1]
        assert [(a, b) for a, b, _ in done] == [(a, a + 50) for a in range(0, start, 50)]
    assert verify(store) == []
    for k, rows in enumerate(store.read("m", [f"c{k}" for k in range(20)]).values()):
        expected = [random_rows(a, a + 50, seed=k) for a in range(0, start, 50)]
        same(rows, Rows.concatenate(expected))


def test_two_processes_write_cells_at_the_same_time(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", samples=1000)
    script = """
from store_tools import cells
from brittlestar.store import RunStore
store = RunStore.open({path!r})
for start in range({offset}, 1000, 100):
    store.write_cells("m", start, start + 50, cells(start, start + 50, ["a", "b"]))
"""
    writers = [child(script.format(path=str(store.path), offset=offset)) for offset in (0, 50)]
    for writer in writers:
        _, error = writer.communicate()
        assert writer.returncode == 0, error
    assert verify(store) == []
    found = store.read("m", ["a", "b"])
    same(found["b"], Rows.concatenate([random_rows(a, a + 50, seed=1) for a in range(0, 1000, 50)]))
    assert len(store.files("m")) == 20


class Crash(BaseException):
    """Stands for the process being killed: nothing that follows it has an effect."""


def _mixed(path: Path) -> tuple[RunStore, dict[str, Rows]]:
    """Blocks of several lengths, a condition that is ahead, one with a gap, one unknown to the manifest."""
    store = make_store(path, conditions=["a", "b", "c", "d"])
    whole = {c: random_rows(0, 200, seed=k, kind="logits" if c != "b" else "outcome") for k, c in enumerate("abcdx")}
    for start, stop, names in ((0, 50, "ab"), (0, 50, "cdx"), (50, 100, "ab"), (50, 100, "cx"), (150, 200, "abd")):
        store.write_cells("m", start, stop, [(c, whole[c].take(np.arange(start, stop))) for c in names])
    return store, store.read("m", list("abcdx"))


def test_a_crash_at_any_step_of_a_merge_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, unlink = Path.replace, Path.unlink
    left = 0

    def step(action: Any) -> Any:
        def stepped(self: Path, *args: Any, **more: Any) -> Any:
            nonlocal left
            if self.exists():
                left -= 1
                if left < 0:
                    raise Crash
            return action(self, *args, **more)

        return stepped

    monkeypatch.setattr(Path, "replace", step(replace))
    monkeypatch.setattr(Path, "unlink", step(unlink))
    steps, files = 0, []
    while True:
        left = 10**6
        store, before = _mixed(tmp_path / f"run{steps}")
        left = steps
        try:
            compact(store)
            break
        except Crash:
            pass
        left = 10**6
        again = RunStore.open(store.path)
        files.append(len(again.files("m")))
        for detail in (True, False):
            found = again.read("m", list("abcdx"), detail=detail)
            for condition, rows in before.items():
                same(found[condition], rows if detail else dataclasses.replace(rows, logits=None))
        assert again.tallies("m") == {
            c: (len(rows), int((~rows.correct).sum())) for c, rows in before.items() if c != "x"
        }
        with again.locked():
            compact(again)
        for condition, rows in again.read("m", list("abcdx")).items():
            same(rows, before[condition])
        assert verify(again) == []
        assert len(again.files("m")) == 5
        assert not list(again.path.rglob(".*.tmp"))
        steps += 1
    assert steps == 16, "six renames, and ten removals (five of what DuckDB wrote) were a crash once"
    assert max(files) == 10
    assert len(store.files("m")) == 5


def test_a_second_merge_changes_nothing_and_a_third_only_what_is_new(tmp_path: Path) -> None:
    store, _ = _mixed(tmp_path / "run")
    compact(store)
    times = {file.path: file.path.stat().st_mtime_ns for file in store.files("m")}
    compact(store)
    assert {file.path: file.path.stat().st_mtime_ns for file in store.files("m")} == times
    store.write_cells("m", 100, 150, cells(100, 150, ["a", "b"]))
    compact(store)
    assert {(f.start, f.stop): f.conditions for f in store.files("m") if "a" in f.conditions} == {(0, 200): ("a", "b")}
    assert len(set(times) & {file.path for file in store.files("m")}) == len(times) - 2


def test_joined() -> None:
    assert _joined([(0, 5), (0, 9), (5, 10), (12, 13), (13, 20), (14, 15)]) == [(0, 10), (12, 20)]


def test_scanning_looks_at_names_and_lists_and_never_at_cells(tmp_path: Path) -> None:
    """Eight times the conditions in as many files are hardly more work."""
    lines = []
    for conditions in (50, 400):
        store = make_store(tmp_path / f"run{conditions}")
        rows, groups = store.path / "rows" / "m", store.path / "groups"
        rows.mkdir(parents=True)
        groups.mkdir()
        for g in range(10):
            group = [f"{g * conditions + k:016x}" for k in range(conditions)]
            name = fingerprint_of(group)
            (groups / f"{name}.json").write_text(json.dumps(group))
            for block in range(50):
                (rows / f"b{block * 250:08d}-{(block + 1) * 250:08d}-{name}.parquet").touch()
        found: list[tuple[int, int, tuple[str, ...]]] = []
        lines.append(lines_run(lambda store=store, found=found: found.extend(store.finished_groups("m"))))  # type: ignore[misc]
        assert sum(len(group) for _, _, group in found) == 500 * conditions
    assert lines[1] < lines[0] * 1.2, lines


@pytest.mark.slow
def test_memory_of_a_merge_does_not_grow_with_the_run(tmp_path: Path) -> None:
    peaks = []
    for samples in (10_000, 40_000):
        store = make_store(tmp_path / f"run{samples}", samples=samples)
        names = [f"c{k}" for k in range(60)]
        for start in range(0, samples, 2500):
            store.write_cells("m", start, start + 2500, cells(start, start + 2500, names))
        # ru_maxrss would hold the memory of the process that started this one.
        script = f"""
from pathlib import Path
from brittlestar.store import RunStore, compact
compact(RunStore.open({str(store.path)!r}))
(peak,) = (line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak) / 1024)
"""
        out, error = child(script).communicate()
        assert out, error
        peaks.append(float(out))
        assert sum((f.stop - f.start) * len(f.conditions) for f in store.files("m")) == 60 * samples
        assert len(store.files("m")) < 60
    assert ROWS_A_FILE < 60 * 10_000
    print(f"peaks {peaks} MiB")
    assert peaks[1] < peaks[0] * 1.15
    assert peaks[1] < 600

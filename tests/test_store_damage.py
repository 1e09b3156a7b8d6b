"""Damaged and lost files of a run folder: named by whoever reads, set aside and made again by the next run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from brittlestar.api import Run
from brittlestar.core.errors import StoreError
from brittlestar.core.sealed import Damaged, read_arrays, write_arrays
from brittlestar.measures.sampled import read_sampled, write_sampled
from brittlestar.report import build, report_of
from brittlestar.report.export import csv_text, markdown, summary_json
from brittlestar.report.gather import gather
from brittlestar.report.provenance import build_sessions
from brittlestar.store import RunStore, SessionRecord, compact, repaired, stopping_rule, verify
from golden_tools import GOLDEN, ask, flip, make_world
from store_tools import cells, describe, edited, make_store, same


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with a run of this version in it, of two models and a few samples."""
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    ask(folder, 12)
    build([folder / "run"])
    return folder


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "world")
    return tmp_path / "world"


def lines(run: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    split = [line.split(",") for line in csv_text(report_of([run])).splitlines()]
    return {tuple(line[:4]): tuple(line[4:]) for line in split}


def statuses(run: Path, kind: str) -> list[str]:
    return [f"{s.lead} {s.text}" for s in report_of([run]).header.statuses if s.kind == kind]


def a_row_file(run: Path, block: int = 1) -> Path:
    return sorted(run.glob("rows/*/b*.parquet"), key=lambda path: (path.name, path.parent.name))[block]


def test_a_damaged_row_file_is_named_everywhere_and_computed_again(world: Path) -> None:
    run, before = world / "run", lines(world / "run")
    victim = a_row_file(run)
    held = RunStore.open(run)
    file = next(f for m in held.stored_models() for f in held.files(m) if f.path == victim)
    flip(victim)
    content = report_of([run])
    named = str(victim.relative_to(run))
    for text in (
        content.header.statuses[0].text,
        markdown(content),
        json.loads(summary_json(content))["statuses"][0]["text"],
    ):
        assert named in text.replace("\\", "") and "give the same" in text
    assert content.header.statuses[0].lead == "DAMAGED:"
    damaged = {key for key, value in lines(run).items() if "DAMAGED" in value[-1]}
    assert damaged and {key[0] for key in damaged} == {
        name for name, about in held.manifest.models.items() if about["fingerprint"] == victim.parent.name
    }
    assert [named in problem for problem in verify(RunStore.open(run))] == [True]
    with pytest.warns(UserWarning, match="DAMAGED"):
        assert len(Run(run).frame()) > 0
    with RunStore.open(run).locked(), pytest.raises(StoreError, match="nothing is merged"):
        compact(RunStore.open(run))
    assert victim.exists(), "whoever reads moves nothing"

    told: list[str] = []
    again = ask(world, 12, told=told)
    assert [named in line and f"damaged/{named}" in line for line in told] == [True]
    frames = sum(4 if "brightness" in i and "uint8" in i else 1 for i in held.manifest.conditions)
    assert again.outcome is not None and 0 < again.outcome.images <= (file.stop - file.start) * frames
    assert (run / "damaged" / named).exists()
    assert verify(RunStore.open(run)) == [] and lines(run) == before and statuses(run, "damaged") == []


def test_nothing_in_the_damaged_folder_is_overwritten(world: Path) -> None:
    run, kept = world / "run", []
    for bit in (0, 1):
        victim = a_row_file(run)
        flip(victim, bit=bit)
        kept.append(victim.read_bytes())
        store = RunStore.open(run)
        with store.locked():
            repaired(store)
        ask(world, 12)
    found = list((run / "damaged").rglob("*.parquet*"))
    assert sorted(path.read_bytes() for path in found) == sorted(kept)


def test_a_file_under_another_models_or_blocks_name_is_damage(world: Path) -> None:
    run = world / "run"
    victim = a_row_file(run)
    other = next(p for p in (run / "rows").iterdir() if p != victim.parent)
    (other / victim.name).unlink(missing_ok=True)
    moved = shutil.copy(victim, other / victim.name)
    (problem,) = verify(RunStore.open(run))
    assert str(moved) in problem and "other cells than its name says" in problem


@pytest.mark.parametrize("lost", ["flipped", "removed"])
def test_the_copy_stands_in_for_the_manifest(world: Path, lost: str) -> None:
    run, before = world / "run", lines(world / "run")
    if lost == "removed":
        (run / "manifest.json").unlink()
    else:
        flip(run / "manifest.json")
    assert lines(run) == before
    (told,) = statuses(run, "damaged")
    assert "manifest.json" in told and "its copy was read instead" in told
    assert "manifest.json" in verify(RunStore.open(run))[0]
    warned: list[str] = []
    again = ask(world, 12, told=warned)
    assert again.outcome is not None and again.outcome.images == 0
    assert len(warned) == 1 and "its copy was read instead" in warned[0]
    assert verify(RunStore.open(run)) == [] and (run / "damaged" / "manifest.json").exists() == (lost == "flipped")
    flip(run / "manifest-copy.json")
    assert "manifest-copy.json" in verify(RunStore.open(run))[0]


def test_a_manifest_lost_with_its_copy_is_begun_again_and_says_so(world: Path) -> None:
    run, before = world / "run", lines(world / "run")
    for name in ("manifest.json", "manifest-copy.json"):
        flip(run / name)
    with pytest.raises(
        Damaged, match=r"Lost with them: the names of the models, .* Still there: \d+ files of rows of 2"
    ):
        report_of([run])
    with pytest.raises(StoreError, match="rows are of other seed"):
        ask(world, 12, seed=3)
    told: list[str] = []
    again = ask(world, 12, told=told)
    assert again.outcome is not None and again.outcome.images == 0
    assert "rows are used again" in told[0]
    store = RunStore.open(run)
    assert [s.stop for s in store.manifest.sessions] == ["lost", "complete"] and store.manifest.sealed
    assert "record of earlier sessions is lost" in stopping_rule(store.manifest.sessions).reason
    assert verify(store) == []
    values = {key: value[0] for key, value in lines(run).items()}
    assert {key: value[0] for key, value in before.items()} == values, "numbers stay, intervals are wider"
    assert "were damaged or lost" in " ".join(s["Stopped"] for s in build_sessions_of(run))


def build_sessions_of(run: Path) -> tuple[dict[str, str], ...]:
    return build_sessions(gather([run]))


def test_lost_samples_are_written_again(world: Path) -> None:
    run, before = world / "run", lines(world / "run")
    samples = (run / "samples.parquet").read_bytes()
    flip(run / "samples.parquet")
    with pytest.raises(Damaged, match=r"samples\.parquet is damaged .* keeps all rows"):
        report_of([run])
    told: list[str] = []
    again = ask(world, 12, told=told)
    assert again.outcome is not None and again.outcome.images == 0 and len(told) == 1
    assert (run / "samples.parquet").read_bytes() == samples and lines(run) == before
    store = RunStore.open(run)
    ids, labels = store.samples()
    (run / "samples.parquet").unlink()
    with pytest.raises(StoreError, match="its rows do not fit these samples and labels"):
        RunStore.open(run).write_samples(ids, labels[::-1].copy())


def test_damaged_examples_and_explanations_are_left_out_and_made_again(world: Path) -> None:
    run = world / "run"
    shutil.copy(GOLDEN / "run" / "explain.json", run / "explain.json")
    with edited(run / "explain.json"):
        pass
    picture = sorted((run / "examples").glob("clean*.png"))[0]
    flip(picture)
    flip(run / "explain.json")
    (told,) = statuses(run, "damaged")
    assert f"examples/{picture.name}" in told and "explain.json" in told
    assert len(verify(RunStore.open(run))) == 2
    ask(world, 12)
    assert verify(RunStore.open(run)) == [] and picture.exists() and statuses(run, "damaged") == []
    flip(run / "examples" / "examples.json")
    (told,) = statuses(run, "damaged")
    assert "examples/examples.json" in told


def test_damaged_surveys_are_named_and_set_aside(world: Path) -> None:
    run = world / "run"
    store = RunStore.open(run)
    model = next(iter(store.manifest.models.values()))["fingerprint"]
    old = next((GOLDEN / "run" / "surveys").glob("*/*"))
    folder = run / "surveys" / model / old.name
    folder.mkdir(parents=True)
    write_sampled(read_sampled(old / "map.npz"), folder / "map.npz")
    for name in ("stage-1", "stage-2"):
        write_arrays(folder / f"{name}.npz", read_arrays(old / f"{name}.npz", required=False))
        shutil.copy(folder / f"{name}.npz", folder / f"{name}-000000.npy")  # sealed as well
    assert verify(RunStore.open(run)) == []
    flip(folder / "map.npz")
    flip(folder / "stage-1.npz")
    (told,) = statuses(run, "damaged")
    assert "map.npz" in told and "the sharper Fourier map is left out" in told
    with store.locked():
        moved = repaired(store)
    assert len(moved) == 2 and sorted(path.name for path in folder.iterdir()) == ["stage-2-000000.npy", "stage-2.npz"]
    assert verify(RunStore.open(run)) == []


def test_a_group_that_nothing_tells_is_computed_again(tmp_path: Path) -> None:
    run = make_world(tmp_path, run=True)
    victim = sorted((run / "groups").glob("*.json"))[0]
    victim.unlink()
    (told,) = statuses(run, "damaged")
    assert victim.name in told
    told_: list[str] = []
    again = ask(tmp_path, 55, told=told_)
    assert again.outcome is not None and again.outcome.images > 0 and any(victim.name in line for line in told_)
    assert verify(RunStore.open(run)) == [] and statuses(run, "damaged") == []


CHANGES = {
    "label": "labels are not those of the samples",
    "position": "does not cover samples",
    "frame": "does not cover samples",
    "prediction": "the logit of the prediction is not that of its class",
    "label_logit": "of the label|than the prediction|than the label",
    "top_logit": "prediction|largest part",
    "log_sum_exp": "below their largest part",
    "logits": "logit",
}


@pytest.mark.parametrize("column", CHANGES)
def test_rows_without_a_digest_are_held_against_themselves(tmp_path: Path, column: str) -> None:
    store = make_store(tmp_path / "run", conditions=["a", "b"])
    with edited(store.path / "manifest.json") as manifest:
        manifest["sealed"] = False
    written = cells(0, 20, ["a", "b"])
    values = getattr(written[1][1], column)
    if column == "logits":
        values[3, int(written[1][1].prediction[3])] += 1
    else:
        values[3] = {"log_sum_exp": -50.0, "label_logit": 50.0, "top_logit": 50.0}.get(column, values[3] + 1)
    for start, some in ((0, written), (20, cells(20, 40, ["a", "b"]))):
        path = store.write_cells("m", start, start + 20, some)
        path.rename(path.with_name(path.name[:35] + ".parquet"))
    for read in (True, False):
        again = RunStore.open(store.path)
        found = again.read("m", ["a"], detail=read)
        assert list(found["a"].position) == list(range(20, 40))
        (damage,) = again.damage.values()

        assert re.search(CHANGES[column], damage.why), damage.why
    assert list(again.tallies("m").values()) == [
        (20, int((~cells(20, 40, ["a", "b"])[k][1].correct).sum())) for k in (0, 1)
    ]


def test_a_file_without_a_digest_is_damage_where_all_have_one(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    path = store.write_cells("m", 0, 20, cells(0, 20, ["a"]))
    path.rename(path.with_name(path.name[:35] + ".parquet"))
    assert "its name has no digest" in verify(RunStore.open(store.path))[0]


def test_writing_cells_again_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    old = store.write_cells("m", 0, 20, cells(0, 20, ["a"]))
    old = old.rename(old.with_name(old.name[:35] + ".parquet"))
    for seed in (1, 2):
        written = cells(0, 20, ["a"], seed=seed)
        new = store.write_cells("m", 0, 20, written)
        assert [path.name for path in new.parent.iterdir()] == [new.name]
        same(store.read("m", ["a"])["a"], written[0][1])
    assert not old.exists()


def test_what_choosing_examples_left_behind_is_swept(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", conditions=["a"])
    (store.path / ".examples.tmp").mkdir()
    (store.path / ".examples.tmp" / "clean-1.png").write_text("half")
    with store.locked():
        assert not (store.path / ".examples.tmp").exists()


def test_the_sums_of_a_report_are_those_of_its_files(world: Path) -> None:
    folder = world / "run" / "report"
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(": OK") == 4, done.stdout + done.stderr
    for path in sorted(folder.iterdir()):
        before = path.read_bytes()
        flip(path)
        (problem,) = verify(RunStore.open(world / "run"))
        assert path.name in problem and "brittlestar report" in problem
        path.write_bytes(before)
    other = Run(world / "run").report(world / "page.html")
    assert (other, sorted(p.name for p in world.glob("*SUMS"))) == (world / "page.html", ["SHA256SUMS"])


def test_positions_in_rows_are_compared_with_all_labels(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", samples=30)
    store.register_conditions([describe("a")])
    store.write_cells("m", 0, 30, cells(0, 30, ["a"]))
    labels = np.arange(30, dtype=np.int32) % 5
    store._order.write(np.array([f"{k:016x}" for k in range(30)]), labels[::-1].copy(), None, None, None, {})
    again = RunStore.open(store.path)
    assert again.read("m", ["a"]) == {}
    assert "labels are not those of the samples" in str(next(iter(again.damage.values())))


def test_a_session_that_died_is_told_at_once_and_recorded_by_the_next(world: Path) -> None:
    run = world / "run"
    with edited(run / "manifest.json") as manifest:
        manifest["sessions"][-1] |= {"stop": "running", "ended": ""}
    store = RunStore.open(run)
    assert store.manifest.sessions[-1].stop == "died"
    (told,) = statuses(run, "died")
    assert told.startswith("SESSION DIED: The session begun 20") and "ended without a word: killed" in told
    assert json.loads((run / "manifest.json").read_text())["sessions"][-1]["stop"] == "running", "readers write nothing"
    with store.locked():
        assert json.loads((run / "manifest.json").read_text())["sessions"][-1]["stop"] == "died"
        store.begin_session(SessionRecord(started="2026-01-01T00:00:00+00:00", samples=12))
        assert RunStore.open(run).manifest.sessions[-1].stop == "running", "the lock is held"
        assert statuses(run, "died") == []
    ask(world, 12)
    assert [s.stop for s in RunStore.open(run).manifest.sessions] == ["died", "died", "complete"]
    assert statuses(run, "died") == []
    assert sum("died: ended without a word" in s["Stopped"] for s in build_sessions_of(run)) == 2

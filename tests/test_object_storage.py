"""Run folders on S3, on a real server of this machine: rows, resuming, the lock, the report, maintenance."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from brittlestar import Run
from brittlestar.cli.main import app
from brittlestar.core.errors import StoreError
from brittlestar.core.places import place
from brittlestar.report import build
from brittlestar.runs.executors import Executor, Ray
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from brittlestar.store import RunStore
from brittlestar.store.maintenance import compact, verify
from object_store import s3_bucket
from test_run_resume import assert_same, calls, everything
from tiny import evaluate_with, make_world

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def bucket() -> str:
    return s3_bucket()


def run(
    world: Path, out: str | Path, executor: str | Executor = "process", watch: Watch | None = None, **more: Any
) -> Run:
    how: dict[str, Any] = {"suite": "noise", "out": out, "anyway": True, "executor": executor, "samples": 20} | more
    return evaluate_with(f"m=torch:{world / 'model.py'}:model", str(world / "data.npz"), watch=watch, **how)


@pytest.fixture(scope="module")
def whole(world: Path) -> dict[tuple[str, str], Any]:
    return everything(run(world, world / "whole").path)


def test_a_run_on_s3_is_stopped_and_goes_on_in_a_pool(
    world: Path, bucket: str, whole: dict[tuple[str, str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    out, tasks = f"{bucket}/runs/a=b [1]", []

    def stop(progress: Progress) -> None:
        tasks.append(progress.images)
        if len(tasks) == 3:
            raise KeyboardInterrupt

    first = run(world, out, watch=Watch(progress=stop))
    assert first.outcome is not None and first.outcome.stop == "interrupted" and str(first.path) == out
    assert not (place(out) / "lock").exists(), "the lock is given back"
    before = calls(tmp_path / "calls")
    second = run(world, Path(out), "pool", workers=2)
    assert second.outcome is not None and second.outcome.stop == "complete"
    assert calls(tmp_path / "calls") - before < 20 * 32 + 3 * 700, "nothing is computed twice"
    assert_same(everything(second.path), whole)
    assert not list(world.parent.rglob("s3:*")) and not Path("s3:").exists(), "nothing is written beside"
    # What is on object storage is what would be in a folder, but for the lock.
    there = {str(path.relative_to(second.path)) for path in place(out).rglob("*")}
    here = {str(path.relative_to(world / "whole")) for path in (world / "whole").rglob("*") if path.is_file()}
    kinds = ("manifest", "samples", "examples/", "identities/")
    assert {n for n in there if n.startswith(kinds)} == {n for n in here if n.startswith(kinds)}


@pytest.mark.usefixtures("whole")
def test_a_report_is_written_from_it_here_or_there(world: Path, bucket: str, tmp_path: Path) -> None:
    out = f"{bucket}/runs/reported"
    run(world, out)
    page = build([out], out=tmp_path / "report")
    plain = build([world / "whole"], out=tmp_path / "plain")
    assert (tmp_path / "report" / "results.csv").read_bytes() == (tmp_path / "plain" / "results.csv").read_bytes()
    assert page.read_text().count("data:image/png") == plain.read_text().count("data:image/png") > 0
    there = Run(Path(out)).report()
    assert str(there) == f"{out}/report/report.html" and there.read_text().count("<section") == page.read_text().count(
        "<section"
    )
    shown = CliRunner().invoke(app, ["report", out, "--out", str(tmp_path / "typed")])
    assert shown.exit_code == 0 and (tmp_path / "typed" / "report.html").is_file(), shown.output
    shown = CliRunner().invoke(app, ["store", "verify", out])
    files = len([*(place(out) / "rows").rglob("*.parquet")])
    assert shown.exit_code == 0 and f"{files} row files are whole" in shown.output and files > 1


def test_two_do_not_write_at_once_and_damage_is_found_and_mended(
    world: Path, bucket: str, whole: dict[tuple[str, str], Any]
) -> None:
    out = place(f"{bucket}/runs/kept")
    run(world, out)
    store = RunStore.open(out)
    with store.locked(), pytest.raises(StoreError, match=r"runs/kept is in use by process \d+ on"):
        run(world, out)
    assert verify(store) == []
    victim = sorted((out / "rows").rglob("*.parquet"))[1]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    assert [line for line in verify(RunStore.open(out)) if victim.name in line]
    run(world, out)
    assert_same(everything(out), whole)
    assert list((out / "damaged").rglob("*.parquet")) and verify(RunStore.open(out)) == []
    with store.locked():
        compact(RunStore.open(out))
    assert_same(everything(out), whole)
    assert len([*(out / "rows").rglob("*.parquet")]) < 5


def test_workers_of_a_ray_cluster_write_straight_to_it(
    world: Path, bucket: str, whole: dict[tuple[str, str], Any]
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: ./dev test --slow, or the extra cluster")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    assert_same(everything(run(world, f"{bucket}/runs/ray", Ray(2)).path), whole)


def test_a_bucket_that_is_not_there_is_told_in_one_line(world: Path, bucket: str) -> None:
    with pytest.raises(StoreError, match="s3://nowhere/run"):
        run(world, "s3://nowhere/run")
    with pytest.raises(StoreError, match="no such run folder: s3://bucket/none"):
        RunStore.open(f"{bucket}/none")

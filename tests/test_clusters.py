"""Ray and Slurm jobs: rows as in this process, through a machine that is lost half-way, and under another executor."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brittlestar.core.errors import ModelError, UsageError
from brittlestar.runs.executors import Executor, Pool, Ray, Slurm, WorkerError
from brittlestar.runs.request import Watch
from brittlestar.runs.runner import Progress
from test_run_resume import assert_same, calls, everything
from tiny import evaluate_with, make_world

pytestmark = [
    pytest.mark.slow,
    # Ray leaves a socket to the garbage collector, and its exceptions come from C.
    pytest.mark.filterwarnings("ignore"),
]

MODEL = """
import os, signal
from pathlib import Path

from model import Linear

HERE = Path(__file__).parent

class Gate(Linear):
    # With a file `die`, the first worker to see it takes it away and is killed; never the parent.

    def forward(self, x):
        if os.getpid() != int((HERE / "parent").read_text()):
            with open(HERE / "workers", "a") as f:
                f.write(f"{os.getpid()}\\n")
            try:
                (HERE / "die").unlink()
            except FileNotFoundError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
            if (HERE / "always").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            if (HERE / "raise").exists():
                raise SystemExit(0)
        return super().forward(x)

def gate():
    return Gate().eval()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clusters")
    make_world(folder)
    (folder / "gate.py").write_text(MODEL)
    (folder / "parent").write_text(str(os.getpid()))
    return folder


@pytest.fixture(scope="module")
def log(world: Path) -> Iterator[Path]:
    """Where models count their calls, in all processes that are started from here."""
    os.environ["CALLS"] = str(world / "calls")
    yield world / "calls"
    del os.environ["CALLS"]


@pytest.fixture(scope="module")
def whole(world: Path, log: Path) -> dict[tuple[str, str], Any]:
    """The rows of this process, and beside them how many images it took (file ``calls-whole``)."""
    rows = run(world, "whole", "process")
    log.rename(world / "calls-whole")
    return rows


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray, with workers that need no site packages but these, ended with the tests."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: ./dev test --slow, or the extra cluster")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    yield ray
    ray.shutdown()


@pytest.fixture
def jobs(tmp_path: Path) -> Callable[..., Slurm]:
    pytest.importorskip("submitit", reason="submitit is not installed: ./dev test --slow, or the extra slurm")
    return lambda workers, **more: Slurm(workers, cluster="local", folder=tmp_path / "jobs", **more)


def run(
    world: Path, out: str, executor: str | Executor, progress: Callable[[Progress], None] = lambda _: None, **more: Any
) -> dict[tuple[str, str], Any]:
    run = evaluate_with(
        f"m=torch:{world / 'gate.py'}:gate",
        str(world / "data.npz"),
        watch=Watch(progress=progress),
        **{"suite": "noise", "out": world / out, "anyway": True, "executor": executor} | more,
    )
    assert run.outcome is not None and run.outcome.stop == "complete" and run.outcome.left == 0
    return everything(run.path)


def interrupted_after(tasks: int) -> Callable[[Progress], None]:
    left = [tasks]

    def count(progress: Progress) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return count


def begin(world: Path, out: str, executor: Executor, tasks: int) -> None:
    """A session that Ctrl-C ends after so many tasks."""
    run = evaluate_with(
        f"m=torch:{world / 'gate.py'}:gate",
        str(world / "data.npz"),
        watch=Watch(progress=interrupted_after(tasks)),
        **{"suite": "noise", "out": world / out, "anyway": True, "executor": executor},
    )
    assert run.outcome is not None and run.outcome.stop == "interrupted"


CHECKS = 700
"""Images that the checks at the start and the choice of examples may ask again, in each process."""

LARGEST = 130 * 64
"""Images times conditions of the largest task."""


def test_ray_starts_a_cluster_of_its_own_and_ends_it(ray: Any, world: Path, whole: dict[tuple[str, str], Any]) -> None:
    assert_same(run(world, "ray-own", "ray:patience=120", workers=2), whole)
    assert not ray.is_initialized()


def test_a_node_of_the_cluster_killed_half_way(
    ray: Any, world: Path, whole: dict[tuple[str, str], Any], log: Path
) -> None:
    from ray.cluster_utils import Cluster

    log.unlink(missing_ok=True)
    small = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=80 << 20) for _ in range(2)]
    cluster.wait_for_nodes()
    seen: list[int] = []

    def kill(progress: Progress) -> None:
        seen.append(progress.images)
        if len(seen) == 3:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    try:
        # First, as a cluster takes a minute to believe that a node is dead, and offers its room meanwhile.
        begin(world, "moved", Ray(2, address=cluster.address), 1)
        log.unlink()
        # One of three CPUs is gone then, so the third worker waits, and the other two do its work.
        executor = Ray(3, address=cluster.address)
        assert_same(run(world, "ray-killed", executor, kill), whole)
        assert not nodes[1:] and len(seen) > 3 and executor.waiting == 0
        assert calls(log) - calls(world / "calls-whole") <= 2 * LARGEST + 4 * CHECKS
    finally:
        ray.shutdown()
        cluster.shutdown()
    before = {path: path.stat().st_mtime_ns for path in (world / "moved" / "rows").rglob("*.parquet")}
    assert_same(run(world, "moved", Pool(2)), whole)
    after = {path: path.stat().st_mtime_ns for path in (world / "moved" / "rows").rglob("*.parquet")}
    assert 0 < len(before) < len(after) and before.items() <= after.items(), "the cluster's rows are not computed again"


def test_an_actor_that_dies_is_replaced_and_a_model_that_always_dies_is_given_up(
    ray: Any, world: Path, whole: dict[tuple[str, str], Any]
) -> None:
    (world / "die").touch()
    assert_same(run(world, "ray-died", Ray(2)), whole)
    assert not (world / "die").exists()
    (world / "always").touch()
    try:
        with pytest.raises(WorkerError, match=r"^model m, under clean, images 0-\d+: .*, 2 times in a row"):
            run(world, "ray-always", Ray(1, tries=2))
    finally:
        (world / "always").unlink()
    assert not ray.is_initialized()


def test_what_a_cluster_cannot_give_is_said(ray: Any, world: Path) -> None:
    with pytest.raises(WorkerError, match=r"needs num_cpus=1 and num_gpus=1, the cluster has \d CPU, 0 GPU"):
        run(world, "ray-no-gpu", Ray(1, num_gpus=1, patience=3))
    with pytest.raises(UsageError, match=r"cannot reach the Ray cluster '127\.0\.0\.1:1': .*refused"):
        run(world, "ray-nowhere", Ray(1, address="127.0.0.1:1"))


def test_jobs_give_the_rows_of_this_process_and_one_that_is_killed_is_replaced(
    jobs: Callable[..., Slurm], world: Path, whole: dict[tuple[str, str], Any], log: Path, tmp_path: Path
) -> None:
    log.unlink(missing_ok=True)
    begin(world, "jobs", jobs(2), 1)
    assert not list((tmp_path / "jobs").iterdir()), "messages and logs are cleared away"
    assert_same(run(world, "jobs", jobs(1)), whole)
    assert calls(log) - calls(world / "calls-whole") <= 4 * LARGEST + 5 * CHECKS
    (world / "die").touch()
    assert_same(run(world, "jobs-died", jobs(1)), whole)
    assert not (world / "die").exists()
    assert list((tmp_path / "jobs").glob("*/jobs/*.err")), "what a job that died has printed is kept"


def test_jobs_tell_what_went_wrong(jobs: Callable[..., Slurm], world: Path) -> None:
    (world / "raise").touch()
    try:
        with pytest.raises(ModelError, match="model m tried to end the process"):
            run(world, "jobs-raise", jobs(1))
    finally:
        (world / "raise").unlink()


def test_workers_on_two_devices_write_under_one_identity(world: Path, whole: dict[tuple[str, str], Any]) -> None:
    assert_same(run(world, "devices", "pool", workers=2, device="cpu:0,cpu:1"), whole)
    assert len([*(world / "devices" / "rows").iterdir()]) == 1


def test_slurm_itself(world: Path, whole: dict[tuple[str, str], Any], tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: ./dev test --slow, or the extra slurm")
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.skip("no Slurm answers here (sinfo); docs/machines.md has the configuration of one node")
    (world / "die").touch()
    folder = tmp_path / "jobs"
    assert_same(run(world, "slurm", f"slurm:folder={folder},minutes=5", workers=2), whole)
    assert not (world / "die").exists()
    for _ in range(1000):  # questions
        words = ["squeue", "--noheader", "--name=brittlestar"]
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        if not listed:
            break
    assert not listed, "jobs outlive the run"

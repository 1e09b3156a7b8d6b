"""A few random bits of every kind of file turned over (``benchmarks/flips.py`` turns 2,000): none is unseen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark_tools import benchmark
from brittlestar.core.sealed import read_arrays, write_arrays, write_sealed
from brittlestar.measures.sampled import read_sampled, write_sampled
from brittlestar.report import build
from brittlestar.store import RunStore
from golden_tools import GOLDEN, ask, make_world
from store_tools import edited

flips = benchmark("flips")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of this version; map and explanation are those of the old one, sealed."""
    folder = tmp_path_factory.mktemp("world")
    run = make_world(folder)
    ask(folder, 8, models=["first"])
    (about,) = RunStore.open(run).manifest.models.values()
    survey = run / "surveys" / about["fingerprint"] / "design"
    old = next((GOLDEN / "run" / "surveys").glob("*/*"))
    write_sampled(read_sampled(old / "map.npz"), survey / "map.npz")
    write_arrays(survey / "stage-1.npz", read_arrays(old / "stage-1.npz", required=False))
    write_sealed(survey / "stage-1-000000.npy", np.arange(5.0).tobytes())
    shutil.copy(GOLDEN / "run" / "explain.json", run / "explain.json")
    with edited(run / "explain.json"):
        pass
    build([run])
    return run


def test_no_flipped_bit_is_unseen(run: Path) -> None:
    assert list(flips.kinds_of(run)) == list(flips.KINDS), "every kind of file is there"
    made = list(flips.flips(run, 5 * len(flips.KINDS), seed=0))
    assert [flip for flip in made if not flip.seen] == []
    assert {flip.reported for flip in made} == {"named", "same", "not read"}
    last = flips.table(made).splitlines()[-1]
    assert last.startswith(f"| all | {len(made)} | {len(made)} |") and last.endswith("| 0 |")


def test_what_is_not_named_is_told_as_unseen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flips, "verify", lambda store: [])
    (flip,) = flips.flips(run, 1, seed=0)
    assert (flip.kind, flip.verified, flip.seen) == ("manifest", False, False)
    changed = flips.Flip("rows", "rows/a", 3, True, "changed")
    assert not changed.seen and flips.table([changed]).endswith("| all | 1 | 1 | 0 | 0 | 1 |")

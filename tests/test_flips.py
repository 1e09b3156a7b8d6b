"""A few random bits of every kind of file turned over (``benchmarks/flips.py`` turns 2,000): none is unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_tools import benchmark
from golden_tools import make_whole_run

flips = benchmark("flips")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whole_run(tmp_path_factory.mktemp("world"))


def test_no_flipped_bit_is_unseen(run: Path) -> None:
    assert list(flips.kinds_of(run)) == list(flips.KINDS), "every kind of file is there"
    made = list(flips.flips(run, 5 * len(flips.KINDS), seed=0))
    assert [flip for flip in made if not flip.seen] == []
    assert {flip.reported for flip in made} == {"named", "not read"}
    last = flips.table(made).splitlines()[-1]
    assert last.startswith(f"| all | {len(made)} | {len(made)} |") and last.endswith("| 0 |")


def test_what_is_not_named_is_told_as_unseen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flips, "verify", lambda store: [])
    (flip,) = flips.flips(run, 1, seed=0)
    assert (flip.kind, flip.verified, flip.seen) == ("manifest", False, False)
    changed = flips.Flip("rows", "rows/a", 3, True, "changed")
    assert not changed.seen and flips.table([changed]).endswith("| all | 1 | 1 | 0 | 0 | 1 |")

"""A run folder of the layout before digests: it opens, tells the same numbers, goes on, is merged and checked."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from brittlestar.report import report_of
from brittlestar.report.export import csv_text
from brittlestar.store import RunStore, compact, verify
from golden_tools import GOLDEN, ask, make_world
from store_tools import same


def numbers(text: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Estimates by model, data, condition and measure."""
    return {tuple(line[:4]): tuple(line[4:8]) for line in csv.reader(io.StringIO(text))}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_world(tmp_path, run=True)


def test_it_opens_and_reports_the_same_numbers(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    report = report_of([run])
    found = numbers(csv_text(report))
    expected = numbers((GOLDEN / "results.csv").read_text())
    assert len(expected) > 300 and {key: found.get(key) for key in expected} == expected
    assert [s for s in report.header.statuses if s.kind != "guard"] == []
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, "reading changes nothing"


def test_it_goes_on_without_computing_anything_twice(run: Path) -> None:
    told: list[str] = []
    rows = {path.name for path in run.rglob("b*.parquet")}
    again = ask(run.parent, 55, told=told)
    assert again.outcome is not None and (again.outcome.stop, again.outcome.images) == ("complete", 0)
    assert {path.name for path in run.rglob("b*.parquet")} == rows and told == []
    store = RunStore.open(run)
    assert not store.manifest.sealed and [s.stop for s in store.manifest.sessions] == ["complete"] * 3
    more = ask(run.parent, 58, models=["first"])
    assert more.outcome is not None and more.outcome.images == 3 * len(store.manifest.conditions) + 3 * 3, "4 frames"
    assert verify(RunStore.open(run)) == []


@pytest.mark.slow
def test_a_sharper_map_goes_on_without_asking_anything_twice(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {path: path.read_bytes() for path in run.glob("surveys/*/*/stage*")}
    monkeypatch.setenv("CALLS", str(run.parent / "calls"))
    again = ask(run.parent, 55, sharper=True)
    assert again.outcome is not None and again.outcome.stop == "complete"
    assert {path: path.read_bytes() for path in run.glob("surveys/*/*/stage*")} == kept
    asked = sum(map(int, (run.parent / "calls").read_text().split()))
    assert asked < 2 * 150, "what is asked of each model before any session, and no wave"
    assert verify(RunStore.open(run)) == []


def test_it_is_merged_and_checked(run: Path) -> None:
    store = RunStore.open(run)
    assert verify(store) == []
    whole = {model: store.read(model, None) for model in store.stored_models()}
    with store.locked():
        compact(store)
    assert verify(RunStore.open(run)) == []
    for model, conditions in whole.items():
        assert len(store.files(model)) == 1 and len(conditions) == 42
        for condition, rows in store.read(model, None).items():
            same(rows, conditions[condition])


def test_it_is_as_it_was_written() -> None:
    """The folder itself: nobody may bring it up to date by accident."""
    files = [path for path in (GOLDEN / "run").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 200_000
    assert not any(b"brittlestar-seal" in p.read_bytes() or b'"digest"' in p.read_bytes() for p in files)

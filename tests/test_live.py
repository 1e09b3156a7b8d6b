"""The report of a run that goes on: it grows, it reloads itself, it ends, and it never stops the run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import brittlestar as bs
from brittlestar.core.errors import UsageError
from brittlestar.report import build, live

REFRESH = re.compile(r'<body data-refresh="(\d+)" ')


def evaluated(folder: Path) -> bs.Run:
    weights = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)
    x = np.random.default_rng(0).integers(0, 256, (400, 8, 8), dtype=np.uint8)
    return bs.evaluate(
        lambda images: images.reshape(len(images), -1) @ weights,
        (x, np.arange(400) % 3),
        suite="noise",
        out=folder,
        shifted=True,
        live=True,
        progress=False,
    )


def test_the_page_grows_block_by_block_and_stops_reloading_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LEAST", 0.0)
    monkeypatch.setattr(live, "SHARE", 0)
    pages: list[str] = []
    write = live.write

    def watched(*runs: object, **how: object) -> object:
        written = write(*runs, **how)  # type: ignore[arg-type]
        pages.append(written.page.read_text(encoding="utf-8"))
        return written

    monkeypatch.setattr(live, "write", watched)
    run = evaluated(tmp_path / "run")
    assert len(pages) >= 3 and all(REFRESH.search(page) for page in pages[:-1])
    assert "NOT FINISHED" in pages[0] and "NOT FINISHED" not in pages[-1]
    assert not REFRESH.search(pages[-1])
    results = (run.path / "report" / "results.csv").read_text()
    build([run.path], out=tmp_path / "again")
    assert results == (tmp_path / "again" / "results.csv").read_text()


def test_a_page_that_cannot_be_written_is_told_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise UsageError("no room")

    monkeypatch.setattr(live, "write", fails)
    run = evaluated(tmp_path / "run")
    assert run.outcome is not None and run.outcome.stop == "complete"
    assert not (run.path / "report").exists()


def test_writing_takes_a_small_part_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 2.0, 30.0, 50.0, 50.0, 51.0])
    refreshes: list[int] = []
    monkeypatch.setattr(live.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(live.LiveReport, "_write", lambda self, refresh: refreshes.append(refresh))
    page = live.LiveReport(tmp_path, print)
    page.grow()  # takes 2 s, so that the next is due at 2 + 20 * 2 = 42
    page.grow()  # at 30
    page.grow()  # at 50
    assert refreshes == [5, 40]

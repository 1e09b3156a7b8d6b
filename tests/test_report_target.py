"""Where reports are written: their own files are replaced, nobody else's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import brittlestar as bs
from brittlestar.api import Run
from brittlestar.core.errors import UsageError
from brittlestar.report import build
from brittlestar.report.build import write

X = np.random.default_rng(0).integers(2, 256, (12, 12, 12), dtype=np.uint8)


def answers(images: np.ndarray) -> np.ndarray:
    bright = images.mean((1, 2, 3)) - 0.5
    return np.stack([-bright, bright], 1) * 1e3


def run_of(folder: Path, seed: int = 0) -> Run:
    labels = (answers((X / 255).astype(np.float32)[:, None])[:, 1] > 0).astype(int)
    return bs.evaluate({"m": answers}, (X, labels), suite="clean", out=folder, seed=seed, progress=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    root = tmp_path_factory.mktemp("runs")
    return run_of(root / "one"), run_of(root / "two", seed=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_report_on_the_same_run_is_replaced(runs: tuple[Run, Run], tmp_path: Path) -> None:
    one, two = runs
    for path, page in ((tmp_path / "a", "report.html"), (tmp_path / "b" / "mine.html", "mine.html")):
        assert one.report(path) == one.report(path) == (path if path.suffix else path / page)
    assert sorted(contents(tmp_path / "b")) == ["SHA256SUMS", "mine.html", "results.csv", "results.md", "summary.json"]
    assert one.report(tmp_path / "b" / "again.html").is_file()
    assert one.report() == one.path / "report" / "report.html" == one.report(one.path / "report")
    both = [one.path, two.path]
    assert build(both, out=tmp_path / "c") == build(both[::-1], out=tmp_path / "c")


def test_another_report_is_never_written_over(runs: tuple[Run, Run], tmp_path: Path) -> None:
    one, two = runs
    one.report(tmp_path / "a")
    before = contents(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / "a" / "other.html"):
        with pytest.raises(UsageError, match=r"a holds .*summary\.json of a report on something else .*another folder"):
            two.report(path)
    with pytest.raises(UsageError, match="something else"):
        build([one.path, two.path], out=tmp_path / "a")
    two.report()
    with pytest.raises(UsageError, match="something else"):
        one.report(two.path / "report")
    assert contents(tmp_path / "a") == before


@pytest.mark.parametrize("name", ["report.html", "results.csv", "results.md", "summary.json", "report.pdf"])
@pytest.mark.parametrize("content", [b"mine", b"[]", b'{"title": 3, "data": [{}], "models": []}', b"\xff\xfe"])
def test_foreign_files_are_never_written_over(runs: tuple[Run, Run], tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"holds {name}"):
        write([runs[0].path], out=tmp_path, beside=[".pdf"])
    assert contents(tmp_path) == {name: content}


def test_a_foreign_page_beside_ones_own_report_is_kept(runs: tuple[Run, Run], tmp_path: Path) -> None:
    runs[0].report(tmp_path)
    (tmp_path / "index.html").write_text("<p>mine</p>")
    with pytest.raises(UsageError, match=r"holds index\.html of"):
        runs[0].report(tmp_path / "index.html")


def test_a_report_of_an_earlier_version_is_known_by_its_data_and_models(runs: tuple[Run, Run], tmp_path: Path) -> None:
    runs[0].report(tmp_path)
    path = tmp_path / "summary.json"
    summary = json.loads(path.read_text())
    del summary["runs"]
    path.write_text(json.dumps(summary))
    assert runs[0].report(tmp_path).is_file()
    del summary["models"][0]["fingerprint"]
    path.write_text(json.dumps(summary))
    with pytest.raises(UsageError, match="something else"):
        runs[0].report(tmp_path)

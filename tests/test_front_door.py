"""What stands behind ``import brittlestar``: its public names, a run's tables, and progress where it is asked for."""

from __future__ import annotations

import builtins
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import brittlestar as bs
from brittlestar.api import Run, Table, progress
from brittlestar.api.evaluation import Evaluation
from brittlestar.api.run import ABOUT_CONDITIONS

FRAME = ["model", "condition", *ABOUT_CONDITIONS, "accuracy", "low", "high", "n"]


def evaluated(folder: Path, **how: Any) -> Run:
    weights = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    return bs.evaluate(
        lambda images: images.reshape(len(images), -1) @ weights,
        (x, np.arange(60) % 3),
        suite=["noise", "fourier"],
        out=folder,
        shifted=True,
        **how,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return evaluated(tmp_path_factory.mktemp("front") / "run", progress=False)


def test_the_public_list_is_what_completion_shows() -> None:
    assert dir(bs) == sorted(bs.__all__)
    assert all(getattr(bs, name) is not None for name in bs.__all__)
    assert isinstance(bs.get_suite("broad"), bs.Suite)
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = bs.evalute  # type: ignore[attr-defined]


def test_evaluate_has_no_internals_and_one_set_of_defaults() -> None:
    arguments = inspect.signature(bs.evaluate).parameters
    assert arguments.keys().isdisjoint({"watch", "command", "follow_up", "sequel"})
    fields = {field.name: field.default for field in dataclasses.fields(Evaluation)}
    given = {name: p.default for name, p in arguments.items() if name not in ("model", "data", "progress")}
    assert given == fields
    documented = inspect.getdoc(bs.evaluate) or ""
    assert [name for name in arguments if f"{name}:" not in documented and f"{name}," not in documented] == []


def test_a_frame_is_pandas_where_that_is(run: Run) -> None:
    pandas = pytest.importorskip("pandas")
    frame = run.frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == FRAME
    clean = frame[frame.kind == "clean"].iloc[0]
    assert clean.low < clean.accuracy < clean.high and clean.n == 60
    assert len(run.frame(fourier=True)) > len(frame) == len(run.table())
    assert frame.iloc[0].kind == "clean", "in the order of the suites"


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    true_import = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> ModuleType:
        if name.partition(".")[0] == "pandas":
            raise ImportError("no pandas here")
        return true_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    yield


def test_a_frame_without_pandas_is_a_table(run: Run, without_pandas: None) -> None:
    frame = run.frame()
    assert isinstance(frame, Table) and sorted(frame[0]) == sorted(FRAME)
    noise = next(row for row in frame if row["shift"] == "gaussian_noise")
    assert noise["family"] == "noise" and noise["strength"] > 0 and noise["title"] == "Gaussian noise"
    assert "gaussian_noise" in str(frame)
    html = frame._repr_html_()
    assert html.count("<tr>") == len(frame) + 1 and "Gaussian noise" in html


def test_a_run_shows_itself_in_a_notebook(run: Run) -> None:
    html = run._repr_html_()
    assert html.startswith("<") and "<script" not in html


def test_a_script_that_nobody_watches_gets_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(tmp_path / "run")
    lines = capsys.readouterr().err.splitlines()
    assert any("forward passes to make" in line for line in lines)
    assert sum("worst so far" in line for line in lines) in (1, 2), "a line every ten seconds, and the last"


def test_progress_can_be_silenced_but_warnings_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(tmp_path / "run", progress=False)
    assert capsys.readouterr().err == ""
    with progress.shown(False) as watch, pytest.warns(UserWarning, match="near chance"):
        watch.warn("near chance")


class Display:
    """IPython's, as far as it is used: what was shown, and what it changed to."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.changes: list[str] = []

    def display(self, content: str, display_id: bool = False) -> Display | None:
        self.shown.append(content)
        return self if display_id else None

    def update(self, content: str) -> None:
        self.changes.append(content)


def test_a_notebook_gets_one_display_that_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    display = Display()
    shell: Any = ModuleType("IPython")
    shell.get_ipython = lambda: SimpleNamespace(kernel=object())
    shell.display = part = ModuleType("IPython.display")
    part.display, part.HTML = display.display, str  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    evaluated(tmp_path / "run")
    assert len(display.shown) == 1 and len(display.changes) >= 2
    assert any("<progress" in change and "worst so far" in change for change in display.changes)
    with progress.shown() as watch:
        watch.warn("a < b")
    assert display.shown[1:] == ["<div><b>WARNING: a &lt; b</b></div>"]
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_line_from_python_and_a_board_from_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.Console, "is_terminal", property(lambda _: True))
    drawn: list[type] = []
    monkeypatch.setattr(progress, "drawn_by", lambda screen: drawn.append(type(screen)))
    progress.shown()
    progress.watched()
    assert drawn == [progress.OneLine, progress.Board]


def test_the_readme_s_example_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "bs.evaluate" in block)
    images = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)  # not every start answers all three classes
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
    labels = model(images).argmax(1).detach()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"model": model, "images": images, "labels": labels}
    exec(code.replace('"broad"', '"noise"'), names)  # the broad suite takes minutes on one core
    assert names["run"].outcome.stop == "complete" and "clean" in str(names["run"].table())
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert names["noisy"].shape == images.shape and not torch.equal(names["noisy"], images)
    assert bs.Run(str(names["run"].path)).worst() == names["run"].worst()

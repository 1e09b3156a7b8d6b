"""Models that differ from themselves are named random everywhere; workers notice a model that changes on the way."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from brittlestar import evaluate
from brittlestar.cli.main import app
from brittlestar.core.errors import ModelError, StoreError
from brittlestar.models import as_model, check_model, parse_spec
from brittlestar.models.neighbours import forget
from brittlestar.report import build
from brittlestar.runs.bench import Bench
from brittlestar.runs.executors import Executor
from brittlestar.runs.request import Watch
from brittlestar.runs.task import Done, Task
from brittlestar.store import RunStore
from tiny import evaluate_with, make_world

DRAWS = """
import numpy as np
state = {"draws": True}
def model(x):
    z = np.eye(4, dtype=np.float32)[:3] * 5
    noise = np.random.default_rng().normal(size=(len(x), 4)) * state["draws"]
    return (x.mean((2, 3)) @ z + noise).astype(np.float32)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of a random model, and what it warned of."""
    folder = tmp_path_factory.mktemp("random")
    _, data = make_world(folder, 24)
    (folder / "draws.py").write_text(DRAWS)
    warned: list[str] = []
    spec = parse_spec(f"m=python:{folder}/draws.py:model")
    evaluate_with(spec, str(data), watch=Watch(warn=warned.append), suite="clean", out=folder / "run", anyway=True)
    return folder, warned


def test_a_random_model_is_named_so_everywhere(ran: tuple[Path, list[str]]) -> None:
    folder, warned = ran
    (text,) = [w for w in warned if "random" in w]
    assert text.startswith("m is random: two passes over the same images differ by") and "cannot be compared" in text
    about = RunStore.open(folder / "run").manifest.models["m"]
    assert about["random"] is True and text in about["guards"]
    done = CliRunner().invoke(app, ["report", str(folder / "run")])
    assert done.exit_code == 0, done.output
    report = folder / "run" / "report"
    for name in ("report.html", "results.md", "summary.json"):
        assert "is random: two passes over the same images" in (report / name).read_text(), name
    with (report / "results.csv").open() as file:
        statuses = {row["status"] for row in csv.DictReader(file) if row["model"] == "m"}
    assert statuses and all("random" in status.split("; ") for status in statuses)


def test_it_goes_on_and_is_audited_by_saying_that_it_cannot_be(ran: tuple[Path, list[str]]) -> None:
    folder, _ = ran
    spec, data = parse_spec(f"m=python:{folder}/draws.py:model"), str(folder / "data.npz")
    again = evaluate(spec, data, suite="clean", out=folder / "run", anyway=True)
    assert again.outcome is not None and again.outcome.images == 0
    done = CliRunner().invoke(app, ["audit", str(folder / "run"), "--trust"])
    assert done.exit_code == 0 and "m is random: its cells cannot be computed again" in done.output


def test_a_model_that_is_no_longer_random_is_another_one(ran: tuple[Path, list[str]]) -> None:
    folder, _ = ran
    data, function = str(folder / "data.npz"), _Draws()
    evaluate({"f": function}, data, suite="clean", out=folder / "other", anyway=True)
    function.draws = False
    model = as_model(function)
    model.fingerprint = lambda: RunStore.open(folder / "other").manifest.models["f"]["files"]  # type: ignore[method-assign]
    model.name = "f"
    with pytest.raises(StoreError, match="two passes over the same images differed then and do not now"):
        evaluate(model, data, suite="clean", out=folder / "other", anyway=True)


class _Draws:
    draws = True

    def __call__(self, x: Any) -> Any:
        return np.random.default_rng().normal(size=(len(x), 4)) * self.draws + x.mean((1, 2, 3))[:, None]


def test_training_mode_is_refused_as_ever_and_random_models_are_not_trained() -> None:
    class Drops(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(x.flatten(1)[:, :4], 0.5, self.training)

    images, labels = torch.rand(20, 3, 8, 8), torch.arange(20) % 4
    with pytest.raises(ModelError, match=r"different answers.*call \.eval\(\) on it, and"):
        check_model(as_model(Drops()), images, labels, 4, 16)
    with pytest.raises(ModelError, match="different answers"):
        check_model(as_model(_Draws()), images, labels, 4, 16)


class _Loads(Executor):
    """One that loads the models again where it computes, after something has happened in between."""

    local: ClassVar[bool] = False

    def __init__(self, between: Callable[[], None]) -> None:
        self.between = between

    def start(self, bench: Bench) -> None:
        self.between()
        Bench.build(bench.spec)

    def submit(self, task: Task) -> None:
        raise AssertionError("no task is begun")

    def collect(self) -> Iterator[Done]:
        raise AssertionError("no task is begun")

    def close(self) -> None: ...

    free = waiting = property(lambda self: 0)


def test_a_worker_notices_a_model_that_changed_on_the_way(tmp_path: Path) -> None:
    data = str(make_world(tmp_path, 24)[1])
    (tmp_path / "serve.py").write_text(
        f"import numpy as np\nW = np.load({str(tmp_path / 'w.npy')!r})\n"
        "def model(x):\n    return (x.mean((2, 3)) @ W).astype(np.float32)\n"
    )
    np.save(tmp_path / "w.npy", np.eye(4)[:3])
    spec = parse_spec(f"m=python:{tmp_path}/serve.py:model")

    def between() -> None:
        np.save(tmp_path / "w.npy", np.eye(4)[1:])
        forget()  # a worker is a process of its own

    with pytest.raises(StoreError, match=r"m changed while the run was going on.*first 16 images lie up to") as told:
        evaluate(spec, data, suite="clean", out=tmp_path / "run", anyway=True, executor=_Loads(between))
    assert "Nothing was stored of what it is now" in str(told.value)
    assert not list((tmp_path / "run" / "rows").glob("*/*")), "nothing of it is stored"


def test_a_model_that_changes_while_it_is_asked_is_told(tmp_path: Path) -> None:
    _, data = make_world(tmp_path)
    asked = [0]

    def adapting(images: np.ndarray) -> np.ndarray:
        asked[0] += len(images)
        logits = images.mean((2, 3)) @ np.arange(12).reshape(3, 4)
        return np.asarray(logits if asked[0] < 100 else logits[:, ::-1])

    with pytest.raises(StoreError, match="does not answer as it did when this session began"):
        evaluate(adapting, data, suite="clean", out=tmp_path / "run", progress=False, anyway=True)
    session = RunStore.open(tmp_path / "run").manifest.sessions[-1]
    assert session.stop == "unsteady" and "does not answer as it did" in session.why
    # What it stored leads nobody astray: the report says so first, and no session adds to it.
    asked[0] = 0
    with pytest.raises(StoreError, match="they may be of several models"):
        evaluate(adapting, data, suite="clean", out=tmp_path / "run", progress=False, anyway=True)
    page = build([tmp_path / "run"])
    assert "MIXED ROWS" in page.read_text() and "MIXED ROWS" in (page.parent / "results.md").read_text()

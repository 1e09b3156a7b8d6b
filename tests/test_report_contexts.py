"""The section on contexts: what it shows, what it says, and what it does not say."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from brittlestar.report.build import report_of
from brittlestar.report.sections.contexts import ByContext
from brittlestar.store import RunStore
from report_tools import Seen, seen
from synthetic import make_run

HOSTILE = "<b>\u202e"


def told(store: RunStore, contexts: dict[str, np.ndarray[tuple[int], np.dtype[np.str_]]]) -> Seen:
    with store.locked():
        ids, labels = store.samples()
        store.write_samples(ids, labels, contexts=contexts)
    return seen([RunStore.open(store.path)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    path = tmp_path_factory.mktemp("contexts") / "run"
    return make_run(path, models=2, samples=600, fourier=False, attacks=False, examples=0)


@pytest.fixture(scope="module")
def page(run: RunStore) -> Seen:
    # The first draw of a run's generator is how hard its images are.
    hard = np.random.default_rng(0).standard_normal(600)
    place = np.where(hard > 0.9, "night", np.array(["day", "dusk", HOSTILE])[np.arange(600) // 10 % 3])
    place[:4], place[4:9] = "moon", ""
    chance = np.random.default_rng(7).integers(0, 5, 600)
    return told(run, {"light": place, "dice": np.array([f"side {k}" for k in chance])})


def test_the_worst_is_told_and_chance_is_not(page: Seen) -> None:
    summary = {(c["model"], c["context"]): c for c in json.loads(page.summary())["contexts"]}
    assert len(summary) == 4
    for (_, name), found in summary.items():
        assert [row["condition"] for row in found["rows"][:2]] == ["clean", "shifts"]
        states = {v: c["against_rest"]["state"] for v, c in found["rows"][1]["groups"].items()}
        if name == "light":
            assert found["lowest"]["group"] == "night" and found["gap"]["worst"] == "night" and found["gap"]["low"] > 0
            assert found["too_few"] == {"moon": 4} and found["unknown"] == 5
            assert states["night"] == "below"
        else:
            assert set(states.values()) == {""}
            marked = [c for row in found["rows"] for c in row["groups"].values()]
            assert not any(c[key] and c[key]["state"] for c in marked for key in ("against_rest", "added"))
    text = page.html()
    assert "Fares worst where light is “night”:" in text and "No dice shown to fare worse over all shifts:" in text
    assert "&lt;b&gt;\\u202e" in text and HOSTILE not in text


def test_results_and_markdown(page: Seen) -> None:
    rows = list(csv.DictReader(io.StringIO(page.csv())))
    measures = {r["measure"] for r in rows}
    assert {"accuracy:light=night", "accuracy_less_rest:light=night", "accuracy_gap:light"} <= measures
    assert any(m.startswith("accuracy_lowest_of_4:light=night") for m in measures)
    clean = next(r for r in rows if r["measure"] == "accuracy:light=night" and r["condition"] == "clean")
    own = json.loads(page.summary())["contexts"]
    first = next(c for c in own if c["context"] == "light" and c["model"] == clean["model"])
    accuracy = first["rows"][0]["groups"]["night"]["accuracy"]
    assert float(clean["value"]) == pytest.approx(accuracy["value"], abs=1e-4) and int(clean["n"]) == accuracy["n"]
    assert "| Clean |" in page.markdown() and "night" in page.markdown()


def test_nothing_is_said_without_contexts_or_with_one_group(tmp_path: Path) -> None:
    store = make_run(tmp_path / "run", models=1, samples=100, fourier=False, attacks=False, shifts=False, examples=0)
    assert not [s for s in report_of([store]).sections if isinstance(s, ByContext)]
    page = told(store, {"site": np.array(["a"] * 95 + ["b"] * 5)})
    assert "contexts" not in json.loads(page.summary())


def test_runs_of_one_set_share_what_is_known(tmp_path: Path) -> None:
    """The second run has other seeds and no contexts: its samples are the same by id."""
    how = {"samples": 200, "fourier": False, "attacks": False, "shifts": False, "examples": 0}
    first = make_run(tmp_path / "a", models=["one"], **how)  # type: ignore[arg-type]
    second = make_run(tmp_path / "b", models=["two"], **how)  # type: ignore[arg-type]
    hard = np.random.default_rng(0).standard_normal(200)
    told(first, {"light": np.where(hard > 0.5, "night", "day")})
    found = json.loads(seen([RunStore.open(first.path), RunStore.open(second.path)]).summary())["contexts"]
    own = {c["model"]: {v: g["accuracy"]["n"] for v, g in c["rows"][0]["groups"].items()} for c in found}
    counts = {"night": int((hard > 0.5).sum()), "day": int((hard <= 0.5).sum())}
    assert own == {"one": counts, "two": counts}

"""A person's own models among a population: from run folders, by setting and severity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import brittlestar as bs
from brittlestar.core.errors import DataError
from brittlestar.core.rows import Rows
from brittlestar.measures.base import Estimate
from brittlestar.population import analysed, read_population
from brittlestar.population.own import OwnModel, _corruptions, parse_run, placed, read_own
from tiny import called, make_world

HOW: dict[str, Any] = {"suite": "clean", "anyway": True, "progress": False}


def table(folder: Path) -> Path:
    g = np.random.default_rng(0)
    lines = []
    for i in range(16):
        clean = g.uniform(0.2, 0.6)
        kind = "standard" if i < 12 else "lp"
        for name, value in (("clean", clean), ("v2", 0.8 * clean), ("fog,1", 0.7 * clean), ("fog,2", 0.5 * clean)):
            setting, _, severity = name.partition(",")
            what = {"clean": "clean", "v2": "natural", "fog": "synthetic"}[setting]
            lines.append(f"m{i},{setting},{value + g.normal(0, 0.005):.4f},1000,{kind},{what},{severity}")
    path = folder / "own.csv"
    path.write_text("model,setting,accuracy,n,type,kind,severity\n" + "\n".join(lines) + "\n")
    return path


def rows_of(right: list[bool]) -> Rows:
    n = len(right)
    zeros = np.zeros(n, np.int32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=zeros.astype(np.int16),
        label=zeros,
        prediction=np.where(right, 0, 1).astype(np.int32),
        label_logit=zeros.astype(np.float32),
        top_logit=zeros.astype(np.float32),
        log_sum_exp=zeros.astype(np.float32),
    )


def test_a_run_is_named_with_its_setting() -> None:
    assert parse_run("imagenet-r=a/b") == ("imagenet-r", Path("a/b"))
    assert parse_run("a/b") == ("", Path("a/b"))


def test_corruptions_of_a_run_are_those_of_the_same_name_and_severity(tmp_path: Path) -> None:
    population = read_population([table(tmp_path)])
    one, two = rows_of([True] * 8 + [False] * 2), rows_of([True] * 4 + [False] * 6)
    own = _corruptions(population, {("fog", 1): one, ("fog", 2): two, ("snow", 1): one}, "fixed", 0.95)
    assert {name: e.value for name, e in own.items()} == pytest.approx({"fog 1": 0.8, "fog 2": 0.4, "fog": 0.6})
    assert own["fog"].n == 10 and own["fog"].low < 0.6 < own["fog"].high
    # A mean over severities needs all of them.
    assert set(_corruptions(population, {("fog", 1): one}, "fixed", 0.95)) == {"fog 1"}


def test_a_model_is_placed_beside_the_line(tmp_path: Path) -> None:
    claims = analysed(read_population([table(tmp_path)]))

    def share(value: float, n: int = 500) -> Estimate:
        return Estimate(value=value, low=value - 0.04, high=value + 0.04, n=n, method="")

    (model,) = placed([OwnModel(name="mine", accuracy={"clean": share(0.4), "v2": share(0.2)})], claims)
    (point,) = model.points
    line = next(c.line for c in claims.columns if c.column.title == "v2")
    assert point.beyond.value == pytest.approx(0.2 - float(line.predict(0.4))) and point.beyond.high < 0
    assert point.beyond.n == 500 and not point.extrapolated
    (far,) = placed([OwnModel(name="mine", accuracy={"clean": share(0.9), "v2": share(0.2)})], claims)[0].points
    assert far.extrapolated
    with pytest.raises(DataError, match="no setting of the population beside clean images"):
        placed([OwnModel(name="mine", accuracy={"clean": share(0.4)})], claims)


def test_runs_are_drawn_on_the_page(tmp_path: Path) -> None:
    own = table(tmp_path)
    _, data = make_world(tmp_path, 60)
    bs.evaluate(f"torch:{tmp_path}/model.py:model", data, out=tmp_path / "a", **HOW)
    run = tmp_path / "a"
    done = called("population", own, "--run", run, "--run", f"v2={run}", "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    assert "points beyond the line" in done.stdout
    facts = json.loads((tmp_path / "page" / "population.json").read_text())
    (point,) = facts["own"]
    assert point["column"] == "v2" and point["clean"] == point["accuracy"] and point["clean"]["n"] == 60
    assert point["beyond_line"]["low"] < point["beyond_line"]["value"] < point["beyond_line"]["high"]
    assert "Your models among them" in (tmp_path / "page" / "population.html").read_text()
    with pytest.raises(DataError, match="has no setting 'v3'"):
        read_own([f"v3={run}"], read_population([own]))

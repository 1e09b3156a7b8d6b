"""Every listed measure stands in the files of a report, or is said not to be available."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import synthetic
from brittlestar.cli.main import app
from brittlestar.core.rows import Rows
from brittlestar.measures import MEASURES, MeanMeasure, Measure, wide_columns
from brittlestar.report.build import report_of
from brittlestar.report.export import csv_text, markdown, summary_json
from brittlestar.report.gather import gather
from brittlestar.report.page import Report
from brittlestar.report.render import render_html
from brittlestar.report.results import CLASSES_LISTED, class_names
from brittlestar.report.sections.measured import Measured
from brittlestar.store import RunStore

ALL: list[Measure] = [kind() for kind in MEASURES.values()]
Lines = dict[tuple[str, str], list[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return synthetic.make_run(tmp_path_factory.mktemp("measured") / "two", models=2, samples=200, examples=0)


@pytest.fixture(scope="module")
def report(run: RunStore) -> Report:
    return report_of([run])


def lines_of(report: Report, model: str = "natural") -> Lines:
    rows = list(csv.reader(io.StringIO(csv_text(report))))
    lines = {(r[2], r[3]): r for r in rows if r[0] == model}
    assert len(lines) == sum(r[0] == model for r in rows), "no number stands there twice"
    return lines


def named(measure: Measure) -> str:
    return measure.key


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_it_stands_in_the_csv_under_its_kinds_of_conditions(run: RunStore, report: Report, measure: Measure) -> None:
    listed = lines_of(report)
    (subject, _) = gather([run]).subjects
    for condition, info in run.manifest.conditions.items():
        for name in [f"{measure.key}[{i}]" for i in range(10)] if measure.by_class else [measure.key]:
            assert ((condition, name) in listed) == (info.kind in measure.kinds), (condition, name)
    for part, estimate in measure.estimates(subject.rows["clean"]).items():
        row = listed["clean", measure.key if part is None else f"{measure.key}[{part}]"]
        assert row[4:8] == [*(f"{v:.6g}" for v in (estimate.value, estimate.low, estimate.high)), str(estimate.n)]


@pytest.mark.parametrize("measure", [m for m in ALL if isinstance(m, MeanMeasure) and m.paired_as], ids=named)
def test_what_shifts_and_models_differ_by_comes_with_it(run: RunStore, report: Report, measure: MeanMeasure) -> None:
    own, other = gather([run]).subjects
    shift = next(info.id for info in own.infos.values() if info.kind == "shift")
    for found, name in (
        (measure.difference(other.rows[shift], other.rows["clean"]), f"{measure.paired_as}_increase"),
        (measure.difference(other.rows[shift], own.rows[shift]), f"{measure.paired_as}_minus_natural"),
    ):
        row = lines_of(report, "gaussian")[shift, name]
        assert row[4:7] == [f"{v:.6g}" for v in (found.value, found.low, found.high)]
        assert ("clean", f"{measure.paired_as}_increase") not in lines_of(report)


@pytest.mark.parametrize("measure", ALL, ids=named)
def test_it_stands_in_json_markdown_page_and_list(report: Report, measure: Measure) -> None:
    (entry,) = [one for one in json.loads(summary_json(report))["measures"] if one["name"] == measure.key]
    assert (entry["better"], entry["unit"], entry["text"]) == (measure.better, measure.unit, measure.text)
    assert entry["needs"] == list(measure.needs)
    assert set(entry["clean"]) == (set() if measure.by_class else {"natural", "gaussian"})
    assert f"| {measure.key.replace('_', chr(92) + '_')} | {measure.better} |" in markdown(report)
    assert f">{measure.key}</th>" in render_html(report)


def test_the_list_names_every_measure_with_what_it_needs() -> None:
    told_lines = {line.split()[0]: line for line in CliRunner().invoke(app, ["list", "measures"]).output.splitlines()}
    for name, kind in MEASURES.items():
        line = told_lines[name]
        assert f"better {kind.better}" in line and kind.unit in line and kind.text in line
        assert f"[needs {', '.join(kind.needs)}]" in line


def test_a_measure_of_the_docs_needs_its_class_and_its_place_in_the_list(
    run: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[1] / "docs" / "measures.md").read_text()
    (code,) = re.findall(r"```python\n(@final.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"__name__": "margin"}
    for module in ("numpy as np", "brittlestar.measures.log_loss as like"):
        exec(f"import {module}", names)
    names |= {n: getattr(names["like"], n) for n in ("final", "dataclass", "ClassVar", "MeanMeasure", "Rows", "Scores")}
    monkeypatch.setitem(sys.modules, "margin", names["like"])
    exec(code, names)
    margin = names["Margin"]()
    monkeypatch.setitem(MEASURES._members, "margin", type(margin))
    report = report_of([run])
    listed = lines_of(report, "gaussian")
    assert ("clean", "margin") in listed and ("clean", "margin_minus_natural") in listed
    assert float(listed["clean", "margin"][4]) < 0
    assert "| margin | higher | % |" in markdown(report) and ">margin</th>" in render_html(report)
    told = CliRunner().invoke(app, ["list", "measures"])
    assert "probability of the label less that of the prediction [needs label_logit" in told.output


# ------------------------------------------------------------------ what is not there is said


def test_nothing_is_missing_where_all_is_stored(report: Report) -> None:
    section = report.of(Measured)
    assert section is not None and section.absent == ()
    assert "Not available" not in markdown(report) and json.loads(summary_json(report))["measures_not_available"] == []


def test_a_measure_whose_columns_a_run_lacks_is_said(tmp_path: Path) -> None:
    report = report_of([synthetic.make_run(tmp_path / "many", models=1, samples=120, classes=30, examples=0)])
    section = report.of(Measured)
    assert section is not None
    said = {absent.measure: absent.why for absent in section.absent}
    assert "logits of all classes, which are stored for models with up to 20 classes" in said["brier_score"]
    assert f"more than {CLASSES_LISTED} classes, listed on clean images" in said["recall"]
    listed = lines_of(report)
    assert ("clean", "log_loss") in listed and ("clean", "recall[29]") in listed
    assert not any("brier" in measure for _, measure in listed)
    assert {condition for condition, measure in listed if measure.startswith("recall")} == {"clean"}
    for text in (markdown(report), render_html(report)):
        assert "Not available here: brier" in text
    told = {(one["measure"], one["model"]) for one in json.loads(summary_json(report))["measures_not_available"]}
    assert told == {(measure, "natural") for measure in said}


def test_classes_without_images_are_said(tmp_path: Path) -> None:
    names = ["crane", "crane", "heron", "stork", "ibis", "egret"]
    store = synthetic.make_run(tmp_path / "few", models=1, samples=4, classes=names, fourier=False, examples=0)
    report = report_of([store])
    section = report.of(Measured)
    assert section is not None
    (absent,) = [one for one in section.absent if one.measure == "recall"]
    assert absent.why == "no images of 2 classes: ibis and egret"
    assert {m for c, m in lines_of(report) if c == "clean" and m.startswith("recall")} == {
        "recall[crane (0)]",
        "recall[crane (1)]",
        "recall[heron]",
        "recall[stork]",
    }
    assert class_names(gather([store]).data[0])[:3] == ("crane (0)", "crane (1)", "heron")


def test_wide_columns_are_read_where_a_measure_needs_them(run: RunStore) -> None:
    assert wide_columns("fourier") == frozenset() and "logits" in wide_columns("clean")
    subject = gather([run]).subjects[0]
    for condition, info in subject.infos.items():
        rows = subject.rows[condition]
        assert (rows.logits is not None) == (info.kind != "fourier") and rows.top_logits is None


def test_a_loss_that_is_infinite_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = synthetic.make_run(tmp_path / "inf", models=1, samples=50, fourier=False, examples=0)
    read = RunStore.read

    def with_infinity(*args: object, **how: object) -> dict[str, Rows]:
        found = read(*args, **how)  # type: ignore[arg-type]
        return {
            key: dataclasses.replace(rows, label_logit=np.where(rows.position == 0, -np.inf, rows.label_logit))
            for key, rows in found.items()
        }

    monkeypatch.setattr(RunStore, "read", with_infinity)
    section = report_of([store]).of(Measured)
    assert section is not None
    assert [a.measure for a in section.absent if "1 of 50 samples is not a finite number" in a.why] == ["log_loss"]

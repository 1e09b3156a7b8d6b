"""Who is failing, and the examples that numbers lead to: content held against the rows, names, counts, collapse."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import synthetic
from brittlestar.core.rows import Rows
from brittlestar.measures.per_class import recall
from brittlestar.report.anchors import condition_mark, example_anchor
from brittlestar.report.gather import Gathered, gather
from brittlestar.report.sections.examples import Examples
from brittlestar.report.sections.per_class import PerClass
from brittlestar.store import RunStore
from report_tools import seen
from store_tools import edited


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return synthetic.make_run(
        tmp_path_factory.mktemp("classes") / "two",
        models=["steady", "collapsing"],
        samples=200,
        classes=["functional", "defect"],
        fourier=False,
        shape=(1, 8, 8),
    )


def passing(rows: Rows, share: float) -> Rows:
    """The rows, where every defect up to a share is called functional."""
    defects = np.flatnonzero(rows.label == 1)
    answer = np.where(rows.prediction >= 0, rows.label, 0)
    answer[defects[: round(share * len(defects))]] = 0
    return dataclasses.replace(rows, prediction=answer.astype(np.int32))


def changed(gathered: Gathered, shares: dict[str, float]) -> Gathered:
    """The same runs, the second model answering everything rightly but under some shifts."""
    first, second = gathered.subjects
    rows = {c: passing(r, shares.get(c.split("/")[0], 0.0)) for c, r in second.rows.items()}
    return dataclasses.replace(gathered, subjects=(first, dataclasses.replace(second, rows=rows)))


def section(gathered: Gathered) -> PerClass:
    found = gathered.of(PerClass)
    assert found is not None
    return found


def test_the_confusion_that_fog_creates_is_told(two: RunStore) -> None:
    """Under fog 71 % of the defects pass as functional."""
    found = section(changed(gather([two]), {"fog": 0.71}))
    told = found.models[1]
    assert [(c.label, c.prediction) for c in told.confusions] == [(1, 0)]
    only = told.confusions[0]
    assert only.condition.startswith("fog") and only.shifted.value == pytest.approx(0.71) and only.clean.value == 0
    assert 0.4 < only.increase.low < 0.71 < only.increase.high
    finding = next(f for f in found.findings() if f.model is told.model and f.claim)
    assert finding.claim == "“defect” passes for “functional” under fog" and finding.slot == "trust"
    assert "71.0" in finding.lead and "one chosen of" in finding.text and len(finding.claim.split()) <= 12
    assert finding.lost is not None and 0 < finding.lost.low < finding.lost.value == pytest.approx(0.355)
    assert finding.spark is not None and finding.spark.condition == finding.condition == only.condition
    assert told.everywhere == (pytest.approx((100 + 71) / 200),)
    measures = [r.measure for r in found.results() if r.model == "collapsing"]
    assert measures == ["recall_lowest_of_2:defect", "confusion_increase:defect -> functional"]


def test_total_collapse_of_two_classes_looks_like_collapse(two: RunStore) -> None:
    """Both cells: the recall of 100 % of what every image is called tells nothing."""
    found = section(changed(gather([two]), {"fog": 1.0, "frost": 0.5}))
    fog, frost, clean = (next(r for r in found.rows if r.title == title) for title in ("Fog", "Frost", "Clean"))
    for row, recalls, worth in ((fog, [1, 0], 0.0), (frost, [1, 0.5], 0.5), (clean, [1, 1], 1.0)):
        cells = [cell for cell in row.cells[1] if cell is not None]
        assert [cell.recall.value for cell in cells] == recalls
        assert [cell.worth for cell in cells] == pytest.approx([worth, worth])


def test_cells_are_recalls_over_a_shift_s_strengths(two: RunStore) -> None:
    gathered = gather([two])
    found, subject = section(gathered), gathered.subjects[0]
    for row in found.rows:
        cell = row.cells[0][1]
        assert cell is not None and cell.recall == recall([subject.rows[c] for c in row.conditions], 1)
    told = found.models[0]
    shifts = [subject.rows[i.id] for i in subject.of_kind("shift")]
    assert told.worst is not None and told.over == len(shifts)
    assert told.worst[1].value == min(recall(shifts, c).value for c in (0, 1))
    assert told.worst[1].low <= min(recall(shifts, c).low for c in (0, 1))


def test_of_many_classes_the_worst_have_columns_and_all_are_listed(tmp_path: Path) -> None:
    store = synthetic.make_run(
        tmp_path / "many", models=1, samples=480, classes=60, fourier=False, attacks=False, examples=0
    )
    found = section(gather([store]))
    told = found.models[0]
    assert len(told.shown) == 12 and len(told.lines) == 60
    assert [x.shifted for x in told.lines] == sorted(x.shifted for x in told.lines)
    assert told.worst is not None and told.worst[0] == told.shown[0] and told.of == 60
    listed = found.script()["perClass"]["m0"]
    assert listed[0][:2] == [told.lines[0].title, 8]


def test_a_few_images_a_class_tell_classes_not_apart(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "few", models=1, samples=36, classes=9, fourier=False, attacks=False)
    assert gather([store]).of(PerClass) is None


def test_every_number_leads_to_its_examples(two: RunStore) -> None:
    gathered = gather([two])
    found = gathered.of(Examples)
    assert found is not None
    subject = gathered.subjects[0]
    clean = subject.rows["clean"]
    for info in subject.of_kind("shift", "attack"):
        told = found.failed[subject.entry.key, info.id]
        rows = subject.rows[info.id]
        assert told.right == int(clean.correct.sum())
        assert told.failed == int((clean.correct & ~rows.correct).sum())
        assert told.stored == min(told.failed, 2)
    data = found.script()["examples"]
    marks = {mark for _, mark, _ in data["conditions"]}
    assert len(marks) == len(found.titles) and set(data["counts"]) == {"m0", "m1"}
    assert example_anchor(subject.entry, "fog/x") == f"example-m0-{condition_mark('fog/x')}"
    shown = {(m, c) for m, c, *_ in data["list"]}
    wanted = {(m, list(found.titles).index(c)) for (m, c), told in found.failed.items() if told.stored}
    assert shown == wanted, "every condition with a stored example has one on the page"
    assert len(data["pictures"]) == len(set(data["pictures"]))


def test_examples_carry_names_and_readable_classes(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "r", models=1, samples=60, classes=2, fourier=False, attacks=False)
    with store.locked():
        store.name_classes(["A <b>cat</b>", "dog"])
    with edited(store.path / "examples" / "examples.json") as listing:
        for entry in listing["examples"]:
            entry["name"] = "n01/<img src=x onerror=alert(1)>.png"
    report = seen([store])
    found = gather([store]).of(Examples)
    assert found is not None and {f.label for f in found.failures} <= {"A <b>cat</b>", "dog"}
    assert {f.name for f in found.failures} == {"n01/<img src=x onerror=alert(1)>.png"}
    page = report.html()
    assert "<img src=x" not in page and "<b>cat</b>" not in page


def test_runs_of_old_versions_show_the_sample_s_id(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "r", models=1, samples=60, classes=2, fourier=False, attacks=False)
    found = gather([store]).of(Examples)
    assert found is not None and found.failures[0].name == ""
    assert found.script()["examples"]["list"][0][7] == f"sample {found.failures[0].sample}"

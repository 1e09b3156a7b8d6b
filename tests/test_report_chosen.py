"""Numbers of a report that are means or were chosen of many: what they are, and what their intervals are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import synthetic
from brittlestar import api, measures
from brittlestar.core.rows import Rows
from brittlestar.report.breaking import breakings, half_level, ordinary_series
from brittlestar.report.gather import gather
from brittlestar.report.numbers import Numbers
from brittlestar.store import RunStore
from report_tools import Seen, seen


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return synthetic.make_run(tmp_path_factory.mktemp("runs") / "three", samples=120, examples=1)


@pytest.fixture(scope="module")
def content(run: RunStore) -> Seen:
    return seen([run])


def shifted(run: RunStore, model: str) -> dict[str, Rows]:
    rows = run.read(run.manifest.models[model]["fingerprint"], None, detail=False)
    return {i: rows[c.fingerprint] for i, c in run.manifest.conditions.items() if c.kind == "shift"}


def test_the_calibration_error_over_shifts_is_the_mean_everywhere(run: RunStore, content: Seen) -> None:
    assert content.calibration is not None
    for row in content.calibration.rows:
        entry, clean, found = row.model, row.clean, row.shifted
        own = shifted(run, entry.name)
        each = [measures.ece(rows).value for rows in own.values()]
        assert found is not None and found.conditions == len(own)
        assert found.mean.value == pytest.approx(np.mean(each)) and found.mean.low < found.mean.value
        assert found.increase.value == pytest.approx(np.mean(each) - clean.ece.value)
        assert found.worst.ece.value == pytest.approx(max(each))
        pooled = measures.ece(Rows.concatenate(list(own.values()))).value
        lines = [line for line in content.csv().splitlines() if line.startswith(f"{entry.name},")]
        lines = [line for line in lines if ",shifts," in line]
        told = {line.split(",")[3]: float(line.split(",")[4]) for line in lines}
        assert told["mean_ece"] == pytest.approx(np.mean(each), abs=1e-4) and "ece" not in told
        assert abs(pooled - np.mean(each)) > 1e-4 and not any(abs(v - pooled) < 1e-9 for v in told.values())
        place = [c.key for c in content.table.columns].index("ece-shifted")
        assert next(cells for model, cells in content.table.rows if model == entry)[place].estimate == found.mean
    assert "pooled" not in (content.markdown() + content.html()).lower()


def test_the_verdict_on_calibration_rests_on_the_paired_difference(content: Seen) -> None:
    assert content.calibration is not None
    for row in content.calibration.rows:
        entry, found = row.model, row.shifted
        (verdict,) = [v for v in content.verdicts if v.model == entry]
        (sentence,) = [s for s in verdict.findings if found is not None and found.increase in s.estimates]
        assert found is not None
        apart = "Worse" if found.increase.low > 0 else "Better"
        none = found.increase.low <= 0 <= found.increase.high
        assert sentence.lead.startswith("Calibration, no difference" if none else apart)
        assert f"interval for one chosen of {found.conditions}" in sentence.text


def test_the_worst_has_an_interval_for_the_worst_of_all(run: RunStore, content: Seen) -> None:
    place = [c.key for c in content.table.columns].index("worst")
    for entry, cells in content.table.rows:
        own = shifted(run, entry.name)
        alone = {c: measures.accuracy(rows) for c, rows in own.items()}
        least = min(e.value for e in alone.values())
        found = cells[place].estimate
        assert found is not None and found.value == least and f"lowest of {len(own)}" in found.method
        assert found.low == min(e.low for e in alone.values())
        assert found.high > max(e.high for e in alone.values() if e.value == least)
        listed = next(worst for model, worst in content.worst if model == entry)
        assert [e.value for _, e in listed] == sorted(e.value for _, e in listed) and listed[0][1].value <= least
        assert all(e.high - e.low > alone[c].high - alone[c].low for c, e in listed if c in alone)
        assert listed[0][1].level > 1 - 0.05 / len(own) - 1e-9
    assert "the intervals of all shifted and attacked conditions hold together" in content.markdown()


def test_python_tells_the_worst_of_many(run: RunStore, content: Seen) -> None:
    opened = api.Run(Path(run.path))
    worst = {row["model"]: row for row in opened.worst()}
    for entry, _ in content.table.rows:
        row = worst[entry.name]
        others = [r for r in opened.table() if r["model"] == entry.name and r["condition"] != "clean"]
        assert row["of"] == len(others) and row["accuracy"] == min(r["accuracy"] for r in others)
        assert row["low"] == min(r["low"] for r in others) and row["high"] > others[0]["high"]
        assert f"{entry.name}: worst of {row['of']} is {row['condition']}" in str(opened.table())


def test_breaks_first_is_said_only_where_nothing_else_can_have_broken_as_early(run: RunStore) -> None:
    gathered = gather([run])
    numbers, content = Numbers(gathered.rule), seen([run])
    leads = []
    for subject in gathered.subjects:
        level, _ = half_level(subject, numbers)
        listed = ordinary_series(gathered, subject)
        broken = breakings(gathered, subject, numbers, level)
        together = measures.of_many(sum(len(s.infos) for s in listed))
        verdict = next(v for v in content.verdicts if v.model == subject.entry)
        if not broken:
            continue
        first = broken[0]
        sentence = next(s for s in verdict.findings if first.accuracy in s.estimates)
        assert first.accuracy == measures.accuracy(subject.rows[first.condition], level=together)
        earlier = [
            measures.accuracy(subject.rows[info.id], level=together).low
            for series in listed
            if series is not first.series
            for place, info in enumerate(series.infos)
            if ((place + 1) / len(series.infos) if len(series.infos) > 1 else 1.0) <= first.reach
        ]
        alone = first.accuracy.high < level and all(low >= level for low in earlier)
        assert sentence.lead.startswith("Breaks first at") == alone
        assert sentence.lead.startswith("May break first at") == (first.accuracy.high >= level)
        leads.append(sentence.lead)
    assert leads

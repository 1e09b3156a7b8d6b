"""What a report says, held against the rows it is made from."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import synthetic
from brittlestar.core.errors import StoreError, UsageError
from brittlestar.core.rows import Rows
from brittlestar.report import build
from brittlestar.report.grids import GridCell
from brittlestar.store import RunStore
from report_tools import Seen, seen
from store_tools import edited


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return synthetic.make_run(tmp_path_factory.mktemp("runs") / "three", samples=300, examples=1)


@pytest.fixture(scope="module")
def content(run: RunStore) -> Seen:
    return seen([run])


@functools.cache
def all_rows(path: Path, model: str) -> dict[str, Rows]:
    store = RunStore.open(path)
    return store.read(store.manifest.models[model]["fingerprint"], None, detail=False)


def rows_of(run: RunStore, model: str, condition: str) -> Rows:
    return all_rows(run.path, model)[run.manifest.conditions[condition].fingerprint]


def cells(content: Seen, group: int) -> dict[str, GridCell]:
    assert content.grid is not None
    return {c.condition: c for row in content.grid.rows for c in row.cells[group] if c is not None}


def test_the_grid_holds_every_shift_and_attack_with_the_rows_numbers(run: RunStore, content: Seen) -> None:
    wanted = {i for i, c in run.manifest.conditions.items() if c.kind in ("shift", "attack")}
    for group, name in enumerate(("natural", "gaussian", "adversarial")):
        found = cells(content, group)
        assert set(found) == wanted
        clean = rows_of(run, name, "clean").correct
        for condition in sorted(wanted)[::11]:
            right = rows_of(run, name, condition).correct
            assert found[condition].accuracy[0].value == pytest.approx(right.mean())
            assert found[condition].value.value == pytest.approx(clean.mean() - right.mean())
            assert found[condition].value.n == 300


def test_rows_run_from_weak_to_strong(content: Seen) -> None:
    assert content.grid is not None
    row = next(r for r in content.grid.rows if r.title == "Gaussian noise")
    shown = [c.label for c in row.cells[0] if c is not None]
    assert len(shown) >= 5
    strengths = [float(label.split("=")[1]) for label in shown]
    assert strengths == sorted(strengths)
    assert row.span.startswith("σ") and "→" in row.span


def test_the_models_are_compared_on_the_same_images_with_corrected_tests(run: RunStore, content: Seen) -> None:
    comparison = content.comparison
    assert comparison is not None
    listed = [c for row in comparison.grid.rows for group in row.cells for c in group if c is not None]
    assert comparison.tests == len(listed) == 2 * (1 + len(cells(content, 0)))
    raw = {}
    for group, name in enumerate(("gaussian", "adversarial")):
        for row in comparison.grid.rows:
            for cell in row.cells[group]:
                if cell is not None:
                    a, b = rows_of(run, name, cell.condition).correct, rows_of(run, "natural", cell.condition).correct
                    one, other = int((~a & b).sum()), int((a & ~b).sum())
                    raw[id(cell)] = stats.binomtest(one, one + other).pvalue if one + other else 1.0
                    assert cell.value.value == pytest.approx((~a).mean() - (~b).mean())
    order = sorted(listed, key=lambda c: raw[id(c)])
    running = 0.0
    for rank, cell in enumerate(order):
        running = max(running, min(1.0, raw[id(cell)] * (len(order) - rank)))
        assert cell.p == pytest.approx(running)
        assert cell.shown == (running < 0.05)
    pair = comparison.pairs[0]
    first = [c for row in comparison.grid.rows for c in row.cells[0] if c is not None]
    assert pair.better == sum(c.shown and c.value.value < 0 for c in first)
    assert pair.worse == sum(c.shown and c.value.value > 0 for c in first)


def test_every_sentence_carries_numbers_intervals_and_a_count(content: Seen) -> None:
    assert [v.model.name if v.model else None for v in content.verdicts] == [None, "natural", "gaussian", "adversarial"]
    for verdict in content.verdicts:
        assert len(verdict.findings) >= 4
        for sentence in verdict.findings:
            words = f"{sentence.lead} {sentence.text}"
            assert any(ch.isdigit() for ch in words)
            if sentence.estimates:
                assert "[" in words and "]" in words
            else:
                assert "Holm" in words


def test_the_frequency_story_of_the_three_recipes_is_told(content: Seen) -> None:
    leads = {v.model.name: [s.lead for s in v.findings] for v in content.verdicts if v.model}
    assert "Leans on low frequencies:" in leads["adversarial"]
    together = [s.lead for v in content.verdicts if v.model is None for s in v.findings]
    assert "adversarial trades low for high frequencies" in together
    spectrum = content.spectrum
    assert spectrum is not None and [b.name for b in spectrum.bands] == ["low", "mid", "high"]
    low, high = spectrum.bands[0], spectrum.bands[-1]
    assert low.differences[0] is None
    assert low.differences[2] is not None and low.differences[2].low > 0
    assert high.differences[2] is not None and high.differences[2].high < 0


def test_the_map_puts_each_frequency_and_its_mirror_in_place(run: RunStore, content: Seen) -> None:
    spectrum = content.spectrum
    assert spectrum is not None
    value = spectrum.maps[0].value
    assert value.shape == (28, 28) and np.isfinite(value).all()
    assert spectrum.rows == tuple(range(-14, 14))
    infos = [c for c in run.manifest.conditions.values() if c.kind == "fourier"]
    for info in infos[::37]:
        error = float((~rows_of(run, "natural", info.id).correct).mean())
        for sign in (1, -1):
            row, column = sign * info.config["row"], sign * info.config["column"]
            assert value[(row + 14) % 28, (column + 14) % 28] == pytest.approx(error)


def test_a_sparse_lattice_of_frequencies_fills_its_map(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "photo", models=1, samples=30, shape=(3, 224, 224), shifts=False, examples=0)
    spectrum = seen([store]).spectrum
    assert spectrum is not None
    steps = set(np.diff(spectrum.rows))
    assert len(steps) == 1 and steps.pop() > 1
    assert np.isfinite(spectrum.maps[0].value).all()
    assert 0 in spectrum.rows and ", one in 4 along each side, up to 28 cycles" in spectrum.covered


def test_attacks_state_their_threat_model_and_start_at_clean(content: Seen) -> None:
    assert len(content.attacks) == 2
    for attack in content.attacks:
        assert "white-box" in attack.threat.lower() and "steps" in attack.threat
        for line in attack.panel.lines:
            assert line.points[0].x == 0 and line.points[0].condition == "clean"


def test_breaking_points_fall_between_the_strengths_that_enclose_them(content: Seen) -> None:
    row = next(r for r in content.breaks if r.title == "Gaussian noise")
    point = row.points[0]
    assert point is not None and point.reached
    panel = next(p for p in content.curves if p.title == "Gaussian noise")
    line = panel.lines[0]
    assert line.clean is not None
    below = next(p.x for p in line.points if p.estimate.value < line.clean.value / 2)
    above = max(p.x for p in line.points if p.x < below)
    assert above <= point.value <= below


def test_identical_models_show_no_difference(tmp_path: Path) -> None:
    one = synthetic.make_run(tmp_path / "a", models=["twin"], samples=100, fourier=False, attacks=False, examples=0)
    shutil.copytree(one.path, tmp_path / "b")
    found = seen([tmp_path / "a", tmp_path / "b"])
    assert [m.name for m in found.models] == ["twin · a", "twin · b"]
    assert found.comparison is not None
    pair = found.comparison.pairs[0]
    assert (pair.better, pair.worse) == (0, 0)
    sentences = [s for v in found.verdicts if v.model is None for s in v.findings]
    assert sentences[0].lead == "No clear best model:"
    assert sum("no difference shown" in s.text for s in sentences) == 2
    assert "no difference is shown" in sentences[-1].text


def reordered(store: RunStore, path: Path) -> RunStore:
    """The same answers in a run whose seeded order is reversed."""
    manifest = store.manifest
    other = RunStore.start(path, data=manifest.data, seed=manifest.seed + 1)
    ids, labels = store.samples()
    n = len(ids)
    with other.locked():
        for name, about in manifest.models.items():
            other.register_model({**about, "name": f"{name} again"})
        other.register_conditions(list(manifest.conditions.values()))
        other.write_samples(ids[::-1].copy(), labels[::-1].copy())
        for about in manifest.models.values():
            found = store.read(about["fingerprint"], None)
            turned = [
                (c, dataclasses.replace(r, position=(n - 1 - r.position).astype(np.int32)).sorted())
                for c, r in found.items()
            ]
            other.write_cells(about["fingerprint"], 0, n, turned)
    return other


def test_runs_are_paired_by_image_not_by_place(tmp_path: Path) -> None:
    one = synthetic.make_run(tmp_path / "a", models=1, samples=80, fourier=False, attacks=False, examples=0)
    found = seen([one, reordered(one, tmp_path / "b")])
    assert found.comparison is not None
    listed = [c for row in found.comparison.grid.rows for c in row.cells[0] if c is not None]
    assert all(c.value.value == 0 and c.p == 1 for c in listed)
    clean = next(c for c in listed if c.condition == "clean")
    assert clean.value.high < 0.05, "the same answers on the same images: a narrow paired interval"


def test_models_on_different_data_are_not_compared(tmp_path: Path) -> None:
    runs = [
        synthetic.make_run(
            tmp_path / name, models=["net"], samples=60, fourier=False, attacks=False, examples=0, name=name
        )
        for name in ("one", "two")
    ]
    found = seen(runs)
    assert found.comparison is None
    assert [m.name for m in found.models] == ["net · one", "net · two"]
    assert found.title == "net · one and net · two on one and two"


def test_a_run_without_shifts_says_what_was_not_asked(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "c", models=2, samples=50, shifts=False, attacks=False, fourier=False)
    found = seen([store])
    assert found.grid is None and found.spectrum is None and not found.curves and not found.attacks
    titles = [m.title for m in found.missing]
    for title in ("Noise", "Blur", "Geometry", "Attacks", "Single frequencies", "Natural shifts", "Weather"):
        assert title in titles
    assert "n = 50" in found.notes[0]


def test_a_full_run_still_lacks_what_this_version_cannot_ask(content: Seen) -> None:
    titles = [m.title for m in content.missing]
    assert "Natural shifts" in titles and "Video and stability over time" in titles
    assert "Comparison with people" in titles and "Attacks without gradients" in titles
    assert "Noise" not in titles and "Attacks" not in titles


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    store = synthetic.make_run(
        tmp_path / "p", models=1, samples=60, partial=50, attacks=False, skipped=["bad.png"], notes=["stored lossily"]
    )
    found = seen([store])
    text = " ".join(found.notes)
    assert "50 to 60 images" in text
    assert "1 unreadable image left out" in text and "bad.png" in text and "stored lossily" in text
    assert found.facts[0] == "50 to 60 images a condition"


def test_stopping_at_a_precision_gives_confidence_sequences(tmp_path: Path) -> None:
    fixed = seen([synthetic.make_run(tmp_path / "f", models=2, samples=100, attacks=False)])
    anytime = seen([synthetic.make_run(tmp_path / "a", models=2, samples=100, attacks=False, rule="anytime")])
    assert "confidence sequence" in anytime.interval_text and "confidence sequence" not in fixed.interval_text
    narrow, wide = cells(fixed, 0), cells(anytime, 0)
    for condition, cell in narrow.items():
        other = wide[condition]
        assert other.accuracy[0].value == cell.accuracy[0].value
        assert other.accuracy[0].high - other.accuracy[0].low > cell.accuracy[0].high - cell.accuracy[0].low
        assert "sequence" in other.value.method
    assert anytime.sessions[0]["Stopped"] == "precision of ± 2 points reached"


def test_results_csv_is_tidy(run: RunStore, tmp_path: Path) -> None:
    build([run], out=tmp_path)
    text = (tmp_path / "results.csv").read_text()
    assert text.splitlines()[0] == "model,data,condition,measure,value,low,high,n,status"
    lines = list(csv.DictReader(io.StringIO(text)))
    keys = [(r["model"], r["condition"], r["measure"]) for r in lines]
    assert len(keys) == len(set(keys))
    clean = next(r for r in lines if (r["model"], r["condition"], r["measure"]) == ("natural", "clean", "accuracy"))
    assert float(clean["value"]) == pytest.approx(rows_of(run, "natural", "clean").correct.mean(), abs=1e-6)
    for r in lines:
        assert float(r["low"]) <= float(r["value"]) <= float(r["high"]), r
        assert int(r["n"]) == (30 if r["measure"].startswith(("recall", "confusion")) else 300), r
    accuracies = [r for r in lines if r["measure"] == "accuracy"]
    assert len(accuracies) == 3 * len(run.manifest.conditions)


def test_summary_and_markdown_lie_beside_the_page(run: RunStore, tmp_path: Path) -> None:
    page = build([run], out=tmp_path / "deep" / "report")
    assert page == tmp_path / "deep" / "report" / "report.html" and page.exists()
    summary = json.loads((page.parent / "summary.json").read_text())
    assert [m["name"] for m in summary["models"]] == ["natural", "gaussian", "adversarial"]
    assert summary["table"][0]["clean"]["n"] == 300
    assert len(summary["bands"]) == 3 and summary["commands"] and summary["sessions"]
    text = (page.parent / "results.md").read_text()
    assert text.startswith("# natural, gaussian and adversarial on digits")
    assert "| natural |" in text and "brittlestar run" in text


def test_the_page_goes_into_the_run_unless_told_otherwise(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "r", models=1, samples=20, fourier=False, attacks=False, examples=0)
    assert build([store.path]) == store.path / "report" / "report.html"
    named = build([store.path], out=tmp_path / "elsewhere" / "mine.html")
    assert named == tmp_path / "elsewhere" / "mine.html" and named.exists()


def test_the_command_is_repeated_or_made_up_from_the_manifest(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "r", models=1, samples=20, fourier=False, attacks=False, examples=0)
    assert seen([store]).commands[0].startswith("brittlestar run --model natural=")
    first = store.manifest.sessions[0]
    silent = dataclasses.replace(store.manifest, sessions=[dataclasses.replace(first, command="")])
    command = seen([RunStore(store.path, silent)]).commands[0]
    assert "--model natural=torch:zoo.py:natural" in command
    assert "--samples 20" in command and "--seed 0" in command and "--suite broad" in command


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder given"):
        build([])
    with pytest.raises(StoreError, match="no such run folder"):
        build([tmp_path / "absent"])
    RunStore.start(
        tmp_path / "empty",
        data={"fingerprint": "0", "name": "x", "classes": ["a"], "count": 1, "shape": [1, 8, 8]},
        seed=0,
    )
    with pytest.raises(StoreError, match="no rows yet"):
        build([tmp_path / "empty"])


def test_examples_are_spread_over_models_and_within_the_budget(run: RunStore) -> None:
    from brittlestar.report.gather import gather
    from brittlestar.report.sections.examples import build_failures, stored_examples

    gathered = gather([run])
    stored = stored_examples(gathered)
    failures = build_failures(gathered, stored)
    assert {f.model.name for f in failures[:9]} == {"natural", "gaussian", "adversarial"}
    assert all(f.label != f.prediction for f in failures)
    few = build_failures(gathered, stored, budget=20_000)
    assert 0 < len(few) < len(failures)
    assert sum(map(len, {picture for f in few for picture in (f.clean, f.shifted, f.difference)})) <= 20_000
    first = {(f.model.key, f.condition) for f in failures}
    assert len({(f.model.key, f.condition) for f in failures[: len(first)]}) == len(first), (
        "each condition has its turn"
    )


def test_damaged_or_missing_examples_are_left_out(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "r", models=1, samples=60, fourier=False, attacks=False, examples=1)
    folder = store.path / "examples"
    whole = len(seen([store]).failures)
    victim = sorted(folder.glob("[!c]*.png"))[0]
    victim.write_bytes(b"not a picture")
    assert 0 < len(seen([store]).failures) < whole
    with edited(folder / "examples.json") as listing:
        listing["examples"][1]["shifted"] = "../../../../etc/passwd"
    seen([store])
    (folder / "examples.json").write_text("{")
    assert seen([store]).failures == ()


def test_reports_open_without_torch(run: RunStore) -> None:
    code = (
        "import sys; from pathlib import Path; from brittlestar.report import report_of; "
        f"report_of([Path({str(run.path)!r})]); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

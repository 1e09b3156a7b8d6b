"""Sentences that say which is worst, which is best and what breaks a model: only what their intervals bear out."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

import synthetic
from brittlestar import measures
from brittlestar.report import status
from brittlestar.report.breaking import breaking_findings, half_level
from brittlestar.report.gather import gather
from brittlestar.report.numbers import Numbers
from brittlestar.report.section import Finding
from brittlestar.report.sections.frequencies import Frequencies
from brittlestar.store import RunStore
from report_tools import Seen, seen


def of_models(content: Seen, words: str) -> list[tuple[str, Finding]]:
    found = [(v.model.name, s) for v in content.verdicts if v.model is not None for s in v.findings]
    return [(name, s) for name, s in found if words in s.lead]


@pytest.mark.parametrize("samples", [25, 400])
def test_an_attack_breaks_a_model_only_where_its_interval_says_so(tmp_path: Path, samples: int) -> None:
    run = synthetic.make_run(tmp_path / "run", samples=samples, fourier=False, examples=0)
    content, numbers = seen([run]), Numbers()
    subjects = {s.entry.name: s for s in gather([run]).subjects}
    found = of_models(content, "under attack")
    assert len(found) == 3
    for name, sentence in found:
        subject = subjects[name]
        level, _ = half_level(subject, numbers)
        attacks = [i.id for i in subject.of_kind("attack")]
        at = measures.of_many(len(attacks))
        every = [measures.accuracy(subject.rows[a], level=at) for a in attacks]
        assert all(e.level == pytest.approx(at) for e in sentence.estimates), "the strengths shown were chosen of all"
        assert f"all {len(attacks)} intervals hold together" in sentence.text
        shown = sentence.estimates
        if sentence.lead.startswith("Falls below"):
            assert any(e.high < level for e in shown)
        elif sentence.lead.startswith("May fall below"):
            assert any(e.value < level for e in shown) and not any(e.high < level for e in shown)
        elif sentence.lead.startswith("Stays above"):
            assert all(e.low >= level for e in every)
        else:
            assert not any(e.value < level for e in every) and any(e.low < level for e in every)


def part_of(store: RunStore, path: Path, first: int, stop: int, model: str, named: str) -> RunStore:
    """A run in which one of the models answered some of the images."""
    manifest = store.manifest
    other = RunStore.start(path, data=manifest.data, seed=manifest.seed + first)
    ids, labels = store.samples()
    about = manifest.models[model]
    with other.locked():
        other.register_model({**about, "name": named})
        other.register_conditions(list(manifest.conditions.values()))
        other.write_samples(ids[first:stop].copy(), labels[first:stop].copy())
        cells = []
        for condition, rows in store.read(about["fingerprint"], None).items():
            own = rows.take((rows.position >= first) & (rows.position < stop))
            cells.append((condition, dataclasses.replace(own, position=(own.position - first).astype(np.int32))))
        other.write_cells(about["fingerprint"], 0, stop - first, cells)
    return other


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    path = tmp_path_factory.mktemp("whole") / "run"
    return synthetic.make_run(path, samples=400, fourier=False, attacks=False, examples=0)


def compared(*runs: RunStore) -> list[Finding]:
    return [s for v in seen(list(runs)).verdicts if v.model is None for s in v.findings]


def test_no_model_is_best_of_models_that_answered_other_images(tmp_path: Path, whole: RunStore) -> None:
    a = part_of(whole, tmp_path / "a", 0, 150, "natural", "a")
    b = part_of(whole, tmp_path / "b", 150, 300, "adversarial", "b")
    assert not any("errs least" in s.lead or "best" in s.lead for s in compared(a, b))


def test_the_best_model_is_told_with_the_images_that_both_answered(tmp_path: Path, whole: RunStore) -> None:
    a = part_of(whole, tmp_path / "a", 0, 300, "natural", "a")
    b = part_of(whole, tmp_path / "b", 100, 400, "gaussian", "b")
    (sentence,) = [s for s in compared(a, b) if "shifted conditions" in s.text]
    assert {e.n for e in sentence.estimates} == {200, 300}, (
        "the error on all images of the best, differences on shared ones"
    )
    assert "the same images" not in sentence.text
    assert "differences on the 200 images that both answered" in sentence.text.replace("\N{NO-BREAK SPACE}", " ")


def test_one_model_errs_least_only_where_all_others_are_shown_to_err_more(tmp_path: Path) -> None:
    for seed in range(4):
        run = synthetic.make_run(
            tmp_path / f"{seed}", models=6, samples=60, fourier=False, attacks=False, examples=0, seed=seed
        )
        (sentence,) = [s for s in compared(run) if "shifted conditions" in s.text]
        level = measures.of_many(15)
        numbers, subjects = Numbers("fixed", level), gather([run]).subjects
        shared = [i.id for i in subjects[0].of_kind("shift")]
        best = min(subjects, key=lambda s: numbers.mean_error(s, shared).value)
        gaps = [numbers.mean_difference(o, best, shared) for o in subjects if o is not best]
        sure = all(g is not None and g.low > 0 for g in gaps)
        assert ("errs least" in sentence.lead) == sure
        assert ("No clear best model" in sentence.lead) != sure


def test_a_sentence_on_bands_has_one_direction(tmp_path: Path) -> None:
    """Accuracy throughout: below 0 is worse for the model named first, raw and beyond clean."""
    run = synthetic.make_run(tmp_path / "run", models=2, samples=200, attacks=False, examples=0)
    content = seen([run])
    (sentence,) = [s for s in compared(run) if "frequencies" in s.lead]
    assert content.spectrum is not None
    low = content.spectrum.bands[0].differences[1]
    assert low is not None and low.value > 0, "the second model errs more under low frequencies"
    assert sentence.estimates[0].value == pytest.approx(-low.value) and sentence.estimates[0].high < 0
    assert sentence.estimates[1].value < 0 and "of error" not in sentence.text


def test_beside_every_raw_difference_stand_two_measures_against_clean(tmp_path: Path) -> None:
    """In ``results.csv`` for shifts, attacks and bands; in ``summary.json`` with the state, Holm-corrected."""
    run = synthetic.make_run(tmp_path / "run", models=3, samples=120, examples=0)
    content = seen([run])
    lines = list(csv.DictReader(io.StringIO(content.csv())))
    measured = {(line["model"], line["condition"], line["measure"]) for line in lines}
    raw = [key for key in measured if key[2] == "error_minus_natural" and key[1] != "clean"]
    assert len([key for key in raw if key[1].startswith("fourier/")]) == 6 and len(raw) > 100
    for model, condition, _ in raw:
        assert (model, condition, "accuracy_beyond_clean_minus_natural") in measured
        assert (model, condition, "kept_above_chance_minus_natural") in measured
    told = json.loads(content.summary())
    assert any(s["sensitivities"] for v in told["verdicts"] for s in v["sentences"])
    found = [m["sensitivity"] for band in told["bands"] for m in band["models"]]
    assert [f is None for f in found] == [True, False, False] * 3
    pairs = [p["sensitivity"] for p in told["comparison"]]
    p_values = (
        [f.p for b in content.spectrum.bands for f in b.sensitivities if f is not None] if content.spectrum else []
    )
    assert content.comparison is not None
    p_values += [p.sensitivity.p for p in content.comparison.pairs if p.sensitivity is not None]
    adjusted = [f["p_adjusted"] for f in [*found, *pairs] if f is not None]
    assert adjusted == pytest.approx(list(measures.holm(p_values)))


def test_a_model_near_chance_is_held_against_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where all are near chance, and their maps are shown by themselves."""
    run = synthetic.make_run(
        tmp_path / "run", models=2, samples=150, classes=2, attacks=False, shifts=False, examples=0
    )
    content = seen([run])
    assert content.spectrum is not None and content.spectrum.bands[0].sensitivities[1] is not None
    monkeypatch.setattr(status, "near_chance", lambda *_: True)
    frequencies = gather([run]).of(Frequencies)
    assert frequencies is not None
    spectrum = frequencies.spectrum
    assert not spectrum.compared
    assert all(none is None for b in spectrum.bands for none in (*b.differences, *b.sensitivities))


def test_a_model_that_is_not_shown_to_do_more_than_guess_is_not_called_unbroken(tmp_path: Path) -> None:
    gathered = gather([synthetic.make_run(tmp_path / "run", models=1, samples=40, examples=0)])
    (subject,) = gathered.subjects
    (clean,) = breaking_findings(gathered, subject, Numbers())
    assert "break" in clean.lead
    guessing = dataclasses.replace(subject, data=dataclasses.replace(subject.data, chance=0.97))
    (found,) = breaking_findings(gathered, guessing, Numbers())
    assert found.lead == "Not shown to do more than guess:" and "97.0" in found.text and found.tone == "bad"

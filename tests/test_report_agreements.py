"""What an explanation says of models against each other: told once for a band, with every shift and exception."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

import synthetic
from brittlestar.core.sealed import write_json
from brittlestar.measures import Estimate
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.sensitivity import Sensitivity, sensitivity
from brittlestar.report import paper, report_of
from brittlestar.report.agreements import Agreement, agreement_of, plain
from brittlestar.report.explained import NAME
from brittlestar.report.explained_words import Case, _as_often, _times, agreements, sentences
from brittlestar.report.words import interval, number
from brittlestar.store import RunStore
from report_tools import seen
from test_report_explain import kept_of, section_of


def wave(errors: tuple[float, float], samples: int = 400, turn: int = 0) -> FourierMap:
    """A map of a low and a high wave that differ in error; ``turn`` says which samples err."""
    wrong = np.stack([np.roll(np.arange(samples) < e * samples, turn) for e in errors]).astype(np.float32)
    return FourierMap(16, 16, ((0, 1), (7, 7)), wrong, np.arange(samples, dtype=np.int32))


def test_a_sentence_has_the_ratio_only_where_its_interval_leaves_out_1() -> None:
    base, worse = wave((0.1, 0.3)), wave((0.4, 0.32))
    times = _times(worse, base, 0.0, 0.25, "fixed")
    assert times is not None and times.value == pytest.approx(4) and 1 < times.low < 4 < times.high
    assert re.fullmatch(r" \(4\.00 times \[[\d.]+, [\d.]+\] as often\)", _as_often(times)) and _as_often(None) == ""
    turned = wave((0.4, 0.32), turn=200)
    assert _times(turned, base, 0.5, np.inf, "fixed") is None, "0.32 and 0.3 are not shown to differ"
    assert _times(worse, wave((0.0, 0.3)), 0.0, 0.25, "fixed") is None, "nothing to divide by"


def held(accuracy: float, base: float = 0.6, clean: float = 0.8) -> Sensitivity:
    """A model of a clean accuracy against one that falls from .8 to ``base``, on 4,000 images."""
    rng = np.random.default_rng(0)
    a, b, a_clean, b_clean = (rng.random(4000) < share for share in (accuracy, base, clean, 0.8))
    return sensitivity((a, b), (a_clean, b_clean), 0.1)


def case(high: float, shift: str = "fog", condition: str = "") -> Case:
    any_ = estimate(0.2)
    return Case(
        model="worse",
        condition=condition or f"{shift}/5",
        shift=shift,
        high=high,
        predicted=0.1,
        measured=any_,
        against=any_,
    )


def estimate(value: float, half: float = 0.1) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=400, method="test")


def test_a_sentence_needs_shift_and_band_to_agree_beyond_clean() -> None:
    def said(high: float, shift: Sensitivity, low_band: Sensitivity, high_band: Sensitivity) -> list[str]:
        bands = {("worse", "low"): low_band, ("worse", "high"): high_band}
        found = agreements([case(high)], bands, {("worse", "fog/5"): shift}, "base", lambda *_: estimate(2.0))
        return sentences(found, 8, {"fog/5": "Fog"})

    worse, same, weak = held(0.3), held(0.6), held(0.4, clean=0.6)
    (sentence,) = said(0.06, worse, worse, same)
    assert sentence.startswith(
        "Fog: 94% of its change lies inside the lowest 8 x 8 frequencies. worse is more sensitive than base to it ("
    )
    assert "beyond clean -" in sentence and "kept above chance -" in sentence
    assert "(2.00 times [1.90, 2.10] as often); on clean images" in sentence
    assert said(0.06, same, worse, same) == [], "the shift does not tell them apart"
    assert said(0.06, worse, same, worse) == [], "the band does not"
    assert said(0.06, worse, held(0.75), same) == [], "they disagree"
    assert weak.raw.high < 0 and said(0.06, weak, weak, same) == [], "worse by what it is worse on clean images"
    assert len(said(0.95, worse, same, worse)) == 1 and said(0.95, worse, worse, same) == []


def agreed() -> Agreement:
    """Fog (twice) and snow agree that a model is more sensitive to low frequencies, frost and rain do not."""
    worst, worse, same, better = held(0.2), held(0.3), held(0.6), held(0.75)
    shifts = {"fog/4": worse, "fog/5": worst, "snow/5": worse, "frost/5": same, "rain/5": better, "noise/5": worst}
    cases = [case(0.9 if name == "noise/5" else 0.1, name.partition("/")[0], name) for name in shifts]
    claims = {("worse", name): found for name, found in shifts.items()}
    (made,) = agreements(cases, {("worse", "low"): worse, ("worse", "high"): same}, claims, "base", lambda *_: None)
    return made


def test_an_agreement_holds_each_kind_of_shift_once_and_the_exceptions() -> None:
    made = agreed()
    assert (made.model, made.first, made.band, made.state) == ("worse", "base", "low", "more sensitive")
    assert [s.condition for s in made.shifts] == ["fog/5", "snow/5"], "the largest of fog, the largest first"
    assert [(s.condition, s.contrast.state) for s in made.exceptions] == [
        ("rain/5", "less sensitive"),
        ("frost/5", "no difference shown"),
    ]
    assert made.shifts[0].share == pytest.approx(0.9) and made.shifts[0].contrast.raw.value == pytest.approx(-0.4, 0.1)
    assert (made.of_bands, made.of_shifts) == (2, 6)


def test_what_is_kept_of_it_comes_back_as_it_was() -> None:
    made = agreed()
    assert agreement_of(json.loads(json.dumps(plain(made)))) == made


@pytest.mark.parametrize(
    "change",
    [
        {"band": "mid"},
        {"shifts": []},
        {"of_shifts": 0},
        {"times": {"value": 1.0}},
        {"waves": plain(agreed())["waves"] | {"state": "no difference shown"}},
        {"waves": plain(agreed())["waves"] | {"kept": None}},
        {"waves": plain(agreed())["waves"] | {"raw": plain(agreed())["waves"]["raw"] | {"high": 3.0}}},
        {"waves": plain(agreed())["waves"] | {"raw": plain(agreed())["waves"]["raw"] | {"low": float("nan")}}},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        agreement_of(plain(agreed()) | change)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run whose explanation says it of two models, under four shifts of low frequency."""
    store = synthetic.make_run(tmp_path_factory.mktemp("agreed") / "run", samples=60, attacks=False)
    kept = kept_of(store)
    ids = [s["condition"] for s in kept["spectra"]]
    fog, snow, rain, frost = ids[0], ids[20], ids[40], ids[60]
    names = {"fog/5": fog, "snow/5": snow, "rain/5": rain, "frost/5": frost}
    kept["agreements"] = []
    for model in ("gaussian", "adversarial"):
        one = plain(agreed()) | {"model": model, "first": "natural"}
        for shift in (*one["shifts"], *one["exceptions"]):
            shift["condition"] = names[shift["condition"]]
        kept["agreements"].append(one)
    write_json(store.path / NAME, kept)
    return store


def test_the_page_tells_each_agreement_once_with_its_exceptions(told: RunStore) -> None:
    content = seen([told])
    section = section_of(content.html())
    assert '<ul class="explained">' not in section, "no sentence a shift"
    assert section.count("is more sensitive than natural to waves of low frequency") == 2
    assert section.count("intervals of waves are for one".capitalize()) == 1, "said once"
    assert section.count("The opposite is shown") == section.count("No such difference is shown") == 2
    summary = json.loads(content.summary())["explained"]["agreements"]
    assert [a["model"] for a in summary] == ["gaussian", "adversarial"]
    made = agreed()
    for place, shift in enumerate((*made.shifts, *made.exceptions)):
        values = [*summary[0]["shifts"], *summary[0]["exceptions"]][place]
        assert values["accuracy_difference_beyond_clean"]["value"] == shift.contrast.beyond.value
        assert values["title"] in section
        raw = shift.contrast.raw
        assert f"{number(100 * raw.value, sign=True)} {interval(raw)}" in section, "every number is in the table"


def test_every_agreement_has_a_row_a_shift_on_one_scale(told: RunStore) -> None:
    section = section_of(seen([told]).html())
    drawn = [ET.fromstring(svg) for svg in re.findall(r"<svg[^>]*chart forest.*?</svg>", section, re.S)]
    assert len(drawn) == 2
    ticks = [[e.get("x") for e in svg.iter("text") if e.get("text-anchor") == "middle"] for svg in drawn]
    assert ticks[0] == ticks[1], "the same axis"
    for svg, kind in zip(drawn, ("m1", "m2"), strict=True):
        marks = [e for e in svg.iter() if {"dot", "open"} & set((e.get("class") or "").split())]
        whiskers = [e for e in svg.iter("line") if e.get("class") == f"whisker {kind}"]
        assert len(marks) == len(whiskers) == 3 * 3, "the waves and two shifts, three marks each"
        assert all(208 <= float(w.get("x1", 0)) <= float(w.get("x2", 0)) <= 510 for w in whiskers)
        tips = [m.get("data-tip") or "" for m in marks]
        assert "raw: " in tips[3] and "beyond clean: " in tips[4] and "kept above chance: " in tips[5]
        assert all("points [" in tip.replace("\u00a0", " ") for tip in tips)


def test_each_agreement_is_a_figure_that_says_what_its_marks_are(told: RunStore) -> None:
    figures = paper.figures(report_of([told.path]))
    names = [name for name in figures if name.startswith("explained/agreement-")]
    assert len(names) == 2 and all("kept above chance</text>" in figures[name] for name in names)


def test_files_from_before_show_their_sentences(told: RunStore) -> None:
    path = told.path / NAME
    before = path.read_text()
    kept = json.loads(before)
    del kept["agreements"], kept["digest"]
    write_json(path, kept)
    try:
        content = seen([told])
        section = section_of(content.html())
        assert '<ul class="explained"><li>' in section and "chart forest" not in section
        assert json.loads(content.summary())["explained"]["agreements"] is None
        kept["agreements"] = []
        write_json(path, kept)
        assert "so no sentence is written" in section_of(seen([told]).html())
        kept["agreements"] = [plain(agreed())]
        write_json(path, kept)
        assert seen([told]).explained is None, "of conditions that this run has not"
    finally:
        path.write_text(before)

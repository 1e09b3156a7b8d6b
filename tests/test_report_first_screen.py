"""The first screen holds at most 120 words, whatever the run; its parts are of one condition; nothing is undefined."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthetic
from brittlestar.report import build, first_screen_html, report_of
from brittlestar.report.first_screen import LADDER, MOST_WORDS
from brittlestar.report.gather import gather
from brittlestar.report.names import apart, middle, shortened, words_of
from brittlestar.report.profile import build_profile
from brittlestar.report.render import first_screen
from brittlestar.report.series import series_of
from brittlestar.store import RunStore
from store_tools import edited

LONG = tuple(f"convnextv2_large_{i:02d}.fb_in22k_augreg_ft_in1k_laion2b_epochs_90_wd_run_{i:02d}" for i in range(12))
SPECIES = tuple(f"great white shark of kind {i}, Carcharodon carcharias" for i in range(1000))

RUNS: dict[str, dict[str, Any]] = {
    "one model": {"models": 1, "samples": 200},
    "three models": {"models": 3, "samples": 200},
    "three long names": {"models": LONG[:3], "samples": 200, "classes": SPECIES, "shape": (3, 32, 32)},
    "twelve long names": {"models": LONG, "samples": 60, "classes": SPECIES[:100], "shape": (3, 32, 32)},
    "thirty models": {
        "models": 30,
        "samples": 40,
        "attacks": False,
        "name": "a data set with a very long name of 2026",
    },
    "two classes": {"models": 2, "samples": 200, "classes": ["functional part without defects", "defective"]},
    "not finished": {"models": 3, "samples": 200, "partial": 60},
    "clean only": {"models": 3, "samples": 100, "shifts": False, "attacks": False},
    "few images": {"models": 3, "samples": 40},
}


@pytest.fixture(scope="module", params=list(RUNS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return synthetic.make_run(tmp_path_factory.mktemp("screen") / "run", fourier=False, **RUNS[request.param])


def screen_of(store: RunStore) -> str:
    report = report_of([store])
    return str(first_screen(report.first_screen, report.header))


def test_it_holds_few_words_and_nothing_undefined(run: RunStore) -> None:
    text = screen_of(run)
    assert 10 < words_of(text) <= MOST_WORDS
    for undefined in ("nan", "inf", "∞", "None"):
        assert not re.search(rf"(?<![\w-]){undefined}(?!\w)", text), undefined
    assert text.startswith('<section id="first-screen"') and text.count("<article") <= 3


def test_words_are_counted_as_a_reader_sees_them() -> None:
    seen = "<p>Fog halves <b>a</b> 3 by σ = 0.2</p><details><summary>All</summary>much more</details>"
    assert words_of(seen) == 4, "Fog, halves, by, and the heading of the fold"
    assert words_of("<svg><title>no words</title><desc>none</desc><text>clean</text></svg>") == 1
    assert words_of("<script>var words</script><style>p {}</style><p>vit_base…run_0 &gt;99 % sure</p>") == 4


def test_names_are_cut_in_the_middle_and_stay_apart() -> None:
    assert middle("short", 9) == "short" and middle("abcdefghijklmnop", 9) == "abcd…mnop"
    cut = shortened(LONG, 14)
    assert len(set(cut)) == len(LONG) and all(len(name) <= 14 for name in cut)
    assert len(set(shortened(["aaaa-x-bbbb", "aaaa-y-bbbb"], 9))) == 2
    assert apart("great white shark, Carcharias", "great grey shark", 9) != ("great…ark", "great…ark")
    first, second = apart("great white shark", "great black shark", 9)
    assert first != second


@pytest.mark.parametrize("fault", ["near chance", "guard"])
def test_a_status_comes_first_and_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "near chance":  # margins below 0: hardly an answer is right
        hopeless = tuple((name, (-5.0, *traits[1:])) for name, traits in synthetic.RECIPES)
        monkeypatch.setattr(synthetic, "RECIPES", hopeless)
    store = synthetic.make_run(tmp_path / "run", models=3, samples=100, fourier=False, attacks=False)
    if fault == "guard":
        with edited(store.path / "manifest.json") as manifest:
            for about in manifest["models"].values():
                about["guards"] = ["its normalisation was found by trying: " + "words " * 60]
    report = report_of([RunStore.open(store.path)])
    assert {s.kind for s in report.header.statuses} == {fault}
    text = str(first_screen(report.first_screen, report.header))
    assert words_of(text) <= MOST_WORDS and text.index('<details class="status') < text.index('class="split')
    assert report.first_screen.profile.kept == (fault == "guard")
    if fault == "near chance":
        assert "<h2>Accuracy</h2>" in text and report.first_screen.cards == ()


def test_number_pictures_and_ring_are_of_one_condition(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", samples=300, fourier=False)
    report = report_of([store])
    cards = report.first_screen.cards
    assert [c.finding.slot for c in cards] == ["where", "why", "trust"] and all(c.pair for c in cards)
    listed = json.loads((store.path / "examples" / "examples.json").read_text())["examples"]
    for card in cards:
        model = card.finding.model
        assert model is not None and card.pair is not None
        own = [e for e in listed if e["condition"] == card.finding.condition and e["model"] == model.name]
        surest = max(own, key=lambda e: e["confidence"])
        assert card.pair.confidence == pytest.approx(surest["confidence"])
    bare = synthetic.make_run(tmp_path / "bare", samples=200, fourier=False, examples=0)
    assert all(c.pair is None for c in report_of([bare]).first_screen.cards)


def test_the_profile_keeps_what_was_not_asked_as_rows(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", samples=200, fourier=False, attacks=False)
    profile = build_profile(gather([store]))
    assert profile.kept and profile.guessing == pytest.approx(0.1)
    titles = [row.title for row in profile.unasked]
    assert titles[0] == "Attack" and {"Natural shifts", "People", "Video"} <= set(titles)
    assert profile.asked[0].part == "all" and profile.asked[-1].key == "frequencies"
    shifts = [row for row in profile.asked if row.part == "shift"]
    means = [np.mean([d.estimate.value for d in row.dots if d]) for row in shifts]
    assert means == sorted(means), "weakest first"
    for row in profile.asked:
        for dot in row.dots:
            assert dot is not None and dot.estimate.low < dot.estimate.value < dot.estimate.high


def test_a_family_is_the_mean_of_its_curves(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", models=1, samples=200, fourier=False, attacks=False)
    gathered = gather([store])
    (subject,) = gathered.subjects
    noise = next(row for row in build_profile(gathered).asked if row.key == "noise")
    (dot,) = noise.dots
    assert dot is not None and len(dot.ticks) == dot.conditions
    kept: dict[str, list[float]] = {}
    for tick in dot.ticks:
        kept.setdefault(subject.infos[tick.condition].shift, []).append(tick.value)
    assert len({len(v) for v in kept.values()}) > 1, "curves of unequal length"
    assert dot.estimate.value == pytest.approx(np.mean([np.mean(v) for v in kept.values()]))


def test_without_pictures_no_findings_are_more_than_others(tmp_path: Path) -> None:
    clean = synthetic.make_run(tmp_path / "clean", models=1, samples=60, fourier=False, attacks=False, shifts=False)
    assert re.search(r">\d findings</a>", screen_of(clean)), "no card stands above them"
    shifted = synthetic.make_run(tmp_path / "shifted", models=1, samples=60, fourier=False, attacks=False)
    assert re.search(r">\d+ more findings</a>", screen_of(shifted))


def test_axes_of_shares_say_so(tmp_path: Path) -> None:
    gathered = gather([synthetic.make_run(tmp_path / "run", models=1, samples=60, fourier=False, attacks=False)])
    axes = {series.shift: series.axis for series in series_of(gathered, "shift")}
    assert axes["impulse_noise"] == "share of values" and axes["translation"] == "share of the side"
    assert axes["gaussian_noise"] == "σ" and not [axis for axis in axes.values() if axis.startswith("of ")]


def test_it_stands_alone(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "run", samples=100, fourier=False)
    text = first_screen_html([store])
    assert text.startswith("<style>") and 'href="#grid' not in text and "<script" not in text
    assert "screen alone" in text.replace("  ", " ") or " alone" in text


def test_the_page_has_it_once_with_its_style_and_script(tmp_path: Path) -> None:
    page = build([synthetic.make_run(tmp_path / "run", samples=60, fourier=False)]).read_text()
    assert page.count('id="first-screen"') == 1 and page.count('id="all-findings"') == 1
    assert ".screen {" in page and "aria-sort" in page
    for target in set(re.findall(r'href="#([\w-]+)"', page)):
        assert target.startswith("example-") or f'id="{target}"' in page, target
    assert [b.name for b in LADDER] == sorted((b.name for b in LADDER), reverse=True)

"""A run of the suite `bands` in the report: a panel a kind of filter, a line a model, axes that say what they are."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import synthetic
from brittlestar.report.drawing import charts
from brittlestar.report.panels import Curve, Panel, Point
from brittlestar.report.subjects import ModelEntry
from brittlestar.suites import get_suite
from report_tools import Seen, seen
from test_report_parts import estimate

AXES = {
    "Low-pass filter": "square of lowest frequencies kept",
    "High-pass filter, mean kept": "square of lowest frequencies removed",
    "Radial low-pass filter": "radius kept (cycles per image)",
    "Radial high-pass filter, mean kept": "radius removed (cycles per image)",
    "Low-frequency noise": "noise inside the square of lowest frequencies",
    "High-frequency noise": "noise outside the square of lowest frequencies",
    "One octave kept": "octave (cycles per image)",
    "One octave removed": "octave (cycles per image)",
    "Noise in one octave": "octave (cycles per image)",
    "Phases scrambled in one octave": "octave (cycles per image)",
    "Phase scrambling": "phases turned by up to (degrees)",
    "Random frequencies removed": "share of frequencies removed",
}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    infos = [c.info for c in get_suite("bands").conditions((1, 28, 28)) if c.info.kind == "shift"]
    ranked = [(info, (place % 14 + 1) / 14) for place, info in enumerate(infos)]
    folder = tmp_path_factory.mktemp("filters") / "run"
    return seen([synthetic.make_run(folder, models=2, samples=60, infos=ranked)])


def test_every_kind_has_a_panel_with_a_line_a_model_and_an_axis(content: Seen) -> None:
    assert {p.title: p.axis for p in content.filters} == AXES
    assert all(len(p.lines) == 2 for p in content.filters) and content.curves == ()
    points = {p.title: [q.label for q in p.lines[0].points] for p in content.filters}
    assert len(points["Low-pass filter"]) == 14 and points["Low-pass filter"][0] == "27×27"
    assert points["Radial low-pass filter"][-1] == "1"
    assert points["One octave kept"] == ["0 to 1", "1 to 2", "2 to 4", "4 to 8", "8 to 14"]


def test_octaves_have_no_breaking_point_and_the_others_are_shown(content: Seen) -> None:
    assert {b.title for b in content.breaks} == {t for t in AXES if "octave" not in t}
    page = content.html()
    section = page.split('<section id="filters">')[1].split("</section>")[0]
    assert '<section id="breaks">' in page and section.count("<svg") == len(AXES)


def test_filters_count_as_shifts_that_were_asked(content: Seen) -> None:
    texts = [s.text for v in content.verdicts if v.model for s in v.findings if "clean images" in s.lead]
    assert len(texts) == 2 and all("only filters and bands of frequencies were asked" in t for t in texts)


def test_a_run_without_shifts_still_says_so(tmp_path: Path) -> None:
    found = seen([synthetic.make_run(tmp_path / "c", models=1, samples=30, shifts=False, attacks=False)])
    assert "no shift was asked" in found.verdicts[0].findings[0].text


@pytest.mark.parametrize("label", ["1", "27×27", "8 to 14"])
def test_clean_stands_clear_of_the_first_strength(label: str) -> None:
    model = ModelEntry(key="m0", place=0, name="m", data=0, samples=10, about={})
    marks = tuple(
        Point(x=float(x), label=label if x == 1 else "z", estimate=estimate(0.5, 0.4, 0.6)) for x in (1, 2, 3)
    )
    line = Curve(model=model, points=marks, clean=estimate(0.9, 0.8, 0.95))
    svg = ET.fromstring(str(charts.curves(Panel(family="f", title="t", axis="a", lines=(line,)))))
    places = {e.text: float(e.get("x", 0)) for e in svg.iter("text") if e.get("text-anchor") == "middle"}
    assert places[label] - 2.9 * len(label) > places["clean"] + 2.9 * len("clean")

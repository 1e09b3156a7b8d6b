"""What explains a failure, in the report: content and page of a made-up store, stale and broken files, names, marks."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import synthetic
from brittlestar import api
from brittlestar.analyses.explain import explained_again
from brittlestar.core.sealed import write_json
from brittlestar.report import build
from brittlestar.report.explained import NAME, SCHEMA, SIDE, identity_of, is_current
from brittlestar.report.sections.explained import correlated
from brittlestar.shifts.ops.spectrum import basis_vector
from brittlestar.store import RunStore
from browser_tools import Browser
from report_tools import seen
from test_fourier_exact import Linear
from test_report_html import EVIL, EVIL_TOO, Page, evil_conditions
from tiny import called, make_world

Kept = dict[str, Any]


def estimate(value: float, half: float = 0.05, n: int = 200) -> Kept:
    made = {"value": value, "low": max(value - half, -1.0), "high": min(value + half, 1.0)}
    return made | {"n": n, "level": 0.95, "method": "test"}


def kept_of(store: RunStore) -> Kept:
    """What ``brittlestar explain`` might have written: numbers that depend on the place of a condition."""
    infos = [i for i in store.manifest.conditions.values() if i.kind == "shift"]
    names = list(store.manifest.models)
    strongest = {(i.shift, i.title): i.id for i in infos}
    spectra, cases = [], []
    for place, info in enumerate(infos):
        high = (place * 37 % 100) / 100
        plane = [[-2.0 + high, None], [0.5, -1.0]]
        spectra.append({"condition": info.id, "high": high, "plane": plane, "strongest": info.id in strongest.values()})
        for model, name in enumerate(names):
            case = {"model": name, "condition": info.id, "shift": info.shift, "high": high}
            case |= {"predicted": (0.1 + 0.2 * model) * high, "measured": estimate(0.5 * (place * 53 % 100) / 100)}
            cases.append(case | {"against": estimate(high - 0.5) if model else None})
    return {
        "schema": SCHEMA,
        "identity": identity_of(store),
        "bandwidth": 14,
        "images": 200,
        "cases": cases,
        "fit": {name: estimate(0.6, 0.2, 20) for name in names},
        "trade": dict.fromkeys(names[1:]),
        "sentences": [f"{names[-1]} errs <more> on {infos[0].title}."],
        "spectra": spectra,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, Kept]:
    store = synthetic.make_run(tmp_path_factory.mktemp("explain") / "run", samples=200, attacks=False)
    kept = kept_of(store)
    write_json(store.path / NAME, kept)
    return store, kept


def section_of(text: str) -> str:
    return text[text.index('<section id="explained"') : text.index('<section id="filters"')]


def test_the_content_is_what_was_kept(made: tuple[RunStore, Kept]) -> None:
    store, kept = made
    found = seen([store]).explained
    assert found is not None and (found.bandwidth, found.images, found.first) == (14, 200, "natural")
    assert [m.model.name for m in found.models] == ["natural", "gaussian", "adversarial"]
    assert [s.high for s in found.spectra] == sorted(s["high"] for s in kept["spectra"])
    assert sum(len(m.cases) for m in found.models) == len(kept["cases"])
    first, second, _ = found.models
    assert all(c.against is None for c in first.cases) and all(c.against is not None for c in second.cases)
    by_id = {c["condition"]: c for c in kept["cases"] if c["model"] == "gaussian"}
    for case in second.cases:
        own = by_id[case.spectrum.condition]
        assert (case.predicted, case.measured.value) == (own["predicted"], own["measured"]["value"])
        assert case.spectrum.high == own["high"]
    assert np.isnan(found.spectra[0].plane[0, 1]) and found.spectra[0].plane[1, 0] == 0.5
    fog = next(s for s in found.spectra if s.condition.startswith("gaussian_noise"))
    assert fog.name == f"Gaussian noise, {fog.label}" and fog.label


def test_the_page_is_well_formed_and_has_every_number(made: tuple[RunStore, Kept]) -> None:
    store, kept = made
    content = seen([store])
    text = content.html()
    page, section = Page(text), section_of(text)
    assert 'href="#explained"' in text and "errs &lt;more&gt; on" in section
    scatters = [a for a in page.all("svg") if a.get("class") == "chart scatter"]
    assert len(scatters) == 3 + 2 and all(a["role"] == "img" and a["tabindex"] == "0" for a in scatters)
    assert section.count("r = +0.60 [+0.40, +0.80], 20 shifts") == 3
    assert section.count("no correlation of") == 2
    assert section.count('class="tiny"') == len(kept["spectra"])
    assert len(re.findall(r"<figure[^>]*><img", section)) == sum(s["strongest"] for s in kept["spectra"])
    one = kept["cases"][7]
    assert f"{100 * one['predicted']:.1f} · +{100 * one['measured']['value']:.1f} [" in section
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    written = json.loads((build([store]).parent / "summary.json").read_text())["explained"]
    assert written["models"][0]["predicted_and_added_error"]["value"] == 0.6
    assert written["models"][1]["high_frequency_energy_and_difference"] is None


def plots(text: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg[^>]*chart scatter.*?</svg>", text, re.S)]


def test_all_models_have_the_same_axes_and_all_marks_lie_inside(made: tuple[RunStore, Kept]) -> None:
    store, kept = made
    drawn = plots(seen([store]).html())

    def ticks(svg: ET.Element) -> list[tuple[str | None, ...]]:
        return [(e.text, e.get("x"), e.get("y")) for e in svg.iter("text") if e.get("class") == "tick"]

    assert ticks(drawn[0]) == ticks(drawn[1]) == ticks(drawn[2]) and ticks(drawn[3]) == ticks(drawn[4])
    for place, svg in enumerate(drawn):
        dots = list(svg.iter("circle"))
        assert len(dots) == len(kept["spectra"])
        assert all(36 <= float(d.get("cx", 0)) <= 310 and 26 <= float(d.get("cy", 0)) <= 216 for d in dots)
        xs = [float(d.get("cx", 0)) for d in dots]
        assert xs == sorted(xs), "the arrow keys walk from left to right"
        model = place if place < 3 else place - 2
        (group,) = svg.iter("g")
        assert group.get("class") == f"dot m{model}", "the models' colours"
        (bars,) = (p for p in svg.iter("path") if p.get("class") == f"whisker m{model}")
        assert (bars.get("d") or "").count("M") == len(dots)
        tip = dots[-1].get("data-tip") or ""
        assert ("predicted" in tip) == (place < 3) and ("% of the energy is high" in tip) == (place >= 3)
        assert "points [" in tip.replace("\u00a0", " ") and "n = 200" in tip


def test_many_models_stay_small(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "twelve", models=12, samples=20, attacks=False)
    kept = kept_of(store)
    for case in kept["cases"]:
        case["predicted"] /= 3
    write_json(store.path / NAME, kept)
    assert len(section_of(seen([store]).html())) < 800_000


def broken(change: Callable[[Kept], object]) -> Callable[[Kept], str]:
    def text(kept: Kept) -> str:
        kept = copy.deepcopy(kept)
        changed = change(kept)
        return json.dumps(kept if changed is None else changed)

    return text


def with_case(**more: object) -> Callable[[Kept], str]:
    return broken(lambda kept: kept["cases"][0].update(more))


def with_spectrum(**more: object) -> Callable[[Kept], str]:
    return broken(lambda kept: kept["spectra"][0].update(more))


BROKEN: dict[str, Callable[[Kept], str]] = {
    "no JSON": lambda kept: "{broken",
    "not text": lambda kept: "\udcff",
    "deep": lambda kept: "[" * 100_000,
    "a list": broken(lambda kept: [1]),
    "nothing": broken(lambda kept: {}),
    "another schema": broken(lambda kept: kept.update(schema=1)),
    "cases of text": broken(lambda kept: kept.update(cases="x")),
    "no cases": broken(lambda kept: kept.update(cases=[])),
    "bandwidth of text": broken(lambda kept: kept.update(bandwidth="<b>")),
    "no images": broken(lambda kept: kept.update(images=0)),
    "sentences": broken(lambda kept: kept.update(sentences=None)),
    "agreements of text": broken(lambda kept: kept.update(agreements="x")),
    "agreements without numbers": broken(lambda kept: kept.update(agreements=[{"model": "natural"}])),
    "fit": broken(lambda kept: kept["fit"].update(natural={"value": 1})),
    "fit out of range": broken(lambda kept: kept["fit"].update(natural=estimate(0.5) | {"high": 7.0})),
    "measured missing": with_case(measured=None),
    "measured is NaN": with_case(measured=estimate(0.1) | {"value": float("nan")}),
    "measured of text": with_case(measured=estimate(0.1) | {"low": "low"}),
    "interval without its value": with_case(measured=estimate(0.1) | {"low": 0.2}),
    "no count": with_case(measured=estimate(0.1) | {"n": None}),
    "predicted out of range": with_case(predicted=1e9),
    "unknown condition": with_case(condition="none"),
    "unknown spectrum": with_spectrum(condition="none"),
    "share out of range": with_spectrum(high=-3),
    "flat": with_spectrum(plane=[1, 2]),
    "ragged": with_spectrum(plane=[[1, 2], [1]]),
    "empty": with_spectrum(plane=[]),
    "infinite": with_spectrum(plane=[[float("inf")]]),
    "huge": with_spectrum(plane=[[0.0] * (SIDE + 1)]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_makes_no_sense_is_left_out_and_told(made: tuple[RunStore, Kept], name: str) -> None:
    store, kept = made
    path = store.path / NAME
    before = path.read_bytes()
    text = BROKEN[name](kept)
    path.write_bytes(text.encode(errors="surrogateescape"))
    if text.startswith("{") and name not in ("no JSON", "nothing"):
        write_json(path, json.loads(text))  # what was written so, and not changed by damage
    try:
        content = seen([store])
    finally:
        path.write_bytes(before)
        store.damage.clear()
    assert content.explained is None
    (note,) = [n for n in (*content.notes, *(s.text for s in content.statuses)) if NAME in n]
    assert "left out" in note and "brittlestar explain" in note
    assert 'id="explained"' not in content.html()


def test_reports_without_the_file_or_on_several_runs_say_nothing(made: tuple[RunStore, Kept], tmp_path: Path) -> None:
    other = synthetic.make_run(tmp_path / "other", models=1, samples=30, attacks=False)
    for runs in ([other], [made[0], other]):
        content = seen(runs)
        assert content.explained is None and not any(NAME in n for n in content.notes)


def test_names_are_never_markup(tmp_path: Path) -> None:
    store = synthetic.make_run(
        tmp_path / "evil", models=[EVIL, EVIL_TOO], samples=60, infos=evil_conditions(), name=EVIL, fourier=False
    )
    kept = kept_of(store)
    kept["sentences"] = [EVIL_TOO, EVIL]
    write_json(store.path / NAME, kept)
    text = seen([store]).html()
    page = Page(text)
    assert 'id="explained"' in text
    assert text.count("<script") == 4 and "<img src=x" not in text
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_too_few_shifts_are_said_to_be_too_few(made: tuple[RunStore, Kept]) -> None:
    found = seen([made[0]]).explained
    assert found is not None
    model = found.models[0]
    three = [c for c in model.cases if c.spectrum.shift in ("gaussian_noise", "contrast", "rotation")]
    few = type(model)(model=model.model, cases=tuple(three), fit=None, trade=None)
    assert correlated(None, few) == "too few for a correlation: 3 shifts, and it takes 8"
    assert correlated(None, model).endswith("the values do not vary")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.nn.Module]]:
    folder = tmp_path_factory.mktemp("images")
    x = torch.randint(0, 256, (60, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    np.savez(folder / "d.npz", x=x.to(torch.uint8).numpy(), y=np.arange(60) % 2)
    low, high = basis_vector(16, 16, 1, 1), basis_vector(16, 16, 6, 7)
    return folder / "d.npz", {"low": Linear(low, 0.1).eval(), "high": Linear(high, 0.0).eval()}


def test_it_belongs_to_one_state_of_the_run(images: tuple[Path, dict[str, torch.nn.Module]], tmp_path: Path) -> None:
    data, models = images
    made = api.evaluate(models, str(data), suite=["fourier", "bands"], out=tmp_path / "run", samples=30)
    assert explained_again(made.path) is not None
    assert is_current(RunStore.open(made.path)) and seen([made.path]).explained is not None
    assert explained_again(made.path) is None, "nothing new, nothing is computed"
    api.evaluate(models, str(data), suite=["fourier", "bands"], out=tmp_path / "run", samples=60)
    content = seen([made.path])
    assert content.explained is None and any("earlier state of this run" in n for n in content.notes)
    assert made.report().is_file()
    again = explained_again(made.path)
    found = seen([made.path]).explained
    assert again is not None and found is not None and found.images == 60
    planes = {s.condition: s.plane for s in found.spectra}
    low = next(p for c, p in planes.items() if c.startswith("low_pass") and "bandwidth=15" in c)
    assert low.shape == (16, 16) and np.isnan(low[8, 8]) and np.isfinite(low[0, 8]), "the mean stays, Nyquist goes"


def test_runs_that_cannot_be_explained_are_left_alone(
    images: tuple[Path, dict[str, torch.nn.Module]], tmp_path: Path
) -> None:
    data, models = images
    with np.load(data) as kept:
        arrays = kept["x"], kept["y"]
    one = {"low": models["low"]}
    for name, source, suite in (
        ("objects", arrays, ["fourier", "noise"]),
        ("no map", str(data), ["noise"]),
        ("no shifts", str(data), ["fourier"]),
    ):
        made = api.evaluate(one, source, suite=suite, out=tmp_path / name, samples=20)
        assert explained_again(made.path) is None and not (made.path / NAME).exists()
        assert 'id="explained"' not in made.report().read_text()


def test_run_explains_by_itself(tmp_path: Path) -> None:
    model, data = make_world(tmp_path, samples=40)
    words = ["run", "--model", f"torch:{model}:model", "--data", data, "--suite", "bands", "--suite", "fourier"]
    words += ["--workers", 1, "--out", tmp_path / "run"]
    done = called(*words, "--no-report")
    assert done.returncode == 0 and not (tmp_path / "run" / NAME).exists(), done.stderr
    done = called(*words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / NAME).is_file() and (tmp_path / "run" / "report" / "explain.csv").is_file()
    text = (tmp_path / "run" / "report" / "report.html").read_text()
    assert 'id="explained"' in text and text.count("chart scatter") == 1
    np.savez(data, x=np.full((40, 12, 12, 3), 200, np.uint8), y=np.arange(40) % 4)
    (tmp_path / "run" / NAME).unlink()
    words = ["explain", tmp_path / "run", "--data", data]
    done = called(*words)
    assert done.returncode == 2 and "is not the data of the run" in done.stderr


def test_the_marks_answer_to_pointer_and_keys(made: tuple[RunStore, Kept], browser: Browser) -> None:
    browser.size(1400, 900)
    browser.open(build([made[0]]))
    tip = "const t = document.getElementById('tip'); return t.hidden ? '' : t.innerText"
    browser.hover("svg.scatter circle:last-child")
    assert "predicted" in browser.run(tip)
    browser.press("escape")
    browser.run("document.querySelector('svg.scatter').focus({preventScroll: true})")
    browser.press("right")
    first = browser.run(tip)
    browser.press("right", "right")
    assert "n = 200" in first and browser.run(tip) not in ("", first)
    assert browser.run("return document.querySelectorAll('.scatter .picked').length") == 1
    browser.run("document.activeElement.blur()")
    assert browser.run("return document.querySelectorAll('.scatter .picked').length") == 0
    assert browser.errors() == []
    browser.size(320, 900)
    assert browser.run("return document.documentElement.scrollWidth") <= 320

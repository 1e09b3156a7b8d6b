"""The page that shows a run's pictures to people: its pictures, its trials in a browser, the file that it saves."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import brittlestar as bs
from brittlestar.analyses.stimuli import Exhibit, masks_of, names_of, png, show, stretched
from brittlestar.core.errors import UsageError
from brittlestar.report.people_page import Timing, keys_of, people_page
from brittlestar.store import RunStore
from brittlestar.store.people import keep_export
from brittlestar.store.trials import COLUMNS, read_trials
from browser_tools import Browser
from tiny import called, make_world

NOISE = "gaussian_noise/sigma=0.12"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two conditions on 130 images of four classes."""
    folder = tmp_path_factory.mktemp("people")
    model, data = make_world(folder)
    suite = [bs.shifts.GaussianNoise(sigma=0.12), bs.shifts.HighPass(bandwidth=3, keep_mean=False)]
    bs.evaluate(f"torch:{model}:model", str(data), suite=suite, out=folder / "run", workers=1, anyway=True)
    return folder / "run"


@pytest.fixture(scope="module")
def shown(run: Path) -> Exhibit:
    return show(run, ["clean", NOISE], trials=6)


def pixels_of(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)))


def test_pictures_are_what_the_models_saw(run: Path, shown: Exhibit) -> None:
    store = RunStore.open(run)
    ids, labels = store.samples()
    source = np.load(run.parent / "data.npz")
    assert len(shown.pictures) == 12 == len({s.position for s in shown.export.stimuli}), "no picture twice"
    for stimulus, picture in zip(shown.export.stimuli, shown.pictures, strict=True):
        assert stimulus.label == labels[stimulus.position]
        levels = pixels_of(picture)
        if stimulus.condition == "clean":
            assert any(np.array_equal(levels, x) for x in source["x"])
            image = torch.from_numpy(levels.copy())
        else:
            place = next(
                i for i in range(130) if _noisy(source["x"][i], str(ids[stimulus.position])) == levels.tobytes()
            )
            image = torch.from_numpy(source["x"][place])
        assert image.shape == (12, 12, 3)
    for cell in (shown.export.stimuli[:6], shown.export.stimuli[6:]):
        assert sorted(np.bincount([s.label for s in cell], minlength=4)) == [1, 1, 2, 2], "classes in turn"


def _noisy(image: np.ndarray, sample: str) -> bytes:
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    y = bs.shifts.GaussianNoise(sigma=0.12)(x, bs.core.keys.SampleKeys.of(0, [sample]))
    return bytes((y[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy().tobytes())


def test_both_scales_are_conditions_of_their_own(run: Path) -> None:
    both = show(run, ["high_pass/bandwidth=3/keep_mean=False"], trials=4, scale="both")
    assert [s.scale for s in both.export.stimuli] == ["true"] * 4 + ["unit"] * 4
    assert {s.shown_as for s in both.export.stimuli} == {
        "high_pass/bandwidth=3/keep_mean=False",
        "high_pass/bandwidth=3/keep_mean=False (unit variance)",
    }
    # Half of what a filter leaves without its mean is below 0, and cut off at its true scale.
    assert np.mean([(pixels_of(p) == 0).mean() for p in both.pictures[:4]]) > 0.3
    assert np.mean([pixels_of(p).mean() for p in both.pictures[4:]]) == pytest.approx(127.5, abs=8)


def test_a_stretched_picture_has_one_spread_and_masks_have_the_spectrum_of_photographs() -> None:
    faint = 0.3 + 0.01 * np.random.default_rng(0).standard_normal((3, 16, 16)).astype(np.float32)
    z = stretched(faint)
    assert (float(z.mean()), float(z.std())) == (pytest.approx(0.5, abs=1e-5), pytest.approx(0.2, abs=1e-5))
    assert (stretched(np.full((1, 8, 8), 0.7, np.float32)) == 0.5).all()
    assert pixels_of(png(z)).shape == (16, 16, 3)
    mask = masks_of(64, 64, 0)[0][0]
    amplitude = np.abs(np.fft.fft2(mask - mask.mean()))
    assert amplitude[0, 1:4].mean() > 8 * amplitude[0, 20:30].mean()


def test_digits_are_answered_with_their_own_keys() -> None:
    assert keys_of([str(i) for i in range(10)]) == list("0123456789")
    assert keys_of(["b", "A"]) == ["b", "a"]
    assert keys_of(["a", "A"])[:2] == keys_of(["cat", "dog"])[:2] == ["1", "2"]
    assert keys_of(["1", ""])[:2] == ["1", "2"]


def test_names_that_a_spreadsheet_or_a_reader_would_mistake_get_numbers() -> None:
    assert names_of(["cat", "dog"]) == ("cat", "dog")
    assert names_of(["cat", "=1+1"]) == ("0: cat", "1: =1+1")
    assert names_of(["crane", "crane"]) == ("0: crane", "1: crane")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--condition", "clear"], "did you mean clean"),
        (["--condition", "clean", "--condition", "clean"], "named twice"),
        (["--condition", "clean", "--trials", "0"], "--trials must be at least 1"),
        (["--condition", "clean", "--trials", "200"], "the models have answered 130: at most --trials 122,"),
        (["--condition", "clean", "--scale", "big"], "--scale is true, unit, both"),
        (["--condition", "clean", "--duration", "5"], "--duration is from 20"),
    ],
)
def test_what_cannot_be_shown_is_refused(run: Path, words: list[str], told: str, tmp_path: Path) -> None:
    answer = called("people", "export", run, *words, "--out", tmp_path / "page")
    assert answer.returncode == 2
    assert told in answer.stderr
    assert not (tmp_path / "page").exists()


STATE = """
const on = (id) => !document.getElementById(id).hidden;
const waits = document.getElementById('answers').classList.contains('on') && !document.querySelector('.right');
return on('end') ? 'end' : on('pause') ? 'pause' : waits ? 'answer' : '';
"""
TAKEN = """
const answers = document.getElementById('answers');
return document.getElementById('show').hidden !== false || !answers.classList.contains('on') ||
  document.querySelector('.right') !== null;
"""
"""That an answer, or the button of a pause, was taken."""


def test_from_the_first_click_to_the_comparison(run: Path, shown: Exhibit, browser: Browser, tmp_path: Path) -> None:
    timing = Timing(fixation=20, picture=20, mask=20, feedback=40, block=5)
    page = people_page(shown.export, shown.pictures, shown.practice, shown.masks, shown.shape, timing)
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text(page)
    keep_export(run, shown.export)
    assert "default-src 'none'" in html.unescape(page) and not re.search(r"https?://", page)
    browser.size(1000, 900)
    browser.devtools("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.open(tmp_path / "page" / "index.html")
    browser.click("#who button")
    assert browser.run("return !document.getElementById('start').hidden"), "nobody begins without a code"
    browser.type("#subject", "p07")
    browser.click("#who button")
    answered = pauses = 0
    while (now := browser.until(STATE)) != "end":
        progress = browser.run("return document.getElementById('progress').textContent")
        if now == "pause":
            pauses += 1
            browser.click("#go")
        elif answered % 2:
            browser.press("one")  # the classes are called 0 to 3
        else:
            browser.click("[data-answer='2']")
        answered += now == "answer"
        browser.until(TAKEN)
        assert answered < 40, progress
    assert (answered, pauses) == (12 + 6, 1 + 2)
    assert browser.errors() == []
    browser.click("#save")
    saved = tmp_path / f"people-{shown.export.short}-p07-1.csv"
    for _ in range(5000):
        if saved.exists():
            break
        browser.run("return 0")  # a question to the browser takes a moment
    trials = read_trials(saved)
    assert saved.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert saved.read_text() == browser.run("return document.getElementById('csv').value")
    assert len(trials) == 12 == len({t.image_id for t in trials})
    assert [t.trial for t in trials] == list(range(1, 13))
    classes = shown.export.classes
    assert {t.response for t in trials} == {classes[1], classes[2]}
    assert all(0 < t.seconds < 600 for t in trials)
    assert sorted(t.image_id for t in trials) != [t.image_id for t in trials], "an order of its own"
    answer = called("people", "import", run, saved)
    assert answer.returncode == 0, answer.stderr
    assert "1 person, 12 trials of 12 pictures" in answer.stdout
    assert "No condition is shown to be beyond people" in answer.stdout
    report = (run / "report" / "report.html").read_text()
    assert "What do people see?" in report
    again = called("people", "import", run, saved)
    assert again.returncode == 0, "the same file again changes nothing"
    assert len(list((run / "people" / shown.export.short).glob("trials-*.csv"))) == 1


def test_an_attack_is_shown_of_one_model_only(tmp_path: Path) -> None:
    model, data = make_world(tmp_path, 24)
    attack = bs.attacks.LInfPGD(epsilon=0.1, steps=2)
    bs.evaluate(f"torch:{model}:model", str(data), suite=[attack], out=tmp_path / "run", workers=1, anyway=True)
    (name,) = RunStore.open(tmp_path / "run").manifest.models
    (condition,) = [c for c in RunStore.open(tmp_path / "run").manifest.conditions if c != "clean"]
    with pytest.raises(UsageError, match="an attack is one model's"):
        show(tmp_path / "run", [condition], trials=4)
    with pytest.raises(UsageError, match="names code that this would run"):
        show(tmp_path / "run", [condition], trials=4, model=name)
    found = show(tmp_path / "run", [condition], trials=4, model=name, trust=True)
    assert found.export.model == name
    x = np.load(data)["x"].astype(int)
    for picture in found.pictures:
        nearest = np.abs(x - pixels_of(picture)).max((1, 2, 3)).min()
        assert 20 <= nearest <= 26, "a tenth of 255, rounded"


def test_the_page_shows_names_as_text(shown: Exhibit) -> None:
    hostile = dataclasses.replace(shown.export, classes=("<b>cat</b>", "</script><script>alert(1)", "c", 'd"'))
    page = people_page(hostile, shown.pictures, shown.practice, shown.masks, shown.shape, Timing())
    assert "<b>cat</b>" not in page and "</script><script>alert" not in page
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[0])
    assert data["classes"][0] == "<b>cat</b>"
    assert base64.b64decode(data["stimuli"][0]["picture"].partition(",")[2]) == shown.pictures[0]

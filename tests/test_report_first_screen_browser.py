"""The first screen in Chromium at many widths: nothing over anything, nothing beyond the edge; sorting and folds."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthetic
from brittlestar.report import build
from browser_tools import Browser

LAYOUT = (Path(__file__).parent / "layout.js").read_text()
WIDTHS = (1600, 1400, 1280, 1241, 1240, 1100, 961, 900, 720, 641, 640, 390, 320)
LONG = tuple(f"convnextv2_large_{i:02d}.fb_in22k_augreg_ft_in1k_laion2b_epochs_90_wd_run_{i:02d}" for i in range(12))
SPECIES = tuple(f"great white shark of kind {i}, Carcharodon carcharias" for i in range(100))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("screens")
    runs = {
        "one": synthetic.make_run(folder / "one", models=1, samples=200, fourier=False),
        "three": synthetic.make_run(
            folder / "three", models=LONG[:3], samples=200, fourier=False, classes=SPECIES, partial=100
        ),
        "twelve": synthetic.make_run(
            folder / "twelve", models=LONG, samples=60, fourier=False, classes=SPECIES, shape=(3, 64, 64)
        ),
    }
    return {name: build([store]) for name, store in runs.items()}


@pytest.mark.parametrize("name", ["one", "three", "twelve"])
def test_nothing_lies_over_anything(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name])
    for width in WIDTHS:
        browser.size(width, 900)
        seen = browser.run(LAYOUT)
        assert seen["width"] == width and seen["texts"] > 40
        assert seen["found"] == [], (width, seen["found"])
        if name != "twelve" and width >= 1280:
            assert seen["height"] < 900, "one screen"


def test_headings_of_the_matrix_sort_it(browser: Browser, pages: dict[str, Path]) -> None:
    browser.size(1400, 900)
    browser.open(pages["twelve"])
    values = "return [...document.querySelectorAll('.matrix tbody tr')].map(r => +r.cells[1].dataset.v)"
    before = browser.run(values)
    assert len(before) == 12
    browser.click(".matrix thead .cl button")
    assert browser.run(values) == sorted(before, reverse=True)
    browser.click(".matrix thead .cl button")
    assert browser.run(values) == sorted(before)
    assert browser.run("return document.querySelector('.matrix [aria-sort]').className") == "cl"


def test_a_name_that_was_cut_is_whole_on_focus(browser: Browser, pages: dict[str, Path]) -> None:
    browser.size(1400, 900)
    browser.open(pages["twelve"])
    told = browser.run(
        "const th = document.querySelector('.matrix tbody th'); th.focus();"
        "return [th.textContent, th.dataset.full, getComputedStyle(th, '::after').content]"
    )
    assert len(told[0]) < 30 and told[1] in LONG and told[2] == f'"{told[1]}"'


def test_more_findings_unfold(browser: Browser, pages: dict[str, Path]) -> None:
    browser.size(1400, 900)
    browser.open(pages["three"])
    assert not browser.run("return document.querySelector('#all-findings').open")
    browser.click(".more a")
    browser.run("return new Promise(r => requestAnimationFrame(() => r(1)))")
    assert browser.run("return document.querySelector('#all-findings').open")
    assert browser.errors() == []

"""The report on paper: A4, all models, nothing over the edge and nothing over another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import synthetic
from brittlestar.cli.report import write_report
from brittlestar.core.errors import UsageError
from brittlestar.report import build
from brittlestar.report.chromium import chromium
from browser_tools import Browser

PAGE = 703
"""Width of a page between its margins, in CSS pixels: 186 mm."""

LAID_OUT = """
const seen = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 0;
const beyond = [...document.querySelectorAll("main table, main figure, main svg, main p, main pre, main img")]
  .filter((e) => seen(e) && e.getBoundingClientRect().right > arguments[0] + 1.5)
  .map((e) => `${e.tagName} ${e.className.baseVal ?? e.className} ${e.textContent.trim().slice(0, 40)}`);
const parts = [...document.querySelectorAll("main > *")].filter(seen);
const box = (e) => e.getBoundingClientRect();
const over = parts.slice(1).filter((e, i) => box(e).top < box(parts[i]).bottom - 1);
const titles = (id) => [...document.querySelectorAll(`#${id} table.heat thead .group`)].filter(seen)
  .map((e) => e.title || e.querySelector("[title]")?.title || e.textContent.trim());
return {
  beyond, over: over.map((e) => e.id), grid: titles("grid"),
  folded: [...document.querySelectorAll("#first-screen li:not(.unprinted)")].filter((e) => !seen(e)).length,
  unprinted: [...document.querySelectorAll(".unprinted")].filter((e) => !e.closest("table.heat:not([id])")).length,
  shown: [...document.querySelectorAll(".unprinted")].filter(seen).length,
  lines: [...document.querySelectorAll(".left-out")].filter(seen).map((e) => e.textContent),
  examples: document.querySelectorAll(".gallery li").length,
  undrawn: [...document.querySelectorAll(".gallery img")].filter((e) => !e.naturalWidth).map((e) => e.alt),
  scrolled: [...document.querySelectorAll(".scroller")]
    .filter((e) => seen(e) && getComputedStyle(e).overflowY !== "visible").length,
};
"""


LEFT_OUT = re.compile(r"Printed: the (first )?\d+ .+; (\d+) more on the page\.")


def laid_out(browser: Browser, page: Path) -> Any:
    """The page as print sees it, without the cuts between pages."""
    browser.size(PAGE, 1000)
    browser.open(page)
    browser.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    browser.run("dispatchEvent(new Event('beforeprint'))")
    try:
        return browser.run(LAID_OUT, PAGE)
    finally:
        browser.devtools("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize(("models", "classes", "side"), [(1, 2, 8), (3, 10, 28), (6, 1000, 8)])
def test_all_models_stand_on_the_paper(
    models: int,
    classes: int,
    side: int,
    browser: Browser,
    tmp_path: Path,
) -> None:
    names = [f"model_{i}_with_a_name_that_goes_on_and_on_and_says_little_{i}" for i in range(models)]
    store = synthetic.make_run(
        tmp_path / "run", models=names, samples=60, classes=classes, shape=(1, side, side), examples=1
    )
    page = build([store])
    found = laid_out(browser, page)
    assert found["beyond"] == [] and found["over"] == []
    assert found["folded"] == found["scrolled"] == 0
    assert len(found["grid"]) == models
    assert 0 < found["examples"] <= 12 and found["undrawn"] == [], "no picture is still empty when the page is printed"
    told = [LEFT_OUT.fullmatch(line) for line in found["lines"]]
    assert found["shown"] == 0 and told and all(told), "what is left out says so"
    assert sum(int(match[2]) for match in told if match) == found["unprinted"]
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('table.heat.whole, .unprinted, .left-out').length") == 0
    assert browser.errors() == []


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
def test_the_pdf_has_a4_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = synthetic.make_run(tmp_path / "run", models=2, samples=40, fourier=False)
    write_report([store.path], tmp_path / "out", pdf=True)
    assert f"print: {tmp_path / 'out' / 'report.pdf'}" in capsys.readouterr().out
    pdf = (tmp_path / "out" / "report.pdf").read_bytes()
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 3 <= len(sizes) <= 12
    for size in sizes:
        assert [float(side) / 72 * 25.4 for side in size] == pytest.approx([210, 297], abs=0.5)


def test_without_chromium_no_work_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = synthetic.make_run(tmp_path / "run", models=1, samples=40, fourier=False)
    monkeypatch.setenv("CHROME_PATH", "/nowhere/chrome")
    with pytest.raises(UsageError, match=r"the PDF of a report is made by Chromium .* '/nowhere/chrome'"):
        write_report([store.path], tmp_path / "out", pdf=True)
    assert not (tmp_path / "out").exists()

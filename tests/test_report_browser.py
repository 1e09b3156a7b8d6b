"""The page in headless Chromium, driven over WebDriver: no errors, filter, sort, keys, phone, dark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import synthetic
from brittlestar.report import build
from brittlestar.report.render import json_for_script
from browser_tools import Browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = synthetic.make_run(tmp_path_factory.mktemp("page") / "three", samples=300)
    return build([store])


@pytest.fixture
def page(browser: Browser, report: Path) -> Browser:
    browser.size(1400, 900)
    browser.open(report)
    return browser


VISIBLE = """
return [...document.querySelectorAll('#grid-table tbody tr[data-text]')].filter(r => !r.hidden)
  .map(r => r.cells[0].firstChild.textContent)
"""


def test_the_page_opens_without_a_word_on_the_console(page: Browser) -> None:
    assert page.run("return document.title") == "natural, gaussian and adversarial on digits · Brittlestar report"
    assert page.errors() == []
    assert (
        page.run("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    )


def test_typing_filters_the_grid(page: Browser) -> None:
    every = page.run(VISIBLE)
    assert len(every) > 15
    page.type("#grid .filter input", "noise gauss")
    assert page.run(VISIBLE) == ["Gaussian noise"]
    assert page.run("return document.querySelector('#grid .shown').textContent") == f"1 of {len(every)} shifts"
    page.run(
        "const i = document.querySelector('#grid .filter input'); i.value = ''; i.dispatchEvent(new Event('input'))"
    )
    assert page.run(VISIBLE) == every


BLOCKS = """
return [...document.querySelectorAll('#grid-table tbody')]
  .map(b => [...b.querySelectorAll('tr[data-text]')].map(r => r.cells[%s].%s))
"""
"""What stands in a column of the grid, by block."""


def test_clicking_a_header_sorts_every_block_and_clicking_on_restores(page: Browser) -> None:
    names = page.run(BLOCKS % (0, "firstChild.textContent"))
    assert len(names) > 1 and all(names)
    means = BLOCKS % (1, "dataset.v")
    page.click("#grid-table [data-sort='0:0']")
    for block in page.run(means):
        assert block == sorted(block, key=float, reverse=True)
    assert page.run("return document.querySelector(\"[data-sort='0:0']\").getAttribute('aria-sort')") == "descending"
    page.click("#grid-table [data-sort='0:0']")
    for block in page.run(means):
        assert block == sorted(block, key=float)
    page.click("#grid-table [data-sort='0:0']")
    assert page.run(BLOCKS % (0, "firstChild.textContent")) == names
    page.click("#grid-table [data-sort='name']")
    for block, before in zip(page.run(BLOCKS % (0, "firstChild.textContent")), names, strict=True):
        assert block == sorted(before, key=str.casefold)


def test_a_severity_sorts_its_own_block_only(page: Browser) -> None:
    names = page.run(BLOCKS % (0, "firstChild.textContent"))
    head = "#grid-table .heads [data-sort='0:2']"
    place = page.run(
        "return [...document.querySelectorAll('#grid-table tbody')]"
        f".indexOf(document.querySelector(\"{head}\").closest('tbody'))"
    )
    page.click(head)
    after = page.run(BLOCKS % (0, "firstChild.textContent"))
    values = [float(v) for v in page.run(BLOCKS % (3, "dataset.v"))[place]]
    assert values == sorted(values, reverse=True) and sorted(after[place]) == sorted(names[place])
    assert [b for i, b in enumerate(after) if i != place] == [b for i, b in enumerate(names) if i != place]


def test_columns_carry_the_names_of_the_severities(page: Browser) -> None:
    heads = page.run(
        "return [...document.querySelectorAll('#grid-table .heads')]"
        ".map(h => [...h.querySelectorAll('.g0')].map(c => c.innerText.trim()))"
    )
    assert ["mean", "1", "3", "5"] in [[h for h in head if h] for head in heads]


def test_the_table_of_models_sorts_best_first(page: Browser) -> None:
    column = "return [...document.querySelectorAll('#models-table tbody tr')].map(r => +r.cells[%d].dataset.v)"
    page.click("#models-table th:nth-child(2) .sort")
    assert page.run(column % 1) == sorted(page.run(column % 1), reverse=True)
    page.click("#models-table th:nth-child(3) .sort")
    assert page.run(column % 2) == sorted(page.run(column % 2)), "of errors the lowest comes first"


def test_a_page_that_grows_reloads_in_its_place(browser: Browser, report: Path, tmp_path: Path) -> None:
    grown = tmp_path / "grown.html"
    text = report.read_text(encoding="utf-8")
    grown.write_text(text.replace("<body>", '<body data-refresh="1">', 1), encoding="utf-8")
    browser.size(1400, 900)
    browser.open(grown)
    browser.run("window.old = true; document.querySelector('#models details').open = true")
    browser.run("document.getElementById('curves').scrollIntoView({block: 'start'}); scrollBy(0, 200)")
    place = "return document.getElementById('curves').getBoundingClientRect().top"
    before = browser.run(place)
    browser.until("return window.old === undefined && document.readyState === 'complete'")
    assert abs(browser.run(place) - before) < 60
    assert browser.run("return document.querySelector('#models details').open") is True


def test_a_page_that_nobody_writes_any_more_stops_reloading(browser: Browser, report: Path, tmp_path: Path) -> None:
    left = tmp_path / "left.html"
    text = report.read_text(encoding="utf-8")
    left.write_text(text.replace("<body>", '<body data-refresh="0.05" data-written="noon">', 1), encoding="utf-8")
    browser.size(1400, 900)
    browser.open(left)
    # It says so in place of reloading again.
    told = "No longer reloading: nothing was written since noon"
    assert browser.until(f"return document.body.innerText.includes('{told}')")


def test_a_cell_tells_its_interval_count_and_failing_images(page: Browser) -> None:
    shown = "return [...document.querySelectorAll('.gallery li')].map(l => [l.dataset.c, l.dataset.m])"
    condition, model = next(pair for pair in page.run(shown) if pair[0].startswith("gaussian_noise"))
    page.hover(f"#grid-table td[data-c='{condition}'][data-m='{model}']")
    assert page.run("return document.getElementById('tip').hidden") is False
    text = page.run("return document.getElementById('tip').innerText")
    assert "Gaussian noise" in text and "accuracy" in text and "[" in text and "n = 300" in text
    assert page.run("return document.querySelectorAll('#tip img').length") >= 1
    page.press("escape")
    assert page.run("return document.getElementById('tip').hidden") is True


def test_the_grid_is_walked_with_the_arrow_keys(page: Browser) -> None:
    assert page.run("return document.querySelectorAll('#grid-table td[tabindex=\"0\"]').length") == 1
    page.run("document.querySelector('#grid-table td[tabindex=\"0\"]').focus()")
    page.press("right", "right", "down")
    place = page.run("const c = document.activeElement; return [c.cellIndex, c.parentElement.rowIndex]")
    assert place == [3, 3]
    assert page.run("return document.getElementById('tip').innerText.split('\\n')[0]").startswith("Shot noise")


def test_a_slash_goes_to_the_filter(page: Browser) -> None:
    page.press("slash")
    assert page.run("return document.activeElement === document.querySelector('.tools input')") is True
    assert page.run("return document.activeElement.value") == ""


def test_models_are_switched_on_and_off_but_never_all_off(page: Browser) -> None:
    shown = """
    return [...document.querySelectorAll('#grid-table .group')].filter(g => g.offsetParent !== null)
      .map(g => g.innerText.trim())
    """
    assert page.run(shown) == ["natural", "gaussian", "adversarial"]
    for place in range(3):
        page.click(f"#grid [data-group='{place}']")
    assert page.run(shown) == ["adversarial"]
    page.click("#grid [data-group='0']")
    assert page.run(shown) == ["natural", "adversarial"]


def test_one_model_can_be_held_up(page: Browser) -> None:
    page.click("#curves [data-light='m1']")
    assert page.run("return document.body.dataset.lit") == "m1"
    assert (
        page.run("return [...document.querySelectorAll('.chart .line.m1')].every(l => l.classList.contains('lit'))")
        is True
    )
    page.click("#curves [data-light='m1']")
    assert page.run("return document.querySelectorAll('.lit').length") == 0


def test_pointing_at_a_frequency_shows_all_models(page: Browser) -> None:
    page.hover("svg.map", 40, -30)
    text = page.run("return document.getElementById('tip').innerText")
    assert text.startswith("Frequency") and all(m in text for m in ("natural", "gaussian", "adversarial"))
    crosses = page.run("return [...document.querySelectorAll('.cross')].filter(c => c.style.display !== 'none').length")
    assert crosses == 2 * page.run("return document.querySelectorAll('svg.map').length")


def test_the_gallery_filters_by_model_and_word(page: Browser) -> None:
    visible = "return [...document.querySelectorAll('.gallery li')].filter(l => !l.hidden).length"
    assert page.run(visible) == 12
    page.click("#gallery-more")
    everything = page.run(visible)
    assert everything > 12
    page.run("const s = document.querySelector('[data-pick]'); s.value = 'm2'; s.dispatchEvent(new Event('change'))")
    assert 0 < page.run(visible) < everything
    page.type("#gallery-filter", "zebra")
    assert page.run(visible) == 0
    assert page.run("return document.querySelector('.gallery-tools .shown').textContent") == "No example fits"


def test_a_cell_leads_to_its_examples_and_says_so_where_there_are_none(page: Browser) -> None:
    here = "return [...document.querySelectorAll('.gallery li')].map(l => [l.dataset.c, l.dataset.m])"
    note = "return document.getElementById('example-note').textContent"
    data = page.run("return JSON.parse(document.getElementById('data').textContent).examples")
    ids = [condition for condition, _, _ in data["conditions"]]
    model, place, *_ = next(one for one in data["list"] if ids[one[1]].startswith("fog"))
    page.click(f"#grid-table td[data-c='{ids[place]}'][data-m='{model}']")
    assert {tuple(pair) for pair in page.run(here)} == {(ids[place], model)}
    failed, right, _ = data["counts"][model][place]
    assert f"{failed} of {right} images right when clean fail here" in page.run(note)
    page.click("#gallery-more")
    assert len(page.run(here)) == 12 and page.run("return document.getElementById('example-note').hidden") is True


def test_a_condition_without_examples_says_so(browser: Browser, report: Path, tmp_path: Path) -> None:
    text = report.read_text()
    start = text.index('<script type="application/json" id="data">') + len('<script type="application/json" id="data">')
    end = text.index("</script>", start)
    values = json.loads(text[start:end])
    data = values["examples"]
    (model, place, *_), *_ = data["list"]
    mark = data["conditions"][place][1]
    data["list"] = [one for one in data["list"] if one[:2] != [model, place]]
    for told, said in (([0, 90, 0], "as none of 90"), ([7, 90, 0], "stored no example"), ([7, 90, 2], "no room")):
        data["counts"][model][place] = told
        changed = tmp_path / f"{said.split()[0]}.html"
        changed.write_text(text[:start] + json_for_script(values) + text[end:])
        browser.open(changed)
        browser.run(f"location.hash = 'example-{model}-{mark}'; dispatchEvent(new Event('hashchange')); return 0")
        assert browser.run("return document.querySelectorAll('.gallery li').length") == 0
        assert said in browser.run("return document.getElementById('example-note').textContent")


def test_a_finding_leads_to_its_images_again_and_takes_the_keyboard_there(page: Browser) -> None:
    above = "return document.querySelector('#examples').getBoundingClientRect().top < 200 && scrollY > 500"
    there = "return document.activeElement.id"
    follow = "document.querySelector('.finding a.pair').click(); return new Promise(r => setTimeout(() => r(1), 0))"
    page.run("document.documentElement.style.scrollBehavior = 'auto'")
    for _ in ("first", "the same link again"):
        page.run("scrollTo(0, 0); document.activeElement.blur()")
        page.run(follow)
        assert page.run(above) is True and page.run(there) == "example-note"


def test_pictures_are_enlarged_and_walked_through(page: Browser) -> None:
    words = "return document.querySelector('#zoom .words').innerText"
    page.run("document.querySelector('.gallery button').click(); return 0")
    assert page.run("return document.getElementById('zoom').open") is True
    first = page.run(words)
    assert "images right when clean fail here" in first
    assert page.run("return document.querySelectorAll('#zoom .pictures.pixels img').length") == 3
    page.press("right")
    assert page.run(words) != first
    page.press("left")
    assert page.run(words) == first
    page.press("escape")
    assert page.run("return document.getElementById('zoom').open") is False


def test_a_class_tells_its_recall_and_who_else_is_called_so(page: Browser) -> None:
    page.hover("#per-class-table tbody tr:nth-child(3) td:nth-child(4)")
    text = page.run("return document.getElementById('tip').innerText")
    assert "% [" in text and "of the other images get this answer" in text and "n = " in text


def test_the_theme_is_switched_and_remembered(page: Browser) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = page.run(colour)
    page.click("#theme")
    after = page.run(colour)
    assert before != after
    page.reload()
    assert page.run(colour) == after
    page.run("localStorage.clear()")


def test_dark_follows_the_system(page: Browser) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    found = []
    for scheme in ("light", "dark"):
        page.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        found.append(page.run(colour))
    page.devtools("Emulation.setEmulatedMedia", {"features": []})
    assert found == ["rgb(251, 250, 248)", "rgb(16, 19, 23)"]


@pytest.mark.parametrize("width", [320, 420, 768, 1400])
def test_the_page_never_scrolls_sideways(page: Browser, report: Path, width: int) -> None:
    page.size(width, 900)
    page.open(report)
    wide = page.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1] == width
    assert page.errors() == []


def test_the_copy_button_copies_or_selects_the_command(page: Browser) -> None:
    page.click(".copy")
    assert page.until("return document.querySelector('.copy').textContent === 'Copied'")


def test_the_page_prints_without_its_controls(page: Browser) -> None:
    page.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = "return ['.bar', '.copy', '#grid .chips'].map(s => getComputedStyle(document.querySelector(s)).display)"
    assert page.run(hidden) == ["none"] * 3
    page.devtools("Emulation.setEmulatedMedia", {"media": ""})


def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path) -> None:
    evil = "<script>window.pwned = 1</script>"
    store = synthetic.make_run(
        tmp_path / "evil",
        models=[evil, '"><img src=x onerror="window.pwned = 2">'],
        classes=[evil, "</script><script>window.pwned = 3</script>", "c"],
        samples=60,
        name=evil,
        shape=(1, 8, 8),
    )
    browser.size(1400, 900)
    browser.open(build([store]))
    browser.hover("#grid-table td[data-v]:nth-child(5)")
    browser.hover("svg.map", 10, 10)
    assert browser.run("return window.pwned ?? null") is None
    assert browser.errors() == []


def test_a_script_that_is_not_the_pages_own_does_not_run(browser: Browser, tmp_path: Path) -> None:
    browser.open(build([synthetic.make_run(tmp_path / "run", models=1, samples=60, shape=(1, 8, 8))]))
    # Whatever way foreign markup might come in: the policy is the last gate.
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 2\">'); return 0"
    )
    assert browser.run("return window.pwned ?? null") is None
    assert [e for e in browser.errors() if "Content Security Policy" in e]

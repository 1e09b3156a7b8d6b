"""The page itself: well formed, self-contained, everything escaped, small enough."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import synthetic
from brittlestar.core.condition import ConditionInfo
from brittlestar.core.definition import fingerprint_of
from brittlestar.report.render import json_for_script
from brittlestar.report.sections import SECTIONS
from report_tools import seen

VOID = {"meta", "link", "img", "input", "br", "hr"}
SELF_CLOSED = {"line", "circle", "rect", "path", "image", "use"}
EVIL = "<script>alert(1)</script>"
EVIL_TOO = "\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}</script>"


class Page(HTMLParser):
    """Elements with their attributes and text; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice on {tag}: {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SELF_CLOSED or tag in VOID, tag
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> str:
    store = synthetic.make_run(tmp_path_factory.mktemp("html") / "three", samples=1000)
    return seen([store]).html()


@pytest.fixture(scope="module")
def page(three: str) -> Page:
    return Page(three)


def test_the_page_is_well_formed(three: str, page: Page) -> None:
    assert three.startswith("<!doctype html>")
    assert page.all("html")[0]["lang"] == "en"
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {a["href"] for a in page.all("a")}
    examples = {t for t in targets if t and t.startswith("#example-")}
    assert targets - examples and all(t and t.startswith("#") and t[1:] in ids for t in targets - examples)
    marks = {
        mark
        for _, mark, _ in json.loads(next(t for t in page.texts["script"] if t.startswith('{"models')))["examples"][
            "conditions"
        ]
    }
    assert examples and {(t or "").rpartition("-")[2] for t in examples} <= marks, "the page's script finds these"
    controls = {a["aria-controls"] for _, a in page.elements if "aria-controls" in a}
    assert controls <= set(ids)


def test_the_page_needs_no_network(three: str, page: Page) -> None:
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (name, value)
    styles = "".join(page.texts["style"])
    assert "@import" not in styles and "url(" not in styles
    scripts = "".join(page.texts["script"])
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|WebSocket|https?://", scripts.split('models":')[0])
    policy = next(a for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")
    assert three.count("<script") == 4


def test_a_report_on_the_demo_is_under_three_megabytes(three: str) -> None:
    assert 300_000 < len(three.encode()) < 3_000_000


def test_a_report_on_twelve_models_is_under_five_megabytes(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "twelve", models=12, samples=100)
    text = seen([store]).html()
    assert len(text.encode()) < 5_000_000
    assert sum("data-full" in a or a.get("scope") == "row" for a in Page(text).all("th")) >= 12


def test_every_chart_has_a_title_a_description_and_a_table(page: Page) -> None:
    charts = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(charts) > 25
    others = [a for a in page.all("svg") if a.get("role") != "img" and a.get("class") != "star"]
    assert all(a.get("aria-hidden") == "true" or "x" in a for a in others), "decoration, or a mark inside a chart"
    titles = page.texts["title"]
    assert len([t for t in titles if t]) >= len(charts) + 1
    assert len(page.texts["desc"]) == len(charts)
    for attributes in charts:
        assert attributes["role"] == "img" and attributes["aria-label"]
    assert sum(a.get("class") == "data" for a in page.all("details")) >= 4


def test_pictures_have_alternatives_and_buttons_have_names(page: Page) -> None:
    assert all(a.get("alt") is not None for a in page.all("img"))
    assert all(a.get("type") == "button" for a in page.all("button"))
    headers = page.all("th")
    assert headers and all(a.get("scope") in ("col", "row", "colgroup", "rowgroup") for a in headers)


def sections_of(page: Page) -> list[str]:
    """The ids of the page's sections, in the order of the list."""
    ids = [a["id"] for a in page.all("section")]
    assert ids == ["first-screen", *(s.id for s in SECTIONS if s.id in ids)]
    return ids


def test_all_sections_of_a_full_run_are_there(page: Page) -> None:
    assert set(sections_of(page)) >= {
        "first-screen", "models", "grid", "curves", "breaks", "per_class", "frequencies", "filters", "attacks",
        "calibration", "measured", "comparison", "examples", "missing", "method",
    }  # fmt: skip


def test_sections_without_data_are_left_out(tmp_path: Path) -> None:
    store = synthetic.make_run(tmp_path / "c", models=1, samples=30, shifts=False, attacks=False, fourier=False)
    page = Page(seen([store]).html())
    ids = set(sections_of(page))
    assert ids >= {"models", "calibration", "missing", "method"}
    asked_of_shifts = {"grid", "curves", "breaks", "per_class", "frequencies", "filters", "attacks", "stability"}
    assert not ids & {*asked_of_shifts, "corruptions", "comparison", "examples"}


def evil_conditions() -> list[tuple[ConditionInfo, float]]:
    return [
        (
            ConditionInfo(
                id=f"{EVIL}/{kind}/{place}",
                fingerprint=fingerprint_of([EVIL, kind, place]),
                kind=kind,
                family=EVIL_TOO,
                shift=f"evil_{kind}",
                title=EVIL,
                label=f"{EVIL_TOO} = {place}",
                strength=float(place),
                strength_name=EVIL_TOO,
                threat=EVIL_TOO if kind == "attack" else "",
                paper=EVIL,
            ),
            place / 3,
        )
        for kind in ("shift", "attack")
        for place in (1, 2, 3)
    ]


def test_names_from_data_are_never_markup(tmp_path: Path) -> None:
    store = synthetic.make_run(
        tmp_path / "evil",
        models=[EVIL, EVIL_TOO],
        samples=60,
        classes=[EVIL, EVIL_TOO, "a", "b"],
        name=EVIL,
        infos=evil_conditions(),
        notes=[EVIL_TOO],
        skipped=[EVIL],
        fourier=False,
    )
    text = seen([store]).html()
    page = Page(text)
    assert text.count("<script") == 4 and "<img src=x" not in text
    assert len(page.all("script")) == 4
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "49" not in "".join(page.texts["h1"]), "names are not templates"
    assert EVIL in page.texts["title"][0] and EVIL in str(page.all("h1")[0]["title"])
    assert json.loads(next(t for t in page.texts["script"] if t.startswith('{"models')))["models"] == [EVIL, EVIL_TOO]


def test_json_cannot_end_its_script() -> None:
    value = {"a": "</script><!--<script>&\u2028"}
    text = json_for_script(value)
    assert "<" not in text and ">" not in text and "&" not in text and "\u2028" not in text
    # What turns or breaks text is written out.
    assert json.loads(text) == {"a": "</script><!--<script>&\\u2028"}


@pytest.mark.parametrize(
    ("models", "samples", "classes", "shape"),
    [(1, 50, 10, (1, 8, 8)), (2, 40, 1000, (3, 224, 224)), (1, 1, 2, (1, 8, 8))],
)
def test_sizes_from_digits_to_photographs(
    tmp_path: Path, models: int, samples: int, classes: int, shape: tuple[int, int, int]
) -> None:
    store = synthetic.make_run(tmp_path / "r", models=models, samples=samples, classes=classes, shape=shape)
    page = Page(seen([store]).html())
    assert any(a["id"] == "frequencies" for a in page.all("section"))

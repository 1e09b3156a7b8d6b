"""Charts as files of their own: every one of a report, in every format, and what is refused."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest
from markupsafe import Markup
from PIL import Image

import synthetic
from brittlestar.cli.figure import figure
from brittlestar.core.errors import UsageError
from brittlestar.report import Report, chromium, paper, report_of
from brittlestar.report.drawing.alone import Alone, stand_alone
from brittlestar.report.drawing.sheet import Sheet, resolved
from brittlestar.report.names import set_names
from synthetic_sets import moving, published

pytest.importorskip("matplotlib", reason="figures need the extra plots")

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("natural", "ünnütz <b>&", "a model with a long name for people to read, of 70 characters, no less")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = ("clean", "gaussian_noise", "fog", "low_pass", "linf_pgd")
    infos = [
        (info, strength)
        for info, strength in synthetic.described((1, 12, 12), "clean", "shift", "fourier", "attack")
        if info.kind == "fourier" or info.shift in kept
    ]
    infos += published("imagenet-c", corruptions=10) + moving("imagenet-p")[:2]
    folder = tmp_path_factory.mktemp("figures") / "run"
    return Path(synthetic.make_run(folder, models=NAMES, samples=60, shape=(1, 12, 12), infos=infos).path)


@pytest.fixture(scope="module")
def report(run: Path) -> Report:
    return report_of([run])


@pytest.fixture(scope="module")
def charts(report: Report) -> Mapping[str, Alone]:
    return {name: paper.alone(report, svg) for name, svg in paper.figures(report).items()}


@pytest.mark.slow
def test_every_section_with_charts_has_figures(charts: Mapping[str, Alone]) -> None:
    sections = {name.partition("/")[0] for name in charts}
    assert sections >= {
        "grid",
        "comparison",
        "corruptions",
        "curves",
        "stability",
        "frequencies",
        "filters",
        "attacks",
        "calibration",
    }
    assert "frequencies/map-natural" in charts and "calibration/ünnütz-b-" in charts


@pytest.mark.slow
def test_published_sets_are_called_by_their_names(charts: Mapping[str, Alone]) -> None:
    assert "corruptions/imagenet-c" in charts and "corruptions/imagenet-c/fog" in charts
    assert "stability/imagenet-p" in charts
    keys = ["imagenet-c/jpeg85/not prepared as published: 24 x 24", "tiny-c", "imagenet-c"]
    assert set_names(keys) == ["imagenet-c", "tiny-c", "imagenet-c-2"]


@pytest.mark.slow
def test_every_chart_stands_alone(charts: Mapping[str, Alone]) -> None:
    for name, chart in charts.items():
        root = ET.fromstring(chart.svg)
        assert root.get("width") == "84mm" and root.get("height") == f"{chart.height:.3f}mm", name
        left, top, wide, high = map(float, str(root.get("viewBox")).split())
        assert chart.height == pytest.approx(84 * high / wide, rel=1e-3)
        # What stands side by side is for the width of a page.
        assert chart.smallest * (174 / 84 if name.endswith("/all") else 1) >= paper.LEGIBLE, name
        assert not re.search(r"var\(|color-mix|currentColor|data-tip|class=|tabindex|http(?!://www.w3.org/)", chart.svg)
        for element in root.iter():
            assert all(v.startswith("data:") for k, v in element.items() if k.endswith("href"))
            if element.tag == f"{SVG}text":
                assert left <= float(element.get("x", 0)) <= left + wide, (name, element.text)
                assert top <= float(element.get("y", 0)) <= top + high, (name, element.text)


@pytest.mark.slow
def test_the_font_inside_has_every_letter(charts: Mapping[str, Alone]) -> None:
    from fontTools.ttLib import TTFont

    for name, chart in charts.items():
        faces = re.findall(r"font-weight:(\w+);src:url\(data:font/woff;base64,([^)]+)\)", chart.svg)
        known = {weight: set(TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()) for weight, data in faces}
        root = ET.fromstring(chart.svg)
        for text in root.iter(f"{SVG}text"):
            letters = {ord(c) for c in "".join(text.itertext())}
            assert letters <= known[text.get("font-weight", "normal")], (name, text.text)
        assert all(len(data) < 20_000 for _, data in faces)


@pytest.mark.slow
def test_the_same_chart_has_the_same_bytes(report: Report, charts: Mapping[str, Alone]) -> None:
    assert paper.chart(report, "frequencies/profile") == charts["frequencies/profile"]


@pytest.mark.slow
def test_models_that_a_chart_does_not_name_stand_in_its_key(charts: Mapping[str, Alone]) -> None:
    texts = [t.text for t in ET.fromstring(charts["curves/gaussian_noise"].svg).iter(f"{SVG}text")]
    assert texts.count("natural") == 1 and NAMES[1] in texts
    assert any(t and "…" in t and t.startswith("a model") and t.endswith("no less") for t in texts)
    grid = [t.text for t in ET.fromstring(charts["grid/all"].svg).iter(f"{SVG}text")]
    assert grid.count("natural") == 1 and grid.count(NAMES[1]) == 1
    alone = [t.text for t in ET.fromstring(charts["calibration/natural"].svg).iter(f"{SVG}text")]
    assert "natural" in alone and NAMES[1] not in alone


def test_what_only_the_page_shows_is_left_out() -> None:
    chart = Markup(
        '<svg viewBox="0 0 10 10"><a href="#x"><text x="1" y="5" class="big" data-tip="t">A<title>no</title></text></a>'
        '<rect class="hidden"/><rect style="display:none"/><text x="9" y="5">wide</text></svg>'
    )
    made = stand_alone(chart, Sheet(".big{font-size:4px;fill:var(--ink)} .hidden{display:none} :root{--ink:#123}"), 50)
    root = ET.fromstring(made.svg)
    assert root.findall(f".//{SVG}rect") == [] and root.findall(f".//{SVG}a") == []
    text = root.find(f".//{SVG}text")
    assert text is not None and text.attrib == {"x": "1", "y": "5", "font-size": "4", "fill": "#123"}
    left, _, wide, _ = map(float, str(root.get("viewBox")).split())
    assert left == 0 and wide > 9 + 16 * 2  # the second text reaches beyond the picture, which grows
    assert made.smallest == pytest.approx(4 * 50 / wide * 72 / 25.4, rel=0.01)


def test_a_sheet_is_read_as_for_a_light_page_in_print() -> None:
    sheet = Sheet(
        ":root{--a:1;--b:2} @media(prefers-color-scheme:dark){:root{--a:9}} /* .x{fill:no} */"
        "@media print{:root:root{--b:3} .x .y{fill:print}} .x > .z{fill:child} .y{fill:weak} .x{stroke:red!important}"
        ".z{opacity:.5; .y{fill:no; &.x{fill:no}} @media print{.y{fill:no}} stroke-width:2}"
        ".y:hover,[data-lit] .y{fill:no} @supports (x){.y{fill:no}}"
    )
    assert sheet.root == {"--a": "1", "--b": "3"}
    svg, x, y = ("svg", frozenset[str]()), ("g", frozenset({"x"})), ("path", frozenset({"y"}))
    assert sheet.style([svg, x, y]) == {"fill": "print"}
    assert sheet.style([svg, y]) == {"fill": "weak"}
    assert sheet.style([svg, x]) == {"stroke": "red"}
    z = ("path", frozenset({"z"}))
    own = {"opacity": ".5", "stroke-width": "2"}
    assert sheet.style([x, svg, z]) == own and sheet.style([svg, x, z]) == {"fill": "child", **own}


def test_custom_properties_are_filled_in() -> None:
    known = {"--a": "red", "--b": "var(--a)"}
    assert resolved("1px solid var(--b)", known) == "1px solid red"
    assert resolved("var(--c, var(--a))", known) == "red"
    assert resolved("var(--c)", known) is None


@pytest.mark.parametrize(("text", "width"), [("84mm", 84), (" 8.4 cm", 84), ("90", 90), ("2in", 50.8), ("72pt", 25.4)])
def test_widths(text: str, width: float) -> None:
    assert paper.millimetres(text) == pytest.approx(width)


@pytest.mark.parametrize("text", ["", "wide", "3mm", "-84mm", "2m", "1e3mm", "nan"])
def test_no_widths(text: str) -> None:
    with pytest.raises(UsageError, match="a width is 20 to 1,000 mm"):
        paper.millimetres(text)


@pytest.mark.slow
def test_the_command_names_draws_and_refuses(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    figure([str(run)], named=True)
    assert re.search(r"^curves/fog +Fog: accuracy by severity", capsys.readouterr().out, re.MULTILINE)
    figure(["curves/fog", str(run)], width="60mm")
    assert re.match(r"figure: curves-fog.svg \(60 x \d+ mm, text from \d.\d pt\)$", capsys.readouterr().out.strip())
    assert 'width="60mm"' in (tmp_path / "curves-fog.svg").read_text(encoding="utf-8")
    figure(["curves/fog", str(run)], width="20mm")
    assert "--width" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"did you mean curves/fog"):
        figure(["curves/fogg", str(run)])
    with pytest.raises(UsageError, match=r"ends on \.png, \.svg, \.pdf"):
        figure(["curves/fog", str(run)], out=Path("fog.jpg"))
    with pytest.raises(UsageError, match="--width is for a chart"):
        figure([str(run)], width="84mm")
    with pytest.raises(UsageError, match="--model is for the Fourier maps"):
        figure(["curves/fog", str(run)], model=["natural"])


@pytest.mark.slow
def test_without_chromium_or_the_font_the_remedy_is_told(
    run: Path, report: Report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHROME_PATH", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"CHROME_PATH is .*nothing.*install it"):
        figure(["curves/fog", str(run)], out=tmp_path / "fog.pdf")
    monkeypatch.delenv("CHROME_PATH")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "NAMES", ("chromium",))
    with pytest.raises(UsageError, match="a PNG of a chart is made by Chromium or Chrome, and none was found"):
        paper.check_path(tmp_path / "fog.png")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'brittlestar\[plots\]'"):
        paper.chart(report, "curves/fog")


@pytest.mark.skipif(chromium.chromium() is None, reason="Chromium is not installed")
@pytest.mark.slow
def test_pdf_and_png(charts: Mapping[str, Alone], tmp_path: Path) -> None:
    chart = charts["frequencies/map-natural"]
    paper.save(chart, tmp_path / "map.pdf")
    pdf = (tmp_path / "map.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert box is not None
    assert [float(side) / 72 * 25.4 for side in box.groups()] == pytest.approx([84, chart.height], abs=0.4)
    fonts = set(re.findall(rb"/BaseFont /(\S+)", pdf))
    assert fonts and all(b"+DejaVuSans" in font for font in fonts) and b"/FontFile2" in pdf
    paper.save(chart, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size == (round(84 / 25.4 * 300), round(chart.height / 25.4 * 300))
        colours = picture.convert("RGB").getcolors(1 << 24)
        assert colours is not None and len(colours) > 50

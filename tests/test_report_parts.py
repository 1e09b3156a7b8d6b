"""Words, colours and charts of the report."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brittlestar.measures.base import Estimate
from brittlestar.report import words
from brittlestar.report.drawing import charts, maps, palette
from brittlestar.report.drawing.svg import Canvas, element, nice_ticks, spread
from brittlestar.report.panels import Curve, Panel, Point
from brittlestar.report.subjects import ModelEntry


def estimate(value: float, low: float, high: float, n: int = 100) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n, method="test")


def model(place: int = 0, name: str = "m") -> ModelEntry:
    return ModelEntry(key=f"m{place}", place=place, name=name, data=0, samples=100, about={})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.34, "12.3"),
        (-4.0, "−4.0"),
        (-0.04, "0.0"),
        (1234.5, "1,234.5"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
    ],
)
def test_numbers_have_true_minus_signs_and_no_signed_zero(value: float, text: str) -> None:
    assert words.number(value) == text


def test_digits_follow_the_interval() -> None:
    assert words.spaced(words.share(estimate(0.4121, 0.398, 0.426))) == "41.2 % [39.8, 42.6]"
    assert words.spaced(words.share(estimate(0.41213, 0.4119, 0.4124))) == "41.21 % [41.19, 41.24]"
    assert words.spaced(words.points(estimate(0.05, -0.01, 0.11), sign=True)) == "+5.0 points [−1.0, 11.0]"


def test_lists_and_counts_read_like_sentences() -> None:
    assert words.listing(["a"]) == "a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.count(1, "image") == "1 image"
    assert words.count(1000, "image") == "1,000 images"
    assert [words.duration(s) for s in (3.21, 48, 200, 7500)] == ["3.2 s", "48 s", "3 min 20 s", "2 h 5 min"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["σ = 0.1", "σ = 0.2"], ("σ", ("0.1", "0.2"), "")),
        (["2 pixels", "4 pixels"], ("", ("2", "4"), "pixels")),
        (["lowest 3 x 3 kept", "lowest 5 x 5 kept"], ("lowest", ("3 x 3", "5 x 5"), "kept")),
        (["5°", "10°"], ("", ("5°", "10°"), "")),
        (["negative"], ("", ("negative",), "")),
        (["a b", "a b"], ("", ("a b", "a b"), "")),
    ],
)
def test_what_labels_share_becomes_the_axis(labels: list[str], expected: tuple[str, tuple[str, ...], str]) -> None:
    assert words.strength_labels(labels) == expected


def test_threat_models_that_differ_in_numbers_are_merged() -> None:
    assert (
        words.merged(["ball of radius 0.1, 10 steps", "ball of radius 0.3, 10 steps"])
        == "ball of radius 0.1 to 0.3, 10 steps"
    )
    assert words.merged(["one", "two words"]) == "one; two words"


def test_the_sequential_scale_is_uniform_in_lightness() -> None:
    table = palette.sequential() / 255
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    long = np.cbrt(linear @ [0.4122214708, 0.5363325363, 0.0514459929])
    middle = np.cbrt(linear @ [0.2119034982, 0.6806995451, 0.1073969566])
    short = np.cbrt(linear @ [0.0883024619, 0.2817188376, 0.6299787005])
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    steps = np.diff(lightness[::5])
    assert (steps > 0).all()
    assert steps.max() < 1.35 * steps.min()


@pytest.mark.parametrize("dark", [False, True])
def test_the_diverging_scale_moves_away_from_its_middle_evenly(dark: bool) -> None:
    table = palette.diverging(dark).astype(float)
    grey = table.mean(1)
    assert table[127].max() - table[127].min() < 12, "the middle is neutral"
    ends = (grey[0], grey[-1])
    assert all(end > grey[127] + 60 if dark else end < grey[127] - 60 for end in ends)
    assert table[0][2] > table[0][0] + 60 and table[-1][0] > table[-1][2] + 60, "blue below zero, orange above"


def test_text_in_every_cell_can_be_read() -> None:
    for dark in (False, True):
        table = palette.diverging(dark)
        for place in range(palette.BUCKETS):
            rgb = table[round(place / (palette.BUCKETS - 1) * 255)]
            assert max(palette.contrast(rgb, (255, 255, 255)), palette.contrast(rgb, (0, 0, 0))) >= 4.5


def test_model_colours_stand_out_from_the_page() -> None:
    def rgb(text: str) -> list[int]:
        return [int(text[i : i + 2], 16) for i in (1, 3, 5)]

    for light, dark in palette.MODEL_COLOURS:
        assert palette.contrast(rgb(light), (255, 255, 255)) >= 4.0
        assert palette.contrast(rgb(dark), (23, 27, 33)) >= 6.0


def test_buckets_put_zero_in_the_middle_and_cut_off_at_the_ends() -> None:
    middle = palette.BUCKETS // 2
    assert palette.bucket(0.0, 0.5) == middle
    assert palette.bucket(0.9, 0.5) == palette.BUCKETS - 1
    assert palette.bucket(-0.9, 0.5) == 0
    assert palette.bucket(0.2, 0.0) == middle


@given(
    st.lists(st.floats(0, 200), min_size=1, max_size=12),
    st.floats(1, 30),
)
def test_labels_are_spread_in_order_without_leaving_the_chart(places: list[float], gap: float) -> None:
    found = spread(places, gap, 0.0, 200.0)
    ordered = [found[i] for i in sorted(range(len(places)), key=lambda i: places[i])]
    assert all(-1e-6 <= v <= 200 + 1e-6 for v in ordered)
    room = min(gap, 200 / max(len(places) - 1, 1))
    assert all(b - a >= room - 1e-6 for a, b in itertools.pairwise(ordered))


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_ticks_are_round_and_cover_the_range(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width, 5)
    assert ticks[0] <= low + 1e-6 * width and ticks[-1] >= low + width - 1e-6 * width
    assert 2 <= len(ticks) <= 9


def test_elements_escape_text_and_attributes() -> None:
    made = str(element("text", "<b>&", data_tip='"><script>', class_="x"))
    assert made == '<text data-tip="&#34;&gt;&lt;script&gt;" class="x">&lt;b&gt;&amp;</text>'


def test_every_picture_has_a_title_and_a_description() -> None:
    canvas = Canvas(10, 10, "A & B", "What is < shown.")
    canvas.line(0, 0, 1, 1, "axis")
    root = ET.fromstring(str(canvas.markup()))
    assert root.find("title").text == "A & B"  # type: ignore[union-attr]
    assert root.find("desc").text == "What is < shown."  # type: ignore[union-attr]
    assert root.get("role") == "img"


def panel(models: int, xs: tuple[float, ...] = (1.0, 2.0, 3.0)) -> Panel:
    lines = tuple(
        Curve(
            model=model(i, f"model {i}"),
            points=tuple(
                Point(x=x, label=f"{x:g}", estimate=estimate(0.9 - x / 10, 0.85 - x / 10, 0.95 - x / 10)) for x in xs
            ),
            clean=estimate(0.95, 0.9, 0.98),
        )
        for i in range(models)
    )
    return Panel(family="noise", title="Noise", axis="σ", lines=lines)


@pytest.mark.parametrize("models", [1, 3, 12, 30])
@pytest.mark.parametrize("xs", [(1.0,), (1.0, 2.0), (0.001, 0.01, 0.1, 1.0, 10.0)])
def test_curves_draw_every_line_inside_the_picture(models: int, xs: tuple[float, ...]) -> None:
    svg = str(charts.curves(panel(models, xs)))
    root = ET.fromstring(svg)
    dots = [e for e in root.iter("circle") if "dot" in e.get("class", "")]
    assert len(dots) == models * len(xs)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert all(0 <= float(d.get("cx", -1)) <= width and 0 <= float(d.get("cy", -1)) <= height for d in dots)
    names = [e.text for e in root.iter("text") if "name" in e.get("class", "").split()]
    assert names == ([f"model {i}" for i in range(models)] if models == 3 else [])


def test_tick_labels_do_not_overlap() -> None:
    xs = tuple(float(x) for x in range(40))
    root = ET.fromstring(str(charts.curves(panel(1, xs))))
    base = [e for e in root.iter("text") if e.get("class") == "tick" and e.get("text-anchor") == "middle"]
    places = sorted((float(e.get("x", 0)), len(e.text or "")) for e in base)
    assert len(places) > 5
    assert all(b[0] - a[0] >= 2.9 * (a[1] + b[1]) for a, b in itertools.pairwise(places))


def test_colours_repeat_with_dashes_after_the_last() -> None:
    assert charts.model_class(model(0)) == "m0"
    assert charts.model_class(model(len(palette.MODEL_COLOURS))) == "m0 dash1"


def test_a_map_picture_is_small_and_marks_what_was_not_measured() -> None:
    values = np.full((28, 28), 0.25)
    values[0, 0] = np.nan
    uri = maps.picture_of(values, palette.sequential(), 0.0, 1.0)
    assert uri.startswith("data:image/png;base64,") and len(uri) < 1500
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    picture = np.asarray(Image.open(BytesIO(b64decode(uri.split(",")[1]))).convert("RGBA"))
    assert picture.shape == (28, 28, 4)
    assert picture[0, 0, 3] == 0 and picture[5, 5, 3] == 255
    assert tuple(picture[5, 5, :3]) == tuple(palette.sequential()[64])

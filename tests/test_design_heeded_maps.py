"""Groups and weights of classes in Fourier maps, comparisons, and every number of a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from brittlestar import api, measures
from brittlestar.api import effect, evaluation, progress
from brittlestar.core.rows import Rows
from brittlestar.data import open_source
from brittlestar.measures import Estimate, spectra
from brittlestar.measures.sampled import SampledMap, read_sampled, write_sampled
from brittlestar.measures.sensitivity import State
from brittlestar.report.compared import SAID
from brittlestar.report.sections.per_class import PerClass
from brittlestar.reproduce import Setting
from brittlestar.reproduce.study import Study
from brittlestar.runs.runner import Progress
from brittlestar.training import Plan
from design_tools import World, check_copies, check_covers, coverage_design, coverage_shares, drawn, once
from report_tools import seen

map_of, WAVES, level_of = coverage_design.map_of, coverage_design.WAVES, coverage_design.level_of


def rows_of_map(world: object, seed: int = 0) -> list[Rows]:
    """Clean rows, those of a map, and those of a second model's."""
    levels = [-4.0, *(level_of(f, model) for model in (0.0, 0.5) for f in WAVES)]
    return drawn(world, levels, seed)


def two_maps(rows: list[Rows]) -> tuple[measures.FourierMap, measures.FourierMap]:
    return map_of(rows[1 : 1 + len(WAVES)]), map_of(rows[1 + len(WAVES) :])


def test_copies_leave_a_map_and_widen_its_intervals() -> None:
    rows = rows_of_map(World(150, 4))
    plain = [coverage_shares.plain(r) for r in rows]
    alone = [once(r, 4) for r in rows]
    (a, b), (c, d), (e, f) = (two_maps(r) for r in (rows, plain, alone))
    for rule in ("fixed", "anytime"):
        three = [measures.band_error(m, 0.5, 9.0, rule=rule) for m in (a, c, e)]
        check_copies(*three, 4)
    check_copies(*(measures.band_difference(*m, 0.5, 9.0) for m in ((a, b), (c, d), (e, f))), 4)
    check_copies(*(measures.band_contrast(m) for m in (a, c, e)), 4, 0.2)
    rings = [measures.radial_profile(m)[-1].estimate for m in (a, c, e)]
    check_copies(*rings, 4)
    assert np.array_equal(a.error, c.error)
    for simultaneous in (False, True):
        (low, high), (_, _), (once_low, once_high) = (m.limits(simultaneous=simultaneous) for m in (a, c, e))
        np.testing.assert_allclose(low, once_low, atol=1e-9)
        np.testing.assert_allclose(high, once_high, atol=1e-9)
        assert a.half_width() == pytest.approx(e.half_width()) and a.half_width() > 1.5 * c.half_width()
    found, without, single = (measures.high_low_ratio(m, r[0]) for m, r in ((a, rows), (c, plain), (e, alone)))
    assert found.defined and found.value == pytest.approx(without.value) and "clustered" in found.method
    assert found.high - found.low == pytest.approx(single.high - single.low, rel=0.15)
    assert spectra.band_ratio(a, b, 0.5, 9.0).method == "paired bootstrap, clustered"


def test_a_part_of_unequal_classes_has_the_map_of_the_whole_set() -> None:
    """All of the large class stay right, the small ones err."""
    design = coverage_shares.shuffled(((900, 1.0), (50, 0.0), (50, 0.0)), 0)

    def rows_of(n: int, right: bool = False) -> Rows:
        labels = design.labels[:n]
        return design.attached(coverage_shares.rows_of((labels == 0) | right, labels))  # type: ignore[no-any-return]

    found = map_of([rows_of(150)] * len(WAVES))
    np.testing.assert_allclose(found.error, 0.1)
    low, high = found.limits()
    assert (low < 0.1).all() and (high > 0.1).all() and (low > 0).all() and (high < 0.3).all()
    error = measures.band_error(found, 0.5, 9.0)
    assert error.value == pytest.approx(0.1) and "weighted by class" in error.method
    shorter = map_of([rows_of(90)] * len(WAVES))
    other = map_of([rows_of(150, True)] * len(WAVES))
    for a, b in ((found, other), (shorter, other)):
        assert measures.band_difference(a, b, 0.5, 9.0).value == pytest.approx(0.1)
        assert measures.band_difference(b, a, 0.5, 9.0).value == pytest.approx(-0.1)
    ratio = measures.high_low_ratio(shorter, rows_of(150, True))
    assert ratio.above.value == pytest.approx(0.1) and ratio.below.value == pytest.approx(0.1)
    ratio = measures.high_low_ratio(found, rows_of(90, True))
    assert ratio.above.value == pytest.approx(0.1) and ratio.n == 90
    same = measures.band_sensitivity(shorter, other, rows_of(150, True), rows_of(150, True), 0.5, 9.0, 0.05)
    assert same.raw.value == pytest.approx(-0.1), "weights are those of the 90 samples of the map"


def test_a_map_leaves_room_for_classes_not_seen() -> None:
    rows = rows_of_map(World(1000))
    seen = [dataclasses.replace(r, unseen=0.1) for r in rows]
    (a, b), (c, d) = two_maps(rows), two_maps(seen)
    low, high = a.limits()
    np.testing.assert_allclose(np.stack(c.limits()), np.stack([0.9 * low, 0.9 * high + 0.1]), atol=2e-3)
    assert measures.band_error(c, 0.5, 9.0).high > measures.band_error(a, 0.5, 9.0).high + 0.02
    apart = measures.band_difference(c, d, 0.5, 9.0)
    assert apart.high > measures.band_difference(a, b, 0.5, 9.0).high + 0.05
    ratio, without = measures.high_low_ratio(c, seen[0]), measures.high_low_ratio(a, rows[0])
    assert without.defined
    assert not ratio.defined or (ratio.low < without.low and ratio.high > without.high)


def test_a_sampled_map_heeds_and_keeps_the_design(tmp_path: Path) -> None:
    rows = rows_of_map(World(200, 4))
    whole, _ = two_maps(rows)
    n, size = whole.samples, len(whole.frequencies)
    typical = np.clip(whole.error, 0.01, 0.99)
    looking = np.full(size, 1e-5)
    made = SampledMap(
        8, 8, whole.frequencies, whole.wrong, whole.positions, looking + typical * (1 - typical) / n, typical,
        np.full(size, 500.0), 1.0, 10, 40,
    )  # fmt: skip
    found = made.drawn_as(whole.drawn, looking, whole.error)
    assert isinstance(found, SampledMap) and np.array_equal(found.error, made.error)
    assert found.half_width() > 1.7 * made.half_width()
    for measure in (lambda m: measures.band_error(m, 0.5, 9.0), measures.band_contrast):
        one, other = measure(found), measure(made)
        assert one.value == pytest.approx(other.value) and "clustered" in one.method
        assert one.high - one.low > 1.7 * (other.high - other.low)
    write_sampled(found, tmp_path / "map.npz")
    again = read_sampled(tmp_path / "map.npz")
    assert again.design is not None and np.array_equal(again.design.group, whole.drawn.group)
    assert measures.band_error(again, 0.5, 9.0) == measures.band_error(found, 0.5, 9.0)
    write_sampled(made, tmp_path / "plain.npz")
    assert read_sampled(tmp_path / "plain.npz").design is None


@pytest.mark.parametrize(
    "words", ["band error, fixed, 30 groups", "band difference, 30 groups", "all limits of a map, 30"]
)
def test_maps_of_copies_cover(words: str) -> None:
    check_covers(words, 160)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["band", "high over low", "all limits"])
def test_maps_cover_under_groups_and_weights(words: str) -> None:
    check_covers(words, 1200)


# ------------------------------------------------------------------ sensitivity


def test_sensitivity_says_that_classes_were_not_seen_and_leaves_room() -> None:
    generator = np.random.default_rng(0)
    u = generator.random(2000)
    shifted, clean = (u < 0.8, u < 0.4), (u < 0.9, u < 0.9)
    whole = measures.sensitivity(shifted, clean, 0.1)
    assert whole.state == "less sensitive" and whole.unseen == 0 and whole.kept is not None and whole.ratio is not None
    part = measures.sensitivity(shifted, clean, 0.1, unseen=0.05)
    assert part.state == "not all classes seen" and part.p == 1 and part.halves == ()
    assert part.kept is not None and part.ratio is not None
    # What the numbers of the whole set may be at worst, where one answers all of the rest as badly as it can.
    s, c = (float(x.mean()) for x in (shifted[0], clean[0]))
    for shifted_there, clean_there in ((0, 0), (1, 1), (0, 1), (1, 0)):
        kept = (0.95 * s + 0.05 * shifted_there - 0.1) / (0.95 * c + 0.05 * clean_there - 0.1)
        assert part.kept[0].low < kept < part.kept[0].high
    for found, before, reach in (
        (part.raw, whole.raw, 1),
        (part.clean, whole.clean, 1),
        (part.additive, whole.additive, 2),
    ):
        assert found.value == before.value
        assert found.low == pytest.approx(0.95 * before.low - 0.05 * reach)
        assert found.high == pytest.approx(0.95 * before.high + 0.05 * reach)
    assert part.ratio.low < whole.ratio.low - 0.05 and part.ratio.high > whole.ratio.high + 0.05
    most = measures.sensitivity(shifted, clean, 0.1, unseen=0.95)
    assert most.kept is None and most.ratio is None and most.state == "not all classes seen"
    assert most.additive.low < -1.5 and most.additive.high > 1.5
    weighted = measures.sensitivity(shifted, clean, 0.1, weight=generator.random(2000))
    assert "weighted by class" in weighted.additive.method


def test_the_report_has_words_for_every_state_of_sensitivity() -> None:
    assert set(SAID) == set(get_args(State))
    assert "classes" in SAID["not all classes seen"] and "half" not in SAID["not all classes seen"]


def test_the_live_table_says_that_it_does_not_know_of_groups() -> None:
    screen = progress.Screen()
    (condition,) = evaluation.conditions_of(["clean"], (3, 8, 8))[:1]
    screen.names, screen.conditions = ("m",), (condition,)
    for grouped in (False, True):
        (row,) = screen.worst(Progress({(0, 0): [100, 7]}, 1, grouped=grouped))
        assert ("taken for independent" in row[4]) == grouped


# ------------------------------------------------------------------ everything that a report shows


class Soft(torch.nn.Module):
    """Answers by a fixed random map of the pixels."""

    def __init__(self, side: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.map = torch.nn.Parameter(torch.randn((3 * side * side, 3), generator=generator) * 0.3 * 16 / side)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) - 0.5) @ self.map


def estimates_in(found: object, where: str = "") -> Iterator[tuple[str, Estimate]]:
    """Every estimate in nested results, with its place."""
    if isinstance(found, Estimate):
        yield where, found
    elif dataclasses.is_dataclass(found) and not isinstance(found, type):
        for f in dataclasses.fields(found):
            yield from estimates_in(getattr(found, f.name), f"{where}.{f.name}")
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from estimates_in(value, f"{where}[{key}]")
    elif isinstance(found, list | tuple):
        for value in found:
            yield from estimates_in(value, f"{where}[]")


PARAMETERS = [
    (8, ["noise", "fourier"]),
    pytest.param(32, ["cifar-c", "cifar-p"], marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("side", "suites"), PARAMETERS)
@pytest.mark.parametrize("kind", ["clustered", "weighted by class"])
def test_no_number_of_a_report_forgets_how_images_were_drawn(
    tmp_path: Path, kind: str, side: int, suites: list[str]
) -> None:
    models = {"a": Soft(side, 0).eval(), "b": Soft(side, 1).eval()}
    generator = np.random.default_rng(0)
    copies = 3 if kind == "clustered" else 1
    pictures = generator.integers(0, 256, (60 // copies, side, side, 3), np.uint8)
    with torch.inference_mode():
        answers = models["a"](torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).argmax(1).numpy()
    if kind == "clustered":
        labels = np.where(generator.random(20) < 0.8, answers, np.arange(20) % 3)
        data, samples = (np.repeat(pictures, 3, axis=0), np.repeat(labels, 3)), None
    else:
        labels = np.repeat([0, 1, 2], [40, 14, 6])
        data, samples = (pictures[np.argsort(answers, kind="stable")], labels), 30
    found = api.evaluate(models, data, suite=suites, out=tmp_path, samples=samples, shifted=True)
    report = seen([found.path]).report
    every = list(estimates_in(report, "report"))
    assert len(every) > 300
    # Samples of one class weigh alike, so what is said of a class by itself need not heed the classes' weights.
    classes = report.of(PerClass)
    own = {id(r.estimate) for r in report.results if r.measure.startswith("recall[")}
    own |= {id(e) for where, e in estimates_in(classes) if where.endswith(".recall") or ".worst" in where}
    alone = own if kind == "weighted by class" else set()
    forgot = sorted({(where, e.method) for where, e in every if kind not in e.method and id(e) not in alone})
    assert not forgot, forgot


def test_the_first_images_of_an_order_know_how_they_were_drawn() -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    source = open_source((x, np.repeat([0, 1, 2], [40, 14, 6])), groups=[str(k // 4) for k in range(60)])
    order = source.order(0)
    part, whole = (effect.drawn_from(source, order, n) for n in (30, 60))
    assert whole.weight is None and whole.group is not None and len(np.unique(whole.group)) == 15
    assert part.weight is not None and part.group is not None
    assert part.average((source.labels[order[:30]] == 0).astype(np.float64)) == pytest.approx(40 / 60)
    plain = open_source((x, np.repeat([0, 1, 2], 20)))
    assert effect.drawn_from(plain, plain.order(0), 30).plain


def test_a_reproduction_says_what_it_does_not_heed(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    for name, images, labels, test_samples, words in (
        ("alike", x, np.repeat([0, 1, 2], 20), 30, []),
        ("unequal", x, np.repeat([0, 1, 2], [40, 14, 6]), 30, ["another mix than in the whole set"]),
        ("copies", np.repeat(x[::2], 2, axis=0), np.repeat([0, 1, 2], 20), 60, ["depend on each other"]),
    ):
        np.savez(tmp_path / f"{name}.npz", x=images, y=labels)
        file = str(tmp_path / f"{name}.npz")
        setting = Setting(
            data=file, test=file, architecture="small_cnn", plan=Plan(epochs=1, batch=8), test_samples=test_samples
        )
        told = Study(setting, tmp_path, lambda _: None)._drawn()
        assert len(told) == len(words) and all(w in t for w, t in zip(words, told, strict=True)), told

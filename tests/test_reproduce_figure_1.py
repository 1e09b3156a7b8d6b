"""Figure 1: "looks uniform" is measured, and nothing is claimed for images that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from brittlestar.measures import chance_limit, clopper_pearson
from brittlestar.reproduce import Setting, reproduce
from brittlestar.reproduce.figure_1 import LEVELS, SHARE, Uniformity, against_chance, corners, squares, uniformity
from brittlestar.training import Plan


def stored(folder: Path, name: str, amplitude: float, count: int) -> str:
    """Smooth grey images of two classes; the sign of a checkerboard of so many levels says which."""
    draw = np.random.default_rng(len(name))
    labels = np.arange(count) % 2
    y, x = np.mgrid[:16, :16]
    ramp = draw.uniform(-4, 4, (count, 1, 1)) * (x - 7.5) + draw.uniform(-4, 4, (count, 1, 1)) * (y - 7.5) + 128
    board = np.where((x + y) % 2, amplitude, -amplitude) * (2 * labels[:, None, None] - 1)
    file = folder / f"{name}.npz"
    np.savez(file, x=np.rint(ramp + board).astype(np.uint8)[:, None], y=labels)
    return str(file)


Found = tuple[dict[str, tuple[str, str]], tuple[str, ...], tuple[str, ...]]


@pytest.fixture(scope="module")
def faint(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return run(tmp_path_factory.mktemp("faint"), amplitude=1)


def run(folder: Path, amplitude: float) -> Found:
    setting = Setting(
        data=stored(folder, "train", amplitude, 600),
        test=stored(folder, "test", amplitude, 200),
        architecture="small_cnn",
        plan=Plan(epochs=4, batch=32),
    )
    outcome, _ = reproduce("figure-1", setting, folder / "out", lambda _: None)
    claims = {v.claim: (v.state, v.measured) for v in outcome.verdicts}
    caption, header, rows = outcome.tables[-1]
    assert "8-bit levels" in caption and all(len(row) == len(header) for row in rows)
    assert any("definition" in text for text in outcome.conditions)
    assert any("needs no further seeds" in text for text in outcome.conditions)
    return claims, tuple(row[-1] for row in rows), tuple(row[0] for row in rows)


def test_spans_and_deviations_are_in_levels_and_by_channel() -> None:
    images = torch.zeros(3, 2, 4, 4)
    images[1, 0, 0, 0] = 3 / 255
    images[2, 1, :, ::2] = 10 / 255
    found = uniformity(images - 0.3)
    assert np.allclose(found.peak_to_peak, [[0, 0], [3, 0], [0, 10]], atol=1e-4)
    assert np.allclose(found.deviation, [[0, 0], [3 * 15**0.5 / 16, 0], [0, 5]], atol=1e-4)
    share = found.share()
    assert (share.value, share.n) == (2 / 3, 3) and share.method == "Clopper-Pearson"
    assert not found.uniform


@pytest.mark.parametrize(("uniform", "passes"), [(100, True), (95, False), (90, False)])
def test_the_whole_interval_of_the_share_must_pass(uniform: int, passes: bool) -> None:
    span = np.full((100, 3), LEVELS / 2)
    span[uniform:, 1] = 2 * LEVELS
    found = Uniformity(peak_to_peak=span, deviation=span)
    assert found.share().value == uniform / 100 >= SHARE and found.uniform is passes


@pytest.mark.parametrize(("height", "width", "last"), [(28, 28, 1), (32, 32, 1), (15, 15, 4), (16, 24, 1)])
def test_filters_run_from_weak_to_the_last_frequencies(height: int, width: int, last: int) -> None:
    image = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    left = [
        int((torch.fft.fft2(recipe.shift()(image)).abs() > 1e-3).sum()) for recipe in corners(height, width).values()
    ]
    assert left == sorted(left, reverse=True) and len(set(left)) == len(left), "every filter leaves less"
    assert left[-1] == last


def test_photographs_get_a_bounded_choice_of_filters() -> None:
    assert list(squares(28, 28)) == [f"without {n} x {n}" for n in (5, 7, 13, 17)]
    assert 64 <= len(corners(224, 224)) <= 128


def test_near_chance_is_sensible_for_two_classes_too() -> None:
    assert chance_limit(0.1) == pytest.approx(0.19)
    assert chance_limit(0.001) == pytest.approx(0.002)
    assert chance_limit(0.5) == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("right", "told"), [(500, "well above"), (146, "above chance, but not well"), (110, "not shown to be above")]
)
def test_above_chance_and_well_above_are_told_apart(right: int, told: str) -> None:
    assert against_chance(clopper_pearson(right, 1000), 0.1).startswith(told)


def test_a_model_that_reads_uniform_images_is_seen(faint: Found) -> None:
    claims, looks, names = faint
    learned = {c: found for c, found in claims.items() if "look uniform" in c}
    assert "yes" in looks and len(names) == len(learned)
    for name, look in zip(names, looks, strict=True):
        state, measured = next(found for c, found in learned.items() if f" {name} " in c)
        if look == "yes":
            assert state == "confirmed" and "not uniform" not in measured
        else:
            assert state == "not tested" and measured.startswith("not uniform: peak to peak ")


def test_what_does_not_look_uniform_is_not_claimed_however_well_it_is_read(tmp_path: Path) -> None:
    claims, looks, _ = run(tmp_path, amplitude=20)
    assert set(looks) == {"no"}
    learned = [found for c, found in claims.items() if "look uniform" in c]
    assert {state for state, _ in learned} == {"not tested"}
    strongest = learned[-1][1]
    assert strongest.startswith("not uniform: peak to peak 4") and "right in 100.0 %" in strongest


def test_the_control_keeps_the_means_at_every_strength(faint: Found) -> None:
    claims, _, names = faint
    for name in names:
        state, measured = next(found for c, found in claims.items() if "Control" in c and f" {name}," in c)
        assert state in ("confirmed", "not confirmed") and "without the means" in measured

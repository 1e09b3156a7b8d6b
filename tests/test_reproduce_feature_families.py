"""Families of features: what is left of images, attacks through it, and what is said of made-up answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from brittlestar.attacks import L2PGD
from brittlestar.core.errors import UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.models import load_model, parse_spec
from brittlestar.reproduce import Setting
from brittlestar.reproduce.claims import judge
from brittlestar.reproduce.feature_families import ALL, ATTACKED, CONTROL, OWN, Through, directions, table
from brittlestar.reproduce.figure_1 import uniformity
from brittlestar.reproduce.study import Study
from brittlestar.shifts import Grey
from brittlestar.training import Plan
from brittlestar.training.families import BANDS, FAMILIES, OneFamily, grid_of
from tiny import make_world

IMAGES = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))
KEYS = SampleKeys.of(0, [str(i) for i in range(6)])


def left(family: str, x: torch.Tensor = IMAGES, keys: SampleKeys = KEYS) -> torch.Tensor:
    return OneFamily(family=family, height=x.shape[2], width=x.shape[3]).shift().compute(x, keys)


def test_bands_share_nothing_and_leave_nothing_out() -> None:
    for size in ((12, 12), (28, 28), (15, 32)):
        x = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1))
        parts = [left(band, x, KEYS[:2]) for band in BANDS]
        assert torch.allclose(sum(parts), x, atol=1e-5)
        assert all(float(part.std()) > 0.01 for part in parts)
        assert all(float(part.mean((2, 3)).abs().max()) < 1e-6 for part in parts[1:])
    kept = OneFamily(family="high band", height=12, width=12, keep_mean=True).shift().compute(IMAGES, KEYS)
    assert torch.allclose(kept.mean((2, 3)), IMAGES.mean((2, 3)), atol=1e-6)


def test_phases_stay_alone_and_amplitudes_stay_alone() -> None:
    phase = left("phase")
    assert torch.allclose(left("phase", IMAGES * 0.5), phase, atol=1e-3), "contrast is in the amplitudes"
    sizes = torch.fft.rfft2(phase).abs()
    assert torch.allclose(sizes, sizes[:1, :1].expand_as(sizes), atol=1e-2), "the same for all images"
    turned = torch.fft.rfft2(phase) * torch.fft.rfft2(IMAGES).conj()
    assert float((turned.imag.abs() / turned.abs()).max()) < 1e-2, "phases are the images' own"
    amplitude = left("amplitude")
    assert torch.allclose(torch.fft.rfft2(amplitude).abs(), torch.fft.rfft2(IMAGES).abs(), atol=1e-3)
    assert not torch.allclose(amplitude, IMAGES, atol=0.1)


def test_colour_is_what_grey_takes_away() -> None:
    assert torch.allclose(left("colour") - 0.5 + Grey()(IMAGES), IMAGES, atol=1e-6)
    assert torch.allclose(left("colour", Grey()(IMAGES)), torch.full_like(IMAGES, 0.5), atol=1e-6)


def test_patches_are_those_of_the_image_in_another_order_whatever_the_batch() -> None:
    def patches(x: torch.Tensor) -> list[tuple[float, ...]]:
        cells = x.unfold(1, 3, 3).unfold(2, 3, 3).permute(1, 2, 0, 3, 4).reshape(16, -1)
        return [tuple(cell.tolist()) for cell in cells]

    shuffled = left("patches")
    for before, after in zip(IMAGES, shuffled, strict=True):
        assert sorted(patches(before)) == sorted(patches(after)) and patches(before) != patches(after)
    assert torch.equal(left("patches", IMAGES[4:5], KEYS[4:5])[0], shuffled[4])
    assert [grid_of(*size) for size in ((28, 28), (32, 32), (224, 224), (15, 30), (13, 23))] == [4, 4, 4, 5, None]
    with pytest.raises(UsageError, match="divides 13 x 23"):
        OneFamily(family="patches", height=13, width=23)
    with pytest.raises(UsageError, match="unknown family of features"):
        OneFamily(family="texture", height=12, width=12)


@pytest.mark.parametrize("family", FAMILIES)
def test_attacks_meet_the_image_before_a_family_is_cut_out_of_it(family: str, tmp_path: Path) -> None:
    model = load_model(parse_spec(f"m=torch:{make_world(tmp_path)[0]}:model"))
    model.differentiable = True  # what the check of a run finds out
    shift = OneFamily(family=family, height=12, width=12).shift()
    through = Through(model, shift, KEYS)
    with torch.no_grad():
        seen = through.logits(IMAGES)
        assert torch.equal(seen, model.logits(shift.compute(IMAGES, KEYS)))
    labels = seen.argmax(1)
    moved = L2PGD(epsilon=1.0, steps=5).perturb(through, IMAGES, labels, KEYS)
    assert float((moved - IMAGES).flatten(1).norm(dim=1).max()) <= 1 + 1e-5
    assert bool(torch.isfinite(moved).all()) and float(moved.min()) >= 0 and float(moved.max()) <= 1
    with torch.no_grad():
        margin = [through.logits(x).gather(1, labels[:, None]).mean() for x in (IMAGES, moved)]
    assert float(margin[1]) < float(margin[0]), "gradients reach the image"


def study_of(folder: Path, seeds: int) -> Study:
    x = np.random.default_rng(0).integers(0, 256, (500, 8, 8), dtype=np.uint8)
    np.savez(folder / "data.npz", x=x, y=np.arange(500) % 4)
    spec = str(folder / "data.npz")
    return Study(
        Setting(data=spec, test=spec, architecture="small_cnn", plan=Plan(epochs=1), seeds=seeds), folder, print
    )


def test_an_attack_takes_more_from_high_frequencies_only_where_it_does_so_on_both_scales(tmp_path: Path) -> None:
    study, draws = study_of(tmp_path, 5), np.random.default_rng(1)
    for high, expected in ((0.3, "confirmed"), (0.7, "not confirmed")):
        for name, own, attacked in (
            ("low band", 0.9, 0.8),
            ("middle band", 0.575, 0.521),  # the low band's answers, half of them guesses: as sensitive
            ("high band", 0.8, high),
        ):
            study.right[name, OWN] = draws.random((5, 500)) < own
            study.right[name, ATTACKED] = study.right[name, OWN] & (draws.random((5, 500)) < attacked / own)
        middle, highest = judge(study, directions(study))
        assert middle.state != "confirmed" and highest.state == expected, (middle, highest)


def test_the_table_has_every_number_with_its_interval_and_says_what_is_unknown(tmp_path: Path) -> None:
    study = study_of(tmp_path, 1)
    hits = {(ALL, OWN): 450, (ALL, ATTACKED): 200, (ALL, f"{CONTROL} high band"): 125}
    hits |= {("high band", OWN): 375, ("high band", ATTACKED): 125}
    study.right = {key: (np.arange(500) < count)[None] for key, count in hits.items()}
    flat = torch.full((500, 1, 8, 8), 0.5)
    flat[:, :, 0, 0] += 2 / 255
    caption, header, (whole, high) = table(study, {ALL: uniformity(study.images), "high band": uniformity(flat)})
    assert "500 test images" in caption and len(header) == len(whole) == len(high)
    row = dict(zip(header, high, strict=True))
    low, high_end = stats.binomtest(375, 500).proportion_ci(method="exact")
    assert row["useful: trained on it"] == f"75.0 % [{100 * low:.1f}, {100 * high_end:.1f}]"
    assert row["control: trained on all"].startswith("25.0 %")
    assert row["robustly useful: attacked"].startswith("25.0 %")
    assert row["kept of what is above chance"].startswith("0.0 %"), "chance is a quarter"
    assert row["peak to peak: mean (5 to 95 %)"] == "2.00 (2.00 to 2.00)"
    assert row["at most 4 levels"].startswith("100.0 % [99.3") and row["people"] == "unknown"
    assert dict(zip(header, whole, strict=True))["at most 4 levels"].startswith("0.0 %")

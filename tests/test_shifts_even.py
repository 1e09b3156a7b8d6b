"""Even areas: where every pixel has one level, rounding errors of the published code decide which level comes out."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

import brittlestar as bs
from brittlestar.shifts import SHIFTS
from brittlestar.shifts.lens import disk
from brittlestar.shifts.ops.dispatch import numba_is_here, truncated_levels

# Made by the scripts of hendrycks/robustness (OpenCV 5.0, scipy 1.17, scikit-image 0.26, ImageMagick 6.9), once, on
# images of one level at each table's own size: at severities 1 to 5 how many levels come out lower, how many higher,
# and the CRC-32 of all that come out, of levels 0 to 255; for zoom at 224 and 299 pixels of every fifteenth level.
# Motion blur, whose sums ImageMagick rounds, gives every level back at every severity of every table.
REFERENCE = {
    ("defocus_blur", "imagenet-c"): (
        (255, 0, 0x2A3C0854), (255, 0, 0x2A3C0854), (255, 0, 0x2A3C0854),
        (0, 177, 0x83B0DF70), (0, 162, 0x04B92909),
    ),
    ("defocus_blur", "imagenet-c-299"): (
        (255, 0, 0x2A3C0854), (0, 0, 0x29058C73), (0, 0, 0x29058C73),
        (0, 162, 0x04B92909), (0, 126, 0x47DA047E),
    ),
    ("defocus_blur", "cifar-c"): (
        (0, 0, 0x29058C73), (0, 0, 0x29058C73), (0, 0, 0x29058C73),
        (0, 0, 0x29058C73), (0, 0, 0x29058C73),
    ),
    ("defocus_blur", "tiny-c"): (
        (0, 0, 0x29058C73), (0, 0, 0x29058C73), (0, 0, 0x29058C73),
        (0, 0, 0x29058C73), (255, 0, 0x2A3C0854),
    ),
    ("gaussian_blur", "imagenet-c"): (
        (4, 0, 0x9095FBCA), (4, 0, 0xE30EC9CB), (7, 0, 0x202749C9),
        (0, 0, 0x29058C73), (1, 0, 0xFC00F00F),
    ),
    ("gaussian_blur", "imagenet-c-299"): (
        (7, 0, 0x6AA7438B), (245, 0, 0xD16D3FCE), (0, 0, 0x29058C73),
        (120, 0, 0x5A8342E2), (16, 0, 0xC5084504),
    ),
    ("gaussian_blur", "cifar-c"): (
        (56, 0, 0x0E494BCC), (1, 0, 0x57DD3C32), (0, 0, 0x29058C73),
        (0, 0, 0x29058C73), (4, 0, 0x9095FBCA),
    ),
    ("gaussian_blur", "tiny-c"): (
        (66, 0, 0x791ED43D), (30, 0, 0x760E4099), (4, 0, 0x9095FBCA),
        (0, 0, 0x29058C73), (7, 0, 0x6AA7438B),
    ),
    ("zoom_blur", "imagenet-c"): (
        (4, 0, 0xF327455F), (6, 0, 0xA03E9B39), (4, 0, 0xF327455F),
        (4, 0, 0xF327455F), (4, 0, 0xF327455F),
    ),
    ("zoom_blur", "imagenet-c-299"): (
        (4, 0, 0xF327455F), (6, 0, 0xA03E9B39), (4, 0, 0xF327455F),
        (4, 0, 0xF327455F), (4, 0, 0xF327455F),
    ),
    ("zoom_blur", "cifar-c"): (
        (41, 0, 0xD652E987), (63, 0, 0x0DE3DC4F), (71, 0, 0x69613FB8),
        (83, 0, 0xE0A9ECC1), (85, 0, 0x396E9B25),
    ),
    ("zoom_blur", "tiny-c"): (
        (41, 0, 0xD652E987), (63, 0, 0x0DE3DC4F), (71, 0, 0x69613FB8),
        (83, 0, 0xE0A9ECC1), (85, 0, 0x396E9B25),
    ),
}  # fmt: skip
SUMS = {
    ("imagenet-c", 3.0, 0.1): -3.7e-9, ("imagenet-c", 4.0, 0.5): -3.42e-8, ("imagenet-c", 6.0, 0.5): -6.4e-9,
    ("imagenet-c", 8.0, 0.5): 0.012975, ("imagenet-c", 10.0, 0.5): 0.010786,
    ("imagenet-c-299", 4.0, 0.1): -2.05e-8, ("imagenet-c-299", 5.0, 0.5): 3.21e-8,
    ("imagenet-c-299", 7.0, 0.5): 0.002859, ("imagenet-c-299", 10.0, 0.5): 0.010786,
    ("imagenet-c-299", 12.0, 0.5): 0.007753,
    ("cifar-c", 0.3, 0.4): 1.4e-9, ("cifar-c", 0.4, 0.5): 1.86e-8, ("cifar-c", 0.5, 0.6): 4.47e-8,
    ("cifar-c", 1.0, 0.2): 1.81e-8, ("cifar-c", 1.5, 0.1): 7.5e-9,
    ("tiny-c", 0.5, 0.6): 4.47e-8, ("tiny-c", 1.0, 0.1): 1.49e-8, ("tiny-c", 1.5, 0.1): 7.5e-9,
    ("tiny-c", 2.5, 0.01): 1.86e-8, ("tiny-c", 3.0, 0.1): -3.7e-9,
}  # fmt: skip
"""By how much the weights of the published disks, float32, sum to more than 1."""

SIDES = {"imagenet-c": 224, "imagenet-c-299": 299, "cifar-c": 32, "tiny-c": 64}


def even(levels: range, side: int) -> torch.Tensor:
    return torch.tensor(list(levels), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, side, side).contiguous()


def given_back(name: str, table: str, severity: int, levels: range, side: int) -> np.ndarray:
    """(n,) the level that comes out of each, which must be the same at every pixel."""
    how = SHIFTS[name].at(severity, table)
    found = []
    for x in even(levels, side).split(32):
        y = truncated_levels(how.compute(x.float() / 255, bs.keys(seed=severity, ids=range(len(x)))))
        assert (y == y[:, :, :1, :1]).all(), (name, table, severity)
        found.append(y[:, 0, 0, 0])
    return torch.cat(found).numpy()


def check(name: str, table: str) -> None:
    large_zoom = name == "zoom_blur" and table.startswith("imagenet")
    levels, side = range(0, 256, 15 if large_zoom else 1), SIDES[table] if large_zoom else min(SIDES[table], 64)
    for severity, (lower, higher, code) in enumerate(REFERENCE[name, table], 1):
        found = given_back(name, table, severity, levels, side)
        told = (int((found < list(levels)).sum()), int((found > list(levels)).sum()), zlib.crc32(found.tobytes()))
        assert told == (lower, higher, code), (severity, told)


@pytest.mark.parametrize(("name", "table"), REFERENCE)
def test_even_areas_come_out_as_in_the_published_code(name: str, table: str) -> None:
    check(name, table)


@pytest.mark.parametrize(("name", "table"), [key for key in REFERENCE if key[1] in ("cifar-c", "tiny-c")])
def test_so_they_do_without_compiled_loops(name: str, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not numba_is_here():
        pytest.skip("there are no compiled loops here: the other test has tried the plain ones")
    monkeypatch.setenv("BRITTLESTAR_FAST", "0")
    check(name, table)


@pytest.mark.parametrize("table", SIDES)
def test_motion_blur_gives_every_level_back(table: str) -> None:
    for severity in range(1, 6):
        assert (given_back("motion_blur", table, severity, range(256), 32) == np.arange(256)).all(), severity


@pytest.mark.parametrize(("table", "radius", "alias"), SUMS)
def test_disks_sum_to_the_published_side_of_1(table: str, radius: float, alias: float) -> None:
    over = float(disk(radius, alias).sum(dtype=np.float64)) - 1
    wanted = SUMS[table, radius, alias]
    assert np.sign(over) == np.sign(wanted) and over == pytest.approx(wanted, abs=1e-10, rel=0.02)
    known = [SHIFTS["defocus_blur"].at(severity, table) for severity in range(1, 6)]
    assert (radius, alias) in [(how.radius, how.alias) for how in known]  # type: ignore[attr-defined]

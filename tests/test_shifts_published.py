"""The published corruptions against golden values and against an independent implementation's pictures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import brittlestar
from brittlestar.core.errors import DataError, ShiftError, UsageError
from brittlestar.core.frost import FILES, FOLDER_VARIABLE
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SHIFTS, Contrast, DefocusBlur, ElasticTransform, Frost, GlassBlur, Saturation, ZoomBlur
from brittlestar.shifts.colour import Brightness
from brittlestar.shifts.frost import available_textures, textures
from brittlestar.shifts.lens import disk
from brittlestar.shifts.ops.dispatch import motion_blur, shuffled, truncated
from brittlestar.shifts.ops.motion.plain import motion_offsets
from brittlestar.suites import get_suite
from brittlestar.suites.corruptions import TEST, VALIDATION, corrupt, nearest_table
from conftest import shared_path


@pytest.mark.parametrize(
    ("radius", "alias", "side", "total", "centre"),
    [
        (3, 0.1, 17, 1.0, 0.034483),
        (4, 0.5, 17, 1.0, 0.020408),
        (6, 0.5, 17, 1.0, 0.008850),
        (8, 0.5, 17, 1.012975, 0.005076),
        (10, 0.5, 21, 1.010786, 0.003155),
        (0.3, 0.4, 17, 1.0, 0.844973),
        (0.4, 0.5, 17, 1.0, 0.619347),
        (0.5, 0.6, 17, 1.0, 0.445213),
        (1, 0.2, 17, 1.0, 0.2),
        (1.5, 0.1, 17, 1.0, 0.111111),
        (2.5, 0.01, 17, 1.0, 0.047619),
    ],
)
def test_disks(radius: float, alias: float, side: int, total: float, centre: float) -> None:
    """OpenCV's smoothing of the published disks, computed once with OpenCV."""
    weights = disk(radius, alias)
    assert weights.shape == (side, side)
    assert weights.sum() == pytest.approx(total, abs=1e-6)
    assert weights[side // 2, side // 2] == pytest.approx(centre, abs=1e-6)
    assert disk(radius, alias, renormalise=True).sum() == pytest.approx(1)


def test_large_disks_brighten_unless_told_not_to() -> None:
    grey = torch.full((1, 3, 40, 40), 0.5)
    assert float(DefocusBlur(radius=8.0)(grey).mean()) == pytest.approx(0.5 * 1.012975, abs=1e-5)
    assert float(DefocusBlur(radius=8.0, renormalise=True)(grey).mean()) == pytest.approx(0.5, abs=1e-5)


def test_zoom_blur_has_the_published_number_of_factors() -> None:
    counts = {t: [len(ZoomBlur(**row).factors) for row in rows] for t, rows in ZoomBlur.severities.items()}
    assert counts["imagenet-c"] == [12, 16, 11, 13, 11]
    assert counts["cifar-c"] == counts["tiny-c"] == [7, 12, 16, 21, 26]
    x = torch.rand(1, 3, 32, 32)
    once, twice = (ZoomBlur(end=1.045, identity_twice=b)(x) for b in (False, True))
    assert torch.allclose(once * 5 + x, twice * 6, atol=1e-5)


def test_colour_arithmetic() -> None:
    """Two rows of two pixels, results truncated to 8 bits; one level of difference between HSV codes is allowed."""
    pixels = np.array([[[10, 200, 50], [100, 20, 250]], [[0, 255, 128], [64, 64, 64]]], np.uint8)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    golden = {
        Contrast(factor=0.4): [[[30, 160, 93], [66, 88, 173]], [[26, 182, 125], [51, 106, 99]]],
        Brightness(offset=0.3): [[[12, 255, 63], [101, 20, 255]], [[0, 255, 128], [140, 140, 140]]],
        Saturation(factor=0.3): [[[143, 200, 155], [204, 180, 250]], [[178, 255, 216], [64, 64, 64]]],
    }
    for shift, wanted in golden.items():
        found = (truncated(shift(x)) * 255).round()[0].permute(1, 2, 0).numpy()
        assert np.abs(found - np.array(wanted)).max() <= 1, shift


def test_glass_copies_unless_told_to_exchange() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 16, 20, generator=generator)
    down, right = (torch.randint(-2, 2, (2, 3, 12, 16), generator=generator, dtype=torch.int8) for _ in range(2))
    exchanged, copied = (shuffled(x, down, right, 2, e) for e in (True, False))
    by_hand = x.clone()
    for n in range(2):
        for i in range(3):
            for h in range(14, 2, -1):
                for w in range(18, 2, -1):
                    there = (h + int(down[n, i, h - 3, w - 3]), w + int(right[n, i, h - 3, w - 3]))
                    by_hand[n, :, h, w] = by_hand[n, :, there[0], there[1]].clone()
    assert torch.equal(copied, by_hand)
    assert torch.equal(exchanged.flatten(2).sort(2).values, x.flatten(2).sort(2).values), "nothing is lost"
    assert not torch.equal(copied.flatten(2).sort(2).values, x.flatten(2).sort(2).values)
    sigma, reach = 0.7, 1
    assert GlassBlur(sigma=sigma, reach=reach).exchange is False


def test_motion_blur_follows_its_direction() -> None:
    dot = torch.zeros(3, 1, 21, 21)
    dot[..., 10, 10] = 1
    across, down, diagonal = motion_blur(dot, 3, 2.0, torch.tensor([0.0, 90.0, 45.0]))[:, 0]
    assert set(map(tuple, across.nonzero().tolist())) == {(10, c) for c in range(4, 11)}
    assert set(map(tuple, down.nonzero().tolist())) == {(r, 10) for r in range(4, 11)}
    assert float(diagonal.sum()) == pytest.approx(1)
    weights = across[10, 4:11].flip(0)
    assert torch.allclose(weights / weights[0], torch.exp(-(torch.arange(7.0) ** 2) / 8), atol=1e-5)
    assert motion_offsets(5, 30.0)[2] == (math.ceil(2 * 0.5 - 0.5 - 1e-12), math.ceil(2 * math.cos(math.pi / 6) - 0.5))


def test_elastic_tables_keep_the_slip_and_offer_the_mended_one() -> None:
    kept, mended = (ElasticTransform.severities[t] for t in ("imagenet-c", "imagenet-c-224"))
    for left, right in zip(kept, mended, strict=True):
        assert {k: left[k] / 244 for k in left} == pytest.approx({k: right[k] / 224 for k in right})
    assert kept[0]["alpha"] == 488


def test_frost_finds_checked_textures_and_says_when_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        Image.new("RGB", (400, 400)).save(tmp_path / name)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match="is not the texture"):
        available_textures()
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    textures.cache_clear()
    assert available_textures() == "procedural"
    shift, keys = Frost.at(3, "cifar-c"), SampleKeys.of(0, ["a", "b"])
    assert shift.textures == "procedural"
    frosted = shift(torch.zeros(2, 3, 32, 32), keys)
    assert 0.05 < float(frosted.mean()) < 0.5
    assert not torch.equal(frosted[0], frosted[1])
    labels = {c.info.label for c in get_suite("cifar-c").conditions((3, 32, 32)) if c.info.shift == "frost"}
    assert all("procedural" in label for label in labels)
    with pytest.raises(DataError, match="`brittlestar textures` brings them"):
        Frost(image=1.0, texture=0.4, textures="reference")(torch.zeros(2, 3, 32, 32), keys)


def test_corrupt_does_one_batch_as_the_suites_do() -> None:
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    keys = brittlestar.keys(0, 5)
    for name in (*TEST, *VALIDATION):
        done = brittlestar.corrupt(images, name, 3, keys)
        assert done.dtype == torch.uint8
        assert done.shape == images.shape
        shift = SHIFTS[name].at(3, "cifar-c")
        if name == "frost":
            shift = Frost(**{**shift.config(), "textures": available_textures()})
        wanted = truncated(shift.compute(images.float() / 255, keys)) * 255
        assert torch.equal(done, wanted.round().to(torch.uint8)), name
        last = images.contiguous(memory_format=torch.channels_last)
        assert torch.equal(brittlestar.corrupt(last, name, 3, keys), done), name
    assert corrupt(images, "fog", 3, keys, storage="float").dtype == torch.float32
    with pytest.raises(UsageError, match="gaussian_noise"):
        corrupt(images, "gausian_noise", 3, keys)
    with pytest.raises(ShiftError, match="give keys"):
        corrupt(images, "fog", 3)
    with pytest.raises(ShiftError, match="severities 1 to 5"):
        corrupt(images, "fog", 6, keys)
    assert [nearest_table(s) for s in (28, 32, 64, 224, 299)] == [
        *("cifar-c", "cifar-c", "tiny-c", "imagenet-c", "imagenet-c-299")
    ]


def photographs() -> tuple[torch.Tensor, Path]:
    folder = shared_path("data/reference-corruptions")
    return _read(folder / "clean.jpeg"), folder


def _read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None]


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return -10 * math.log10(float(((a.float() - b.float()) / 255).pow(2).mean()))


DETERMINISTIC = ("brightness", "saturate", "contrast", "gaussian_blur", "defocus_blur", "zoom_blur")


@pytest.mark.parametrize("name", [*DETERMINISTIC, "pixelate", "jpeg_compression"])
def test_pictures_of_an_independent_implementation(name: str) -> None:
    """That implementation is another one (in memory, on a GPU, stored as JPEG), so pictures agree up to its JPEG."""
    clean, folder = photographs()
    for severity in (2, 5) if name == "pixelate" else range(1, 6):
        theirs = _read(folder / f"{name}_{severity}.jpeg")
        mine = brittlestar.corrupt(clean, name, severity)
        floor = 30 if name in DETERMINISTIC else 26
        gain = _psnr(theirs, mine) - _psnr(theirs, clean)
        assert _psnr(theirs, mine) > floor, severity
        assert gain >= (8 if name in DETERMINISTIC else 2.5), (severity, gain)


def test_noise_has_the_mean_and_spread_of_those_pictures() -> None:
    """Stored as JPEG like theirs: that takes a good part of the noise away."""
    clean, folder = photographs()
    for name in ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"):
        for severity in range(1, 6):
            theirs = _read(folder / f"{name}_{severity}.jpeg").float() / 255
            keys = brittlestar.keys(0, 1)
            mine = brittlestar.corrupt(clean, name, severity, keys, storage="jpeg85").float() / 255
            assert float(mine.mean()) == pytest.approx(float(theirs.mean()), abs=0.004), (name, severity)
            assert float(mine.std()) == pytest.approx(float(theirs.std()), abs=0.004), (name, severity)

"""Bands of frequencies: what is kept, what is removed, what noise and scrambling leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brittlestar.core.errors import ShiftError
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import BandPass, BandStop, PhaseScrambling, RandomMask, RingNoise
from brittlestar.shifts.ops.spectrum import band_mask, distances
from brittlestar.suites.bands import EDGE, octaves, spread

SIZES = [(32, 32), (28, 28), (17, 24), (24, 17), (31, 31)]


def picture(height: int, width: int, count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def keys(count: int = 3, seed: int = 0) -> SampleKeys:
    return SampleKeys.of(seed, [str(i) for i in range(count)])


def spectrum(x: torch.Tensor) -> np.ndarray:
    return np.fft.fftshift(np.fft.fft2(x.double().numpy()), axes=(-2, -1))


def radius(height: int, width: int) -> np.ndarray:
    return np.hypot(*np.meshgrid(np.arange(height) - height // 2, np.arange(width) - width // 2, indexing="ij"))


@pytest.mark.parametrize(("reach", "kept"), [(4, 49), (8, 197)])
def test_jo_and_bengios_radial_masks(reach: int, kept: int) -> None:
    """Coefficients of 1,024 within the radius, and the filter itself against the formula written out with numpy."""
    assert int((radius(32, 32) <= reach).sum()) == kept
    x = picture(32, 32)
    expected = np.fft.ifft2(np.fft.ifftshift(spectrum(x) * (radius(32, 32) <= reach), axes=(-2, -1))).real
    assert np.abs(BandPass(high=reach)(x).numpy() - expected).max() < 1e-5
    clipped = BandPass(high=reach, clip=True)(x)
    assert np.abs(clipped.numpy() - expected.clip(0, 1)).max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", ["radial", "square"])
def test_pass_and_stop_add_up_and_filter_twice_is_once(size: tuple[int, int], window: str) -> None:
    x = picture(*size)
    for low, high in ((0, 3), (2.001, 5), (4, 100)):
        band = {"window": window, "low": low, "high": high}
        kept = BandPass(**band, keep_mean=False)(x)
        assert float((kept + BandStop(**band, keep_mean=False)(x) - x).abs().max()) < 1e-5
        mask = band_mask(*size, window, low, high)
        again = torch.fft.irfft2(torch.fft.rfft2(kept) * mask, s=size)
        assert float((again - kept).abs().max()) < 1e-5
        means = [y.mean((2, 3)) for y in (BandPass(**band)(x), BandStop(**band)(x))]
        assert all(float((m - x.mean((2, 3))).abs().max()) < 1e-5 for m in means)


def test_square_distances_are_the_larger_of_both() -> None:
    far = distances(8, 8, "square")
    assert far[0].tolist() == [0, 1, 2, 3, 4] and far[3].tolist() == [3, 3, 3, 3, 4] and far[5, 0] == 3


@pytest.mark.parametrize("size", SIZES)
def test_octaves_hold_every_frequency_of_the_inner_disk_once(size: tuple[int, int]) -> None:
    rings = octaves(min(size))
    held = sum(band_mask(*size, "radial", low + EDGE, high) for low, high in rings)
    far = distances(*size, "radial")
    inside = (far > 0) & (far <= min(size) / 2)
    assert torch.equal(held == 1, inside) and float(held.max()) == 1
    assert rings[0] == (0, 1) and all(high == low * 2 for low, high in rings[1:-1])


@pytest.mark.parametrize("size", SIZES)
def test_ring_noise_has_its_norm_and_its_ring(size: tuple[int, int]) -> None:
    x = picture(*size)
    noise = RingNoise(low=2.001, high=4, norm=3.0)(x, keys()) - x
    assert torch.allclose(noise.flatten(1).norm(dim=1), torch.full((3,), 3.0), atol=1e-4)
    energy = np.abs(spectrum(noise)) ** 2
    far = radius(*size)
    assert energy[..., (far <= 2) | (far > 4)].sum() < 1e-6 * energy.sum()
    with pytest.raises(ShiftError, match="have no radial frequency from 500"):
        RingNoise(low=500, high=501, norm=1)(x, keys())


@pytest.mark.parametrize("size", SIZES)
def test_scrambling_turns_phases_only_and_only_in_its_band(size: tuple[int, int]) -> None:
    x = picture(*size)
    scrambled = PhaseScrambling(low=2.001, high=5, width=180)(x, keys())
    before, after = spectrum(x), spectrum(scrambled)
    assert np.abs(np.abs(after) - np.abs(before)).max() < 1e-3
    far = radius(*size)
    outside = (far <= 2) | (far > 5)
    assert np.abs((after - before)[..., outside]).max() < 1e-3
    turned = np.angle((after / before)[..., ~outside])
    assert np.abs(turned - turned[:, :1]).max() < 1e-2, "the same in all channels"
    assert np.abs(turned).max() > 2.5
    gentle = spectrum(PhaseScrambling(high=100, width=20)(x, keys()))
    assert np.abs(np.angle(gentle / before)).max() <= np.deg2rad(20) + 1e-3
    assert torch.allclose(PhaseScrambling(high=100, width=0)(x, keys()), x, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_random_mask_drops_conjugates_together_and_its_share(size: tuple[int, int]) -> None:
    x = 0.4 + 0.2 * picture(*size)
    shift = RandomMask(drop=0.3)
    gone = np.abs(spectrum(shift(x))[0, 0]) < 1e-4
    height, width = size
    for row, column in zip(*np.nonzero(gone), strict=True):
        partner = (2 * (height // 2) - row) % height, (2 * (width // 2) - column) % width
        assert gone[partner]
    assert abs(gone.mean() - 0.3) < 0.08 and not gone[height // 2, width // 2]
    assert float((shift(shift(x)) - shift(x)).abs().max()) < 1e-5
    assert not torch.equal(RandomMask(drop=0.3, draw=1)(x), shift(x))
    assert torch.allclose(RandomMask(drop=0.0)(x), x, atol=1e-5)


def test_what_is_no_band_is_refused() -> None:
    for wrong in (
        lambda: BandPass(window="round", high=3),
        lambda: BandPass(low=4, high=3),
        lambda: PhaseScrambling(high=3, width=200),
        lambda: RandomMask(drop=1.0),
        lambda: RandomMask(drop=0.1, draw=-1),
        lambda: RingNoise(high=3, norm=-1),
    ):
        with pytest.raises(ShiftError):
            wrong()


def test_spread_keeps_both_ends() -> None:
    assert spread(1, 31, 2) == list(range(1, 32, 2))
    wide = spread(1, 223, 2)
    assert len(wide) == 16 and wide[0] == 1 and wide[-1] == 223

"""The Fourier map: conjugates, means over the plane, bands, differences and the ratio."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from brittlestar import measures
from brittlestar.core.errors import UsageError
from brittlestar.measures.base import NoSamplesError
from brittlestar.measures.fourier import FourierMap
from brittlestar.measures.frequency_ratio import fieller
from test_measures_coverage import rows_of


def half_plane(height: int, width: int) -> list[tuple[int, int]]:
    """Each conjugate pair once, in the frequencies of numpy's fft."""
    kept: list[tuple[int, int]] = []
    for r in np.rint(np.fft.fftfreq(height) * height).astype(int):
        for c in np.rint(np.fft.fftfreq(width) * width).astype(int):
            if not any(((-r - a) % height, (-c - b) % width) == (0, 0) for a, b in kept):
                kept.append((int(r), int(c)))
    return kept


def made(height: int, width: int, n: int = 60, seed: int = 0, tilt: float = 0.8) -> FourierMap:
    g = np.random.default_rng(seed)
    rows = {
        f: rows_of(g.random(n) > 0.1 + tilt * min(1, math.hypot(f[0] / height, f[1] / width)))
        for f in half_plane(height, width)
    }
    return measures.fourier_map(rows, height, width)


SIZES = [(8, 8), (7, 7), (8, 12), (6, 9)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_plane_is_full_and_symmetric(height: int, width: int) -> None:
    found = made(height, width)
    full = found.matrix()
    assert full.shape == (height, width) and np.isfinite(full).all()
    assert found.multiplicity.sum() == height * width
    own = [f for f, m in zip(found.frequencies, found.multiplicity, strict=True) if m == 1]
    assert len(own) == (2 - height % 2) * (2 - width % 2)
    plain = np.fft.ifftshift(full)
    mirrored = np.roll(plain[::-1, ::-1], 1, (0, 1))
    assert np.array_equal(plain, mirrored)
    for (r, c), error in zip(found.frequencies, found.error, strict=True):
        assert plain[r % height, c % width] == error
    assert full[height // 2, width // 2] == found.error[found.frequencies.index((0, 0))]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_means_count_every_place_of_the_plane_once(height: int, width: int) -> None:
    """Bands and rings computed from the full matrix, place by place."""
    found = made(height, width)
    full = np.fft.ifftshift(found.matrix())
    radius = np.hypot(np.fft.fftfreq(height)[:, None] * 2, np.fft.fftfreq(width)[None] * 2)
    for _, low, high in measures.BANDS:
        inside = (radius > low + 1e-9) & (radius <= high + 1e-9)
        if inside.any():
            assert measures.band_error(found, low, high).value == pytest.approx(full[inside].mean())
        else:
            with pytest.raises(NoSamplesError, match="no measured frequency"):
                measures.band_error(found, low, high)
    rings = measures.radial_profile(found)
    assert sum(r.frequencies for r in rings) == len(found.frequencies)
    assert rings[0].radius == 0 and rings[0].estimate.value == pytest.approx(full[0, 0])
    step = 1 / (min(height, width) // 2)
    for ring in rings[1:]:
        start = math.floor(ring.radius / step - 1e-7) * step
        inside = (radius > start + 1e-9) & (radius <= start + step + 1e-9)
        assert ring.estimate.value == pytest.approx(full[inside].mean())
        assert ring.radius == pytest.approx(radius[inside].mean())
    assert len(measures.radial_profile(found, rings=3)) == 4


def test_limits() -> None:
    found = made(8, 8, 100)
    low, high = found.limits()
    for place, error in enumerate(found.error):
        alone = measures.clopper_pearson(round(error * 100), 100)
        assert (low[place], high[place]) == pytest.approx((alone.low, alone.high))
    wide_low, wide_high = found.limits(simultaneous=True)
    assert (wide_low <= low).all() and (wide_high >= high).all()
    assert found.half_width() == pytest.approx((wide_high - wide_low).max() / 2)
    assert found.half_width(rule="anytime") > found.half_width()
    assert found.matrix(low).shape == (8, 8)


def test_simultaneous_limits_hold_together() -> None:
    g = np.random.default_rng(3)
    truth = g.random(34) * 0.8 + 0.1
    held = 0
    for _ in range(200):
        wrong = (g.random((34, 150)) < truth[:, None]).astype(np.float32)
        found = FourierMap(8, 8, tuple(half_plane(8, 8)), wrong, np.arange(150, dtype=np.int32))
        low, high = found.limits(simultaneous=True)
        held += bool(((low <= truth) & (truth <= high)).all())
    assert held >= stats.binom.ppf(1e-5, 200, 0.95)


def test_samples_are_intersected() -> None:
    g = np.random.default_rng(4)
    right = g.random((3, 50)) < 0.5
    parts = {(0, c): rows_of(right[c]) for c in range(3)}
    parts[0, 1] = parts[0, 1].take(g.permutation(50)[:40])
    kept = np.sort(parts[0, 1].position)
    found = measures.fourier_map(parts, 8, 8)
    assert found.samples == 40 and np.array_equal(found.positions, kept)
    assert np.array_equal(found.wrong, ~right[:, kept])
    assert np.isnan(found.matrix()[0, 0])


def test_refusals() -> None:
    rows = rows_of(np.ones(5, bool))
    with pytest.raises(UsageError, match="twice"):
        measures.fourier_map({(1, 2): rows, (-1, -2): rows}, 8, 8)
    with pytest.raises(UsageError, match="twice"):
        measures.fourier_map({(4, 1): rows, (-4, 1): rows}, 8, 8)
    with pytest.raises(UsageError, match="not in the plane"):
        measures.fourier_map({(5, 0): rows}, 8, 8)
    with pytest.raises(UsageError, match="cannot be compared"):
        measures.band_difference(made(8, 8), made(7, 7), 0, 1)


def test_differences_are_paired() -> None:
    a, b = made(8, 8, seed=1, tilt=0.9), made(8, 8, seed=2, tilt=0.2)
    for _, low, high in measures.BANDS:
        found = measures.band_difference(a, b, low, high)
        expected = measures.band_error(a, low, high).value - measures.band_error(b, low, high).value
        assert found.value == pytest.approx(expected)
        assert measures.band_difference(b, a, low, high).value == pytest.approx(-expected)
        wide = measures.band_difference(a, b, low, high, rule="anytime")
        assert wide.low < found.low < found.high < wide.high
    same = measures.band_difference(a, a, 0, 1)
    assert same.value == 0 and -0.05 < same.low < 0 < same.high
    fewer = FourierMap(8, 8, b.frequencies[:20], b.wrong[:20, 10:], b.positions[10:])
    assert measures.band_difference(a, fewer, 0, 0.5).n == 50
    contrast = measures.band_contrast(a)
    assert contrast.value == pytest.approx(
        measures.band_error(a, 0.5, math.inf).value - measures.band_error(a, 0, 0.25).value
    )


def test_fieller_is_where_the_test_turns() -> None:
    covariance = np.array([[0.0004, 0.0001], [0.0001, 0.0002]])

    def excess(r: float) -> float:
        variance = covariance[0, 0] - 2 * r * covariance[0, 1] + r * r * covariance[1, 1]
        return (0.3 - r * 0.1) ** 2 - 1.97**2 * variance

    low, high = fieller(0.3, 0.1, covariance, 1.97)
    assert low == pytest.approx(optimize.brentq(excess, 0, 3)) and high == pytest.approx(optimize.brentq(excess, 3, 50))
    assert all(map(math.isnan, fieller(0.3, 0.02, covariance, 1.97)))


def test_ratio_is_explicit_where_undefined() -> None:
    found = made(16, 16, 500)
    g = np.random.default_rng(5)
    ratio = measures.high_low_ratio(found, rows_of(g.random(500) > 0.02))
    top, bottom = ratio.above.value, ratio.below.value
    assert ratio.defined and ratio.value == pytest.approx(top / bottom) and ratio.low < ratio.value < ratio.high
    undefined = measures.high_low_ratio(found, rows_of(g.random(500) > 0.4))
    assert not undefined.defined and math.isnan(undefined.value) and "not shown" in undefined.reason
    assert undefined.below.high < 0.05

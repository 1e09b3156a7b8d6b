"""The degradations of Geirhos et al.: their formulas on paper, and rules that hold whatever the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from brittlestar.core.errors import ShiftError
from brittlestar.shifts import (
    Eidolon,
    Grey,
    GreyContrast,
    GreyHighPass,
    GreyLowPass,
    GreySaltAndPepper,
    GreyUniformNoise,
    OpponentColour,
    PhaseNoise,
    PowerEqualisation,
    QuarterTurn,
    Shift,
)
from brittlestar.shifts.geirhos import _CONES, _WHITE, WEIGHTS
from brittlestar.shifts.ops.monitor import GAMMA
from brittlestar.suites import get_suite
from conftest import shared_path
from shift_tools import keys, picture

LEVELS = [[[10, 200, 50], [100, 20, 250]], [[0, 255, 128], [64, 64, 64]]]


def even_noise(side: int = 64) -> torch.Tensor:
    """White noise of little contrast, which no change of phases cuts off."""
    generator = torch.Generator().manual_seed(1)
    return 0.5 + 0.05 * (torch.rand(1, 1, side, side, generator=generator) - 0.5)


def spectrum(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.fft2(x.double()).abs()


def test_grey_and_contrast_of_known_pixels() -> None:
    x = torch.tensor(LEVELS, dtype=torch.uint8).permute(2, 0, 1)[None].float() / 255
    expected = torch.tensor([[0.583569, 0.210129], [0.751591, 0.250980]])
    assert torch.allclose(Grey()(x)[0], expected.expand(3, 2, 2), atol=1e-6)
    expected = torch.tensor([[0.508357, 0.471013], [0.525159, 0.475098]])
    assert torch.allclose(GreyContrast(level=0.1)(x)[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0, 40.0])
def test_filters_are_scipys_on_an_even_background(sigma: float) -> None:
    x = picture((3, 40, 56), 1)
    grey = np.einsum("chw,c->hw", x[0].double().numpy(), WEIGHTS)
    low = ndimage.gaussian_filter(grey, sigma, mode="constant", cval=0.4423)
    high = grey - low
    high = (high + 0.4423 - high.mean()).clip(0, 1)
    assert np.abs(GreyLowPass(sigma=sigma)(x)[0, 2].numpy() - low).max() < 1e-6
    assert np.abs(GreyHighPass(sigma=sigma)(x)[0, 1].numpy() - high).max() < 1e-6


def test_noise_has_one_value_a_pixel_on_a_faint_picture() -> None:
    x, k = picture((3, 40, 56), 30), keys(30)
    faint = 0.35 + 0.3 * Grey()(x)
    y = GreyUniformNoise(half_width=0.1)(x, k)
    assert torch.equal(y[:, 0], y[:, 1]) and torch.equal(y[:, 0], y[:, 2])
    noise = (y - faint)[:, 0]
    assert float(noise.abs().max()) <= 0.1 + 1e-6
    assert float(noise.std()) == pytest.approx(0.1 / 3**0.5, rel=0.02)
    for amount in (0.1, 0.5, 0.95):
        y = GreySaltAndPepper(amount=amount)(x, k)[:, 0]
        count, spread = y.numel(), (y.numel() * amount * (1 - amount)) ** 0.5
        # Of a picture between .35 and .65 nothing else is saturated.
        assert abs(int(((y == 0) | (y == 1)).sum()) - amount * count) < 3 * spread
        kept = (y > 0) & (y < 1)
        assert torch.allclose(y[kept], faint[:, 0][kept], atol=1e-6)


@pytest.mark.parametrize(
    ("width", "ratio"), [(30, 0.978), (60, 0.918), (90, 0.837), (120, 0.767), (150, 0.726), (180, 0.709)]
)
def test_phase_noise_as_published_loses_contrast_and_corrected_none(width: float, ratio: float) -> None:
    x = even_noise(224)
    published, corrected = (PhaseNoise(width=width, faithful=f)(x, keys(1)) for f in (True, False))
    # Half of a coefficient is turned by one angle, half by another, independent one.
    angle = np.radians(width)
    assert float(published.std() / x.std()) == pytest.approx(((1 + (np.sin(angle) / angle) ** 2) / 2) ** 0.5, abs=4e-3)
    assert float(published.std() / x.std()) == pytest.approx(ratio, abs=9e-3), "as their own code gave"
    assert float(corrected.std() / x.std()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (40, 56), (33, 37), (32, 45)])
def test_corrected_phase_noise_keeps_every_amplitude_and_the_mean(shape: tuple[int, int]) -> None:
    x = even_noise(80)[:, :, : shape[0], : shape[1]]
    y = PhaseNoise(width=120, faithful=False)(x, keys(1))
    assert float((spectrum(y) - spectrum(x)).abs().max()) < 2e-4
    assert not torch.allclose(y, x, atol=1e-3)
    kept = PhaseNoise(width=0)(x, keys(1))
    assert torch.allclose(kept, x, atol=1e-6)


def test_power_equalisation_sets_the_amplitudes_of_a_file(tmp_path: Path) -> None:
    others = even_noise(48)
    np.save(tmp_path / "mean.npy", np.fft.fftshift(spectrum(others)[0, 0].numpy()))
    shift = PowerEqualisation(spectrum=str(tmp_path / "mean.npy"))
    x = 0.4 + 0.2 * picture((1, 48, 48), 2)
    y = shift(x)
    assert torch.allclose(spectrum(y), spectrum(others).expand(2, 1, -1, -1), atol=2e-3)
    phases = [torch.fft.rfft2(one.double()).angle() for one in (x, y)]
    turned = torch.polar(torch.ones_like(phases[0]), phases[0] - phases[1])
    assert float((turned - 1).abs().max()) < 0.05
    with pytest.raises(ShiftError, match=r"images have 32 x 32 pixels and the amplitudes .* are 48 x 48"):
        shift(picture((3, 32, 32), 1))


def test_a_spectrum_counts_by_its_content(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one.npy", "two.npy", "other.npy"))
    for path, value in ((one, 1.0), (two, 1.0), (other, 2.0)):
        np.save(path, np.full((8, 8), value))
    prints = [PowerEqualisation(spectrum=str(path)).fingerprint() for path in (one, two, other)]
    assert prints[0] == prints[1] != prints[2]
    assert PowerEqualisation().fingerprint() not in prints
    np.save(other, np.full((8, 8), -1.0))
    with pytest.raises(ShiftError, match="finite and at least 0"):
        PowerEqualisation(spectrum=str(other))
    other.write_text("no array")
    with pytest.raises(ShiftError, match=r"must be a \.npy file"):
        PowerEqualisation(spectrum=str(other))
    with pytest.raises(ShiftError, match="no such file"):
        PowerEqualisation(spectrum=str(tmp_path / "none.npy"))


def test_opponent_colours_keep_luminance_and_come_back() -> None:
    assert np.allclose(_CONES @ np.full(3, 0.5), _WHITE, atol=1e-7), "the white point is middle grey"
    # Pale colours, so that nothing is cut off.
    x = ((0.45 + 0.1 * picture((3, 32, 32))) * 255).round() / 255
    y = OpponentColour()(x)
    assert float((OpponentColour()(y) - x).abs().max()) <= 2.01 / 255
    assert float((y - x).abs().max()) > 5 / 255
    gamma = torch.tensor(GAMMA)
    weight = torch.from_numpy(_CONES[0] + _CONES[1]).float()
    light = [torch.einsum("nchw,c->nhw", gamma[(one * 255).round().long()], weight) for one in (x, y)]
    assert float((light[0] - light[1]).abs().max()) < 2e-3
    plain = torch.full((1, 3, 8, 8), 64 / 255)
    assert float((OpponentColour()(plain) - plain).abs().max()) <= 1.01 / 255, "grey has no colour to reverse"


def test_quarter_turns_are_exact() -> None:
    x = picture((3, 32, 32), 2)
    once = QuarterTurn(turns=1)
    assert torch.equal(once(once(once(once(x[:, :1])))), x[:, :1])
    assert torch.equal(once(x), Grey()(x).transpose(2, 3).flip(2)), "counter-clockwise"
    assert torch.equal(QuarterTurn(turns=2)(x), Grey()(x).flip((2, 3)))
    with pytest.raises(ShiftError, match="have another shape"):
        once(picture((3, 40, 56), 1))


def test_eidolons_move_detail_and_add_up() -> None:
    x = picture((1, 64, 64), 3)
    assert torch.allclose(Eidolon(reach=0, coherence=0.3)(x, keys(3)), x, atol=1e-5), "the layers are the picture"
    coherent, own = (Eidolon(reach=4, coherence=c)(x, keys(3)) for c in (1.0, 0.0))
    assert float((coherent - own).abs().mean()) > 0.01


def curves() -> dict[str, list[Shift]]:
    found: dict[str, list[Shift]] = {}
    for condition in get_suite("geirhos-2018").conditions((3, 64, 64)):
        if condition.info.strength is not None:
            assert isinstance(condition.definition, Shift)
            found.setdefault(f"{condition.info.shift} {condition.info.series}", []).append(condition.definition)
    return found


@pytest.mark.parametrize("name", curves())
def test_published_levels_raise_distortion(name: str) -> None:
    x, k = picture((3, 64, 64), 20), keys(20)
    grey = Grey()(x)
    distances = [float((shift(x, k) - grey).square().mean()) for shift in curves()[name]]
    assert len(distances) >= 5
    assert distances == sorted(distances)


def test_the_suite_at_its_own_size_has_the_published_lengths() -> None:
    def values(side: int, shift: str, field: str, series: str = "") -> list[float]:
        listed = [c.info for c in get_suite("geirhos-2018").conditions((3, side, side))]
        return [i.config[field] for i in listed if i.shift == shift and series in ("", i.series)]

    assert values(224, "grey_high_pass", "sigma") == [3.0, 1.5, 1.0, 0.7, 0.55, 0.45, 0.4]
    assert values(224, "grey_low_pass", "sigma") == [1.0, 3.0, 5.0, 7.0, 10.0, 15.0, 40.0]
    assert values(256, "eidolon", "reach", "II") == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    assert values(112, "grey_low_pass", "sigma")[-1] == 20.0
    assert values(32, "grey_high_pass", "sigma") == pytest.approx([0.4286, 0.2143, 0.1429])


def test_a_spectrum_of_your_own_stands_in_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "mean.npy", np.ones((32, 32)))
    monkeypatch.setenv("BRITTLESTAR_SPECTRUM", str(tmp_path / "mean.npy"))
    listed = get_suite("geirhos-2018").conditions((3, 32, 32))
    found = next(c for c in listed if c.info.shift == "power_equalisation")
    assert found.definition == PowerEqualisation(spectrum=str(tmp_path / "mean.npy"))
    assert "your own" in found.info.label


def test_the_published_mean_spectrum_is_taken_and_ours_is_near() -> None:
    folder = shared_path("data/geirhos-2018")
    photograph = np.asarray(Image.open(folder / "test_image.JPEG"))
    x = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None]
    given = PowerEqualisation(spectrum=str(folder / "mean_power_spectrum_grey.npy"))(x.float() / 255)
    ours = PowerEqualisation()(x.float() / 255)
    amplitude = torch.from_numpy(np.load(folder / "mean_power_spectrum_grey.npy"))
    phase = torch.fft.fft2(Grey()(x.float() / 255)[0, 0].double()).angle()
    wanted = torch.fft.ifft2(torch.polar(torch.fft.ifftshift(amplitude), phase)).real.clamp(0, 1)
    assert float((given[0, 0] - wanted).abs().max()) < 1e-5
    assert float(torch.corrcoef(torch.stack([given.flatten(), ours.flatten()]))[0, 1]) > 0.95

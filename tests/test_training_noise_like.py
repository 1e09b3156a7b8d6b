"""Noise like a corruption: its spectrum is that of the corruption's differences, frequency by frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from brittlestar.core.errors import ShiftError, UsageError
from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import SHIFTS
from brittlestar.training import NoiseLike

NOBODY: Any = None


def faint(count: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Smooth images around the middle, so that little is clamped."""
    coarse = torch.rand(count, shape[0], 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size=shape[1:], mode="bilinear")
    return (255 * (0.4 + 0.2 * smooth)).to(torch.uint8)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 16, 24), (3, 15, 21)])
@pytest.mark.parametrize(("like", "severity"), [("gaussian_noise", 1), ("contrast", 2), ("defocus_blur", 5)])
def test_its_power_is_that_of_the_shift_at_every_frequency(
    like: str, severity: int, shape: tuple[int, int, int]
) -> None:
    images = faint(400, shape)
    keys = SampleKeys.of(1, [str(i) for i in range(400)])
    recipe = NoiseLike(like=like, severity=severity).measured(images, keys)
    x = images / 255
    change = SHIFTS[like].at(severity, "cifar-c")(x, keys.stream("noise_like")) - x
    expected = torch.fft.fft2(change.double()).abs().square().mean(0)
    many = SampleKeys.of(2, [str(i) for i in range(4000)])
    grey = torch.full((4000, *shape), 0.5)
    noise = recipe.prepare(NOBODY, grey, NOBODY, many).double() - 0.5
    found = torch.fft.fft2(noise).abs().square().mean(0)
    # A power estimated from 4,000 complex normal draws has a relative error of 1.6 %, 2.2 % where it is real.
    likely = expected > 1e-3 * expected.max()
    assert int(likely.sum()) > 4
    torch.testing.assert_close(found[likely], expected[likely], rtol=0.12, atol=0)
    total = float(found.sum() / expected.sum())
    assert abs(total - 1) < 0.05
    if like == "gaussian_noise":
        assert abs(float(noise.std()) - 0.04) < 0.002, "the published deviation"


def test_fog_is_noise_of_low_frequencies_and_depends_on_keys_alone() -> None:
    images, keys = faint(100, (3, 32, 32)), SampleKeys.of(1, [str(i) for i in range(100)])
    recipe = NoiseLike(severity=1).measured(images, keys)
    x = images[:20] / 255
    found = recipe.prepare(NOBODY, x, NOBODY, keys[:20])
    assert torch.equal(recipe.prepare(NOBODY, x[5:9], NOBODY, keys[5:9]), found[5:9])
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    power = torch.fft.fft2(recipe.prepare(NOBODY, torch.full((100, 3, 32, 32), 0.5), NOBODY, keys) - 0.5).abs() ** 2
    u = torch.from_numpy(np.abs(np.fft.fftfreq(32, 1 / 32)))
    low = torch.maximum(u[:, None], u) <= 4
    assert float(power[..., low].sum() / power.sum()) > 0.7


def test_what_it_cannot_be_like_is_refused() -> None:
    for fields in ({"like": "frog"}, {"severity": 0}, {"table": "imagenet-d"}, {"like": "rotate"}):
        with pytest.raises(ShiftError, match="noise_like"):
            NoiseLike(**fields)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="measured"):
        NoiseLike().prepare(NOBODY, torch.rand(1, 1, 8, 8), NOBODY, SampleKeys.of(0, ["a"]))

"""Noise that every pixel draws for itself."""

from __future__ import annotations

import torch

from brittlestar.core.keys import SampleKeys


def normal_noise(x: torch.Tensor, keys: SampleKeys, sigma: float, speckle: bool) -> torch.Tensor:
    """``x + sigma * z``, or with ``speckle`` ``x * (1 + sigma * z)``, of (n, c, h, w) float32."""
    z = keys.normal(x.shape[1:]).mul_(sigma)
    return z.add_(1).mul_(x) if speckle else z.add_(x)


def impulse_noise(x: torch.Tensor, keys: SampleKeys, reach: int) -> torch.Tensor:
    """(n, c, h, w) float32 with 0 or 1 where a value's 16 bits lie within ``reach`` of the lowest or the highest."""
    return impulses(x, keys.bits16(x.shape[1:]), reach)


def impulses(x: torch.Tensor, bits: torch.Tensor, reach: int) -> torch.Tensor:
    """The same with (n, c or 1, h, w) int16 draws given."""
    dark, bright = bits < -32768 + reach, bits >= 32768 - reach
    return torch.where(dark, 0.0, torch.where(bright, 1.0, x))


def shot_noise(x: torch.Tensor, keys: SampleKeys, photons: float) -> torch.Tensor:
    """Poisson counts of mean ``photons * x``, over ``photons``, of (n, c, h, w) float32 in [0, 1]."""
    return keys.poisson(x, photons).div_(photons)

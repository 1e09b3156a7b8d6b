"""MNIST's elastic transform moves images to no side."""

from __future__ import annotations

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.shifts import MnistElasticTransform


def test_elastic_fields_and_jitter_are_even() -> None:
    x = torch.zeros(400, 1, 28, 28)
    x[:, :, 12:16, 12:16] = 1
    keys = SampleKeys.of(0, [str(k) for k in range(len(x))])
    for shift in (MnistElasticTransform(jitter=0.0), MnistElasticTransform(alpha=0.0)):
        moved = shift(x, keys)[:, 0]
        mass = moved.sum((1, 2))
        seen = mass > 1
        assert seen.float().mean() > 0.9
        places = torch.arange(28.0)
        for profile in (moved.sum(2), moved.sum(1)):
            centre = ((profile * places).sum(1) / mass)[seen] - 13.5
            assert centre.std() > 0.05 and centre.mean().abs() < 4.5 * centre.std() / seen.sum() ** 0.5

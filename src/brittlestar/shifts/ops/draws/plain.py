"""Random numbers from the samples' keys, where drawing them takes a good part of a shift's time."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from brittlestar.core.keys import SampleKeys


def uniform(words: torch.Tensor, shape: Sequence[int], low: float, high: float) -> torch.Tensor:
    """(n, *shape) float32 in [low, high), as ``SampleKeys.uniform`` draws them.

    Args:
        words: (n,) int64: the keys' words.
        shape: Of one sample.
        low, high: The ends; high is left out.
    """
    return SampleKeys(words).uniform(shape, low, high)

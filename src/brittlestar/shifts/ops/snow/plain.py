"""Snow laid over images."""

from __future__ import annotations

import torch

from brittlestar.shifts.ops.colour.plain import luma


def snowed(x: torch.Tensor, layer: torch.Tensor, mix: float) -> torch.Tensor:
    """Images whitened, plus the layer and the layer turned by 180 degrees.

    Args:
        x: (n, c, h, w) float32.
        layer: (n, 1, h, w) float32.
        mix: Share of the images that is kept; the rest is the whitened images.
    """
    # The published whitening: pale, but never darker than the image.
    whitened = torch.maximum(x, luma(x) * 1.5 + 0.5)
    return (x * mix).add_(whitened.mul_(1 - mix)).add_(layer).add_(layer.flip(2, 3))

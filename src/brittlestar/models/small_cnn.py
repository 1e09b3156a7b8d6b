"""A small, fast convolutional network for small grey or colour images."""

from __future__ import annotations

import torch
from torch import nn


class SmallCNN(nn.Module):
    """Three strided convolutions and one hidden layer; 47,786 weights for ten classes of grey 28 x 28 images.

    Takes (batch, channels, size, size) floats, or (batch, channels, *size); gives (batch, classes) logits.
    """

    def __init__(self, classes: int = 10, channels: int = 1, size: int | tuple[int, int] = 28, width: int = 16) -> None:
        super().__init__()
        down, across = (size, size) if isinstance(size, int) else size
        for _ in range(3):
            down, across = (down + 1) // 2, (across + 1) // 2
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Linear(2 * width * down * across, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, classes) logits."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits


def small_cnn(classes: int = 10, channels: int = 1) -> SmallCNN:
    """The network of the demo: 28 x 28 grey images, ten classes, in evaluation mode."""
    return SmallCNN(classes, channels).eval()

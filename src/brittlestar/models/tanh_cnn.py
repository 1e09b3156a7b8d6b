"""NICO's ConvNet, scaled to small images: its last hidden layer is a tanh; with batch norm, or without."""

from __future__ import annotations

import torch
from torch import nn

FEATURES = 50
"""Of the last hidden layer, as in the paper."""


class TanhCNN(nn.Module):
    """Three convolutions, each with ReLU and max-pooling, and a hidden layer of 50 tanh features.

    Takes (batch, channels, height, width) floats; gives (batch, classes) logits. The paper's has five convolutions of
    64 to 1,024 channels, for 64 x 64 photographs, and a layer of 512 before the features.

    Reference:
        He, Shen and Cui, Pattern Recognition 2021, https://arxiv.org/abs/1906.02899
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 3,
        size: int | tuple[int, int] = 28,
        width: int = 12,
        norm: bool = False,
    ) -> None:
        super().__init__()
        down, across = (size, size) if isinstance(size, int) else size
        layers: list[nn.Module] = []
        for inputs, outputs in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if norm else []
            # Rounded up, so that nothing is lost at the edge and an image may be of any size.
            layers += [nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
            down, across = (down + 1) // 2, (across + 1) // 2
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width * down * across, FEATURES), nn.Tanh())
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, classes) logits."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits

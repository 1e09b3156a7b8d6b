"""Residual networks for small images: the CIFAR form of He et al. (2016) and a small pre-activation one."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut that halves the size by skipping pixels and pads channels with zeros.

    ``before`` puts normalisation and ReLU before each convolution (He et al. 2016, identity mappings).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, before: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs if before else outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra, self.before = stride, (outputs - inputs) // 2, before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, outputs, height / stride, width / stride)."""
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.extra:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.extra, self.extra))
        if self.before:
            out = self.conv1(functional.relu(self.bn1(x)))
            return torch.add(self.conv2(functional.relu(self.bn2(out))), shortcut)
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(out + shortcut)


class SmallResNet(nn.Module):
    """Three stages of ``blocks`` blocks with 16, 32 and 64 channels: ``6 * blocks + 2`` layers."""

    def __init__(self, blocks: int, classes: int = 10, channels: int = 3, before: bool = False) -> None:
        super().__init__()
        self.before = before
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64 if before else 16)
        inputs, stages = 16, []
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            row = [Block(inputs, outputs, stride, before)]
            row += [Block(outputs, outputs, 1, before) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*row))
            inputs = outputs
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, classes) logits."""
        x = self.conv1(x)
        if not self.before:
            x = functional.relu(self.bn1(x))
        x = self.layer3(self.layer2(self.layer1(x)))
        if self.before:
            x = functional.relu(self.bn1(x))
        logits: torch.Tensor = self.linear(x.mean((2, 3)))
        return logits

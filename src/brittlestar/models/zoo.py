"""Architectures that are built by name: to train, and to load again what was trained."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.core.options import option

Size = int | tuple[int, int]
"""Side of square images in pixels, or (height, width)."""
Build: TypeAlias = "Callable[[int, int, Size], nn.Module]"


def _small_cnn(classes: int, channels: int, size: Size) -> nn.Module:
    from brittlestar.models.small_cnn import SmallCNN

    return SmallCNN(classes, channels, size)


def _tanh_cnn(norm: bool = False) -> Build:
    def build(classes: int, channels: int, size: Size) -> nn.Module:
        from brittlestar.models.tanh_cnn import TanhCNN

        return TanhCNN(classes, channels, size, norm=norm)

    return build


def _resnet(blocks: int, before: bool = False) -> Build:
    def build(classes: int, channels: int, size: Size) -> nn.Module:
        from brittlestar.models.resnet import SmallResNet

        return SmallResNet(blocks, classes, channels, before=before)

    return build


ARCHITECTURES: dict[str, tuple[str, Build]] = {
    "small_cnn": ("three convolutions and a hidden layer, for images up to 64 pixels", _small_cnn),
    "tanh_cnn": ("the NICO paper's ConvNet scaled down: three convolutions and 50 tanh features", _tanh_cnn()),
    "tanh_cnn_bn": ("the same with batch norm after every convolution", _tanh_cnn(norm=True)),
    "resnet8": ("ResNet-8 in the CIFAR form", _resnet(1)),
    "resnet20": ("ResNet-20 in the CIFAR form", _resnet(3)),
    "resnet56": ("ResNet-56 in the CIFAR form", _resnet(9)),
    "preact_resnet14": ("pre-activation ResNet-14", _resnet(2, before=True)),
}
"""Name: (what it is, build from classes, channels and the images' size)."""


def build(name: str, classes: int, channels: int, size: Size) -> nn.Module:
    """A network with fresh weights, in evaluation mode.

    Args:
        name: Of ``ARCHITECTURES``, or ``timm:NAME`` where timm is installed (the extra ``timm``).
        classes: Outputs.
        channels: Of the images.
        size: Theirs in pixels: the side of square ones, or (height, width).

    Raises:
        ModelError: Unknown name, timm not installed, or a network that cannot be built so.
    """
    if name.startswith("timm:"):
        require(
            importlib.util.find_spec("timm") is not None,
            f"{name} needs timm: pip install 'brittlestar[timm]'",
            ModelError,
        )
        return _of_timm(name[5:], classes, channels, size)
    if name not in ARCHITECTURES:
        raise ModelError(str(unknown("architecture", name, [*ARCHITECTURES, "timm:NAME"])))
    longest = size if isinstance(size, int) else max(size)
    require(
        name != "small_cnn" or longest <= 64,
        f"small_cnn takes images up to 64 pixels, these have {longest}: take another "
        f"({option('architecture')}), or smaller images ({option('resize')})",
        ModelError,
    )
    return ARCHITECTURES[name][1](classes, channels, size).eval()


def _of_timm(name: str, classes: int, channels: int, size: Size) -> nn.Module:
    """Networks that take one size of image only (most transformers) are built for this one."""
    # Such names load a configuration from the hub or from a folder, and a file's metadata may hold any.
    require(not {":", "/"} & set(name), f"timm:{name} is no name of timm's own networks", ModelError)
    timm: Any = importlib.import_module("timm")
    how: dict[str, Any] = {"pretrained": False, "num_classes": classes, "in_chans": channels}
    try:
        module: nn.Module = timm.create_model(name, **how)
        if (getattr(module, "pretrained_cfg", None) or {}).get("fixed_input_size"):
            module = timm.create_model(name, **how, img_size=size if isinstance(size, int) else tuple(size))
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"timm cannot build {name!r} for {classes} classes and images of {channels} channels and {size} pixels "
            f"({first}): take another timm:NAME, or other sizes ({option('resize')}, {option('crop')})"
        ) from error
    return module.eval()

"""The same answers sooner: batch norms folded into the convolutions before them, channels-last memory on a CPU.

Nothing here depends on timing, so every process that loads a model tunes it alike.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from brittlestar.core.errors import ModelError, require
from brittlestar.core.options import option
from brittlestar.models.answering import own_code
from brittlestar.models.base import Model
from brittlestar.models.onnx import through_onnx
from brittlestar.models.wrap import TorchModel, lowered

AGREE = 1e-4
"""How far logits may lie from those of the untouched module, on the images that it is checked with."""

Answer: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"


def tune(model: Model, images: torch.Tensor, faster: bool = True) -> str | None:
    """Let a torch model answer sooner wherever no gradients are taken; a line that says how, ``None`` if it cannot.

    Args:
        model: Its weights may have changed since it was tuned last.
        images: (n, channel, height, width) float32 in [0, 1] on its device, to hold the tuned answers against its own.
        faster: Whether to; otherwise the model answers as it was given, unless it asks for a backend itself.

    Raises:
        ModelError: The backend that the model asks for cannot be had, or gives other logits.
    """
    if not isinstance(model, TorchModel):
        return None
    model.fast = None
    x = model.entering(images)
    with own_code(model.name, len(images)), lowered(model.dtype, x.device):
        if model.backend == "onnxruntime":
            model.fast, note = _by_onnx(model, x)
            return note
        if not faster:
            return None
        found = tuned(model.module, x, AGREE if model.dtype == "float32" else None, model.main)
    if found is None:
        return None
    model.fast, note = found
    return note


def _by_onnx(model: TorchModel, x: torch.Tensor) -> tuple[Answer, str]:
    # A single image is doubled: export would take a batch of one for a constant.
    answer = through_onnx(_Main(model), x if len(x) > 1 else x.repeat(2, 1, 1, 1))
    apart = float((_answered(answer, x) - _answered(model.module, x, model.main)).abs().max())
    require(
        apart <= AGREE,
        f"model {model.name}: logits by ONNX Runtime lie up to {apart:.1e} from those of torch, allowed is "
        f"{AGREE:.0e}; use {option('backend', 'torch')}",
        ModelError,
    )
    return answer, f"ONNX Runtime; logits within {apart:.0e} of torch"


class _Main(nn.Module):
    """A module that gives one of a module's outputs alone, the one that holds the logits."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.module, self._main = model.module, model.main

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._main(self.module(x))


def tuned(
    module: nn.Module,
    x: torch.Tensor,
    agree: float | None = AGREE,
    main: Callable[[Any], torch.Tensor] = lambda answer: answer,
) -> tuple[Answer, str] | None:
    """A faster form of a module that gives its logits, and a line that says what was done; ``None`` if there is none.

    The module itself is left as it is (gradients are taken through it).

    Args:
        module: In evaluation mode.
        x: (n, channel, height, width) images as its first layer gets them.
        agree: How far logits may lie apart; ``None`` (in bfloat16) for a twentieth of the largest.
        main: Picks the logits out of what the module gives.
    """
    expected = _answered(module, x, main)
    # From most to least: the first that agrees is taken.
    for fold, last in ((True, True), (True, False), (False, True)):
        last_here = last and x.device.type == "cpu"
        if not (fold or last_here):
            continue
        try:
            made, pairs = folded(module, x) if fold else (copy.deepcopy(module), 0)
            if not (pairs or last_here):
                continue
            answer = _channels_last(made) if last_here else made
            apart = float((_answered(answer, x, main) - expected).abs().max())
        except Exception:  # whatever a person's module cannot do, it does untuned
            continue
        if apart <= (agree if agree is not None else float(expected.abs().max()) / 20):
            done = [f"{pairs} batch norms folded" if pairs else "", "channels last" if last_here else ""]
            return answer, f"inference: {', '.join(d for d in done if d)}; logits within {apart:.0e} of the untuned"
    return None


def _answered(
    answer: Answer, x: torch.Tensor, main: Callable[[Any], torch.Tensor] = lambda answer: answer
) -> torch.Tensor:
    with torch.inference_mode():
        # A module may write to what it is given.
        return main(answer(x.clone())).to(torch.float32)


def _channels_last(module: nn.Module) -> Answer:
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def answer(x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = module(x.contiguous(memory_format=torch.channels_last))
        return logits

    return answer


def folded(module: nn.Module, x: torch.Tensor) -> tuple[nn.Module, int]:
    """A copy whose batch norms are folded into the convolutions that feed them, and how many were.

    The pairs are found by watching one pass: a batch norm whose input is the very tensor that a convolution gave. A
    batch norm with an activation of its own (timm's ``BatchNormAct2d``) leaves the activation behind.
    """
    pairs = list(_pairs(module, x))
    made = copy.deepcopy(module)
    for convolution, norm in pairs:
        conv, bn = made.get_submodule(convolution), made.get_submodule(norm)
        assert isinstance(conv, nn.modules.conv._ConvNd) and isinstance(bn, nn.modules.batchnorm._BatchNorm)
        _replace(made, convolution, fuse_conv_bn_eval(conv, bn))
        # In the order in which timm's layer applies them.
        kept = [part for key in ("drop", "act") if isinstance(part := getattr(bn, key, None), nn.Module)]
        _replace(made, norm, nn.Sequential(*kept) if kept else nn.Identity())
    return made, len(pairs)


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, part)


def _pairs(module: nn.Module, x: torch.Tensor) -> Iterator[tuple[str, str]]:
    """(convolution, batch norm), by name, where each is called once and the one feeds the other."""
    calls: dict[str, int] = {}
    given: list[tuple[str, torch.Tensor, int]] = []
    found: list[tuple[str, str]] = []
    hooks = []
    for name, part in module.named_modules():
        # Transposed ones have their outputs on another axis of the weights.
        if isinstance(part, nn.modules.conv._ConvNd) and not part.transposed:

            def gave(_: nn.Module, __: object, output: torch.Tensor, name: str = name) -> None:
                calls[name] = calls.get(name, 0) + 1
                given.append((name, output, output._version))

            hooks.append(part.register_forward_hook(gave))
        elif isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats and not part.training:

            def got(_: nn.Module, args: tuple[torch.Tensor, ...], name: str = name) -> None:
                calls[name] = calls.get(name, 0) + 1
                # The same version too: an activation in place would leave the same tensor with other values.
                found.extend((of, name) for of, y, age in given if y is args[0] and y._version == age)

            hooks.append(part.register_forward_pre_hook(got))
    try:
        with torch.inference_mode(False), torch.no_grad():
            module(x[:2].clone())
    finally:
        for hook in hooks:
            hook.remove()
    fed = [conv for conv, _ in found]
    for conv, norm in found:
        # A convolution that is used twice, or feeds two norms, has no one norm to take in.
        if calls[conv] == calls[norm] == 1 and fed.count(conv) == 1:
            yield conv, norm

"""What a layer inside a model gives: its outputs by name, or the features before the last linear layer."""

from __future__ import annotations

import torch
from torch import nn

from brittlestar.core.errors import ModelError, require, unknown
from brittlestar.models.answering import own_code
from brittlestar.models.base import Model
from brittlestar.models.wrap import TorchModel

PENULTIMATE = "penultimate"


class Layer:
    """A layer's activations, flattened to (batch, values); differentiable where the model is.

    Args:
        model: A torch model.
        name: As in ``module.named_modules()``, such as ``layer1.0.conv1``; ``penultimate`` is the input of the last
            linear layer.

    Raises:
        ModelError: Not a torch model, no such layer, or a layer that was not called once with one tensor.
    """

    def __init__(self, model: Model, name: str = PENULTIMATE) -> None:
        require(
            isinstance(model, TorchModel),
            f"model {model.name} is no torch module: it has no layers to read",
            ModelError,
        )
        assert isinstance(model, TorchModel)
        parts = {key: part for key, part in model.module.named_modules() if key}
        # A layer that is itself called so is meant as a layer.
        self._before = name == PENULTIMATE and name not in parts
        if self._before:
            linear = [key for key, part in parts.items() if isinstance(part, nn.Linear)]
            require(bool(linear), f"model {model.name} has no linear layer; name a layer of it", ModelError)
            name = linear[-1]
        if name not in parts:
            raise ModelError(f"model {model.name}: {unknown('layer', name, list(parts))}")
        self.model, self.name, self._part = model, name, parts[name]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, values) float32 of (batch, channel, height, width) images in [0, 1]."""
        seen: list[torch.Tensor] = []

        def keep(_: nn.Module, args: tuple[object, ...], output: object = None) -> None:
            value = args[0] if self._before and args else output
            if isinstance(value, torch.Tensor):
                seen.append(value)

        hook = self._part.register_forward_pre_hook(keep) if self._before else self._part.register_forward_hook(keep)
        try:
            # Not through ``logits``: its tuned form is a copy, which has no hooks.
            with own_code(self.model.name, len(images)):
                self.model.module(self.model.entering(images))
        finally:
            hook.remove()
        require(
            len(seen) == 1,
            f"model {self.model.name}: layer {self.name} gave {len(seen)} tensors in one pass, it must give one",
            ModelError,
        )
        return seen[0].to(torch.float32).flatten(1)

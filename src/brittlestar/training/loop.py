"""The training loop: plain torch, the same result for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from brittlestar.core.files import replacing
from brittlestar.core.keys import SampleKeys
from brittlestar.core.version import VERSION
from brittlestar.models.base import Preprocess
from brittlestar.models.wrap import TorchModel
from brittlestar.training.recipes import Recipe


def train(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    *,
    epochs: int,
    seed: int,
    batch: int = 128,
    rate: float = 3e-3,
    preprocess: Preprocess | None = None,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> list[float]:
    """Train a module in place with Adam and a one-cycle learning rate.

    Args:
        module: Its weights must have been made from a seed by the caller.
        images: (n, channel, height, width) uint8.
        labels: (n,) int64.
        recipe: What happens to each batch.
        epochs: Passes over the data.
        seed: Of the order and of every draw.
        batch: Samples a step.
        rate: Highest learning rate.
        preprocess: The module's own normalisation.
        progress: Called after every epoch with (epoch, epochs, mean loss).

    Returns:
        The mean loss of every epoch. The module is left in evaluation mode.
    """
    model = TorchModel(module, name="training", spec="", preprocess=preprocess or Preprocess(), identity="")
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    steps = -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps * epochs)
    generator = torch.Generator().manual_seed(seed)
    history = []
    for epoch in range(epochs):
        keys = SampleKeys.of(seed, [str(i) for i in range(len(images))]).stream("train", epoch)
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for piece in torch.split(order, batch):
            x, y = images[piece].to(torch.float32) / 255, labels[piece]
            module.eval()
            x = recipe.prepare(model, x, y, keys[piece])
            module.train()
            loss = functional.cross_entropy(model.logits(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(piece)
        history.append(total / len(images))
        progress(epoch + 1, epochs, history[-1])
    module.eval()
    return history


def save_weights(module: nn.Module, path: Path, facts: dict[str, Any]) -> None:
    """Write a ``.safetensors`` state dict, whole or not at all, with ``facts`` (JSON) in its metadata."""
    facts = facts | {"versions": {"brittlestar": VERSION, "torch": torch.__version__}}
    state = {key: value.detach().contiguous() for key, value in module.state_dict().items()}
    with replacing(path) as beside:
        save_file(state, beside, metadata={"brittlestar": json.dumps(facts, sort_keys=True)})

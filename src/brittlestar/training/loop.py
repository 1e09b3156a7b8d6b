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

from brittlestar.core.errors import UsageError, require
from brittlestar.core.files import replacing
from brittlestar.core.keys import SampleKeys
from brittlestar.core.version import VERSION
from brittlestar.models.base import Preprocess
from brittlestar.models.files import METADATA
from brittlestar.models.wrap import TorchModel
from brittlestar.shifts.base import Images
from brittlestar.training.recipes import Recipe


def train(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    *,
    epochs: int,
    seed: int,
    batch: int = 64,
    rate: float = 4e-3,
    jitter: int = 0,
    preprocess: Preprocess | None = None,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> list[float]:
    """Train a module in place with Adam and a one-cycle learning rate.

    With the same initial weights, arguments and number of torch threads, the result is the same to the last bit.

    Args:
        module: On the images' device; its weights must have been made from a seed by the caller.
        images: (n, channel, height, width) uint8.
        labels: (n,) int64.
        recipe: What happens to each batch, after the jitter.
        epochs: Passes over the data; at least 1.
        seed: Of the order and of every draw.
        batch: Samples a step; at least 1.
        rate: Highest learning rate.
        jitter: Each image is moved by up to this many pixels in each direction, black beyond its edge.
        preprocess: The module's own normalisation.
        progress: Called after every epoch with (epoch, epochs, mean loss).

    Returns:
        The mean loss of every epoch. The module is left in evaluation mode.
    """
    require(len(images) == len(labels) > 0, f"{len(images)} images and {len(labels)} labels", UsageError)
    require(images.dtype == torch.uint8, f"training takes uint8 images, got {images.dtype}", UsageError)
    require(
        min(epochs, batch) >= 1 and rate > 0 and jitter >= 0,
        f"epochs and batch must be at least 1, rate above 0, jitter at least 0, got {(epochs, batch, rate, jitter)}",
        UsageError,
    )
    model = TorchModel(module, name="training", spec="", preprocess=preprocess or Preprocess(), identity="")
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    steps = -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps * epochs)
    generator = torch.Generator().manual_seed(seed)
    samples = SampleKeys.of(seed, [str(i) for i in range(len(images))], images.device)
    history = []
    for epoch in range(epochs):
        keys = samples.stream("train", epoch)
        order = torch.randperm(len(images), generator=generator).to(images.device)
        total = torch.zeros((), dtype=torch.float64, device=images.device)
        for piece in torch.split(order, batch):
            x, y = images[piece].to(torch.float32) / 255, labels[piece]
            if jitter:
                x = jittered(x, keys[piece], jitter)
            module.eval()
            x = recipe.prepare(model, x, y, keys[piece])
            module.train()
            loss = functional.cross_entropy(model.logits(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.detach() * len(piece)
        history.append(float(total) / len(images))
        progress(epoch + 1, epochs, history[-1])
    module.eval()
    return history


def jittered(x: Images, keys: SampleKeys, reach: int) -> Images:
    """Each image moved by whole pixels, up to ``reach`` in each direction; black comes in at the edges."""
    n, channels, height, width = x.shape
    padded = functional.pad(x, (reach, reach, reach, reach))
    offset = keys.stream("jitter").integers((2,), 0, 2 * reach + 1)
    rows = offset[:, :1] + torch.arange(height, device=x.device)
    columns = offset[:, 1:] + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def save_weights(module: nn.Module, path: Path, facts: dict[str, Any]) -> None:
    """Write a ``.safetensors`` state dict, whole or not at all, with ``facts`` (JSON) in its metadata.

    Loading reads ``preprocess`` (fields of ``Preprocess``) and tells ``recipe``, ``fields``, ``epochs`` and ``seed``.
    """
    facts = facts | {"versions": {"brittlestar": VERSION, "torch": torch.__version__}}
    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    with replacing(path) as beside:
        save_file(state, beside, metadata={METADATA: json.dumps(facts, sort_keys=True)})

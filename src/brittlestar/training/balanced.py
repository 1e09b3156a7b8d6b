"""CNBB: images of a batch are weighted until every feature is balanced against all others (He, Shen and Cui)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn
from torch.nn import functional

from brittlestar.core.errors import ModelError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.models.wrap import TorchModel
from brittlestar.shifts.base import Images
from brittlestar.training.recipes import Recipe


@final
@dataclass(frozen=True, kw_only=True)
class BatchBalancing(Recipe):
    """ConvNet with Batch Balancing (CNBB), our reading of the paper's text.

    The features of the last hidden layer are drawn towards -1 and 1. Each in turn is a treatment, which an image has
    where its feature is above 0; weights of the batch's images are found under which all other features have equal
    means with and without it, whatever the feature (``imbalance``); the cross-entropy is weighted by them.

    Where the layer before the last linear one is no tanh, its features are standardised over the batch and go through a
    tanh. Weights are found anew for every batch by normalised descent from equal ones; the paper's optimiser and the
    scale of its control term are not stated.

    Fields:
        quantise: Weight of the loss that draws features towards -1 and 1 (minus their mean square); at least 0.
        control: Weight of the mean square of (weight - 1), beside the imbalance; above 0.
        steps: Of the search for weights; at least 1.
        pace: Length of a step in the logarithm of the weights, root mean square; above 0.

    Reference:
        He, Shen and Cui, Pattern Recognition 2021, https://arxiv.org/abs/1906.02899
    """

    name: ClassVar[str] = "cnbb"

    quantise: float = 0.1
    control: float = 0.1
    steps: int = 5
    pace: float = 0.2

    def __post_init__(self) -> None:
        require(self.quantise >= 0, f"cnbb.quantise must be at least 0, got {self.quantise}")
        require(
            self.control > 0 and self.pace > 0,
            f"cnbb.control and pace must be positive, got {self.control} and {self.pace}",
        )
        require(self.steps >= 1, f"cnbb.steps must be at least 1, got {self.steps}")

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """The weighted cross-entropy and the loss of quantisation."""
        with _features(model) as seen:
            logits = model.logits(prepared)
        features = seen[0]
        weights = balancing(features.detach(), self.control, self.steps, self.pace)
        losses = functional.cross_entropy(logits, labels, reduction="none")
        return (weights.to(losses) * losses).mean() - self.quantise * features.square().mean()


@contextmanager
def _features(model: Model) -> Iterator[list[torch.Tensor]]:
    """Inside, a pass of the model leaves its last hidden layer's features, (batch, features) in [-1, 1]."""
    require(isinstance(model, TorchModel), "cnbb trains networks of torch", ModelError)
    assert isinstance(model, TorchModel)
    leaves = [part for part in model.module.modules() if not list(part.children())]
    linear = [place for place, part in enumerate(leaves) if isinstance(part, nn.Linear)]
    require(
        bool(linear), "cnbb weights images by the features before the last linear layer, and there is none", ModelError
    )
    last = linear[-1]
    bounded = last > 0 and isinstance(leaves[last - 1], nn.Tanh)
    seen: list[torch.Tensor] = []

    def keep(_: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        g = args[0].to(torch.float32).flatten(1)
        if not bounded:
            g = torch.tanh((g - g.mean(0)) / g.std(0, correction=0).clamp_min(1e-6))
        seen.append(g)

    hook = leaves[last].register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()


def imbalance(features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """How far apart the other features' weighted means lie with and without a feature, squared, the mean of all pairs.

    ``mean over j and l != j of (mean of x_l where x_j > 0, less that where it is not)^2``; features that all images
    have, or none, are no treatment.

    Args:
        features: (batch, features).
        weights: (batch,) above 0.
    """
    treated = (features > 0).to(features.dtype)
    some = (treated.sum(0) > 0) & (treated.sum(0) < len(features))
    has, lacks = weights[:, None] * treated, weights[:, None] * (1 - treated)
    # Those that are no treatment are left out below; the bound only avoids a division by 0.
    with_it = has.T @ features / has.sum(0).clamp_min(1e-12)[:, None]
    without = lacks.T @ features / lacks.sum(0).clamp_min(1e-12)[:, None]
    others = (1 - torch.eye(features.shape[1], dtype=features.dtype, device=features.device)) * some[:, None]
    return ((with_it - without).square() * others).sum() / others.sum().clamp_min(1)


def balancing(features: torch.Tensor, control: float, steps: int, pace: float) -> torch.Tensor:
    """(batch,) weights of mean 1 that balance the features: those of the least objective on the way from equal ones."""
    scores = torch.zeros(len(features), device=features.device)
    best, least = torch.ones_like(scores), float("inf")
    # One pass more than steps: the last weights are judged too.
    for step in range(steps + 1):
        with torch.enable_grad():
            moved = scores.requires_grad_(True)
            weights = len(features) * torch.softmax(moved, 0)
            objective = imbalance(features, weights) + control * (weights - 1).square().mean()
            (slope,) = torch.autograd.grad(objective, moved)
        value = float(objective.detach())
        if value < least:
            best, least = weights.detach(), value
        if step < steps:
            length = slope.square().mean().sqrt().clamp_min(1e-12)
            scores = (scores.detach() - pace * slope / length).detach()
    return best

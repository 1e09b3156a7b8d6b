"""RandAugment, AugMix and AutoAugment: chains of simple operations, chosen for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images
from brittlestar.training.levels import Levels
from brittlestar.training.policies import (
    AUGMIX,
    AUTOAUGMENT,
    MONOTONE,
    RANDAUGMENT,
    SUB_POLICIES,
    Change,
    changed,
    places,
)
from brittlestar.training.recipes import Recipe


def _in_levels(images: Images) -> Levels:
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def _signs(drawn: torch.Tensor) -> torch.Tensor:
    return torch.where(drawn < 0.5, -1.0, 1.0).double()


def _choice(drawn: torch.Tensor, operations: Mapping[str, Change]) -> torch.Tensor:
    return (drawn.double() * len(operations)).long()


@final
@dataclass(frozen=True, kw_only=True)
class RandAugment(Recipe):
    """A few random operations of one common strength on every image.

    The sixteen operations, and what a strength means to each, are those of the published code, on 8-bit levels: its
    posterise and solarise weaken as the strength grows, and its colour, contrast, brightness and sharpness do nothing
    at half of it. Moves and cut-outs are shares of the image, as large as there at 224 pixels.

    Fields:
        operations: How many, one after another; at least 1.
        strength: In (0, 1]; a tenth of the published magnitude.
        monotone: Let every operation grow with the strength instead.

    Reference:
        Cubuk et al., NeurIPS 2020, https://arxiv.org/abs/1909.13719
    """

    name: ClassVar[str] = "randaugment"
    # 2: Pillow's pixels, at the strengths of the authors' code.
    version: ClassVar[int] = 2

    operations: int = 2
    strength: float = 0.5
    monotone: bool = False

    def __post_init__(self) -> None:
        require(self.operations >= 1, f"randaugment.operations must be at least 1, got {self.operations}")
        require(0 < self.strength <= 1, f"randaugment.strength must be in (0, 1], got {self.strength}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Changed images."""
        known = MONOTONE if self.monotone else RANDAUGMENT
        x = _in_levels(images)
        level = torch.full((len(x),), 10 * self.strength, dtype=torch.float64, device=x.device)
        for step in range(self.operations):
            stream = keys.stream("operation", step)
            drawn = stream.uniform((2,))
            x = changed(x, known, _choice(drawn[:, 0], known), level, _signs(drawn[:, 1]), stream)
        return x.to(torch.float32) / 255


@final
@dataclass(frozen=True, kw_only=True)
class AutoAugment(Recipe):
    """One of the 25 pairs of operations that a search found best for CIFAR-10, each with its probability and strength.

    The operations are those of the authors' code, on 8-bit levels; grey (128) comes in at the edges, and moves are
    shares of the image, as large as there at 32 pixels.

    Reference:
        Cubuk et al., CVPR 2019, https://arxiv.org/abs/1805.09501, table 7
    """

    name: ClassVar[str] = "autoaugment"

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Changed images."""
        x = _in_levels(images)
        stream = keys.stream("policy")
        which = stream.integers((1,), 0, len(SUB_POLICIES))[:, 0]
        drawn = stream.stream("steps").uniform((2, 2))
        for step in range(2):
            names, chances, strengths = zip(*(pair[step] for pair in SUB_POLICIES), strict=True)
            number = torch.tensor(places(names, AUTOAUGMENT), device=x.device)[which]
            chance, level = (torch.tensor(v, dtype=torch.float64, device=x.device)[which] for v in (chances, strengths))
            chosen = torch.where(drawn[:, step, 0].double() < chance, number, -1)
            x = changed(x, AUTOAUGMENT, chosen, level, _signs(drawn[:, step, 1]), stream)
        return x.to(torch.float32) / 255


@final
@dataclass(frozen=True, kw_only=True)
class AugMix(Recipe):
    """Mixtures of three chains of one to three operations, and a loss for disagreement among two of them and the image.

    The nine operations, and what a strength means to each, are those of the published code, on 8-bit levels.

    Fields:
        strength: Highest of the operations, a tenth of the published severity; in (0, 1] (0.3 in the paper).
        consistency: Weight of the Jensen-Shannon divergence; at least 0 (12 in the paper).

    Reference:
        Hendrycks et al., ICLR 2020, https://arxiv.org/abs/1912.02781
    """

    name: ClassVar[str] = "augmix"
    # 2: Pillow's pixels, at the strengths of the authors' code.
    version: ClassVar[int] = 2

    strength: float = 0.3
    consistency: float = 12.0

    def __post_init__(self) -> None:
        require(0 < self.strength <= 1, f"augmix.strength must be in (0, 1], got {self.strength}")
        require(self.consistency >= 0, f"augmix.consistency must be at least 0, got {self.consistency}")

    def mixed(self, images: Images, keys: SampleKeys) -> Images:
        """One mixture an image: flat Dirichlet weights of three chains, blended with the image by a uniform share."""
        # Exponential draws over their sum are Dirichlet(1, 1, 1); the bound keeps the logarithm finite.
        weights = -torch.log(keys.stream("weights").uniform((3,)).clamp_min(1e-7))
        weights = weights / weights.sum(1, keepdim=True)
        depth = keys.stream("depth").integers((3,), 1, 4)
        plain = _in_levels(images)
        mix = torch.zeros_like(images)
        for chain in range(3):
            x = plain
            for step in range(3):
                stream = keys.stream("chain", chain, step)
                drawn = stream.uniform((3,))
                # Uniform from 0.1 up, as the authors' code draws its levels.
                level = 0.1 + drawn[:, 1].double() * (10 * self.strength - 0.1)
                chosen = torch.where(depth[:, chain] > step, _choice(drawn[:, 0], AUGMIX), -1)
                x = changed(x, AUGMIX, chosen, level, _signs(drawn[:, 2]), stream)
            mix += weights[:, chain, None, None, None] * (x.to(torch.float32) / 255)
        # The paper's Beta(1, 1) is uniform.
        share = keys.stream("share").uniform((1, 1, 1))
        return (share * images + (1 - share) * mix).clamp_(0, 1)

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """Cross-entropy on the image and the weighted divergence of the three predictions."""
        views = torch.cat([images, *(self.mixed(images, keys.stream("mixture", i)) for i in range(2))])
        logits = model.logits(views)
        shares = [part.softmax(1) for part in logits.chunk(3)]
        # The authors' bound, for probabilities that underflow to 0.
        middle = (sum(shares[1:], shares[0]) / 3).clamp(1e-7, 1).log()
        apart = sum((functional.kl_div(middle, p, reduction="batchmean") for p in shares), torch.zeros(()).to(images))
        return functional.cross_entropy(logits[: len(images)], labels) + self.consistency * apart / 3

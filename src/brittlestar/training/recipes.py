"""Recipes: what happens to a batch before the network learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from brittlestar.core.definition import Definition
from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images


@dataclass(frozen=True, kw_only=True)
class Recipe(Definition):
    """A training definition: the images that a step learns from."""

    def measured(self, images: torch.Tensor, keys: SampleKeys) -> Recipe:
        """The recipe once it has seen the training images; for those that measure something on them.

        Args:
            images: (n, channel, height, width) uint8, all that are trained on.
            keys: One an image.
        """
        return self

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """The images for this step, float32; the model is in evaluation mode, ``keys`` are new in every epoch."""
        return images

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """The mean loss to descend; the model is in training mode.

        Args:
            model: Gives logits.
            prepared: What ``prepare`` gave.
            images: The batch as it was.
            labels: (batch,) int64.
            keys: Those of ``prepare``.
        """
        return functional.cross_entropy(model.logits(prepared), labels)

    def typical(self, images: Images) -> Images:
        """Images as the network is meant to see them later: they give its normalisation and its held-out accuracy."""
        return images

    def warning(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> str:
        """What to tell after an epoch, measured on held-out images; empty when all is well."""
        return ""


@final
@dataclass(frozen=True, kw_only=True)
class Natural(Recipe):
    """The images as they are."""

    name: ClassVar[str] = "natural"


@final
@dataclass(frozen=True, kw_only=True)
class GaussianAugmentation(Recipe):
    """Normal noise on every training image, clamped to [0, 1].

    Fields:
        sigma: Standard deviation in units of the value range; above 0.
        up_to: Draw each image's standard deviation uniformly between 0 and ``sigma``.

    Reference:
        Ford et al., ICML 2019, https://arxiv.org/abs/1901.10513
    """

    name: ClassVar[str] = "gaussian"

    sigma: float = 0.3
    up_to: bool = False

    def __post_init__(self) -> None:
        require(self.sigma > 0, f"gaussian.sigma must be positive, got {self.sigma}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Noisy images."""
        noise = self.sigma * keys.normal(images.shape[1:])
        if self.up_to:
            noise = noise * keys.stream("sigma").uniform((1, 1, 1))
        return (images + noise).clamp_(0, 1)


@final
@dataclass(frozen=True, kw_only=True)
class UniformNoiseAugmentation(Recipe):
    """Uniform noise on every training image, clamped to [0, 1].

    Fields:
        half_width: Values move by up to this much, in units of the value range; above 0.

    Reference:
        Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750
    """

    name: ClassVar[str] = "uniform"

    half_width: float = 0.35

    def __post_init__(self) -> None:
        require(self.half_width > 0, f"uniform.half_width must be positive, got {self.half_width}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Noisy images."""
        return (images + keys.uniform(images.shape[1:], -self.half_width, self.half_width)).clamp_(0, 1)

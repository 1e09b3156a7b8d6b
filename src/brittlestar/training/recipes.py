"""Recipes: what happens to a batch before the network learns from it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.attacks.pgd import LInfPGD
from brittlestar.core.definition import Definition
from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images


@dataclass(frozen=True, kw_only=True)
class Recipe(Definition):
    """A training definition: the images that a step learns from."""

    @abstractmethod
    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Float32 images in [0, 1] for this step; ``keys`` are new in every epoch."""


@final
@dataclass(frozen=True, kw_only=True)
class Natural(Recipe):
    """The images as they are."""

    name: ClassVar[str] = "natural"

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """The images themselves."""
        return images


@final
@dataclass(frozen=True, kw_only=True)
class GaussianAugmentation(Recipe):
    """Normal noise of a fixed strength on every training image, clamped to [0, 1].

    Fields:
        sigma: Standard deviation in units of the value range; above 0.

    Reference:
        Ford et al., ICML 2019, https://arxiv.org/abs/1901.10513
    """

    name: ClassVar[str] = "gaussian"

    sigma: float = 0.3

    def __post_init__(self) -> None:
        require(self.sigma > 0, f"gaussian.sigma must be positive, got {self.sigma}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Noisy images."""
        return (images + self.sigma * keys.normal(images.shape[1:])).clamp_(0, 1)


@final
@dataclass(frozen=True, kw_only=True)
class Adversarial(Recipe):
    """Every training image is replaced by the worst one that L-inf PGD finds around it.

    Fields:
        epsilon: Radius in units of the value range; above 0.
        steps: PGD steps; at least 1.

    Reference:
        Madry et al., ICLR 2018, https://arxiv.org/abs/1706.06083
    """

    name: ClassVar[str] = "adversarial"

    epsilon: float = 0.2
    steps: int = 5

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"adversarial.epsilon must be positive, got {self.epsilon}")
        require(self.steps >= 1, f"adversarial.steps must be at least 1, got {self.steps}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Attacked images."""
        return LInfPGD(epsilon=self.epsilon, steps=self.steps).perturb(model, images, labels, keys)

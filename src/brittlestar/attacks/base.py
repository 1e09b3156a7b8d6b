"""What every attack shares: it knows the model and the labels, and it states its threat model."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import ClassVar

import torch

from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images, Perturbation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack(Perturbation):
    """A search for the worst images near the given ones.

    Class attributes:
        needs_gradients: Whether models without gradients are refused.
    """

    family: ClassVar[str] = "attack"
    kind: ClassVar[str] = "attack"
    needs_gradients: ClassVar[bool] = True

    @property
    @abstractmethod
    def threat(self) -> str:
        """The threat model in one sentence: knowledge, norm, budget, goal, steps."""

    @abstractmethod
    def perturb(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Attacked float32 images in [0, 1]; each sample's result depends only on itself and its key.

        Raises:
            ModelError: The model has no gradients and the attack needs them.
        """

"""Projected gradient descent in the L-inf and L2 ball."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from brittlestar.attacks.base import Attack
from brittlestar.core.errors import ModelError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images


@dataclass(frozen=True, kw_only=True)
class ProjectedGradientDescent(Attack):
    """Steps along the gradient of the cross-entropy, projected onto the ball and the pixel box; untargeted.

    Fields:
        epsilon: Radius of the ball in units of the value range [0, 1].
        steps: Gradient steps.
        step_size: In the same units; ``None`` is ``2.5 * epsilon / steps``.
        random_start: Begin at a random point of the ball (keyed, the same direction for every epsilon).

    The result is, per sample, the iterate with the highest loss among all visited.
    """

    paper: ClassVar[str] = "Madry et al., ICLR 2018, https://arxiv.org/abs/1706.06083"
    strength: ClassVar[str | None] = "epsilon"

    epsilon: float
    steps: int = 10
    step_size: float | None = None
    random_start: bool = True

    def __post_init__(self) -> None:
        require(self.epsilon >= 0, f"{self.name}.epsilon must be at least 0, got {self.epsilon}")
        require(self.steps >= 1, f"{self.name}.steps must be at least 1, got {self.steps}")
        require(self.step_size is None or self.step_size > 0, f"{self.name}.step_size must be positive")

    @property
    def threat(self) -> str:
        """The threat model in one sentence."""
        start = "random start" if self.random_start else "clean start"
        return (
            f"white-box, untargeted, {self.ball} of radius {self.epsilon:.4g} around the image in [0, 1] units, "
            f"projected gradient descent with {self.steps} steps of {self._step:.3g}, {start}, one restart"
        )

    ball: ClassVar[str]

    @property
    def _step(self) -> float:
        return 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size

    @final
    def perturb(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """See ``Attack.perturb``."""
        require(
            model.differentiable,
            f"{self.name} needs gradients and model {model.name} has none; choose a suite without white-box attacks",
            ModelError,
        )
        images = images.detach().clone()
        offset = torch.zeros_like(images)
        if self.random_start:
            offset = self._start(images, keys.stream(self.name))
        best, best_loss = images, torch.full((len(images),), -torch.inf, device=images.device)
        for step in range(self.steps + 1):
            x = (images + self._project(offset)).clamp(0, 1).requires_grad_(step < self.steps)
            with torch.set_grad_enabled(step < self.steps):
                loss = functional.cross_entropy(model.logits(x), labels, reduction="none")
            better = loss.detach() > best_loss
            best = torch.where(better[:, None, None, None], x.detach(), best)
            best_loss = torch.where(better, loss.detach(), best_loss)
            if step < self.steps:
                (gradient,) = torch.autograd.grad(loss.sum(), x)
                offset = x.detach() - images + self._step * self._direction(gradient)
        return best

    @abstractmethod
    def _start(self, images: Images, keys: SampleKeys) -> Images:
        """A random offset in the ball."""

    @abstractmethod
    def _direction(self, gradient: Images) -> Images:
        """The steepest unit step of the norm."""

    @abstractmethod
    def _project(self, offset: Images) -> Images:
        """The nearest offset in the ball."""


def _norms(x: Images) -> torch.Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


@final
@dataclass(frozen=True, kw_only=True)
class LInfPGD(ProjectedGradientDescent):
    """White-box attack: every pixel may move by epsilon (L-inf ball), projected gradient descent. Untargeted."""

    name: ClassVar[str] = "linf_pgd"
    title: ClassVar[str] = "L-inf PGD"
    ball: ClassVar[str] = "L-inf ball"

    def _start(self, images: Images, keys: SampleKeys) -> Images:
        return keys.uniform(images.shape[1:], -self.epsilon, self.epsilon)

    def _direction(self, gradient: Images) -> Images:
        return gradient.sign()

    def _project(self, offset: Images) -> Images:
        return offset.clamp(-self.epsilon, self.epsilon)


@final
@dataclass(frozen=True, kw_only=True)
class L2PGD(ProjectedGradientDescent):
    """White-box attack: the change's Euclidean norm over all values is at most epsilon, projected gradient descent."""

    name: ClassVar[str] = "l2_pgd"
    title: ClassVar[str] = "L2 PGD"
    ball: ClassVar[str] = "L2 ball"

    def _start(self, images: Images, keys: SampleKeys) -> Images:
        direction = keys.stream("direction").normal(images.shape[1:])
        values = images[0].numel()
        radius = keys.stream("radius").uniform((1,)).pow(1 / values) * self.epsilon
        return direction / _norms(direction) * radius[:, :, None, None]

    def _direction(self, gradient: Images) -> Images:
        return gradient / _norms(gradient)

    def _project(self, offset: Images) -> Images:
        return offset * (self.epsilon / _norms(offset)).clamp_max(1)

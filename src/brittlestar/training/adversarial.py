"""Recipes that learn from the worst images near the training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from brittlestar.attacks.pgd import L2PGD, LInfPGD
from brittlestar.core.errors import require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images
from brittlestar.training.recipes import Recipe


def _check(name: str, epsilon: float, steps: int = 1) -> None:
    require(epsilon > 0, f"{name}.epsilon must be positive, got {epsilon}")
    require(steps >= 1, f"{name}.steps must be at least 1, got {steps}")


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
    # 2: PGD keeps every misclassification that it met.
    version: ClassVar[int] = 2

    epsilon: float = 0.1
    steps: int = 5

    def __post_init__(self) -> None:
        _check(self.name, self.epsilon, self.steps)

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Attacked images."""
        return LInfPGD(epsilon=self.epsilon, steps=self.steps).perturb(model, images, labels, keys)


@final
@dataclass(frozen=True, kw_only=True)
class L2Adversarial(Recipe):
    """Every training image is replaced by the worst one that L2 PGD finds around it.

    Fields:
        epsilon: Radius: Euclidean norm over all values, in units of the value range; above 0.
        steps: PGD steps; at least 1.

    Reference:
        Madry et al., ICLR 2018, https://arxiv.org/abs/1706.06083
    """

    name: ClassVar[str] = "l2_adversarial"
    # 2: PGD keeps every misclassification that it met.
    version: ClassVar[int] = 2

    epsilon: float = 0.5
    steps: int = 5

    def __post_init__(self) -> None:
        _check(self.name, self.epsilon, self.steps)

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Attacked images."""
        return L2PGD(epsilon=self.epsilon, steps=self.steps).perturb(model, images, labels, keys)


@final
@dataclass(frozen=True, kw_only=True)
class FastAdversarial(Recipe):
    """One signed gradient step from a random start, watched for catastrophic overfitting after every epoch.

    Fields:
        epsilon: Radius in units of the value range; above 0.
        step: Length of the step in units of epsilon; above 0 (1.25 in the paper).

    Reference:
        Wong, Rice and Kolter, ICLR 2020, https://arxiv.org/abs/2001.03994
    """

    name: ClassVar[str] = "fast_adversarial"

    epsilon: float = 0.1
    step: float = 1.25

    def __post_init__(self) -> None:
        _check(self.name, self.epsilon)
        require(self.step > 0, f"fast_adversarial.step must be positive, got {self.step}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """Attacked images: the step itself, whether or not it raised the loss."""
        start = keys.uniform(images.shape[1:], -self.epsilon, self.epsilon)
        x = (images + start).clamp_(0, 1).requires_grad_()
        (gradient,) = torch.autograd.grad(functional.cross_entropy(model.logits(x), labels, reduction="sum"), x)
        moved = x.detach() + self.step * self.epsilon * gradient.sign()
        return torch.minimum(torch.maximum(moved, images - self.epsilon), images + self.epsilon).clamp_(0, 1)

    def warning(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> str:
        """Tells when the model resists the single step and not ten: it has learnt to mask its gradient."""
        fast = self.prepare(model, images, labels, keys)
        slow = LInfPGD(epsilon=self.epsilon, steps=10).perturb(model, images, labels, keys)
        with torch.no_grad():
            single, ten = (float((model.logits(x).argmax(1) == labels).float().mean()) for x in (fast, slow))
        if single - ten <= 0.2 or ten >= 0.5 * single:
            return ""
        return f"catastrophic overfitting: {single:.0%} right under the single step, {ten:.0%} under ten"


@final
@dataclass(frozen=True, kw_only=True)
class Trades(Recipe):
    """Cross-entropy on the images plus a penalty on how far the worst near image moves the prediction (KL divergence).

    Fields:
        epsilon: L-inf radius in units of the value range; above 0.
        steps: Ascent steps on the divergence; at least 1.
        beta: Weight of the penalty; above 0 (6 in the paper).

    Reference:
        Zhang et al., ICML 2019, https://arxiv.org/abs/1901.08573
    """

    name: ClassVar[str] = "trades"

    epsilon: float = 0.1
    steps: int = 5
    beta: float = 6.0

    def __post_init__(self) -> None:
        _check(self.name, self.epsilon, self.steps)
        require(self.beta > 0, f"trades.beta must be positive, got {self.beta}")

    def prepare(self, model: Model, images: Images, labels: torch.Tensor, keys: SampleKeys) -> Images:
        """The images whose predictions lie farthest from those of the clean ones."""
        with torch.no_grad():
            target = model.logits(images).softmax(1)
        # As in the authors' code: at the image itself the divergence has its minimum, so its gradient is 0.
        x = images + 0.001 * keys.normal(images.shape[1:])
        for _ in range(self.steps):
            x = x.detach().requires_grad_()
            apart = functional.kl_div(model.logits(x).log_softmax(1), target, reduction="sum")
            (gradient,) = torch.autograd.grad(apart, x)
            # As long as the steps of attacks.pgd.
            x = x.detach() + 2.5 * self.epsilon / self.steps * gradient.sign()
            x = torch.minimum(torch.maximum(x, images - self.epsilon), images + self.epsilon).clamp_(0, 1)
        return x.detach()

    def loss(
        self, model: Model, prepared: Images, images: Images, labels: torch.Tensor, keys: SampleKeys
    ) -> torch.Tensor:
        """See the paper's equation 5."""
        clean = model.logits(images)
        # Not detached, as in the authors' code: the penalty moves the clean prediction too.
        apart = functional.kl_div(model.logits(prepared).log_softmax(1), clean.softmax(1), reduction="batchmean")
        return functional.cross_entropy(clean, labels) + self.beta * apart

"""Projected gradient descent in the L-inf and L2 ball."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from brittlestar.attacks.base import Attack
from brittlestar.core.errors import ModelError, require
from brittlestar.core.keys import SampleKeys
from brittlestar.models.base import Model
from brittlestar.shifts.base import Images


@dataclass(frozen=True, kw_only=True)
class ProjectedGradientDescent(Attack):
    """Steps along the gradient of the loss, projected onto the ball and the pixel box; untargeted.

    The loss is the log odds of an error, ``logsumexp of the other logits - the label's logit``. Cross-entropy is its
    softplus, so the two rise together and their gradients point the same way, but the log odds neither saturate nor
    underflow where the model is very sure of the label.

    The result is, per sample, the best candidate among all visited: the image itself, the random starts and every
    iterate. One that is misclassified (the label's logit is not the highest) is better than any that is not, whatever
    their losses: with many classes the odds of an error may rise while the label stays the likeliest. Among equals the
    higher loss counts. So no error that was met is lost, and restarts only ever add to them.

    Fields:
        epsilon: Radius of the ball in units of the value range [0, 1]; at least 0.
        steps: Gradient steps; at least 1.
        step_size: In the same units; ``None`` is ``2.5 * epsilon / steps``.
        random_start: Begin at a random point of the ball (keyed, the same draws for every epsilon).
        restarts: Independent random starts, of which the worst counts; the first is that of ``restarts=1``.
    """

    version: ClassVar[int] = 2
    paper: ClassVar[str] = "Madry et al., ICLR 2018, https://arxiv.org/abs/1706.06083"
    strength: ClassVar[str | None] = "epsilon"

    epsilon: float
    steps: int = 10
    step_size: float | None = None
    random_start: bool = True
    restarts: int = 1

    def __post_init__(self) -> None:
        require(0 <= self.epsilon < math.inf, f"{self.name}.epsilon must be at least 0, got {self.epsilon}")
        require(self.steps >= 1, f"{self.name}.steps must be at least 1, got {self.steps}")
        require(self.step_size is None or self.step_size > 0, f"{self.name}.step_size must be positive")
        require(
            self.restarts == 1 or (self.restarts > 1 and self.random_start),
            f"{self.name}.restarts must be at least 1, and 1 without a random start, got {self.restarts}",
        )

    @property
    def threat(self) -> str:
        """The threat model in one sentence."""
        count = f"{self.restarts} random starts" if self.restarts > 1 else "one random start"
        start = count if self.random_start else "started at the image"
        return (
            f"white-box, untargeted, {self.ball} of radius {self.epsilon:.4g} around the image in [0, 1] units, "
            f"projected gradient descent with {self.steps} steps of {self._step:.3g}, {start}"
        )

    ball: ClassVar[str]

    @property
    def _step(self) -> float:
        # Madry et al.: 2.5 radii in all reach the edge from any start in the ball, at most 2 away, and move along it.
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
        with torch.no_grad():
            best, best_score = images, _scored(model.logits(images), labels)
        for restart in range(self.restarts):
            offset = torch.zeros_like(images)
            if self.random_start:
                # The first start draws as a single one does, so that further ones only add to it.
                offset = self._start(images, keys.stream(self.name, *([restart] if restart else [])))
            # One pass more than steps: the last iterate is judged too.
            for step in range(self.steps + 1):
                last = step == self.steps
                # In this order: clamping moves values towards the image, so that they stay in the ball.
                x = (images + self._project(offset)).clamp_(0, 1).requires_grad_(not last)
                with torch.set_grad_enabled(not last):
                    logits = model.logits(x)
                    loss = log_odds_of_error(logits, labels)
                score = _scored(logits.detach(), labels)
                # Whether it is wrong counts first, the loss among equals.
                better = (score > best_score).any(0) & (score[0] >= best_score[0])
                best = torch.where(better[:, None, None, None], x.detach(), best)
                best_score = torch.where(better, score, best_score)
                if not last:
                    # From the clamped image: what the pixel box cut off is not carried along.
                    offset = x.detach() - images + self._step * self._direction(gradient_of(loss, x, model))
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


def log_odds_of_error(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(batch,) ``logsumexp of the other logits - the label's logit``: positive where an error is likelier than not."""
    index = labels[:, None]
    return logits.scatter(1, index, -torch.inf).logsumexp(1) - logits.gather(1, index)[:, 0]


def _scored(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(2, batch) whether the answer is wrong (1 or 0), then the loss: what candidates are ordered by."""
    wrong = (logits.argmax(1) != labels).to(logits.dtype)
    return torch.stack([wrong, log_odds_of_error(logits, labels)])


def gradient_of(loss: torch.Tensor, x: Images, model: Model) -> Images:
    """The gradient of the summed loss at the images.

    Raises:
        ModelError: It does not reach them: the model detaches, leaves torch, or switches gradients off.
    """
    gradient = torch.autograd.grad(loss.sum(), x, allow_unused=True)[0] if loss.requires_grad else None
    if gradient is None:
        raise ModelError(
            f"no gradient of model {model.name} reaches the images: it detaches them, leaves torch or switches "
            "gradients off; choose a suite without white-box attacks"
        )
    return gradient


def _norms(x: Images) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True)
    # A gradient of 0 gives no step instead of NaN.
    return lengths.clamp_min(1e-12)


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
        # The d-th root of a uniform number: even in the ball's volume, not in its radius.
        radius = keys.stream("radius").uniform((1,)).pow(1 / values) * self.epsilon
        return direction / _norms(direction) * radius[:, :, None, None]

    def _direction(self, gradient: Images) -> Images:
        return gradient / _norms(gradient)

    def _project(self, offset: Images) -> Images:
        return offset * (self.epsilon / _norms(offset)).clamp_max(1)

"""How useful a model's features are, and how much of that an attack on each feature leaves.

Reference:
    Ilyas et al., NeurIPS 2019, section 2, https://arxiv.org/abs/1905.02175
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import Estimate
from brittlestar.measures.intervals import quantile
from brittlestar.shifts.base import Images

Features = Callable[[Images], torch.Tensor]


@dataclass(frozen=True)
class Usefulness:
    """One feature: ``rho = E[y f(x)]`` and, attacked, ``gamma = E[inf y f(x + delta)]``; f of mean 0, variance 1."""

    rho: Estimate
    gamma: Estimate | None = None


def usefulness(features: npt.ArrayLike, signs: npt.ArrayLike, level: float = 0.95) -> list[Usefulness]:
    """Usefulness of every feature for telling one class from the rest.

    Args:
        features: (n, d) activations; each is standardised over the n samples.
        signs: (n,) +1 or -1.
        level: Of the normal intervals of the means.

    Raises:
        UsageError: Shapes that do not fit, or signs other than +1 and -1.
    """
    f, y, _, _ = _standard(features, signs)
    return [Usefulness(_mean(y * f[:, j], level)) for j in range(f.shape[1])]


def robust_usefulness(
    features: Features,
    images: Images,
    signs: torch.Tensor,
    epsilon: float,
    *,
    which: list[int],
    steps: int = 10,
    level: float = 0.95,
) -> list[Usefulness]:
    """The same, and what is left when each feature is attacked on its own (L2 PGD, best iterate, no pixel box).

    An attack finds an upper bound of gamma; for a linear feature it is exact: ``rho - epsilon ||w|| / std(f)``.

    Args:
        features: (n, d) of (n, channel, height, width) images; differentiable.
        images: In [0, 1].
        signs: (n,) +1 or -1.
        epsilon: L2 radius in units of the value range.
        which: Features, by place.
        steps: Of each attack, of length ``2.5 * epsilon / steps``.
        level: Of the intervals.
    """
    with torch.no_grad():
        plain = features(images)
    f, y, mean, std = _standard(plain.cpu().numpy(), signs.cpu().numpy())
    found = []
    for j in which:
        worst = _attacked(features, images, signs.to(images), j, epsilon, steps).cpu().numpy().astype(np.float64)
        # The image itself is in the ball: only float32's rounding could put what was found above it.
        lowest = np.minimum((worst - y * mean[j]) / std[j], y * f[:, j])
        found.append(Usefulness(_mean(y * f[:, j], level), _mean(lowest, level)))
    return found


def _standard(features: npt.ArrayLike, signs: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
    f, y = np.asarray(features, np.float64), np.asarray(signs, np.float64)
    require(f.ndim == 2 and y.shape == (len(f),), f"features {f.shape} and signs {y.shape} do not fit", UsageError)
    require(len(f) > 1 and bool(np.all(np.abs(y) == 1)), "signs must be +1 or -1, for at least 2 samples", UsageError)
    mean, std = f.mean(0), f.std(0)
    # A feature that is constant is 0 everywhere, not NaN: it tells nothing.
    std = np.where(std > 0, std, np.inf)
    return (f - mean) / std, y, mean, std


def _mean(scores: npt.NDArray[np.float64], level: float) -> Estimate:
    n, value = len(scores), float(scores.mean())
    half = quantile(level) * float(scores.std(ddof=1)) / n**0.5
    return Estimate(value=value, low=value - half, high=value + half, n=n, level=level, method="normal")


def _attacked(features: Features, images: Images, signs: torch.Tensor, j: int, epsilon: float, steps: int) -> Images:
    """(n,) the smallest ``y f_j`` found in the ball."""
    offset = torch.zeros_like(images)
    least = torch.full((len(images),), torch.inf, device=images.device)
    # One pass more than steps: the last iterate counts too.
    for step in range(steps + 1):
        x = (images + offset).requires_grad_(True)
        with torch.enable_grad():
            value = signs * features(x)[:, j]
            total = value.sum()
        least = torch.minimum(least, value.detach())
        if step < steps:
            slope = torch.autograd.grad(total, x)[0]
            length = torch.linalg.vector_norm(slope, dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
            # Steps as in attacks.pgd.
            offset = offset - 2.5 * epsilon / steps * slope / length
            size = torch.linalg.vector_norm(offset, dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
            offset = offset * (epsilon / size).clamp_max(1)
    return least

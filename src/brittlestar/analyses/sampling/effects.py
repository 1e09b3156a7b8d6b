"""What a sample does beyond the mean: a random effect that is smooth over conditions (best linear prediction).

    seen minus mean  =  basis(condition) . effect(sample) + noise,     effect ~ N(0, S)

S and the size of the noise are found by expectation maximisation, S drawn towards what ``Auxiliary.together`` expects.

Reference:
    Laird and Ware 1982, https://doi.org/10.2307/2529876
"""

from __future__ import annotations

import numpy as np
import torch

from brittlestar.analyses.sampling.auxiliary import Floats, Mask

SIZE = 32
ROUNDS = 12
PRIOR = 30.0
"""Samples that the expected covariance counts for."""

_SHARE = 0.3
"""Of the variance, what effects are expected to be."""


def sample_effects(together: Floats, asked: Mask, apart: Floats) -> tuple[Floats, Floats]:
    """(conditions, samples) prediction of what lies beyond the mean, and its variance, never from the cell itself.

    Args:
        together: (conditions, conditions) expected covariance; its main directions are the basis.
        asked: (conditions, samples).
        apart: (conditions, samples) seen minus mean; 0 where nothing was asked.
    """
    basis = _basis(together)
    size = basis.shape[1]
    mask = torch.from_numpy(asked.T.astype(np.float32))
    seen = torch.from_numpy(np.ascontiguousarray(apart.T))
    gram = (mask @ (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)).reshape(-1, size, size)
    drawn = seen @ basis
    count, square = float(mask.sum()), float(seen.square().sum())
    prior = torch.eye(size) * (_SHARE * square / count)
    spread, noise = prior, (1 - _SHARE) * square / count
    for _ in range(ROUNDS):
        within, effect = _posterior(gram, drawn, spread, noise)
        spread = (effect.T @ effect + within.sum(0) + PRIOR * prior) / (len(effect) + PRIOR)
        fitted = (gram @ effect[:, :, None])[:, :, 0]
        # The expected squared residual: the last term is the part of it that the effects' own uncertainty makes.
        rest = square - 2 * (drawn * effect).sum() + (effect * fitted).sum() + (gram * within).sum()
        noise = max(float(rest) / count, 1e-6)
    within, effect = _posterior(gram, drawn, spread, noise)
    predicted = basis @ effect.T
    variance = torch.stack([((basis @ one) * basis).sum(1) for one in within], dim=1)
    # Near 1 the cell alone decides its fit, and the quotient below would blow up.
    leverage = (variance / noise).clamp_max(0.95)
    own = mask.T > 0
    # Leave-one-out without fitting again.
    predicted = torch.where(own, (predicted - leverage * seen.T) / (1 - leverage), predicted)
    variance = torch.where(own, variance / (1 - leverage), variance)
    return predicted.numpy(), variance.clamp_min(0).numpy()


def _basis(together: Floats) -> torch.Tensor:
    """(conditions, at most SIZE): the main directions times the roots of their weights."""
    weights, directions = np.linalg.eigh(together.astype(np.float64))
    # Kernels of the nearer of two places need not be positive definite; directions of negative weight are dropped.
    first = np.argsort(weights)[::-1][:SIZE]
    return torch.from_numpy((directions[:, first] * np.sqrt(np.maximum(weights[first], 0))).astype(np.float32))


def _posterior(
    gram: torch.Tensor, drawn: torch.Tensor, spread: torch.Tensor, noise: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Covariance (samples, size, size) and mean (samples, size) of the effects."""
    within = torch.linalg.inv(torch.linalg.inv(spread)[None] + gram / noise)
    return within, (within @ (drawn / noise)[:, :, None])[:, :, 0]

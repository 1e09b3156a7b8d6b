"""Robust training between two Gaussians: the parts are what they are derived to be."""

from __future__ import annotations

import numpy as np
import torch
from scipy import optimize

from brittlestar.reproduce.gaussian_features import World, learnt, penalised_covariance, worst_changes


def test_the_worst_change_of_a_point_is_the_worst_on_the_circle() -> None:
    precision = torch.tensor([[[2.0, 0.7], [0.7, 0.5]]], dtype=torch.float64)
    apart = torch.tensor([[[1.0, -2.0], [0.1, 0.3], [-1.0, 0.0]]], dtype=torch.float64)
    found = worst_changes(apart, precision, torch.tensor([0.8], dtype=torch.float64))
    angle = torch.linspace(0, 2 * torch.pi, 20_001, dtype=torch.float64)
    circle = 0.8 * torch.stack([angle.cos(), angle.sin()], 1)
    for z, change in zip(apart[0], found[0], strict=True):
        moved = z + circle
        most = ((moved @ precision[0]) * moved).sum(1).max()
        value = (z + change) @ precision[0] @ (z + change)
        assert abs(float(change.norm()) - 0.8) < 1e-9 and abs(float(value - most)) < 1e-5


def test_the_covariance_under_a_penalty_is_the_best_one() -> None:
    truth = World.usual().covariance
    spread = np.linalg.eigvalsh(truth)
    for penalty in (0.5, 2.0, 50.0):
        c = 1 / penalty
        best = [
            optimize.minimize_scalar(lambda v, s=s, c=c: s / (v - c) / 2 + np.log(v) / 2, bounds=(c + 1e-9, 100)).x
            for s in spread
        ]
        assert np.allclose(np.linalg.eigvalsh(penalised_covariance(truth, penalty)), best, rtol=1e-4)


def test_without_changes_the_usual_estimates_are_learnt_and_with_them_the_axes_grow_alike() -> None:
    world = World.usual()
    points = np.random.default_rng(0).multivariate_normal(world.mean, world.covariance, (1, 400))
    mean, plain = learnt(points, np.array([0.0]), steps=60)
    assert np.allclose(mean[0], points[0].mean(0), atol=2e-2) and np.allclose(plain[0], np.cov(points[0].T), rtol=3e-2)
    ratios = []
    for epsilon in (0.0, 0.5, 2.0):
        sizes = np.linalg.eigvalsh(learnt(points, np.array([epsilon]), steps=60)[1][0])
        ratios.append(sizes[1] / sizes[0])
    assert ratios[0] > 1.5 * ratios[1] > 1.5 * ratios[2]


def test_accuracies_are_those_of_points() -> None:
    world, direction = World.usual(), np.array([0.3, 1.0])
    drawn = np.random.default_rng(1).multivariate_normal(world.mean, world.covariance, 200_000)
    share = np.mean(drawn @ direction - 0.5 * np.linalg.norm(direction) > 0)
    assert abs(world.accuracy(direction, 0.5) - share) < 0.005

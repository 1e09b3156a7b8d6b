"""Robust training between two Gaussians, where everything can be computed (Ilyas et al. 2019, section 4).

Two classes, ``N(mu, Sigma)`` and ``N(-mu, Sigma)``, are told apart by maximum likelihood: the direction that decides is
``Sigma^-1 mu``. Trained against changes of L2 norm up to epsilon, the covariance that is learnt is blended with the
identity, and the direction turns towards ``mu`` itself: gradients become interpretable, small features stop counting.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from scipy import special

from brittlestar.measures import Estimate
from brittlestar.reproduce.study import LEVEL, ClaimVerdict, Reproduction, State, Table

Vector = npt.NDArray[np.float64]

MEAN = (1.0, 1.0)
SPREADS = (4.0, 0.25)
"""Variances along two axes that lie askew to the mean: the second is the small, useful, brittle feature."""

TURN = math.radians(20)
EPSILONS = (0.0, 0.25, 0.5, 1.0, 2.0)
WORLDS = 4
"""Samples that are drawn anew for each training seed that is asked for: intervals are over them."""

SAMPLES, STEPS = 500, 200


@dataclass(frozen=True)
class World:
    """The true parameters: mean (d,) and covariance (d, d)."""

    mean: Vector
    covariance: Vector

    @staticmethod
    def usual() -> World:
        """Two features, one wide and one narrow, neither along the mean."""
        axes = np.array([[math.cos(TURN), -math.sin(TURN)], [math.sin(TURN), math.cos(TURN)]])
        return World(np.array(MEAN), axes @ np.diag(SPREADS) @ axes.T)

    def accuracy(self, direction: Vector, epsilon: float = 0.0) -> float:
        """Of a linear classifier against the worst change of L2 norm up to epsilon, in [0, 1]."""
        margin = direction @ self.mean - epsilon * np.linalg.norm(direction)
        return float(special.ndtr(margin / math.sqrt(direction @ self.covariance @ direction)))


def penalised_covariance(covariance: Vector, penalty: float) -> Vector:
    """The covariance that is learnt where a change costs ``penalty / 2`` times its squared norm instead of being bound.

    The worst change of a point at z from the mean leaves ``z' (S - I / penalty)^-1 z / 2``; the S that makes the mean
    of this and ``log det S / 2`` least has, along each axis of variance s, ``c + s / 2 + sqrt(c s + s^2 / 4)`` with
    c = 1 / penalty.
    """
    spread, axes = np.linalg.eigh(covariance)
    c = 1 / penalty
    return np.asarray(axes @ np.diag(c + spread / 2 + np.sqrt(c * spread + spread**2 / 4)) @ axes.T)


def worst_changes(apart: torch.Tensor, precision: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """Changes that make ``(z + change)' precision (z + change)`` largest, of every row z of every problem.

    Args:
        apart: (problems, n, d) rows z.
        precision: (problems, d, d) positive definite.
        epsilon: (problems,) norms of the changes, at least 0.

    Returns:
        (problems, n, d).
    """
    sizes, axes = torch.linalg.eigh(precision)
    sizes, radius = sizes[:, None, :], epsilon[:, None]
    along = apart @ axes
    # The change is a z / (lambda - a) along each axis; its norm falls in lambda, from infinity at the largest a.
    low = sizes.amax(2).expand(along.shape[:2]).clone()
    high = low + along.norm(dim=2) * sizes.amax(2) / radius.clamp_min(1e-9) + 1e-9
    for _ in range(40):
        middle = (low + high) / 2
        long = (sizes * along / (middle[..., None] - sizes)).norm(dim=2) > radius
        low, high = torch.where(long, middle, low), torch.where(long, high, middle)
    change = (sizes * along / (high[..., None] - sizes)) @ axes.mT
    scaled: torch.Tensor = change * (radius / change.norm(dim=2).clamp_min(1e-12))[..., None]
    return scaled


def learnt(points: Vector, epsilon: Vector, steps: int = STEPS) -> tuple[Vector, Vector]:
    """Mean (problems, d) and covariance (problems, d, d) of greatest likelihood under the points' worst changes.

    Args:
        points: (problems, n, d).
        epsilon: (problems,) norms of the changes.
        steps: Of gradient descent.
    """
    x, radius = torch.from_numpy(points), torch.from_numpy(epsilon)
    start = x.mean(1)
    spread = x - start[:, None]
    inverse = torch.linalg.inv(spread.mT @ spread / (x.shape[1] - 1))
    mean, root = start.clone().requires_grad_(), torch.linalg.cholesky(inverse).requires_grad_()
    optimiser = torch.optim.Adam([mean, root], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        with torch.no_grad():
            lower = root.tril()
            moved = x + worst_changes(x - mean[:, None], lower @ lower.mT, radius)
        optimiser.zero_grad()
        apart = (moved - mean[:, None]) @ root.tril()
        volume = root.diagonal(dim1=1, dim2=2).abs().log().sum(1)
        (apart.square().sum(2).mean(1) / 2 - volume).sum().backward()
        optimiser.step()
        schedule.step()
    lower = root.detach().tril()
    return mean.detach().numpy(), np.asarray(np.linalg.inv((lower @ lower.mT).numpy()), np.float64)


def reproduced(
    name: str, title: str, paper: str, seed: int, worlds: int = WORLDS, samples: int = SAMPLES
) -> Reproduction:
    """The experiment: verdicts, and a table over epsilon.

    Args:
        name, title, paper: Of the experiment.
        seed: Of the draws.
        worlds: How many samples are drawn; at least 2.
        samples: Points in each.
    """
    world = World.usual()
    chance = np.random.default_rng(seed)
    shape = (len(EPSILONS), worlds)
    aligned, clean, robust = np.empty(shape), np.empty(shape), np.empty(shape)
    drawn = chance.multivariate_normal(world.mean, world.covariance, (worlds, samples))
    means, covariances = learnt(np.tile(drawn, (len(EPSILONS), 1, 1)), np.repeat(EPSILONS, worlds))
    for place, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        at = divmod(place, worlds)
        direction = np.asarray(np.linalg.solve(covariance, mean), np.float64)
        aligned[at] = direction @ world.mean / np.linalg.norm(direction) / np.linalg.norm(world.mean)
        clean[at], robust[at] = world.accuracy(direction), world.accuracy(direction, EPSILONS[-2])
    turns = [_over(after - before) for before, after in itertools.pairwise(aligned)]
    gain, loss = _over(robust[-2] - robust[0]), _over(clean[0] - clean[-2])
    verdicts = (
        _verdict(
            "The larger epsilon, the nearer the deciding direction (the gradient) lies to the difference of the means",
            "proved; shown in a figure",
            "cosine more by "
            + ", ".join(f"{_told(t, 3)} from epsilon {e:g}" for e, t in zip(EPSILONS, turns, strict=False)),
            turns,
        ),
        _verdict(
            f"Robust training at epsilon {EPSILONS[-2]:g} gains robust accuracy there",
            "robustness and accuracy are at odds",
            f"{_told(gain, 3)} of 1",
            [gain],
        ),
        _verdict("... and costs clean accuracy", "as above", f"{_told(loss, 3)} of 1", [loss]),
    )
    rows = tuple(
        (f"{e:g}", _told(_over(a), 3), _told(_over(c), 3), _told(_over(r), 3))
        for e, a, c, r in zip(EPSILONS, aligned, clean, robust, strict=True)
    )
    header = ("epsilon of training", "cosine with the means", "clean accuracy", f"robust accuracy at {EPSILONS[-2]:g}")
    table: Table = (f"Means over {worlds} samples of {samples:,} points (95 %, over samples)", header, rows)
    return Reproduction(
        name=name,
        title=title,
        paper=paper,
        conditions=(
            f"two classes in two dimensions, means +-{MEAN}, variances {SPREADS} along axes turned by 20 degrees",
            f"{worlds} samples of {samples:,} points; mean and covariance by {STEPS} steps of gradient descent, each "
            "point at its worst change, which is found exactly",
            "accuracies are exact for the learnt direction; images and recipes play no part",
        ),
        verdicts=verdicts,
        tables=(table,),
    )


def _over(values: Vector) -> Estimate:
    """The mean over samples with Student's interval."""
    n = len(values)
    half = float(special.stdtrit(n - 1, 0.5 + LEVEL / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    mean = float(values.mean())
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n, level=LEVEL, method="Student's t over samples")


def _told(found: Estimate, digits: int) -> str:
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def _verdict(claim: str, claimed: str, measured: str, needed: list[Estimate]) -> ClaimVerdict:
    state = "confirmed" if all(one.low > 0 for one in needed) else "not confirmed"
    return ClaimVerdict(claim=claim, claimed=claimed, measured=measured, state=cast(State, state))

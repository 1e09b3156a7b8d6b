"""A straight line through cells of several families, each with an offset of its own, and what it says of a new one.

``y = X b + u_family + e``: offsets ``u`` are normal with the variance ``between``, deviations ``e`` with
``within`` and each cell's own known sampling variance. A cell of a family that was never seen deviates by all of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require

Floats = npt.NDArray[np.float64]

PRIOR = 0.1
"""Precision of a normal prior about 0 of every slope, as good as none (slopes are about 1): regressors that never vary,
or vary together, have no slope otherwise."""

_STEPS = 10
"""Standard deviations that are tried for each variance, from nothing to that of the values, before it is refined."""


@dataclass(frozen=True, kw_only=True)
class MixedFit:
    """A fitted line.

    Fields:
        coefficients: (k,).
        covariance: (k, k), of the coefficients.
        between, within: Variances of families' offsets, and of cells about their family's line.
        families: How many.
    """

    coefficients: Floats
    covariance: Floats
    between: float
    within: float
    families: int

    def at(self, x: Floats) -> float:
        """The value at (k,) regressors."""
        return float(x @ self.coefficients)

    def spread(self, x: Floats, sampling: float) -> float:
        """Standard error of a single value of a new family; ``sampling`` is the variance of its own samples."""
        known = float(x @ self.covariance @ x)
        return float(np.sqrt(max(self.between + self.within + sampling + known, 0.0)))

    def reach(self, level: float) -> float:
        """Student's quantile over families: so many standard errors an interval reaches to either side."""
        return float(special.stdtrit(self.families - 1, 0.5 + level / 2))


def highest_level(families: int) -> float:
    """The level beyond which so many families can support no statement on one more: n / (n + 1)."""
    return families / (families + 1)


def mixed_fit(y: Floats, x: Floats, family: npt.NDArray[np.int64], sampling: Floats) -> MixedFit:
    """Fit by restricted maximum likelihood.

    Args:
        y: (n,) values.
        x: (n, k) regressors, a constant first.
        family: (n,) numbers.
        sampling: (n,) known variance of each value.

    Raises:
        UsageError: Fewer than two families, or fewer cells than regressors.
    """
    _, own = np.unique(family, return_inverse=True)
    count = int(own.max()) + 1 if len(own) else 0
    require(count >= 2 and len(y) > x.shape[1] + 1, "a fit over families needs two of them, and more cells", UsageError)
    order = np.argsort(own, kind="stable")
    problem = _Problem(y[order], x[order], np.flatnonzero(np.diff(own[order], prepend=-1)), sampling[order])
    scale = max(float(np.std(y)), 1e-6)
    steps = np.concatenate([[0.0], scale * np.geomspace(0.02, 1.5, _STEPS)])
    between, within = problem.best(steps, steps)
    for _ in range(2):
        near = np.linspace(0.75, 1.3, 7)
        between, within = problem.best(max(between, 0.01 * scale) * near, max(within, 0.01 * scale) * near)
    coefficients, covariance = problem.solved(between, within)
    return MixedFit(
        coefficients=coefficients, covariance=covariance, between=between**2, within=within**2, families=count
    )


class _Problem:
    """Cells ordered by family, and the likelihood of pairs of standard deviations, many at once."""

    def __init__(self, y: Floats, x: Floats, starts: npt.NDArray[np.int64], sampling: Floats) -> None:
        self.starts, self.sampling = starts, sampling
        k = x.shape[1]
        # Of the constant, the regressors and y: all products that the likelihood is made of.
        table = np.concatenate([np.ones((len(y), 1)), x, y[:, None]], 1)
        self.k, self.prior = k, np.diag([0.0] + [PRIOR] * (k - 1))
        self.products = table[:, :, None] * table[:, None, :]

    def _sums(self, between: Floats, within: Floats) -> tuple[Floats, Floats]:
        """(pairs, k + 1, k + 1) sums of products weighted by the inverse covariance, and its log determinant."""
        variance = within[:, None] ** 2 + self.sampling
        variance = np.maximum(variance, 1e-12)
        weighted = np.einsum("gn,nij->gnij", 1 / variance, self.products)
        by_family = np.add.reduceat(weighted, self.starts, axis=1)
        weight, first = by_family[:, :, 0, 0], by_family[:, :, 0, 1:]
        shrunk = between[:, None] ** 2 / (1 + between[:, None] ** 2 * weight)
        sums = by_family[:, :, 1:, 1:].sum(1) - np.einsum("gf,gfi,gfj->gij", shrunk, first, first)
        determinant = np.log(variance).sum(1) + np.log1p(between[:, None] ** 2 * weight).sum(1)
        return sums, determinant

    def best(self, between: Floats, within: Floats) -> tuple[float, float]:
        """The likeliest pair of these standard deviations."""
        a, b = (part.ravel() for part in np.meshgrid(between, within, indexing="ij"))
        sums, determinant = self._sums(a, b)
        k = self.k
        matrix, right, square = sums[:, :k, :k], sums[:, :k, k], sums[:, k, k]
        matrix = matrix + self.prior
        solved = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
        rest = square - np.einsum("gi,gi->g", right, solved)
        cost = determinant + np.linalg.slogdet(matrix)[1] + rest
        place = int(np.argmin(cost))
        return float(a[place]), float(b[place])

    def solved(self, between: float, within: float) -> tuple[Floats, Floats]:
        """Coefficients and their covariance."""
        k = self.k
        sums = self._sums(np.array([between]), np.array([within]))[0][0]
        covariance = np.linalg.inv(sums[:k, :k] + self.prior)
        return covariance @ sums[:k, k], covariance

"""Accuracy on one test set as a line of the accuracy on another, over many models.

Ordinary least squares on the raw, probit or logit scale. What the line does not tell (which models happen to be there)
is a bootstrap over models, or over families of models that depend on each other.

References:
    Recht et al., ICML 2019, https://arxiv.org/abs/1902.10811
    Taori et al., NeurIPS 2020, https://arxiv.org/abs/2007.00644
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Outcomes, Scores, check_level, enclosing
from brittlestar.measures.scales import scale_of

FEWEST = 5
"""Models that a line needs: through fewer, a bootstrap over models says nothing."""

RESAMPLES = 2000
TESTBED_SEED = 720257663
"""Of the ImageNet testbed's own bootstrap, which draws with numpy's old generator (``legacy``)."""

Limits = tuple[Estimate, Estimate]


@dataclass(frozen=True, kw_only=True)
class FittedLine:
    """``scale(y) = slope * scale(x) + intercept``, of accuracies in [0, 1].

    Fields:
        scale: Of ``scales.SCALES``.
        slope, intercept: Ordinary least squares; on the raw scale the intercept is in shares, not in percent.
        r_squared: Share of the variance on the scale that the line explains, in [0, 1].
        models: How many it was fitted to.
        lowest, highest: The least and the greatest x among them: beyond them the line is extrapolated.
        resampled: (resamples, 2) slopes and intercepts of the bootstrap.
    """

    scale: str
    slope: float
    intercept: float
    r_squared: float
    models: int
    lowest: float
    highest: float
    resampled: Scores = field(repr=False, compare=False)

    def predict(self, x: npt.ArrayLike) -> Scores:
        """What the line predicts for accuracies x, in [0, 1] but on the raw scale, where it may leave that range."""
        scale = scale_of(self.scale)
        return scale.inverse(self.slope * scale.forward(x) + self.intercept)

    def predictions(self, x: npt.ArrayLike) -> Scores:
        """(resamples, len(x)) what each resampled line predicts."""
        scale = scale_of(self.scale)
        at = scale.forward(np.atleast_1d(np.asarray(x, dtype=np.float64)))
        return scale.inverse(self.resampled[:, :1] * at[None] + self.resampled[:, 1:])

    def extrapolated(self, x: npt.ArrayLike) -> Outcomes:
        """Whether each x lies outside the fitted range."""
        values = np.asarray(x, dtype=np.float64)
        return (values < self.lowest) | (values > self.highest)

    def band(self, x: npt.ArrayLike, level: float = LEVEL) -> tuple[Scores, Scores]:
        """(low, high) of the line at accuracies x, point by point: percentiles of the bootstrap."""
        check_level(level)
        found = self.predictions(x)
        tail = (1 - level) / 2
        # Outwards to the nearest resample, as the testbed does it: never narrower than the level.
        low = np.quantile(found, tail, axis=0, method="lower")
        high = np.quantile(found, 1 - tail, axis=0, method="higher")
        return np.minimum(low, self.predict(np.atleast_1d(x))), np.maximum(high, self.predict(np.atleast_1d(x)))

    def coefficients(self, level: float = LEVEL) -> Limits:
        """Slope and intercept with percentile intervals of the bootstrap over models."""
        check_level(level)
        tail = (1 - level) / 2
        low = np.quantile(self.resampled, tail, axis=0, method="lower")
        high = np.quantile(self.resampled, 1 - tail, axis=0, method="higher")
        slope, intercept = (
            enclosing(value, float(low[i]), float(high[i]), self.models, level, "bootstrap over models")
            for i, value in enumerate((self.slope, self.intercept))
        )
        return slope, intercept


def fit_line(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    scale: str = "logit",
    *,
    groups: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    legacy: bool = False,
) -> FittedLine:
    """Fit y on x over models.

    Args:
        x, y: (models,) accuracies in [0, 1]; on the probit and logit scales above 0 and under 1.
        scale: Of ``scales.SCALES``.
        groups: (models,) families; resampled as wholes where given.
        resamples: Of the bootstrap, at least 2.
        seed: Of the bootstrap.
        legacy: Draw models as the testbed's own code does (``RandomState(seed).choice``), with its seed
            ``TESTBED_SEED``; not with groups.

    Raises:
        NoSamplesError: Fewer than 5 models, or all of one x.
        UsageError: Unequal counts, accuracies outside [0, 1], or 0 and 1 where the scale has no place for them.
    """
    by = scale_of(scale)
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    require(
        first.ndim == 1 and first.shape == second.shape,
        f"a line needs two accuracies a model, got {first.shape} and {second.shape}",
        UsageError,
    )
    for name, values in (("x", first), ("y", second)):
        inside = bool(np.all((values >= 0) & (values <= 1)))
        require(inside, f"accuracies {name} lie in [0, 1]; divide percent by 100", UsageError)
    across, up = by.forward(first), by.forward(second)
    require(
        bool(np.all(np.isfinite(across)) and np.all(np.isfinite(up))),
        f"accuracies of 0 or 1 have no place on the {scale} scale: leave those models out, or take raw",
        UsageError,
    )
    if len(first) < FEWEST or np.ptp(across) == 0:
        raise NoSamplesError(f"a line needs at least {FEWEST} models of different accuracy, got {len(first)}")
    slope, intercept = _least_squares(across, up, np.ones((1, len(first))))[0]
    left = float(np.square(up - slope * across - intercept).sum())
    total = float(np.square(up - up.mean()).sum())
    counts = _legacy_counts(len(first), resamples, seed) if legacy else _counts(len(first), groups, resamples, seed)
    return FittedLine(
        scale=scale,
        slope=float(slope),
        intercept=float(intercept),
        r_squared=1 - left / total if total > 0 else 1.0,
        models=len(first),
        lowest=float(first.min()),
        highest=float(first.max()),
        resampled=_least_squares(across, up, counts),
    )


def _least_squares(x: Scores, y: Scores, counts: Scores) -> Scores:
    """(resamples, 2) slopes and intercepts; resamples without two different x are left out."""
    # About the mean of all: the sums then lose no digits.
    middle = x.mean()
    at = x - middle
    n, sx, sy = counts.sum(axis=1), counts @ at, counts @ y
    below = counts @ np.square(at) - sx * sx / n
    usable = below > 1e-12 * np.square(at).sum()
    slope = (counts @ (at * y) - sx * sy / n)[usable] / below[usable]
    intercept = (sy[usable] - slope * sx[usable]) / n[usable] - slope * middle
    return np.stack([slope, intercept], axis=1)


def _counts(models: int, groups: Sequence[str] | None, resamples: int, seed: int) -> Scores:
    """(resamples, models) how often each model is drawn."""
    require(resamples >= 2, f"a bootstrap has at least 2 resamples, got {resamples}", UsageError)
    chance = np.random.default_rng(seed)
    if groups is None:
        return chance.multinomial(models, np.full(models, 1 / models), size=resamples).astype(np.float64)
    require(len(groups) == models, f"{models} models have {len(groups)} groups: give one each", UsageError)
    names, of = np.unique(np.asarray(groups), return_inverse=True)
    drawn = chance.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return drawn[:, of].astype(np.float64)


def _legacy_counts(models: int, resamples: int, seed: int) -> Scores:
    require(resamples >= 2, f"a bootstrap has at least 2 resamples, got {resamples}", UsageError)
    chance = np.random.RandomState(seed)
    drawn = (np.bincount(chance.choice(models, models), minlength=models) for _ in range(resamples))
    return np.stack(list(drawn)).astype(np.float64)

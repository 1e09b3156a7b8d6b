"""Rates of many conditions on one set of samples, from outcomes that were looked at with known probabilities.

In every stage each cell (condition, sample) that nobody looked at before is looked at independently with a probability
that was fixed before. With any guess ``g`` of the outcomes, made without the cell itself, the mean over samples of

    outcome, where the cell was looked at in an earlier stage; else
    g + (outcome - g) / probability, where it is looked at in this one; else
    g

is an unbiased estimate of a condition's rate on the M samples, whatever the guesses are (the difference estimator of
survey sampling; augmented inverse probability weighting; prediction-powered inference). Stages are averaged with
weights that were fixed when they were planned. To the variance of sampling cells is added that of the samples
themselves, so that an interval is about the population that the M samples were drawn from, and not about them alone.

Reference:
    Cassel, Särndal and Wretman 1976, https://doi.org/10.1093/biomet/63.3.615; Robins, Rotnitzky and Zhao 1994,
    https://doi.org/10.1080/01621459.1994.10476818; Angelopoulos et al., Science 2023,
    https://doi.org/10.1126/science.adi6000
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.measures.effective import beta_limits, effective_limits

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

PRIOR = 10.0
"""Weight, in looked-at cells, of the variance that the guesses predict against the one that is found."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """One round of asking.

    Fields:
        condition, sample: (n,) the cells that were drawn.
        probability: (n,) of each.
        expected: (conditions,) variance of this stage's estimate, as the guesses of that time predict it.
    """

    condition: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    probability: Array
    expected: Array


@dataclasses.dataclass(frozen=True)
class Rates:
    """Estimates by condition.

    Fields:
        value: (conditions,) in [0, 1].
        variance: (conditions,) of sampling cells and of the samples together.
        sampling: (conditions,) the part of sampling cells.
        typical: (conditions,) the rate that the variance goes with: the value, drawn a little to the guesses' mean.
        surprise: (conditions,) the variance of sampling cells over what the guesses had predicted of it.
        freedom: (conditions,) degrees of freedom of the variance.
        samples: M.
        passes: Cells that were looked at.
    """

    value: Array
    variance: Array
    sampling: Array
    typical: Array
    surprise: Array
    freedom: Array
    samples: int
    passes: int

    def limits(self, level: float, simultaneous: bool = True) -> tuple[Array, Array]:
        """(low, high); ``simultaneous`` makes all hold together (Bonferroni)."""
        each = 1 - (1 - level) / len(self.value) if simultaneous else level
        return effective_limits(self.value, self.typical, self.variance, self.freedom, each)

    def half_width(self, level: float) -> Array:
        """(conditions,) of the simultaneous intervals."""
        low, high = self.limits(level)
        return (high - low) / 2


def rates(stages: Sequence[Stage], outcomes: Sequence[Array], guess: Floats) -> Rates:
    """Combine stages.

    Args:
        stages: In order.
        outcomes: One a stage, (n,) 0.0 or 1.0 for its cells.
        guess: (conditions, samples) in [0, 1].
    """
    count, samples = guess.shape
    sampling, predicted, cells = (np.zeros(count) for _ in range(3))
    for stage, y, weight in zip(stages, outcomes, stage_weights(stages), strict=True):
        f, chance = stage.condition, stage.probability
        # Horvitz and Thompson's estimate of the variance, for cells that are drawn independently.
        terms = (1 - chance) / chance**2 * (y - guess[f, stage.sample]) ** 2 / samples**2
        seen = np.bincount(f, minlength=count)
        # Infinite where a stage had nothing left to look at; its weight there is 0.
        expected = np.where(np.isfinite(stage.expected), stage.expected, 0)
        sampling += weight**2 * (seen * np.bincount(f, terms, count) + PRIOR * expected) / (seen + PRIOR)
        predicted += weight**2 * expected
        cells += seen
    # The corrections of an unbiased estimate may carry it outside [0, 1].
    value = np.clip(stand_ins(stages, outcomes, guess).mean(1, dtype=np.float64), 0, 1)
    # Pulled towards the guesses, as a rate of exactly 0 or 1 would leave the samples no variance.
    typical = (cells * value + PRIOR * guess.mean(1, dtype=np.float64)) / (cells + PRIOR)
    variance = sampling + typical * (1 - typical) / samples
    surprise = sampling / np.maximum(predicted, 1e-12)
    return Rates(value, variance, sampling, typical, surprise, np.maximum(cells - 1, 1), samples, int(cells.sum()))


def stage_weights(stages: Sequence[Stage]) -> Array:
    """(stages, conditions) by the variances that were expected, summing to 1 over stages."""
    weights = np.stack([1 / np.maximum(stage.expected, 1e-12) for stage in stages])
    return np.asarray(weights / weights.sum(0))


def stand_ins(stages: Sequence[Stage], outcomes: Sequence[Array], guess: Floats) -> Floats:
    """(conditions, samples) for every outcome a number whose expectation is the outcome."""
    known = guess.copy()
    total = np.zeros_like(guess)
    for stage, y, weight in zip(stages, outcomes, stage_weights(stages), strict=True):
        total += weight[:, None].astype(np.float32) * known
        f, i = stage.condition, stage.sample
        np.add.at(total, (f, i), (weight[f] * (y - guess[f, i]) / stage.probability).astype(np.float32))
        known[f, i] = y
    return total


def samples_for(half_width: float, p: Array, tail: Array | float) -> Array:
    """The fewest samples that make the exact interval of a rate near ``p`` no wider than asked for, by bisection."""
    low, high = np.full(p.shape, 1.0), np.full(p.shape, 1e8)
    for _ in range(60):
        # Geometric means, as n spans eight decades.
        n = np.sqrt(low * high)
        least, most = beta_limits(p * n, n, tail)
        wide = most - least > 2 * half_width
        low, high = np.where(wide, n, low), np.where(wide, high, n)
    return high


def variance_for(half_width: float, p: Array, tail: Array | float) -> Array:
    """The largest variance of a rate near ``p`` whose exact interval is no wider than asked for."""
    return np.asarray(p * (1 - p) / samples_for(half_width, p, tail))

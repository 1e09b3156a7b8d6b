"""Smooth functions of means over samples, with what each sample contributes: what comparisons of models are made of."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level, check_rule

_PSEUDO = 2.0
"""Made-up samples of opposite sign that keep an interval from having no width, as in Bonett and Price's."""

_TUNED_FOR = 1000
"""Samples at which the anytime interval is narrowest; fixed beforehand, as its validity asks."""

Groups = npt.NDArray[np.int64]
Part = npt.NDArray[np.bool_] | slice


@dataclasses.dataclass(frozen=True)
class Effect:
    """A smooth function of means over samples, with what each sample contributes to it.

    Differences and multiples of effects on the same samples are effects.

    Fields:
        value: The number.
        influence: (n,) first-order contributions of the samples, of mean 0.
        reach: What one sample can do to ``value`` times n; sets the least width of an interval.
    """

    value: float
    influence: Scores
    reach: float = 1.0

    def __sub__(self, other: Effect) -> Effect:
        return Effect(self.value - other.value, self.influence - other.influence, max(self.reach, other.reach))

    def times(self, factor: float) -> Effect:
        """The effect multiplied by a number."""
        return Effect(self.value * factor, self.influence * factor, self.reach * abs(factor))

    @staticmethod
    def average(effects: Sequence[Effect]) -> Effect:
        """The mean of several effects on the same samples."""
        return Effect(
            float(np.mean([e.value for e in effects])),
            np.asarray(np.mean([e.influence for e in effects], axis=0), np.float64),
            max(e.reach for e in effects),
        )

    def estimate(self, level: float = LEVEL, rule: str = "fixed", group: Groups | None = None) -> Estimate:
        """The value with Student's interval, or for ``anytime`` an asymptotic confidence sequence.

        Args:
            level: Confidence level.
            rule: ``fixed`` or ``anytime``.
            group: (n,) samples with an equal number depend on each other; each by itself if left out.

        Reference:
            Waudby-Smith et al. 2024, https://doi.org/10.1214/24-AOS2408 (anytime)
        """
        check_level(level)
        check_rule(rule)
        error, units = self._error(group)
        # A single unit tells nothing of the spread.
        if units < 2:
            half = math.inf
        elif rule == "fixed":
            half = error * _student(units - 1, level)
        else:
            spread = units * _rho() + 1
            # The paper's boundary, with sigma written as the standard error times the root of n.
            half = error * math.sqrt(2 * spread / (units * _rho()) * math.log(math.sqrt(spread) / (1 - level)))
        return Estimate(
            value=self.value,
            low=self.value - half,
            high=self.value + half,
            n=len(self.influence),
            level=level,
            method=("linearised, Student's t" if rule == "fixed" else "linearised, asymptotic confidence sequence")
            + ("" if group is None else ", clustered"),
        )

    def p(self, rule: str = "fixed", group: Groups | None = None) -> float:
        """Two-sided p-value of no effect; for ``anytime`` one that may be read at every n."""
        error, units = self._error(group)
        if units < 2:
            return 1.0
        z = abs(self.value) / error
        if rule == "fixed":
            return float(2 * special.stdtr(units - 1, -z))
        spread = units * _rho() + 1
        # The alpha at which the interval's end reaches 0.
        return min(1.0, math.sqrt(spread) * math.exp(-z * z * units * _rho() / (2 * spread)))

    def _error(self, group: Groups | None) -> tuple[float, int]:
        """Standard error, and how many independent units it rests on."""
        sums = (
            self.influence if group is None else np.bincount(np.unique(group, return_inverse=True)[1], self.influence)
        )
        units, n = len(sums), len(self.influence)
        if n == 0:
            raise NoSamplesError("no samples: an effect on nothing is undefined")
        squares = float(np.square(sums).sum()) + _PSEUDO * self.reach**2
        return math.sqrt(squares * units / max(units - 1, 1)) / n, units


@functools.lru_cache(maxsize=1024)
def _student(freedom: int, level: float) -> float:
    """The two-sided quantile."""
    return float(special.stdtrit(freedom, 0.5 + level / 2))


@functools.cache
def _rho() -> float:
    # The paper's rho squared for one n. At alpha = 0.05 whatever the level, so that p-values and intervals
    # of all levels belong to one sequence.
    start = -2 * math.log(0.05)
    return (start + math.log(start + 1)) / _TUNED_FOR


def mean_effect(scores: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Effect:
    """The (weighted) mean of per-sample scores, (n,), as an effect."""
    x = np.asarray(scores, np.float64)
    if x.size == 0:
        raise NoSamplesError("no samples: a mean of nothing is undefined")
    if weight is None:
        mean = float(x.mean())
        return Effect(mean, x - mean)
    w = np.asarray(weight, np.float64)
    # Of mean 1, so that contributions are on the scale they have without weights.
    w = w / w.mean()
    value = float((w * x).mean())
    return Effect(value, w * (x - value))


def kept_effect(shifted: Effect, clean: Effect, chance: float) -> Effect | None:
    """Share of the accuracy above chance that is left, ``(shifted - chance) / (clean - chance)``.

    ``None`` where clean accuracy is not shown to be above chance: there is nothing that could be kept.
    """
    above = clean.value - chance
    if clean.estimate().low <= chance:
        return None
    share = (shifted.value - chance) / above
    return Effect(share, (shifted.influence - share * clean.influence) / above, 1 / above)


def additive_effect(a_shifted: Effect, b_shifted: Effect, a_clean: Effect, b_clean: Effect) -> Effect:
    """The difference in differences: what the shift takes from b less what it takes from a."""
    return (a_shifted - a_clean) - (b_shifted - b_clean)


def ratio_effect(
    a_shifted: Effect, b_shifted: Effect, a_clean: Effect, b_clean: Effect, chance: float
) -> Effect | None:
    """Share kept above chance by a minus that kept by b; ``None`` where one has nothing above chance to keep."""
    a, b = kept_effect(a_shifted, a_clean, chance), kept_effect(b_shifted, b_clean, chance)
    return None if a is None or b is None else a - b


def halves(n: int, group: Groups | None = None) -> tuple[npt.NDArray[np.bool_], ...]:
    """Two random halves of n samples, whole groups, the same for equal n; none of a single group.

    Never by place alone: orders of samples cycle through the classes.
    """
    if group is None:
        return _halves(n)
    of = np.unique(group, return_inverse=True)[1]
    return tuple(half[of] for half in _halves(int(of.max()) + 1 if n else 0))


@functools.lru_cache(maxsize=16)
def _halves(units: int) -> tuple[npt.NDArray[np.bool_], ...]:
    if units < 2:
        return ()
    chosen = np.zeros(units, bool)
    chosen[np.random.default_rng(units).permutation(units)[: units // 2]] = True
    both = chosen, ~chosen
    # They are cached and shared: nobody may write into them.
    for half in both:
        half.flags.writeable = False
    return both

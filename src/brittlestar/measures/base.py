"""What every measure gives: an estimate with its interval and its count."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import BrittlestarError, UsageError, require

Rule = Literal["fixed", "anytime"]
"""``fixed``: n was decided before the run. ``anytime``: the run stopped when it had seen enough, so only intervals that
hold at every n together (confidence sequences) are honest."""

Scores = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.bool_]

LEVEL = 0.95
"""The confidence level of every interval unless another is asked for."""


class NoSamplesError(BrittlestarError):
    """A measure was asked about no samples; undefined is never reported as 0."""


class NotAvailableError(UsageError):
    """A measure needs what these rows do not hold; its text says what, and what would bring it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval.

    Fields:
        value: The estimate.
        low, high: The interval's ends; ``low <= value <= high``; infinite where a side is unbounded.
        n: Number of samples it rests on.
        level: Confidence level, for instance 0.95.
        method: How the interval was made (``Clopper-Pearson``, ``confidence sequence`` ...), and what it heeds
            (``clustered``, ``weighted by class``).
    """

    value: float
    low: float
    high: float
    n: int
    level: float = LEVEL
    method: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    def complement(self) -> Estimate:
        """The estimate of one minus the quantity (accuracy of an error rate and back)."""
        return dataclasses.replace(self, value=1 - self.value, low=1 - self.high, high=1 - self.low)


def enclosing(value: float, low: float, high: float, n: int, level: float, method: str) -> Estimate:
    """An ``Estimate`` whose interval is widened, where rounding or a shifted centre needs it, to hold its value."""
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=n, level=level, method=method)


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if not 0 < level < 1:
        raise UsageError(f"a confidence level lies between 0 and 1, for instance 0.95; got {level}")


def check_rule(rule: str) -> None:
    """Refuse a rule that is neither ``fixed`` nor ``anytime``."""
    if rule not in ("fixed", "anytime"):
        raise UsageError(f"the rule is 'fixed' or 'anytime', got {rule!r}")


def check_counts(k: float, n: float) -> None:
    """Refuse counts with no samples or with more successes than samples."""
    if n == 0:
        raise NoSamplesError("no samples: a share of nothing is undefined")
    if not 0 <= k <= n:
        raise UsageError(f"k of n needs 0 <= k <= n, got k = {k} and n = {n}")


def checked_scores(scores: npt.ArrayLike, lowest: float, highest: float) -> Scores:
    """Per-sample scores as a float64 vector.

    Raises:
        NoSamplesError: There are none.
        UsageError: They are not one-dimensional, not finite or outside ``[lowest, highest]``.
    """
    values = np.asarray(scores, dtype=np.float64)
    require(values.ndim == 1, f"scores are one number a sample, got shape {values.shape}", UsageError)
    if values.size == 0:
        raise NoSamplesError("no samples: a mean of nothing is undefined")
    least, most = float(values.min()), float(values.max())
    # Averages may pass the ends by rounding. So much is clipped; more is a mistake.
    slack = 1e-9
    # Put as a negation so that NaN is refused too.
    if not (least >= lowest - slack and most <= highest + slack):
        raise UsageError(f"scores must be finite and in [{lowest:g}, {highest:g}], got {least:g} to {most:g}")
    return np.clip(values, lowest, highest)


def checked_weights(weights: npt.ArrayLike, n: int) -> Scores:
    """Weights of n scores as shares of their sum.

    Raises:
        UsageError: They are not n finite numbers of at least 0 with one above 0.
    """
    values = np.asarray(weights, dtype=np.float64)
    require(values.shape == (n,), f"weights are one number a score: {n} of them, got shape {values.shape}", UsageError)
    total = float(values.sum())
    require(
        bool(np.all(values >= 0)) and 0 < total < np.inf,
        "weights are finite numbers of at least 0, one of them above 0",
        UsageError,
    )
    return np.asarray(values / total)

"""Two models on the same samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from brittlestar.core.rows import Rows
from brittlestar.measures.accuracy import difference, paired
from brittlestar.measures.base import Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """How two models differ under one condition.

    Fields:
        estimate: Error of a minus error of b (negative: a is better).
        only_a_wrong, only_b_wrong: Samples on which exactly one of them errs.
        p: Exact McNemar test of equal error.
        p_adjusted: After correction for the number of conditions; ``p`` where nothing was corrected.
    """

    estimate: Estimate
    only_a_wrong: int
    only_b_wrong: int
    p: float
    p_adjusted: float


def paired_difference(a: Rows, b: Rows, rule: str = "fixed", level: float = 0.95) -> Estimate:
    """Error of ``a`` minus error of ``b`` on the samples that both hold."""
    return difference(*paired(a, b), rule, level)


def mcnemar(a: Rows, b: Rows) -> float:
    """P-value of the exact (binomial) McNemar test that both err equally often, on the samples that both hold."""
    right_a, right_b = paired(a, b)
    return mcnemar_counts(int((~right_a & right_b).sum()), int((right_a & ~right_b).sum()))


def mcnemar_counts(b: int, c: int) -> float:
    """The same from the two discordant counts; 1 where there are none."""
    return 1.0 if b + c == 0 else float(stats.binomtest(b, b + c, 0.5).pvalue)


def compare(a: Rows, b: Rows, rule: str = "fixed", level: float = 0.95) -> Comparison:
    """Difference and test together, uncorrected."""
    right_a, right_b = paired(a, b)
    worse, better = int((~right_a & right_b).sum()), int((right_a & ~right_b).sum())
    p = mcnemar_counts(worse, better)
    return Comparison(
        estimate=difference(right_a, right_b, rule, level), only_a_wrong=worse, only_b_wrong=better, p=p, p_adjusted=p
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with Holm's correction for their number."""
    adjusted = holm([c.p for c in comparisons])
    return [dataclasses.replace(c, p_adjusted=float(p)) for c, p in zip(comparisons, adjusted, strict=True)]


def holm(pvalues: Sequence[float]) -> npt.NDArray[np.float64]:
    """Holm's step-down correction (Scand. J. Stat. 1979): the chance of any false alarm stays under the level."""
    p = np.asarray(pvalues, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def benjamini_hochberg(pvalues: Sequence[float]) -> npt.NDArray[np.float64]:
    """Benjamini and Hochberg's correction (JRSS B 1995): bounds the share of false alarms among the alarms."""
    p = np.asarray(pvalues, float)
    return np.asarray(stats.false_discovery_control(p) if len(p) else p, float)

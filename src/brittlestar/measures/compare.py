"""Two models on the same samples: the difference, its test, and corrections for testing many conditions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.accuracy import ErrorRate
from brittlestar.measures.base import LEVEL, Estimate, Scores, check_rule
from brittlestar.measures.intervals import paired_rates
from brittlestar.measures.samples import Samples, difference_p, repeated, together
from brittlestar.measures.sequences import anytime_p, paired_sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """How two models differ under one condition.

    Fields:
        estimate: Error of a minus error of b (negative: a is better); ``estimate.n`` counts the shared samples.
        only_a_wrong, only_b_wrong: Samples on which exactly one of them errs (McNemar's b and c).
        p: The test of equal error that ``test`` names.
        p_adjusted: After correction for the number of conditions; ``p`` where nothing was corrected.
        test: ``exact McNemar``; ``inverted interval`` where samples depend on each other or count unequally: the exact
            test does not hold there, so p is one minus the highest level whose interval excludes 0; ``betting`` for
            ``anytime``, a p-value that may be read at every n.
    """

    estimate: Estimate
    only_a_wrong: int
    only_b_wrong: int
    p: float
    p_adjusted: float
    test: str = "exact McNemar"

    @property
    def b(self) -> int:
        """McNemar's b: only a errs."""
        return self.only_a_wrong

    @property
    def c(self) -> int:
        """McNemar's c: only b errs."""
        return self.only_b_wrong


def paired_difference(a: Rows, b: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Error of ``a`` minus error of ``b`` on the samples that both hold; in [-1, 1].

    Errors as ``MeanMeasure.difference``.
    """
    return ErrorRate().difference(a, b, rule, level)


def _discordant(a: Rows, b: Rows) -> tuple[int, int, Samples, Scores]:
    """How often only one of them errs, the samples, and error of a minus error of b on each."""
    samples, correct = together([a, b])
    require(
        not repeated(samples.position),
        "McNemar's test needs independent samples, and these rows have several frames a sample; compare one frame",
        UsageError,
    )
    scores = correct[:, 1].astype(np.float64) - correct[:, 0]
    return int(np.count_nonzero(scores > 0)), int(np.count_nonzero(scores < 0)), samples, scores


def mcnemar(a: Rows, b: Rows) -> float:
    """P-value of the exact two-sided McNemar test that both err equally often, on the samples that both hold.

    Where samples depend on each other or count unequally, that of ``compare``, which then is no exact test.

    Raises:
        NoSamplesError: They share none.
        UsageError: A sample appears twice.

    Reference:
        McNemar 1947, https://doi.org/10.1007/BF02295996
    """
    return compare(a, b).p


@functools.lru_cache(maxsize=65536)
def mcnemar_counts(b: int, c: int) -> float:
    """The same from the two discordant counts; 1 where there are none."""
    require(b >= 0 and c >= 0, f"discordant counts are at least 0, got {b} and {c}", UsageError)
    # Doubled, the middle term counts twice where b equals c: more than 1.
    return min(1.0, 2 * float(special.bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0


def compare(a: Rows, b: Rows, rule: str = "fixed", level: float = LEVEL) -> Comparison:
    """Difference and test together, uncorrected.

    Raises:
        NoSamplesError: They share no samples.
        UsageError: A sample appears twice, or an unknown rule.
    """
    check_rule(rule)
    only_a, only_b, samples, scores = _discordant(a, b)
    n = len(scores)
    test = "betting" if rule == "anytime" else "exact McNemar" if samples.plain else "inverted interval"
    if not samples.plain:
        estimate, p = paired_difference(a, b, rule, level), difference_p(samples, scores, rule)
    elif rule == "anytime":
        estimate, p = paired_sequence(only_a, only_b, n, level), anytime_p(only_a, only_b, n)
    else:
        estimate, p = paired_rates(only_a, only_b, n, level), mcnemar_counts(only_a, only_b)
    return Comparison(estimate=estimate, only_a_wrong=only_a, only_b_wrong=only_b, p=p, p_adjusted=p, test=test)


def corrected(comparisons: Sequence[Comparison], method: str = "holm") -> list[Comparison]:
    """The same comparisons with ``p_adjusted`` for their number, by ``holm`` or ``benjamini-hochberg``."""
    methods = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
    require(method in methods, f"correct by {' or '.join(methods)}, got {method!r}", UsageError)
    adjusted = methods[method]([c.p for c in comparisons])
    return [dataclasses.replace(c, p_adjusted=float(p)) for c, p in zip(comparisons, adjusted, strict=True)]


def _checked(pvalues: npt.ArrayLike) -> Scores:
    p = np.asarray(pvalues, dtype=np.float64)
    require(p.ndim == 1 and bool(np.all((p >= 0) & (p <= 1))), "p-values are numbers in [0, 1], one a test", UsageError)
    return p


def holm(pvalues: npt.ArrayLike) -> Scores:
    """Holm's step-down correction: the chance of any false alarm stays under the level, whatever the dependence.

    Reference:
        Holm 1979, https://www.jstor.org/stable/4615733
    """
    p = _checked(pvalues)
    order = np.argsort(p, kind="stable")
    # Step down: a test passes only if all with smaller p do, so adjusted values never fall.
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(pvalues: npt.ArrayLike) -> Scores:
    """Benjamini and Hochberg's step-up correction: bounds the expected share of false alarms among the alarms.

    Reference:
        Benjamini and Hochberg 1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
    """
    p = _checked(pvalues)
    order = np.argsort(p, kind="stable")[::-1]
    # Step up, from the largest p: a test passes if any with a larger p does.
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted

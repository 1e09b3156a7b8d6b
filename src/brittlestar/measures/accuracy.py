"""Accuracy and error, and what shifts add to the error.

``rule`` says how the number of samples came about: ``fixed`` in advance (Clopper-Pearson, Bonett-Price) or ``anytime``,
when it may have depended on results (confidence sequences). Rows with several frames of a sample are averaged over the
frames first; n counts samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Outcomes, check_rule
from brittlestar.measures.intervals import clopper_pearson, paired_rates
from brittlestar.measures.samples import Samples, aligned, mean_difference_of, mean_of, repeated, together
from brittlestar.measures.sequences import confidence_sequence, paired_sequence


def rate(k: int, n: int, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """``k / n`` of independent samples: Clopper-Pearson for ``fixed``, a confidence sequence for ``anytime``.

    Raises:
        NoSamplesError: n is 0.
        UsageError: k is not in [0, n], or an unknown rule.
    """
    check_rule(rule)
    return clopper_pearson(k, n, level) if rule == "fixed" else confidence_sequence(k, n, level)


def _share(rows: Rows, hits: Outcomes, rule: str, level: float) -> Estimate:
    if len(rows) == 0:
        raise NoSamplesError("no samples: a share of nothing is undefined")
    samples = Samples.of(rows)
    if not samples.plain or repeated(rows.position):
        return mean_of(samples, hits.astype(np.float64), rule, level)
    return rate(int(np.count_nonzero(hits)), len(rows), rule, level)


def accuracy(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of samples whose label has the highest logit; in [0, 1].

    Raises:
        NoSamplesError: No rows.
    """
    return _share(rows, rows.correct, rule, level)


def error_rate(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of samples whose label does not have the highest logit; in [0, 1].

    Raises:
        NoSamplesError: No rows.
    """
    return _share(rows, ~rows.correct, rule, level)


def top_k_error(rows: Rows, k: int, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of samples whose label is not among the ``k`` highest logits; in [0, 1].

    Among equal logits the lower class index comes first, as for the prediction.

    Raises:
        NoSamplesError: No rows.
        UsageError: k is not positive, or the rows do not hold the k highest classes.
    """
    require(k >= 1, f"k is at least 1, got {k}", UsageError)
    if k == 1:
        return error_rate(rows, rule, level)
    if rows.top_classes is not None and rows.top_classes.shape[1] >= k:
        hits = (rows.top_classes[:, :k] == rows.label[:, None]).any(axis=1)
    elif rows.logits is not None:
        own = rows.logits[np.arange(len(rows)), rows.label][:, None]
        earlier = np.arange(rows.logits.shape[1])[None] < rows.label[:, None]
        hits = ((rows.logits > own) | ((rows.logits == own) & earlier)).sum(axis=1) < k
    else:
        held = 1 if rows.top_classes is None else rows.top_classes.shape[1]
        raise UsageError(
            f"top-{k} error needs the {k} highest classes and the rows hold {held}; choose k up to {held} "
            "or run again with all logits stored"
        )
    return _share(rows, ~hits, rule, level)


def paired(a: Rows, b: Rows) -> tuple[Outcomes, Outcomes]:
    """Correctness of both on the samples (position, frame) that both hold, in one order.

    Raises:
        NoSamplesError: They share none.
        UsageError: A sample appears twice in one of them.
    """
    _, correct = aligned([a, b])
    return correct[:, 0], correct[:, 1]


def error_difference(a: Rows, b: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Error of ``a`` minus error of ``b`` on the samples that both hold; in [-1, 1].

    Raises:
        NoSamplesError: They share none.
        UsageError: A sample appears twice in one of them, or an unknown rule.
    """
    check_rule(rule)
    samples, correct = together([a, b])
    if not samples.plain or repeated(samples.position):
        scores = correct[:, 1].astype(np.float64) - correct[:, 0]
        return mean_difference_of(samples, scores, rule, level, discordance=_discordance(samples, np.abs(scores)))
    worse = int(np.count_nonzero(~correct[:, 0] & correct[:, 1]))
    better = int(np.count_nonzero(correct[:, 0] & ~correct[:, 1]))
    interval = paired_rates if rule == "fixed" else paired_sequence
    return interval(worse, better, len(correct), level)


def _discordance(samples: Samples, apart: npt.NDArray[np.float64]) -> float:
    """Mean over the set of how often two outcomes of a sample differ."""
    return float(np.average(apart, weights=samples.weight))


def error_increase(shifted: Rows, clean: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Error under the shift minus clean error on the samples that both hold; in [-1, 1]. See ``error_difference``."""
    return error_difference(shifted, clean, rule, level)


def mean_error(parts: Sequence[Rows], rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Mean error over several conditions, on the samples that all hold; in [0, 1].

    The interval is that of a mean over samples, the conditions being the ones that were chosen.

    Raises:
        NoSamplesError: No condition, or no sample in common.
    """
    samples, correct = together(parts)
    return mean_of(samples, 1 - correct.mean(axis=1), rule, level, cap=correct.shape[1])


def mean_error_increase(parts: Sequence[Rows], clean: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Mean over several conditions of the error minus the clean error, on the samples that all hold; in [-1, 1].

    Raises:
        NoSamplesError: No condition, or no sample in common.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    return mean_error_difference(parts, [clean] * len(parts), rule, level)


def mean_error_difference(
    first: Sequence[Rows], second: Sequence[Rows], rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Mean over pairs of conditions of the error of the first minus that of the second; in [-1, 1].

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Unequal numbers of conditions.
    """
    require(
        len(first) == len(second),
        f"conditions are compared in pairs, got {len(first)} and {len(second)}; give the same conditions twice",
        UsageError,
    )
    distinct = {id(rows): rows for rows in (*first, *second)}
    samples, correct = together(list(distinct.values()))
    column = {key: place for place, key in enumerate(distinct)}
    a = correct[:, [column[id(rows)] for rows in first]]
    b = correct[:, [column[id(rows)] for rows in second]]
    scores = b.mean(axis=1) - a.mean(axis=1)
    apart = _discordance(samples, np.mean(a != b, axis=1))
    return mean_difference_of(samples, scores, rule, level, cap=a.shape[1], discordance=apart)

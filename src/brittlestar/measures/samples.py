"""Which rows belong together: the same sample (position, frame) under several conditions or models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import (
    LEVEL,
    Estimate,
    NoSamplesError,
    Outcomes,
    Scores,
    check_rule,
)
from brittlestar.measures.intervals import mean_interval, signed_mean_interval
from brittlestar.measures.sequences import bounded_sequence

Positions = npt.NDArray[np.int32]


def aligned(parts: Sequence[Rows]) -> tuple[Positions, Outcomes]:
    """Correctness of several rows on the samples that all hold.

    Returns:
        Positions (n,), ascending, and correctness (n, len(parts)), one row a shared (position, frame).

    Raises:
        NoSamplesError: No rows, or no sample in common.
        UsageError: A sample appears twice in one of the parts.
    """
    if not parts:
        raise NoSamplesError("nothing to measure: no condition was given")
    first = parts[0]
    if _ascending(first.position) and all(_same_samples(first, other) for other in parts[1:]):
        position, correct = first.position, np.stack([rows.correct for rows in parts], axis=1)
    else:
        keys = [rows.position.astype(np.int64) * 65536 + rows.frame for rows in parts]
        shared = np.unique(keys[0])
        for key in keys[1:]:
            shared = np.intersect1d(shared, key)
        columns = []
        for rows, key in zip(parts, keys, strict=True):
            order = np.argsort(key, kind="stable")
            require(
                len(key) < 2 or bool(np.all(np.diff(key[order]) > 0)),
                "a sample appears twice in one condition; pair conditions one at a time",
                UsageError,
            )
            columns.append(rows.correct[order[np.searchsorted(key[order], shared)]])
        position, correct = (shared // 65536).astype(np.int32), np.stack(columns, axis=1)
    if len(position) == 0:
        raise NoSamplesError("no samples in common: what is compared must share samples")
    return position, correct


def _ascending(position: Positions) -> bool:
    return bool(np.all(position[1:] > position[:-1]))


def _same_samples(a: Rows, b: Rows) -> bool:
    return np.array_equal(a.position, b.position) and np.array_equal(a.frame, b.frame)


def repeated(position: Positions) -> bool:
    """Whether a position appears more than once (frames, or several conditions put together)."""
    return not _ascending(position) and len(np.unique(position)) < len(position)


def by_sample(position: Positions, scores: Scores) -> tuple[Scores, float]:
    """Mean score of each position, and how many scores were averaged (of the fullest position; 1 without repeats)."""
    if not repeated(position):
        return scores, 1.0
    _, place, count = np.unique(position, return_inverse=True, return_counts=True)
    return np.bincount(place, weights=scores) / count, float(count.max())


def mean_of(position: Positions, scores: Scores, rule: str = "fixed", level: float = LEVEL, cap: float = 1) -> Estimate:
    """The mean of scores in [0, 1] over samples, each score the average of ``cap`` outcomes (see ``mean_interval``)."""
    check_rule(rule)
    values, frames = by_sample(position, scores)
    if rule == "anytime":
        return bounded_sequence(values, 0.0, 1.0, level)
    return mean_interval(values, level, cap * frames)


def mean_difference_of(
    position: Positions,
    scores: Scores,
    rule: str = "fixed",
    level: float = LEVEL,
    cap: float = 1,
    discordance: float | None = None,
) -> Estimate:
    """The mean of paired differences in [-1, 1] over samples (see ``signed_mean_interval``)."""
    check_rule(rule)
    values, frames = by_sample(position, scores)
    if rule == "anytime":
        return bounded_sequence(values, -1.0, 1.0, level)
    return signed_mean_interval(values, level, cap * frames, discordance)

"""Corruption errors of the published sets: mean corruption error, CE, mCE, relative CE, relative mCE.

With ``E(s, c)`` the top-1 error under corruption c at severity s, and ``A(s, c)`` the normaliser's:

* mean corruption error: the plain mean of all ``E(s, c)``, corruptions with equal weight (CIFAR-C's summary);
* ``CE(c) = sum_s E(s, c) / sum_s A(s, c)``, and mCE the mean of the 15;
* ``relative CE(c) = sum_s (E(s, c) - E_clean) / sum_s (A(s, c) - A_clean)``, and relative mCE the mean of the 15.

The normaliser is AlexNet's published table (for ImageNet-C at 224 pixels only) or any other run (``RunErrors``). The
severities may be some of the five: the denominators are then those severities'. Numbers are ratios, 1 being as bad as
the normaliser; papers write them in percent.

Reference:
    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.alexnet import ALEXNET, CORRUPTION_SETS, PublishedErrors, members
from brittlestar.measures.base import LEVEL, NoSamplesError, Scores, check_rule
from brittlestar.measures.ratios import (
    Divided,
    Normalised,
    NormalisedSet,
    mean_score,
    over_constants,
    over_scores,
)
from brittlestar.measures.samples import Samples, repeated, together

Key = tuple[str, int | None]
"""(corruption, severity); the severity is ``None`` for sets without (MNIST-C)."""

Conditions = Mapping[Key, Rows]
PUBLISHED_SEVERITIES = (1, 2, 3, 4, 5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunErrors:
    """Another run as normaliser, on the same samples.

    Fields:
        name: As it is named beside every number it normalises.
        conditions: Its rows; the samples and conditions that both have are used.
        clean: Its rows on unchanged images; needed for relative numbers.
    """

    name: str
    conditions: Conditions
    clean: Rows | None = None


Normaliser = PublishedErrors | RunErrors


def mean_corruption_error(conditions: Conditions, table: str, rule: str = "fixed", level: float = LEVEL) -> Normalised:
    """Mean top-1 error over the set's corruptions, each with equal weight; in [0, 1]; not normalised.

    Corruptions outside the set (the validation four) are left out.

    Args:
        conditions: Rows by (corruption, severity).
        table: The published set, a key of ``CORRUPTION_SETS``.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.

    Raises:
        NoSamplesError: No corruption of the set, or no sample in common.
        UsageError: An unknown set.
    """
    check_rule(rule)
    groups = _groups(conditions, table)
    samples, scores, caps = _errors(conditions, groups)
    # Corruptions weigh alike even where they have unequal numbers of severities; a mean of so many equally weighted
    # outcomes would have the same spread.
    cap = len(caps) ** 2 / float(np.sum(1 / np.array(caps)))
    estimate = mean_score(scores.mean(axis=1), 0.0, 1.0, cap, rule, level, samples)
    return _described(groups, table, "", Divided((), estimate), "mean corruption error", "mean corruption error")


def corruption_errors(
    conditions: Conditions,
    normaliser: Normaliser = ALEXNET,
    *,
    table: str = "imagenet-c",
    rule: str = "fixed",
    level: float = LEVEL,
) -> NormalisedSet:
    """CE of every corruption of the set and their mean: mCE where all 15 are there.

    Over a published table the numbers are means of per-sample scores with their intervals. Over a run the interval
    includes the run's sampling error (paired bootstrap; for ``anytime`` Bonferroni over confidence sequences).

    Args:
        conditions: Rows by (corruption, severity); some severities are enough.
        normaliser: ``ALEXNET`` or a ``RunErrors``.
        table: The published set.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.

    Raises:
        NoSamplesError: No corruption of the set, or no sample in common.
        UsageError: An unknown set, or one that the normaliser was not measured on.
    """
    check_rule(rule)
    groups = _groups(conditions, table, normaliser)
    if isinstance(normaliser, PublishedErrors):
        samples, scores, caps = _errors(conditions, groups)
        # Means for the paper's sums over severities: how many there are cancels in the ratio.
        below = [float(np.mean([_published(normaliser, c, s) for s in levels])) for c, levels in groups.items()]
        divided = over_constants(scores, below, caps, 0.0, 1.0, rule, level, samples)
    else:
        samples, scores, under = _paired(conditions, groups, normaliser, None)
        divided = over_scores(scores, under, 0.0, 1.0, rule, level, samples)
    return _set(groups, table, normaliser.name, divided, "CE")


def relative_corruption_errors(
    conditions: Conditions,
    clean: Rows,
    normaliser: Normaliser = ALEXNET,
    *,
    table: str = "imagenet-c",
    rule: str = "fixed",
    level: float = LEVEL,
) -> NormalisedSet:
    """Relative CE of every corruption of the set and their mean: what corruption adds to the clean error, normalised.

    Undefined where the normaliser's error is not shown to rise under a corruption (the lower limit of its increase is
    not above 0), or rises too uncertainly for a finite interval. Otherwise as ``corruption_errors``.

    Raises:
        NoSamplesError: No corruption of the set, or no sample in common.
        UsageError: An unknown set, one that the normaliser was not measured on, or a run without clean rows.
    """
    check_rule(rule)
    groups = _groups(conditions, table, normaliser)
    if isinstance(normaliser, PublishedErrors):
        samples, scores, caps = _errors(conditions, groups, clean)
        below = [
            float(np.mean([_published(normaliser, c, s) for s in levels])) - normaliser.clean
            for c, levels in groups.items()
        ]
        divided = over_constants(scores, below, caps, -1.0, 1.0, rule, level, samples)
    else:
        require(
            normaliser.clean is not None,
            f"relative CE needs clean rows of {normaliser.name} too; run it on the clean images",
            UsageError,
        )
        samples, scores, under = _paired(conditions, groups, normaliser, clean)
        divided = over_scores(scores, under, -1.0, 1.0, rule, level, samples)
    return _set(groups, table, normaliser.name, divided, "relative CE")


def ce(conditions: Conditions, corruption: str, normaliser: Normaliser = ALEXNET, **how: Any) -> Normalised:
    """CE of one corruption (see ``corruption_errors``)."""
    own = {key: rows for key, rows in conditions.items() if key[0] == corruption}
    return corruption_errors(own, normaliser, **how).parts[corruption]


def mce(conditions: Conditions, normaliser: Normaliser = ALEXNET, **how: Any) -> Normalised:
    """The mean CE; named mCE only where all 15 corruptions are there (see ``corruption_errors``)."""
    return corruption_errors(conditions, normaliser, **how).mean


def relative_mce(conditions: Conditions, clean: Rows, normaliser: Normaliser = ALEXNET, **how: Any) -> Normalised:
    """The mean relative CE (see ``relative_corruption_errors``)."""
    return relative_corruption_errors(conditions, clean, normaliser, **how).mean


def mean_ce_of(
    errors: Mapping[tuple[str, int], float], normaliser: PublishedErrors = ALEXNET, clean: float | None = None
) -> float:
    """The mean CE of published error rates, without an interval; with ``clean`` the mean relative CE.

    Corruptions that the normaliser lacks are left out.

    Raises:
        NoSamplesError: No corruption in common.
        UsageError: A denominator that is not above 0.
    """
    groups: dict[str, list[int]] = {}
    for corruption, severity in errors:
        if corruption in normaliser.errors:
            groups.setdefault(corruption, []).append(severity)
    if not groups:
        raise NoSamplesError(f"none of the corruptions is one of {normaliser.name}'s")
    base, own = (0.0, 0.0) if clean is None else (normaliser.clean, clean)
    above = [np.mean([errors[c, s] - own for s in levels]) for c, levels in groups.items()]
    below = [np.mean([_published(normaliser, c, s) - base for s in levels]) for c, levels in groups.items()]
    none = [c for c, b in zip(groups, below, strict=True) if b <= 0]
    require(not none, f"{normaliser.name} has nothing to divide by under {', '.join(none)}", UsageError)
    return float(np.mean([a / b for a, b in zip(above, below, strict=True)]))


Groups = Mapping[str, Sequence[int | None]]


def _groups(conditions: Conditions, table: str, normaliser: Normaliser | None = None) -> Groups:
    """The severities of each corruption of the set that both sides have, in the published order."""
    if isinstance(normaliser, PublishedErrors):
        require(
            table == normaliser.table,
            f"{normaliser.name} were measured on {normaliser.table}, not on {table}; "
            "give a run on the same images as normaliser, or read the mean corruption error",
            UsageError,
        )
    other = normaliser.conditions if isinstance(normaliser, RunErrors) else conditions
    found = {}
    for corruption in members(table, CORRUPTION_SETS):
        levels = [s for c, s in conditions if c == corruption and (c, s) in other]
        if levels:
            # ``None``, of sets without severities, cannot be compared with numbers.
            found[corruption] = sorted(levels, key=lambda s: s or 0)
    if not found:
        raise NoSamplesError(f"no condition is one of the corruptions of {table}")
    return found


def _published(normaliser: PublishedErrors, corruption: str, severity: int | None) -> float:
    require(severity in PUBLISHED_SEVERITIES, f"a published severity is one of 1 to 5, got {severity}", UsageError)
    assert severity is not None
    return normaliser.errors[corruption][severity - 1]


def _errors(conditions: Conditions, groups: Groups, clean: Rows | None = None) -> tuple[Samples, Scores, list[float]]:
    """The samples, their (samples, corruptions) error averaged over severities, less the clean one if given; and how
    many severities."""
    parts = [conditions[c, s] for c, levels in groups.items() for s in levels]
    samples, correct = together(parts if clean is None else [*parts, clean])
    require(
        not repeated(samples.position),
        "corruption errors have one frame a sample; sequences have flip rates",
        UsageError,
    )
    return samples, *_averaged((~correct).astype(np.float64), groups, clean is not None)


def _paired(
    conditions: Conditions, groups: Groups, other: RunErrors, clean: Rows | None
) -> tuple[Samples, Scores, Scores]:
    """The samples that both have, and the errors of each as ``_errors`` gives them."""
    parts = [run[c, s] for run in (conditions, other.conditions) for c, levels in groups.items() for s in levels]
    half = len(parts) // 2
    if clean is not None and other.clean is not None:
        # Each run's half ends with its clean rows, where ``_averaged`` looks for them.
        parts = [*parts[:half], clean, *parts[half:], other.clean]
        half += 1
    samples, correct = together(parts)
    require(
        not repeated(samples.position),
        "corruption errors have one frame a sample; sequences have flip rates",
        UsageError,
    )
    wrong = (~correct).astype(np.float64)
    own, under = (_averaged(part, groups, clean is not None)[0] for part in (wrong[:, :half], wrong[:, half:]))
    return samples, own, under


def _averaged(wrong: Scores, groups: Groups, less_clean: bool) -> tuple[Scores, list[float]]:
    columns, first = [], 0
    for levels in groups.values():
        columns.append(wrong[:, first : first + len(levels)].mean(axis=1))
        first += len(levels)
    scores = np.stack(columns, axis=1)
    return scores - wrong[:, -1:] if less_clean else scores, [float(len(levels)) for levels in groups.values()]


def _set(groups: Groups, table: str, normaliser: str, divided: Divided, name: str) -> NormalisedSet:
    parts = {
        corruption: dataclasses.replace(
            _described({corruption: levels}, table, normaliser, Divided((), estimate, (), why), name, name), name=name
        )
        for (corruption, levels), estimate, why in zip(groups.items(), divided.parts, divided.why, strict=True)
    }
    whole = "mCE" if name == "CE" else "relative mCE"
    mean = _described(groups, table, normaliser, divided, whole, f"mean {name}")
    without = [c for c, part in parts.items() if part.estimate is None]
    if without:
        reasons = [f"{c}: {parts[c].undefined}" for c in without]
        more = [f"and {len(reasons) - 3} more"] if len(reasons) > 3 else []
        mean = dataclasses.replace(mean, undefined="; ".join([*reasons[:3], *more]))
    return NormalisedSet(parts=parts, mean=mean)


def _described(groups: Groups, table: str, normaliser: str, divided: Divided, whole: str, part: str) -> Normalised:
    """A result; it gets the whole's name only if it has all corruptions of the set at all severities."""
    every = members(table, CORRUPTION_SETS)
    severities = tuple(sorted({s for levels in groups.values() for s in levels if s is not None}))
    name = whole if len(groups) == len(every) else f"{part} over {len(groups)} of {len(every)}"
    uneven = len({tuple(levels) for levels in groups.values()}) > 1
    if uneven:
        name += " (unequal severities)"
    elif severities and severities != PUBLISHED_SEVERITIES:
        name += f" (severities {', '.join(map(str, severities))})"
    reason = "" if divided.mean is not None else f"{normaliser} {divided.why_mean or 'shows no error to divide by'}"
    return Normalised(
        name=name,
        estimate=divided.mean,
        undefined=reason,
        table=table,
        normaliser=normaliser,
        parts=tuple(groups),
        severities=severities,
        conditions=sum(len(levels) for levels in groups.values()),
    )

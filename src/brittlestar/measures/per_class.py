"""Every class by itself: how many of its samples are found, what they are taken for, and what a shift adds to that.

The samples of one class were drawn from that class alone, so that classes of unequal size need no weights here; samples
that depend on each other stay together. A recall says little by itself, because a model that always gives one answer
finds all of that class; beside it stands the informedness, which is 0 for every answer that does not depend on the
image, whatever the number of classes.

Coverage: docs/measures.md.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Ints, Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Outcomes, Scores, enclosing
from brittlestar.measures.effective import exact_limits
from brittlestar.measures.means import rate
from brittlestar.measures.samples import Samples, mean_of, repeated, together
from brittlestar.measures.selection import lowest, of_many

FEWEST = 5
"""A class with fewer samples is not put forward: a single answer would move its recall by more than 20 points."""


@dataclass(frozen=True)
class Answers:
    """What a model answered to the samples that several conditions share.

    Fields:
        samples: Which, and how they were drawn.
        label: (n,).
        prediction: (n, conditions).
    """

    samples: Samples
    label: Ints
    prediction: Ints

    @classmethod
    def of(cls, parts: Sequence[Rows]) -> Answers:
        """Of one condition or several.

        Raises:
            NoSamplesError: No condition, or no sample in common.
            UsageError: Rows with several frames a sample.
        """
        samples, _ = together(parts)
        require(not repeated(samples.position), "classes are told apart on still images, not on frames", UsageError)
        index = [_index(rows, samples) for rows in parts]
        columns = [rows.prediction[i] for rows, i in zip(parts, index, strict=True)]
        return cls(samples, parts[0].label[index[0]], np.stack(columns, axis=1))

    @functools.cached_property
    def right(self) -> Outcomes:
        """(n, conditions) whether the answer is the sample's class."""
        return np.asarray(self.prediction == self.label[:, None])

    def counts(self) -> dict[int, int]:
        """Samples by class, for the classes that have any."""
        classes, counts = np.unique(self.label, return_counts=True)
        return dict(zip(classes.tolist(), counts.tolist(), strict=True))

    def share(self, within: Outcomes, hits: Outcomes, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """The share of hits among samples of one class, averaged over conditions.

        Args:
            within: (n,) which samples; all of one class.
            hits: (n, k) for each of k conditions.
            rule: ``fixed`` or ``anytime``.
            level: Confidence level.

        Raises:
            NoSamplesError: There is no such sample.
        """
        if not within.any():
            raise NoSamplesError("no samples of this class: its share is undefined")
        chosen, group = hits[within], None
        if self.samples.group is not None:
            own = self.samples.group[within]
            # Where no two samples of the class share a group, the exact interval holds.
            group = own if len(np.unique(own)) < len(own) else None
        if group is None and chosen.shape[1] == 1:
            return rate(int(np.count_nonzero(chosen)), len(chosen), rule, level)
        samples = Samples(self.samples.position[within], group)
        return mean_of(samples, chosen.mean(axis=1), rule, level, cap=chosen.shape[1])

    def recall(self, label: int, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """See ``recall``."""
        return self.share(self.label == label, self.right, rule, level)


def _index(rows: Rows, samples: Samples) -> npt.NDArray[np.intp] | slice:
    """Where the samples stand in the rows."""
    if np.array_equal(rows.position, samples.position):
        return slice(None)
    order = np.argsort(rows.position, kind="stable")
    return order[np.searchsorted(rows.position, samples.position, sorter=order)]


def recall(parts: Rows | Sequence[Rows], label: int, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of the samples of a class that are answered with it, averaged over conditions; in [0, 1].

    Clopper and Pearson's interval for one condition, that of a mean over samples for several (``mean_interval``).

    Args:
        parts: A condition, or several, on whose shared samples the mean is taken.
        label: The class.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.

    Raises:
        NoSamplesError: No sample of the class.
    """
    return Answers.of([parts] if isinstance(parts, Rows) else parts).recall(label, rule, level)


def lowest_recall(
    answers: Answers, rule: str = "fixed", level: float = LEVEL, fewest: int = FEWEST
) -> tuple[int, Estimate]:
    """The class with the lowest recall, in an interval for the lowest of all classes (``selection.lowest``).

    Classes with fewer than ``fewest`` samples are not asked about.

    Raises:
        NoSamplesError: No class has so many samples.
    """
    return lowest(
        {c: functools.partial(answers.recall, c, rule) for c, n in answers.counts().items() if n >= fewest}, level
    )


def confusion(answers: Answers, classes: int) -> Scores:
    """(classes, classes) shares: of the samples of the row's class, those answered with the column's.

    Averaged over conditions; a row without samples is NaN. Answers outside the classes are in no column.
    """
    k = answers.prediction.shape[1]
    label = np.repeat(answers.label.astype(np.int64), k)
    given = answers.prediction.ravel()
    inside = (given >= 0) & (given < classes)
    table = np.bincount(label[inside] * classes + given[inside], minlength=classes * classes).reshape(classes, classes)
    total = np.bincount(label, minlength=classes)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(table / total, np.float64)


def recalls(answers: Answers, classes: int) -> Scores:
    """(classes,) the diagonal of ``confusion``."""
    right = answers.right.mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            np.bincount(answers.label, right, minlength=classes) / np.bincount(answers.label, minlength=classes)
        )


def informedness(answers: Answers, classes: int) -> Scores:
    """(classes,) recall minus the share of the other classes' samples that get the same answer; in [-1, 1].

    0 where the answer does not depend on the image: guessing, and giving one answer always. NaN for classes without
    samples. Other classes weigh as much as they do in the whole set. A point value, for colours.

    Reference:
        Youden 1950, https://doi.org/10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3; Powers 2011,
        https://arxiv.org/abs/2010.16061
    """
    k = answers.prediction.shape[1]
    weight = np.ones(len(answers.label)) if answers.samples.weight is None else answers.samples.weight
    part = np.bincount(answers.label, weight, minlength=classes)
    given, heavy = answers.prediction.ravel(), np.repeat(weight, k)
    others = (given >= 0) & (given < classes) & (given != np.repeat(answers.label, k))
    alarms = np.bincount(given[others], heavy[others], minlength=classes) / k
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(recalls(answers, classes) - alarms / (part.sum() - part), np.float64)


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A confusion that a shift creates.

    Fields:
        label, prediction: The class, and the other one that its samples are taken for.
        condition: Under which.
        shifted, clean: Share of the class's samples answered so.
        increase: The difference on the same samples.
        candidates: How many (condition, class, other class) it was chosen of; the interval of each number holds
            together with those of the same number of all candidates.
    """

    label: int
    prediction: int
    condition: str
    shifted: Estimate
    clean: Estimate
    increase: Estimate
    candidates: int


def confusion_increase(
    shifted: Rows, clean: Rows, label: int, prediction: int, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """What a shift adds to the share of a class that is taken for another; in [-1, 1].

    Samples that are answered so only under the shift, less those answered so only when clean: exact limits of both
    shares at half the error each, subtracted. Conservative, and so at the extreme levels that many candidates ask for,
    where ``paired_rates`` (a normal approximation) is not.

    Raises:
        NoSamplesError: No sample of the class that both hold.
    """
    return _increase(Answers.of([shifted, clean]), label, prediction, rule, level)


def _increase(pair: Answers, label: int, prediction: int, rule: str, level: float) -> Estimate:
    within, (now, before) = pair.label == label, (pair.prediction == prediction).T
    both = of_many(2, level)
    more = pair.share(within, (now & ~before)[:, None], rule, both)
    fewer = pair.share(within, (before & ~now)[:, None], rule, both)
    value = more.value - fewer.value
    method = f"{more.method}, difference"
    return enclosing(value, more.low - fewer.high, more.high - fewer.low, more.n, level, method)


def worst_confusions(
    conditions: Mapping[str, Rows],
    clean: Rows,
    classes: int,
    rule: str = "fixed",
    level: float = LEVEL,
    most: int = 8,
    fewest: int = FEWEST,
    curves: Mapping[str, str] | None = None,
) -> tuple[Confusion, ...]:
    """The confusions that shifts create, the surest and largest first.

    Each pair of classes is given once, and of each curve each answer once, so that a shift under which everything gets
    one answer does not fill the list.

    Every pair of classes under every condition is a candidate, and the intervals of all hold together (Bonferroni), so
    that choosing the largest does no harm. Only those whose increase is shown (its lower limit above 0) are given.

    Args:
        conditions: Shifted rows by condition.
        clean: Of the same samples.
        classes: How many classes the model can answer with.
        rule: ``fixed`` or ``anytime``.
        level: At which all intervals hold together.
        most: At most so many.
        fewest: Classes with fewer samples are no candidates.
        curves: Which conditions are strengths of one shift: names by condition; each is a curve of its own without.
    """
    pairs = {name: Answers.of([rows, clean]) for name, rows in conditions.items()}
    total = sum((classes - 1) * sum(n >= fewest for n in pair.counts().values()) for pair in pairs.values())
    if total == 0:
        return ()
    ranked = _ranked(pairs, classes, of_many(total, level), fewest)
    ranked.sort(key=lambda one: one[:2], reverse=True)
    found: list[Confusion] = []
    seen: set[Any] = set()
    for _, _, name, (label, prediction) in ranked:
        curve = name if curves is None else curves.get(name, name)
        if len(found) == most:
            break
        if not seen.isdisjoint([(label, prediction), (curve, prediction)]):
            continue
        one = _told(pairs[name], label, prediction, name, total, rule, level)
        # The ranking took all samples for independent and n for fixed; this interval heeds groups and the rule.
        if one.increase.low > 0:
            found.append(one)
            seen |= {(label, prediction), (curve, prediction)}
    return tuple(sorted(found, key=lambda c: (c.increase.low, c.increase.value), reverse=True))


def _ranked(
    pairs: Mapping[str, Answers], classes: int, level: float, fewest: int
) -> list[tuple[float, float, str, tuple[int, int]]]:
    """(lower limit, increase, condition, (class, other)) of those shown to have grown, as if all samples were
    independent."""
    names = list(pairs)
    grown = [_grown(pair, classes, fewest) for pair in pairs.values()]
    codes, more, fewer, n = (np.concatenate(columns) for columns in zip(*grown, strict=True))
    if not len(codes):
        return []
    condition = np.repeat(np.arange(len(names)), [len(columns[0]) for columns in grown])
    # Most counts come many times, and limits cost more than all the rest. Counts stay far under 2 ** 21.
    _, first, which = np.unique((more << 42) + (fewer << 21) + n, return_index=True, return_inverse=True)
    both = of_many(2, level)
    limits = exact_limits(more[first], n[first], both)[0] - exact_limits(fewer[first], n[first], both)[1]
    low, value = limits[which], (more - fewer) / n
    return [
        (float(low[i]), float(value[i]), names[condition[i]], (int(codes[i]) // classes, int(codes[i]) % classes))
        for i in np.flatnonzero(low > 0)
    ]


Counts = npt.NDArray[np.int64]


def _grown(pair: Answers, classes: int, fewest: int) -> tuple[Counts, Counts, Counts, Counts]:
    """(class * classes + other, samples that went there, that came back, samples of the class) where more went."""
    label = pair.label.astype(np.int64)
    now, before = pair.prediction[:, 0], pair.prediction[:, 1]
    size = np.bincount(label, minlength=classes)
    moved = now != before
    into, out = (moved & (given >= 0) & (given < classes) for given in (now, before))
    codes, more = np.unique((label * classes + now)[into & (now != label)], return_counts=True)
    gone, less = np.unique((label * classes + before)[out], return_counts=True)
    fewer = np.zeros(len(codes), np.int64)
    if len(gone) and len(codes):
        # A code past the last has no place there; the comparison after it drops what does not match.
        at = np.minimum(np.searchsorted(gone, codes), len(gone) - 1)
        fewer = np.where(gone[at] == codes, less[at], 0)
    n = size[codes // classes]
    kept = (n >= fewest) & (more > fewer)
    return codes[kept], more[kept], fewer[kept], n[kept]


def _told(pair: Answers, label: int, prediction: int, name: str, total: int, rule: str, level: float) -> Confusion:
    within, hits = pair.label == label, pair.prediction == prediction
    each = of_many(total, level)
    return Confusion(
        label=label,
        prediction=prediction,
        condition=name,
        shifted=pair.share(within, hits[:, :1], rule, each),
        clean=pair.share(within, hits[:, 1:], rule, each),
        increase=_increase(pair, label, prediction, rule, each),
        candidates=total,
    )

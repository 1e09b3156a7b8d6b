"""Groups of samples by context (background, site, camera): which fare worse than the rest, which a shift hits harder.

Samples of a context have classes of their own mix, so a context may look bad for holding hard classes. It is therefore
held against the rest twice: as it is, and class by class (the rest weighted to the context's mix). "Below the rest" is
said only where both say so, corrected by Holm for all that is asked; "hit harder" only where the points lost from
clean, these class by class, and the share kept above chance all say so.

Samples that depend on each other stay together, also where their group reaches over several contexts. Intervals of
differences and their p-values are Student's with the degrees of freedom of the smaller side. Coverage and false
claims: docs/measures.md.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Outcomes, Scores
from brittlestar.measures.effects import Effect, kept_effect, mean_effect
from brittlestar.measures.means import rate
from brittlestar.measures.samples import Samples, mean_of, repeated, together
from brittlestar.measures.selection import lowest, of_many

FEWEST = 10
"""A context with fewer independent samples is counted, and nothing is said of it."""

FEWEST_OF_CLASS = 5
"""A class within a context with fewer is no candidate for the lowest of all."""

_PSEUDO = 2.0
"""Made-up samples of opposite sign on each side, as in ``effects``: an interval never has no width."""

Texts = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Grouped:
    """Answers under one condition or several on the samples that all share, with a context a sample.

    Fields:
        samples: Which, and how they were drawn; those whose context is not known are left out.
        label: (n,).
        right: (n, conditions).
        context: (n,).
        unknown: How many samples were left out.
    """

    samples: Samples
    label: npt.NDArray[np.int32]
    right: Outcomes
    context: Texts
    unknown: int = 0

    @classmethod
    def of(cls, parts: Sequence[Rows], contexts: Texts) -> Grouped:
        """Of the rows of some conditions; ``contexts`` are by position.

        Raises:
            NoSamplesError: No condition, no sample in common, or none whose context is known.
        """
        samples, right = together(parts)
        context = contexts[samples.position]
        first = parts[0]
        order = np.argsort(first.position, kind="stable")
        label = first.label[order[np.searchsorted(first.position, samples.position, sorter=order)]]
        known = context != ""
        if not known.any():
            raise NoSamplesError("no sample has a context")
        if repeated(samples.position):
            raise NoSamplesError("contexts are told apart on still images, not on frames")
        return cls(_among(samples, known), label[known], right[known], context[known], int((~known).sum()))

    @functools.cached_property
    def of_class(self) -> npt.NDArray[np.intp]:
        """(n,) number of each sample's class among those that there are."""
        return np.unique(self.label, return_inverse=True)[1]

    @functools.cached_property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Samples and independent ones by context, in the order of their names."""
        found = {}
        for name in sorted(set(self.context.tolist())):
            own = self.context == name
            found[name] = int(own.sum()), _units(self.samples, own)
        return found

    @property
    def told(self) -> list[str]:
        """The contexts with enough independent samples."""
        return [name for name, (_, units) in self.counts.items() if units >= FEWEST]

    def accuracy(self, name: str, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """Share of right answers in a context, averaged over conditions; in [0, 1]."""
        return self._share(self.context == name, rule, level)

    def overall(self, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """Share of right answers of all samples whose context is known."""
        return self._share(np.ones(len(self.context), bool), rule, level)

    def cells(self) -> dict[tuple[int, str], int]:
        """Samples by class and context."""
        keys, counts = np.unique(np.stack([self.label.astype(str), self.context]), axis=1, return_counts=True)
        return {(int(k), str(c)): int(n) for k, c, n in zip(*keys, counts, strict=True)}

    def cell(self, label: int, name: str, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """Share of right answers among a class's samples in a context."""
        return self._share((self.context == name) & (self.label == label), rule, level)

    def _share(self, within: Outcomes, rule: str, level: float) -> Estimate:
        if not within.any():
            raise NoSamplesError("no samples in this context: its accuracy is undefined")
        hits, samples = self.right[within], _among(self.samples, within)
        if samples.plain and hits.shape[1] == 1:
            return rate(int(np.count_nonzero(hits)), len(hits), rule, level)
        return mean_of(samples, hits.mean(axis=1), rule, level, cap=hits.shape[1])


def _among(samples: Samples, within: Outcomes) -> Samples:
    """Some samples with the weights that they have: a context's mix of classes is its own, not the whole set's."""
    group = None if samples.group is None else samples.group[within]
    if group is not None and len(np.unique(group)) == len(group):
        group = None
    weight = None if samples.weight is None else samples.weight[within]
    label = None if samples.label is None else samples.label[within]
    return Samples(samples.position[within], group, weight, samples.unseen, label)


def _units(samples: Samples, within: Outcomes) -> int:
    return int(within.sum()) if samples.group is None else len(np.unique(samples.group[within]))


@dataclass(frozen=True, kw_only=True)
class AgainstRest:
    """A context against the rest.

    Fields:
        name: Of the context.
        raw: What it has less than the rest (accuracy, or accuracy lost from clean), below 0 where it fares worse.
        alike: The same class by class; ``None`` where the rest has no two samples of any of its classes.
        kept: Of a shift: the share kept above chance less that of the rest; ``None`` where one is not above chance.
        p, p_adjusted: Of all of them together, and by Holm for all that was asked.
        state: ``below``, ``above``, or empty where nothing is shown.
    """

    name: str
    raw: Estimate
    alike: Estimate | None
    kept: Estimate | None = None
    p: float
    p_adjusted: float
    state: str = ""


def against_rest(
    found: Grouped, name: str, rule: str = "fixed", level: float = LEVEL, clean: Outcomes | None = None
) -> AgainstRest:
    """A context's accuracy against that of all other samples; with ``clean`` what a shift adds to that.

    Args:
        found: Answers.
        name: Of the context.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.
        clean: (n,) correctness of the same samples on clean images.

    Raises:
        NoSamplesError: There is no other sample, or none of this context.
    """
    own = found.context == name
    if not own.any() or own.all():
        raise NoSamplesError("a context is held against other samples, and there are none")
    right = found.right.mean(axis=1)
    scores = right if clean is None else right - clean
    # The smaller side decides how well a spread is known.
    units = min(_units(found.samples, own), _units(found.samples, ~own))
    sides = _Sides(found.samples, own, rule, units)
    raw = sides.difference(scores)
    alike = sides.class_by_class(scores, found.of_class)
    judged: list[tuple[Effect | None, float]] = [(raw, sides.p(raw))]
    judged.append((alike, 1.0 if alike is None else sides.p(alike)))
    kept = None
    if clean is not None:
        kept = sides.kept(right, clean.astype(np.float64), found.of_class)
        judged.append((kept, 1.0 if kept is None else sides.p(kept)))
    signs = {0 if effect is None else int(np.sign(effect.value)) for effect, _ in judged}
    p = max(p for _, p in judged) if len(signs) == 1 and 0 not in signs else 1.0
    shown = [None if effect is None else sides.estimate(effect, level) for effect, _ in judged]
    assert shown[0] is not None
    return AgainstRest(
        name=name, raw=shown[0], alike=shown[1], kept=shown[2] if clean is not None else None, p=p, p_adjusted=p
    )


@dataclass(frozen=True)
class _Sides:
    """A context and the rest, and how differences between them are judged."""

    samples: Samples
    own: Outcomes
    rule: str
    units: int

    @functools.cached_property
    def weight(self) -> Scores:
        return np.ones(len(self.own)) if self.samples.weight is None else self.samples.weight

    def difference(self, scores: Scores) -> Effect:
        """Mean of the context less that of the rest, with what each of all samples contributes."""
        return self._whole(mean_effect(scores[self.own], self._weight(self.own)), self.own) - self._whole(
            mean_effect(scores[~self.own], self._weight(~self.own)), ~self.own
        )

    def class_by_class(self, scores: Scores, of: npt.NDArray[np.intp]) -> Effect | None:
        """Mean of the context less that of the rest's samples of the same classes, in the context's mix of them."""
        size = np.bincount(of, ~self.own)
        classes = len(size)
        # Of one sample no spread is known: such classes are no part of the comparison.
        shared = (size >= 2)[of]
        own, rest = self.own & shared, ~self.own & shared
        if not own.any():
            return None
        w, n = self.weight, len(scores)
        there = np.bincount(of[rest], w[rest], classes)
        mean = np.bincount(of[rest], w[rest] * scores[rest], classes) / np.where(there > 0, there, 1.0)
        mix = np.bincount(of[own], w[own], classes) / w[own].sum()
        share = w[own] / w[own].sum()
        left = scores[own] - mean[of[own]]
        value = float(share @ left)
        influence = np.zeros(n)
        influence[own] = n * share * (left - value)
        other = of[rest]
        # A mean of few samples has a spread that they show too little of.
        small = np.sqrt(size / np.maximum(size - 1, 1))
        influence[rest] = -n * mix[other] * w[rest] / there[other] * (scores[rest] - mean[other]) * small[other]
        return Effect(value, influence, n / max(int(own.sum()), 1))

    def kept(self, right: Scores, clean: Scores, of: npt.NDArray[np.intp]) -> Effect | None:
        """Share of the accuracy above chance that the context keeps less that of the rest, each with its own chance."""
        parts = []
        for side in (self.own, ~self.own):
            w = self._weight(side)
            # The largest class's share of this side (``measures.chance``), of classes that are numbered already.
            chance = float(np.bincount(of[side]).max() / np.count_nonzero(side))
            effect = kept_effect(mean_effect(right[side], w), mean_effect(clean[side], w), chance)
            if effect is None:
                return None
            parts.append(self._whole(effect, side))
        return parts[0] - parts[1]

    def _weight(self, side: Outcomes) -> Scores | None:
        return None if self.samples.weight is None else self.samples.weight[side]

    def _whole(self, effect: Effect, side: Outcomes) -> Effect:
        """An effect on some samples as one on all: what the others contribute is nothing."""
        n, own = len(side), int(side.sum())
        influence = np.zeros(n)
        # A spread is known from one sample fewer.
        influence[side] = effect.influence * n / own * math.sqrt(own / max(own - 1, 1))
        return Effect(effect.value, influence, effect.reach * n / own)

    def _error(self, effect: Effect) -> float:
        group = self.samples.group
        sums = (
            effect.influence
            if group is None
            else np.bincount(np.unique(group, return_inverse=True)[1], effect.influence)
        )
        # A made-up unit is as heavy as a unit of the smaller side is, of which ``reach`` knows only the samples.
        heavy = 1.0 if group is None else self._samples_a_unit()
        few = self.units / max(self.units - 1, 1) if group is not None else 1.0
        squares = few * float(np.square(sums).sum()) + _PSEUDO * (heavy * effect.reach) ** 2
        return math.sqrt(squares) / len(effect.influence)

    def _samples_a_unit(self) -> float:
        return float(min(self.own.sum(), (~self.own).sum())) / max(self.units, 1)

    def p(self, effect: Effect) -> float:
        """Two-sided, of no difference; 1 where nothing is known of the spread or a part of the set was not seen."""
        if self.units < 2 or self.samples.unseen > 0:
            return 1.0
        if self.rule == "anytime":
            return effect.p("anytime", self.samples.group)
        return float(2 * special.stdtr(self.units - 1, -abs(effect.value) / self._error(effect)))

    def estimate(self, effect: Effect, level: float) -> Estimate:
        """The difference with its interval."""
        if self.rule == "anytime":
            return effect.estimate(level, "anytime", self.samples.group)
        half = math.inf
        if self.units >= 2 and self.samples.unseen == 0:
            half = self._error(effect) * float(special.stdtrit(self.units - 1, 0.5 + level / 2))
        method = self.samples.words("linearised, Student's t of the smaller side")
        value = effect.value
        return Estimate(
            value=value, low=value - half, high=value + half, n=int(self.own.sum()), level=level, method=method
        )


def corrected(found: Sequence[AgainstRest], level: float = LEVEL) -> list[AgainstRest]:
    """The same with ``p_adjusted`` for their number, by Holm, and what is shown at the level."""
    from brittlestar.measures.compare import holm

    made = []
    for one, p in zip(found, holm([a.p for a in found]), strict=True):
        shown = ("below" if one.raw.value < 0 else "above") if p < 1 - level else ""
        made.append(dataclasses.replace(one, p_adjusted=float(p), state=shown))
    return made


def lowest_context(found: Grouped, rule: str = "fixed", level: float = LEVEL) -> tuple[str, Estimate]:
    """The context with the lowest accuracy, in an interval for the lowest of all (``selection.lowest``).

    Raises:
        NoSamplesError: No context has enough samples.
    """
    return lowest({name: functools.partial(found.accuracy, name, rule) for name in found.told}, level)


def lowest_cell(
    found: Grouped, rule: str = "fixed", level: float = LEVEL
) -> tuple[tuple[int, str], int, Estimate] | None:
    """The class in a context with the lowest accuracy, of how many, in an interval for the lowest of them all."""
    told = set(found.told)
    candidates = {
        (label, name): functools.partial(found.cell, label, name, rule)
        for (label, name), n in found.cells().items()
        if n >= FEWEST_OF_CLASS and name in told
    }
    if not candidates:
        return None
    key, estimate = lowest(candidates, level)
    return key, len(candidates), estimate


def gap(found: Grouped, rule: str = "fixed", level: float = LEVEL) -> tuple[str, str, Estimate] | None:
    """(best, worst, accuracy of the best context less that of the worst), ``None`` for fewer than two contexts.

    The interval holds the difference between the truly best and the truly worst: the accuracies of all contexts hold
    together at the level (Bonferroni), so it is at most the highest upper less the lowest lower limit, and at least the
    highest lower less the lowest upper one, and never under 0.
    """
    names = found.told
    if len(names) < 2:
        return None
    each = of_many(len(names), level)
    band = {name: found.accuracy(name, rule, each) for name in names}
    best, worst = max(names, key=lambda n: band[n].value), min(names, key=lambda n: band[n].value)
    low = max(0.0, max(e.low for e in band.values()) - min(e.high for e in band.values()))
    high = max(e.high for e in band.values()) - min(e.low for e in band.values())
    value = band[best].value - band[worst].value
    method = f"{band[worst].method}, band of {len(names):,}"
    n = band[best].n + band[worst].n
    return best, worst, Estimate(value=value, low=min(low, value), high=high, n=n, level=level, method=method)

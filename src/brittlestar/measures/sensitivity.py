"""Is one model more sensitive to a shift than another, or merely worse? Two measures against clean that must agree.

The plain difference in accuracy under a shift mixes what the shift does with what the models are worth on clean images.
Neither correction alone will do: points lost from clean exonerate a model whose answers are diluted (a constant
classifier loses nothing), and the share kept above chance condemns one that is good at what remains. So a model is
called more or less sensitive only where both say so, on each half of the images separately.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError
from brittlestar.measures.compare import holm
from brittlestar.measures.effects import (
    Effect,
    Groups,
    Part,
    additive_effect,
    halves,
    kept_effect,
    mean_effect,
    ratio_effect,
)
from brittlestar.measures.fourier import FourierMap, band_scores, common
from brittlestar.measures.samples import together
from brittlestar.measures.selection import of_many
from brittlestar.measures.unseen import apart, difference_with_room, kept_with_room

State = Literal[
    "more sensitive",
    "less sensitive",
    "depends on the scale",
    "not on each half",
    "worse everywhere",
    "better everywhere",
    "no difference shown",
    "undefined",
    "not all classes seen",
]
ALPHA = 0.05
"""Claims are made where Holm's p, over all that stand beside them, is under this."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How a shift changes one model (a) against another (b), on the same samples.

    Fields:
        raw: Accuracy of a minus that of b under the shift.
        clean: The same on clean images.
        additive: ``raw - clean``, in [-2, 2]: below 0, the shift takes more points from a.
        kept: The share of its accuracy above chance that each keeps under the shift, a and b; ``None`` where a model
            is not shown to be above chance on clean images.
        ratio: The first of ``kept`` minus the second: below 0, the shift leaves a less of what it could do.
        p: The largest p-value of the two measures, on all samples and on each half: small only where all agree.
        p_adjusted: After Holm's correction for what stands beside it; ``p`` where nothing does.
        halves: (additive, ratio) on each of two random halves of the samples (whole groups); none where ``unseen``.
        unseen: Share of the set that no sample stands for. All intervals leave room for it.
    """

    raw: Estimate
    clean: Estimate
    additive: Estimate
    kept: tuple[Estimate, Estimate] | None
    ratio: Estimate | None
    p: float
    p_adjusted: float
    halves: tuple[tuple[Estimate, Estimate | None], ...]
    unseen: float = 0.0

    @property
    def state(self) -> State:
        """What may be said; see ``State``. Model a is the subject."""
        if self.unseen > 0:
            return "not all classes seen"
        if self.ratio is None:
            return "undefined"
        first, second = sign_of(self.additive), sign_of(self.ratio)
        if first == second != 0:
            alike = all(sign_of(e) == first for half in self.halves for e in half if e is not None)
            if not alike or self.p_adjusted >= ALPHA:
                return "not on each half"
            return "more sensitive" if first < 0 else "less sensitive"
        if first or second:
            return "depends on the scale"
        if sign_of(self.raw) == sign_of(self.clean) != 0:
            return "worse everywhere" if sign_of(self.raw) < 0 else "better everywhere"
        return "no difference shown"


def sign_of(found: Estimate) -> int:
    """-1 or 1 where the whole interval lies below or above 0, else 0."""
    return -1 if found.high < 0 else 1 if found.low > 0 else 0


def sensitivity(
    shifted: tuple[npt.ArrayLike, npt.ArrayLike],
    clean: tuple[npt.ArrayLike, npt.ArrayLike],
    chance: float,
    *,
    rule: str = "fixed",
    level: float = LEVEL,
    group: npt.ArrayLike | None = None,
    weight: npt.ArrayLike | None = None,
    unseen: float = 0.0,
) -> Sensitivity:
    """Hold what a shift does to model a against what it does to model b.

    Args:
        shifted: Scores of a and of b under the shift, (n,) each in [0, 1]: 1 where right, or the share of several
            conditions in which they are.
        clean: The same on the unchanged images.
        chance: Accuracy of always answering the commonest class, in [0, 1].
        rule: ``fixed`` or ``anytime``.
        level: Of every interval.
        group: (n,) samples with an equal number depend on each other.
        weight: (n,) weights of the samples.
        unseen: Share of the set that no sample stands for; what a shift does there is unknown, so nothing is claimed
            while it is above 0, and all intervals leave room for it.

    Raises:
        NoSamplesError: There are none.
        UsageError: Arrays of different lengths, or an impossible chance.
    """
    require(0 <= chance <= 1, f"chance lies in [0, 1], got {chance}", UsageError)
    columns = [np.asarray(c, np.float64) for c in (*shifted, *clean)]
    n = len(columns[0])
    require(
        all(c.shape == (n,) for c in columns),
        f"scores are one number a sample, the same samples four times; got {[c.shape for c in columns]}",
        UsageError,
    )
    groups = None if group is None else np.asarray(group, np.int64)
    weights = None if weight is None else np.asarray(weight, np.float64)

    def measured(part: Part) -> tuple[Effect, Effect, Effect, Effect]:
        w = None if weights is None else weights[part]
        a, b, a_clean, b_clean = (mean_effect(c[part], w) for c in columns)
        return a, b, a_clean, b_clean

    def judged(part: Part) -> tuple[Effect, Effect | None]:
        means = measured(part)
        return additive_effect(*means), ratio_effect(*means, chance)

    whole: list[Part] = [slice(None)]
    a_shifted, b_shifted, a_clean, b_clean = measured(whole[0])
    kept = (kept_effect(a_shifted, a_clean, chance), kept_effect(b_shifted, b_clean, chance))
    some = () if unseen else halves(n, groups)
    parts = [(judged(part), None if groups is None else groups[part]) for part in (*whole, *some)]
    # A claim needs both measures on every part, so the largest p-value is its own (intersection-union test).
    p = max(1.0 if e is None or unseen else e.p(rule, g) for effects, g in parts for e in effects)

    def shown(effect: Effect, of: Groups | None, at: float = level) -> Estimate:
        found = effect.estimate(at, rule, of)
        return found if weights is None else dataclasses.replace(found, method=f"{found.method}, weighted by class")

    (additive, ratio), _ = parts[0]
    found = Sensitivity(
        raw=difference_with_room(shown(a_shifted - b_shifted, groups), unseen, 1.0),
        clean=difference_with_room(shown(a_clean - b_clean, groups), unseen, 1.0),
        additive=difference_with_room(shown(additive, groups), unseen, 2.0),
        kept=None if kept[0] is None or kept[1] is None else (shown(kept[0], groups), shown(kept[1], groups)),
        ratio=None if ratio is None else shown(ratio, groups),
        p=p,
        p_adjusted=p,
        halves=tuple((shown(d, g), None if r is None else shown(r, g)) for (d, r), g in parts[1:]),
        unseen=unseen,
    )
    if unseen == 0 or kept[0] is None or kept[1] is None:
        return found
    above = [Effect(e.value - chance, e.influence, e.reach) for e in (a_clean, b_clean)]

    def with_room(together: int) -> list[Estimate | None]:
        # Room needs the intervals of the share and of clean accuracy to hold: two a model, four for a difference.
        at = of_many(2 * together, level)
        return [
            kept_with_room(shown(k, groups, at), shown(c, groups, at), chance, unseen)
            for k, c in zip(kept, above, strict=True)
            if k is not None
        ]

    (one, other), (a, b) = with_room(1), with_room(2)
    if one is None or other is None or a is None or b is None:
        return dataclasses.replace(found, kept=None, ratio=None)
    both = [dataclasses.replace(e, level=level) for e in (one, other, a, b)]
    difference = apart(both[2], both[3], both[2].value - both[3].value)
    return dataclasses.replace(found, kept=(both[0], both[1]), ratio=difference)


def row_sensitivity(
    a: Sequence[Rows],
    b: Sequence[Rows],
    a_clean: Rows,
    b_clean: Rows,
    chance: float,
    rule: str = "fixed",
    level: float = LEVEL,
) -> Sensitivity:
    """``sensitivity`` of rows: the same conditions of both models (averaged) and their clean rows, on shared samples.

    Raises:
        NoSamplesError: No condition, or no sample in common.
        UsageError: Unequal numbers of conditions.
    """
    require(len(a) == len(b), f"models are compared on the same conditions, got {len(a)} and {len(b)}", UsageError)
    if not a:
        raise NoSamplesError("nothing to compare: no condition was given")
    samples, correct = together([a_clean, b_clean, *a, *b])
    m = len(a)
    return sensitivity(
        (correct[:, 2 : 2 + m].mean(axis=1), correct[:, 2 + m :].mean(axis=1)),
        (correct[:, 0], correct[:, 1]),
        chance,
        rule=rule,
        level=level,
        group=samples.group,
        weight=samples.weight,
        unseen=samples.unseen,
    )


def band_sensitivity(
    a: FourierMap,
    b: FourierMap,
    a_clean: Rows,
    b_clean: Rows,
    low: float,
    high: float,
    chance: float,
    level: float = LEVEL,
    rule: str = "fixed",
) -> Sensitivity:
    """``sensitivity`` to the waves with radius in (low, high], relative to Nyquist, averaged over the band.

    Raises:
        NoSamplesError: The maps and clean rows share no sample, or no frequency lies there.
        UsageError: Maps of different image sizes.
    """
    a, b = common(a, b)
    samples, clean = together([a_clean, b_clean])
    _, in_map, in_clean = np.intersect1d(a.positions, samples.position, return_indices=True)
    drawn = a.drawn.cut(in_map) if a.samples <= len(clean) else samples.cut(in_clean)
    shifted = [1 - band_scores(found, low, high)[in_map] for found in (a, b)]
    return sensitivity(
        (shifted[0], shifted[1]),
        (clean[in_clean, 0], clean[in_clean, 1]),
        chance,
        rule=rule,
        level=level,
        group=drawn.group,
        weight=drawn.weight,
        unseen=max(drawn.unseen, a.drawn.unseen, samples.unseen),
    )


def corrected_together(found: Sequence[Sensitivity]) -> list[Sensitivity]:
    """The same comparisons with ``p_adjusted`` for their number, by Holm."""
    adjusted = holm([f.p for f in found])
    return [dataclasses.replace(f, p_adjusted=float(p)) for f, p in zip(found, adjusted, strict=True)]

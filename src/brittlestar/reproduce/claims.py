"""Claims about what a recipe does: paired by seed, held against clean on two scales, corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar.measures import Estimate
from brittlestar.measures.compare import holm
from brittlestar.measures.effects import Effect, Part, additive_effect, halves, kept_effect, mean_effect, ratio_effect
from brittlestar.measures.sensitivity import ALPHA, sign_of
from brittlestar.reproduce.study import LEVEL, ClaimVerdict, State, Study, Table, percent, points

SEEDS = 5
"""Trainings a recipe from which on a claim about the recipe is made: with fewer, Student's multiplier is so large (10.9
for three seeds and six directions, 4.85 for five) that the claim rests on the tails of a law nobody checked."""

Scores = npt.NDArray[np.float64]
WHOLE: Part = slice(None)


@dataclass(frozen=True)
class Change:
    """What distinguishes a model from another under a shift, in one training: accuracies of the first minus the second.

    Fields:
        raw: Under the shift.
        clean: On clean images.
        additive: ``raw - clean``: below 0, the shift takes more points from the first.
        ratio: Share of the accuracy above chance that the first keeps minus that of the second; ``None`` where one is
            not above chance on clean images.
    """

    raw: Effect
    clean: Effect
    additive: Effect
    ratio: Effect | None

    def less(self, other: Change, factor: float) -> Change:
        """This change minus a multiple of another on the same images."""
        ratio = None if self.ratio is None or other.ratio is None else self.ratio - other.ratio.times(factor)
        return Change(
            self.raw - other.raw.times(factor),
            self.clean - other.clean.times(factor),
            self.additive - other.additive.times(factor),
            ratio,
        )


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One directed claim about a recipe.

    Fields:
        claim, claimed: As in ``ClaimVerdict``.
        sign: -1 where the recipe is claimed to be more sensitive than what it is held against, 1 for less.
        changes: Of some of the images, one change a seed.
        follows: Whether it goes on from the direction before it, and is tested only where that is shown.
    """

    claim: str
    claimed: str
    sign: int
    changes: Callable[[Part], list[Change]]
    follows: bool = False


def change(
    shifted: tuple[Scores, Scores], clean: tuple[Scores, Scores], chance: float, part: Part = WHOLE
) -> list[Change]:
    """One change a seed from scores (seeds, images) of two recipes under a shift and on clean images."""
    found = []
    for seed in range(len(shifted[0])):
        a, b, a_clean, b_clean = (mean_effect(s[seed][part]) for s in (*shifted, *clean))
        means = (a, b, a_clean, b_clean)
        found.append(Change(a - b, a_clean - b_clean, additive_effect(*means), ratio_effect(*means, chance)))
    return found


def between(study: Study, recipe: str, base: str, version: str, clean: str = "clean") -> Callable[[Part], list[Change]]:
    """``changes`` of a direction: two of a study's recipes under a version of the test images."""
    shifted = tuple(study.right[m, version].astype(np.float64) for m in (recipe, base))
    plain = tuple(study.right[m, clean].astype(np.float64) for m in (recipe, base))
    return lambda part: change((shifted[0], shifted[1]), (plain[0], plain[1]), study.chance, part)


def judge(study: Study, directions: Sequence[Direction]) -> list[ClaimVerdict]:
    """A verdict a direction.

    With ``SEEDS`` trainings or more a direction is confirmed where both measures against clean have the claimed sign
    over seeds (Student's t of the difference paired by seed) and over images (of the mean over seeds): the largest of
    the four p-values, by Holm over all directions of the experiment, is under ``ALPHA``. With fewer trainings nothing
    is claimed of the recipe, and what the models at hand show is said.
    """
    adjusted = holm([_p(study, d) for d in directions])
    verdicts: list[ClaimVerdict] = []
    for direction, p in zip(directions, adjusted, strict=True):
        found = _verdict(study, direction, float(p), len(directions))
        if direction.follows and not verdicts[-1].shown:
            measured = f"{found.measured}; what it goes on from is not shown"
            found = replace(found, state="not tested", shown=False, measured=measured)
        verdicts.append(found)
    return verdicts


def over_seeds(effects: Sequence[Effect]) -> Estimate:
    """The mean over seeds with Student's interval of the differences paired by seed; of one seed, over images."""
    if len(effects) == 1:
        return effects[0].estimate(LEVEL)
    values = np.array([e.value for e in effects])
    half = float(special.stdtrit(len(values) - 1, 0.5 + LEVEL / 2)) * _standard_error(values)
    mean = float(values.mean())
    return Estimate(
        value=mean, low=mean - half, high=mean + half, n=len(values), level=LEVEL, method="Student's t over seeds"
    )


def _standard_error(values: Scores) -> float:
    """Of a mean over seeds; never 0, as equal trainings would make it."""
    return max(float(values.std(ddof=1)) / math.sqrt(len(values)), 1e-9)


def _seed_p(effects: Sequence[Effect]) -> float:
    values = np.array([e.value for e in effects])
    t = abs(float(values.mean())) / _standard_error(values)
    return 2 * float(special.stdtr(len(values) - 1, -t))


def _measures(changes: Sequence[Change]) -> tuple[list[Effect], list[Effect]] | None:
    ratios = [c.ratio for c in changes if c.ratio is not None]
    return ([c.additive for c in changes], ratios) if len(ratios) == len(changes) else None


def _p(study: Study, direction: Direction) -> float:
    """Small only where both measures lie on the claimed side, over images and, with seeds, over these too."""
    # With too few seeds to test over, each half of the images has to say it, as when any two models are compared.
    parts: list[Part] = [WHOLE] if study.setting.seeds >= SEEDS else [WHOLE, *halves(len(study.labels))]
    largest: float = 0.0
    for part in parts:
        both = _measures(direction.changes(part))
        if both is None:
            return 1.0
        for effects in both:
            mean = Effect.average(effects)
            # The p-values are two-sided and know no direction.
            if mean.value * direction.sign <= 0:
                return 1.0
            # A claim that needs all of these tests is as sure as the least sure one; their number needs no correction.
            largest = max(largest, mean.p())
            if study.setting.seeds >= SEEDS:
                largest = max(largest, _seed_p(effects))
    return largest


def _verdict(study: Study, direction: Direction, p: float, family: int) -> ClaimVerdict:
    changes = direction.changes(WHOLE)
    both = _measures(changes)
    raw, clean = (over_seeds([getattr(c, name) for c in changes]) for name in ("raw", "clean"))
    text = f"raw {points(raw)}; clean {points(clean)}; "
    state: State
    if both is None:
        text += f"beyond clean {points(over_seeds([c.additive for c in changes]))}; a model is not shown to be above "
        text += "chance on clean images, so nothing is said of what is kept"
        return ClaimVerdict(claim=direction.claim, claimed=direction.claimed, measured=text, state="not tested")
    additive, ratio = (over_seeds(effects) for effects in both)
    text += f"beyond clean {points(additive)}; kept of the accuracy above chance {points(ratio)}"
    shown = p < ALPHA
    signs = {sign_of(additive), sign_of(ratio)}
    if shown:
        state = "confirmed"
        words = f"{_more(direction.sign)} on both scales"
    elif signs == {-direction.sign}:
        state = "not confirmed"
        words = f"the intervals of both scales lie on the other side: {_more(-direction.sign)}"
    elif signs == {direction.sign}:
        state = "not confirmed"
        tests = "over seeds and over images" if study.setting.seeds >= SEEDS else "on each half of the images"
        words = f"both intervals lie on the side of {_more(direction.sign)}, but not {tests} after correction"
    elif signs in ({0, 1}, {0, -1}, {1, -1}):
        state = "depends on the scale"
        words = "whether it is more sensitive depends on the scale"
    else:
        state = "not confirmed"
        worse = sign_of(raw) == sign_of(clean)
        words = {
            -1: "worse everywhere, not shown to be more sensitive",
            1: "better everywhere, not shown to be less sensitive",
        }.get(sign_of(raw) if worse else 0, "shown on neither scale")
    corrected = f" (Holm over {family} directions: p = {p:.2g})" if family > 1 else f" (p = {p:.2g})"
    if study.setting.seeds < SEEDS:
        several = f"these {study.setting.seeds} pairs of models on average"
        models = "these two models" if study.setting.seeds == 1 else several
        return ClaimVerdict(
            claim=direction.claim,
            claimed=direction.claimed,
            measured=f"{text}; of {models}: {words}{', on each half of the images' if shown else ''}{corrected}",
            state="no claim",
            shown=shown,
        )
    return ClaimVerdict(
        claim=direction.claim,
        claimed=direction.claimed,
        measured=f"{text}; {words}{corrected}",
        state=state,
        shown=shown,
    )


def _more(sign: int) -> str:
    return "more sensitive" if sign < 0 else "less sensitive"


def against_clean(study: Study, base: str, versions: Sequence[str]) -> Table:
    """Every recipe against ``base`` under every version: the raw difference, and the two measures against clean."""
    rows = []
    for recipe in study.files:
        if recipe == base:
            continue
        for version in versions:
            changes = between(study, recipe, base, version)(WHOLE)
            both = _measures(changes)
            kept = [_kept(study, model, version) for model in (recipe, base)]
            raw = over_seeds([c.raw for c in changes])
            additive = over_seeds([c.additive for c in changes])
            ratio = "a model is at chance" if both is None else points(over_seeds(both[1]))
            rows.append((recipe, version, points(raw), points(additive), *kept, ratio))
    header = ("trained", "tested on", "raw", "beyond clean", "kept above chance", f"kept by {base}", "kept, difference")
    how = "over images" if study.setting.seeds == 1 else f"over {study.setting.seeds} seeds"
    return f"Against {base}, less what they differ by on clean images (95 %, {how})", header, tuple(rows)


def _kept(study: Study, model: str, version: str) -> str:
    kept = []
    for shifted, clean in zip(study.right[model, version], study.right[model, "clean"], strict=True):
        kept.append(kept_effect(mean_effect(shifted), mean_effect(clean), study.chance))
    known = [k for k in kept if k is not None]
    return percent(over_seeds(known)) if len(known) == len(kept) else "at chance"

"""Surface statistical regularities: Jo and Bengio's matrix of training and test versions, and what depth does to it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from scipy import special
from torch import nn

from brittlestar.core.errors import UsageError, require
from brittlestar.measures import Estimate
from brittlestar.measures.effects import Effect, kept_effect, mean_effect
from brittlestar.models import zoo
from brittlestar.reproduce.architectures import by_architecture
from brittlestar.reproduce.claims import SEEDS
from brittlestar.reproduce.study import LEVEL, ClaimVerdict, Right, State, Study, Table, above, points
from brittlestar.training import FullyAugmented, Recipe

HARDLY = 0.75
"""Depth hardly decreases a gap where more than this share of it is left; the paper gives no number."""

UNION = "all versions"
_MATRIX = "trained on / tested on"


def compare(study: Study) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...]]:
    """For each architecture, train a model on each version of the images and one on all, test each on every version.

    Args:
        study: Whose setting names one architecture, or several with commas.

    Returns:
        Verdicts, one table an architecture, conditions.

    Raises:
        UsageError: Several architectures of the same depth.
    """
    studies = by_architecture(study)
    several = len(studies) > 1
    layers = {name: depth(name, study) for name in studies} if several else {}
    require(
        not several or len(set(layers.values())) > 1,
        f"architectures of different depth are compared, {', '.join(studies)} have the same number of layers",
        UsageError,
    )
    verdicts: list[ClaimVerdict] = []
    tables: list[Table] = []
    for name, own in studies.items():
        own.train(_recipes(own))
        own.measure(_union(own).versions())
        start = f"{name}, t" if several else "T"
        verdicts += _gaps(own, start)
        caption = f"Accuracy of {name}" if several else "Accuracy"
        tables.append((f"{caption}, with 95 % intervals over images", *own.matrix(_MATRIX)))
    if not several:
        return verdicts, tuple(tables), ()
    shallow, *_, deep = sorted(studies, key=lambda name: layers[name])
    trained = [m for m in _recipes(study) if m != UNION]
    verdicts += [_depth(studies[shallow], studies[deep], m, len(trained)) for m in trained]
    listed = ", ".join(f"{name} {layers[name]}" for name in sorted(studies, key=lambda name: layers[name]))
    fact = (
        f"Convolutions and linear layers: {listed}. Depth hardly decreases a gap where more than {100 * HARDLY:.0f} % "
        f"of the gap of {shallow} is left in {deep} on the same images. The intervals of differences between gaps are "
        "over images and hold for all pairs of test versions, and for depth for all training versions, together."
    )
    return verdicts, tuple(tables), (fact,)


def depth(architecture: str, study: Study) -> int:
    """How many convolutions and linear layers an architecture has for the images of a study."""
    channels, height, width = study.shape
    model = zoo.build(architecture, len(study.train_source.info.classes), channels, max(height, width))
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules())


def gap(right: Mapping[str, Right], chance: float | None = None) -> float:
    """Accuracy on the best version minus that on the worst; ``right`` is (seeds, images) by version.

    With ``chance`` the same over what the best version has above it: the share that the worst one loses. A model whose
    answers are merely diluted has a smaller gap in points, and loses the same share.
    """
    found = [hits.mean() for hits in right.values()]
    best, worst = float(max(found)), float(min(found))
    if chance is None:
        return best - worst
    return (best - worst) / (best - chance) if best > chance else math.nan


def gap_difference(
    first: Mapping[str, Right],
    second: Mapping[str, Right],
    factor: float = 1.0,
    family: int = 1,
    chance: float | None = None,
) -> Estimate | None:
    """The gap of one model minus a multiple of another's on the same images, whichever versions are best and worst.

    A gap is the largest difference between two versions, so that of the first minus that of the second is the largest,
    over pairs of the first, of the least, over pairs of the second, of what both pairs differ by. It rises with each of
    these, so their simultaneous (Bonferroni) ends give its own.

    Args:
        first, second: By version, (seeds, images), averaged over seeds.
        factor: Of the second's gap; above 0.
        family: How many such intervals hold together.
        chance: Compare the shares that are lost above it (see ``gap``) instead of points.

    Returns:
        ``None`` where shares are compared and a model is not shown to be above chance on any version.
    """
    pairs = list(permutations(first, 2))
    level = 1 - (1 - LEVEL) / (len(pairs) ** 2 / 2 * family)  # both pairs reversed: the same interval, mirrored
    found = [[_apart(right, pair, chance) for pair in pairs] for right in (first, second)]
    ours, theirs = ([e for e in effects if e is not None] for effects in found)
    if not ours or not theirs:
        return None
    every = [[(a - b.times(factor)).estimate(level) for b in theirs] for a in ours]
    return Estimate(
        value=gap(first, chance) - factor * gap(second, chance),
        low=max(min(e.low for e in row) for row in every),
        high=max(min(e.high for e in row) for row in every),
        n=every[0][0].n,
        level=LEVEL,
        method="Bonferroni over pairs of versions",
    )


def _apart(right: Mapping[str, Right], pair: tuple[str, str], chance: float | None = None) -> Effect | None:
    better, worse = (mean_effect(right[version].mean(axis=0)) for version in pair)
    if chance is None:
        return better - worse
    kept = kept_effect(worse, better, chance)
    return None if kept is None else Effect(1 - kept.value, -kept.influence, kept.reach)


def _union(study: Study) -> FullyAugmented:
    return FullyAugmented(radius=4.0 if study.shape[0] == 1 else 8.0)


def _recipes(study: Study) -> dict[str, Recipe]:
    """What is trained: a recipe a version, and one on all."""
    union = _union(study)
    return {**{version: dataclasses.replace(union, among=version) for version in union.versions()}, UNION: union}


def _right(study: Study, model: str) -> dict[str, Right]:
    return {version: hits for (m, version), hits in study.right.items() if m == model}


def _gaps(study: Study, start: str) -> list[ClaimVerdict]:
    """A gap of every training version, and whether training on all of them reduces it."""
    verdicts, gaps = [], {}
    for model in study.files:
        found = {v: float(hits.mean()) for v, hits in _right(study, model).items()}
        best, worst = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
        gaps[model] = study.gap(model, best, worst)
        if model != UNION:
            verdicts.append(
                ClaimVerdict(
                    claim=f"{start}rained on {model}: a gap between test versions (best {best}, worst {worst})",
                    claimed="up to 28 points (SVHN, CIFAR-10, ResNets)",
                    measured=points(gaps[model]),
                    state=above(gaps[model]),
                )
            )
    plain, union = _right(study, "unfiltered"), _right(study, UNION)
    scales = []
    for chance in (None, study.chance):
        less = gap_difference(union, plain, chance=chance)
        spread = [gap(p, chance) - gap(u, chance) for p, u in _by_seed(plain, union)]
        scales.append((less, less is not None and less.high < 0, spread))
    state, words = judged(*((shown, spread) for _, shown, spread in scales))
    measured = f"{points(gaps['unfiltered'])} to {points(gaps[UNION])}: {_both(*(less for less, _, _ in scales))}"
    verdicts.append(
        ClaimVerdict(
            claim=f"{start}raining on all versions reduces the gap of training on the unfiltered one",
            claimed="to a few points",
            measured=measured + words,
            state=state,
        )
    )
    return verdicts


def _depth(shallow: Study, deep: Study, model: str, family: int) -> ClaimVerdict:
    first, second = _right(deep, model), _right(shallow, model)
    names = shallow.setting.architecture, deep.setting.architecture
    changes, scales = [], []
    for chance in (None, deep.chance):
        change, left = (gap_difference(first, second, factor, family, chance) for factor in (1.0, HARDLY))
        changes.append(change)
        spread = [gap(d, chance) - HARDLY * gap(s, chance) for d, s in _by_seed(first, second)]
        scales.append((left is not None and left.low > 0, spread))
    state, words = judged(*scales)
    # Where there is no gap, that it hardly decreases would be true of noise.
    there = _smallest_gap(second, family) > 0
    return ClaimVerdict(
        claim=f"Trained on {model}: the gap hardly decreases with depth (more than {100 * HARDLY:.0f} % of that of "
        f"{names[0]} is left in {names[1]})",
        claimed="it hardly decreases from 92 to 200 layers (no figure)",
        measured=f"{100 * gap(second):.1f} to {100 * gap(first):.1f} points: {_both(*changes)}"
        + (words if there else "; no gap is shown that could decrease"),
        state=state if there else "not tested",
    )


def _smallest_gap(right: Mapping[str, Right], family: int) -> float:
    """The lower end of a gap's interval."""
    pairs = list(permutations(right, 2))
    # A pair reversed has the same interval, mirrored, so half of the pairs count.
    level = 1 - (1 - LEVEL) / (len(pairs) / 2 * family)
    return max(e.estimate(level).low for pair in pairs if (e := _apart(right, pair)) is not None)


def _by_seed(
    first: Mapping[str, Right], second: Mapping[str, Right]
) -> list[tuple[dict[str, Right], dict[str, Right]]]:
    seeds = len(next(iter(first.values())))
    return [
        ({v: hits[s : s + 1] for v, hits in first.items()}, {v: hits[s : s + 1] for v, hits in second.items()})
        for s in range(seeds)
    ]


def _both(change: Estimate | None, share: Estimate | None) -> str:
    """A difference between gaps in points, and in the share of the accuracy above chance that is lost."""
    lost = "a model is not shown to be above chance" if share is None else points(share)
    return f"{'' if change is None else points(change)}; in the share lost of the accuracy above chance {lost}"


def judged(*scales: tuple[bool, Sequence[float]]) -> tuple[State, str]:
    """What a claim about training comes to: shown over images, and over seeds where there are enough, on every scale.

    Args:
        scales: Whether the interval over images lies on the claimed side, and one number a seed, above 0 where the
            claim holds.

    Returns:
        The state, and words to stand behind what was measured.
    """
    seeds = len(scales[0][1])
    over_images = [shown for shown, _ in scales]
    if seeds < SEEDS:
        which = "one training each" if seeds == 1 else f"{seeds} trainings each"
        return "no claim", f"; of these models ({which}): {_told(over_images)}"
    over_seeds = []
    for _, spread in scales:
        values = np.asarray(spread)
        half = float(special.stdtrit(seeds - 1, 0.5 + LEVEL / 2)) * float(values.std(ddof=1)) / seeds**0.5
        over_seeds.append(float(values.mean()) - half > 0)
    words = f"; over {seeds} seeds (Student, 95 %): {_told(over_seeds)}"
    both = [a and b for a, b in zip(over_images, over_seeds, strict=True)]
    return ("confirmed" if all(both) else "depends on the scale" if any(both) else "not confirmed"), words


def _told(shown: Sequence[bool]) -> str:
    """``as claimed`` only where every scale says so."""
    return "as claimed" if all(shown) else "it depends on the scale" if any(shown) else "not shown"

"""What a person can do next, with the evidence for it: never a promise that nobody measured."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from brittlestar.core.options import option
from brittlestar.measures import Estimate, Sensitivity
from brittlestar.report.section import Action
from brittlestar.report.series import Series
from brittlestar.report.subjects import Subject

SEEDS = 5
"""A recipe is recommended from so many trainings on, of it and of what it is held against."""

WIDE = 0.2
"""An interval wider than this asks for more images before anything else."""

WORTH = 0.15
"""So much more must be kept before it is worth a training: 14 % instead of 4 % is still a failure."""

USEFUL = 0.25
"""What is recommended is shown to keep more than this."""

RECIPE = re.compile(r"trained with the recipe (\w+)")

MEASURED: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("gaussian_noise", ""): ("gaussian", ("digits", "fashion-mnist", "cifar10-jpeg")),
    ("uniform_noise", ""): ("uniform", ("digits", "fashion-mnist", "cifar10-jpeg")),
    ("band_noise", "high"): ("adversarial", ("cifar10-jpeg",)),
}
"""What five trainings, paired by seed and held against clean on both scales, confirmed, and on which data:
docs/reproductions."""

UNTRIED = {
    "noise": "gaussian",
    "geometric": "randaugment",
    "colour": "randaugment",
    "blur": "augmix",
    "digital": "augmix",
    "weather": "augmix",
    "trust": "adversarial",
}
"""Recipes whose papers aim at a family; without evidence here they are called untried."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What advice is made from.

    Fields:
        subject: The model hit hardest.
        family: Of the curve; ``trust`` for attacks.
        series: The curve.
        shown: The number of the finding.
        compared: Each other model, the hardest hit one against it, and what it keeps under the same condition.
    """

    subject: Subject
    family: str
    series: Series
    shown: Estimate
    compared: tuple[tuple[Subject, Sensitivity, Estimate], ...]


def recipe_of(subject: Subject) -> str:
    """The recipe that a model's file says it was trained with; empty where it says nothing."""
    notes = " ".join(str(note) for note in subject.entry.about.get("notes") or ())
    found = RECIPE.search(notes)
    return found.group(1) if found else ""


def advised(a: Advice) -> Action | None:
    """The best supported of: a recipe of this run, another model, a measured recipe, more images, an untried recipe."""
    return _of_run(a) or _measured(a) or _more(a) or _untried(a)


def _of_run(a: Advice) -> Action | None:
    """A model of this run that keeps more, both measures against clean agreeing."""
    better = [
        (s, kept)
        for s, found, kept in a.compared
        if found.state == "more sensitive"
        # Intervals that do not meet, and a gap worth acting on: a difference can be sure and still too small.
        and kept.low > max(a.shown.high, USEFUL)
        and kept.value - a.shown.value > WORTH
    ]
    if not better:
        return None
    # By the lower limit, as findings rank.
    best, kept = max(better, key=lambda one: one[1].low)
    recipe, own = recipe_of(best), recipe_of(a.subject)
    if not recipe or recipe == own:
        return Action(verb="choose", what=best.entry.name, evidence="kept", estimate=kept)
    seeds = [k for s, _, k in a.compared if recipe_of(s) == recipe]
    # ``compared`` leaves out the model hit hardest, which is itself one of the trainings with its recipe.
    against = [a.shown, *(k for s, _, k in a.compared if recipe_of(s) == own)]
    trained = over_seeds(seeds)
    if own and trained is not None and helped(seeds, against):
        return Action(verb="train with", what=recipe, evidence=f"{len(seeds)} models here kept", estimate=trained)
    return Action(verb="try", what=recipe, evidence="one model here kept", estimate=kept)


def over_seeds(kept: Sequence[Estimate]) -> Estimate | None:
    """The mean over trainings with Student's interval over them; ``None`` of fewer than five."""
    if len(kept) < SEEDS:
        return None
    values = np.array([e.value for e in kept])
    # Trainings are the sample here: an interval over images would say nothing about the next seed.
    half = _reach(values) * float(special.stdtrit(len(values) - 1, 0.5 + kept[0].level / 2))
    value = float(values.mean())
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=len(kept),
        level=kept[0].level,
        method="Student's t, trainings",
    )


def helped(recipe: Sequence[Estimate], other: Sequence[Estimate]) -> bool:
    """Whether trainings with a recipe keep more than as many without, by Welch's interval over trainings."""
    if min(len(recipe), len(other)) < SEEDS:
        return False
    a, b = (np.array([e.value for e in group]) for group in (recipe, other))
    first, second = _reach(a) ** 2, _reach(b) ** 2
    # Welch and Satterthwaite's degrees of freedom; without any spread they would be 0 / 0.
    freedom = (first + second) ** 2 / (first**2 / (len(a) - 1) + second**2 / (len(b) - 1)) if first + second else 1.0
    half = math.sqrt(first + second) * float(special.stdtrit(freedom, 0.975))
    return bool(a.mean() - b.mean() > half)


def _reach(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _measured(a: Advice) -> Action | None:
    recipe, where = MEASURED.get((a.series.shift, a.series.series), ("", ()))
    if not recipe or recipe_of(a.subject) == recipe:
        return None
    name = str(a.subject.data.about.get("name", ""))
    # The name of a half or a split begins with that of its data set; a bare prefix would take in other data sets.
    data = next((d for d in where if name == d or name.startswith((f"{d}-", f"{d}:"))), "")
    verb = "train with" if data else "try"
    return Action(verb=verb, what=recipe, evidence=f"five trainings on {data or where[0]} kept more")


def _more(a: Advice) -> Action | None:
    if a.shown.high - a.shown.low <= WIDE or a.subject.data.count <= a.shown.n:
        return None
    # Intervals shrink with the square root of the count: so many, in round hundreds, make this one no wider than WIDE.
    wanted = math.ceil(a.shown.n * ((a.shown.high - a.shown.low) / WIDE) ** 2 / 100) * 100
    more = option("samples", min(wanted, a.subject.data.count))
    half_done = a.shown.n < a.subject.entry.samples
    return Action(verb="measure", what="more images", evidence="the same command goes on" if half_done else more)


def _untried(a: Advice) -> Action | None:
    recipe = UNTRIED.get(a.family, "")
    if not recipe or recipe_of(a.subject) == recipe:
        return None
    return Action(verb="try", what=recipe, evidence="untried here")

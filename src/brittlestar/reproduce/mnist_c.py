"""Do defences against small perturbations help against MNIST-C's corruptions? (Mu and Gilmer 2019)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.effects import Part
from brittlestar.reproduce.claims import Change, Direction, against_clean, change, judge
from brittlestar.reproduce.study import ClaimVerdict, Study, Table
from brittlestar.shifts import Shift
from brittlestar.suites.mnist_c import MNIST_C
from brittlestar.training import Adversarial, GaussianAugmentation, Natural, Recipe

BASE = "natural"

RECIPES: dict[str, Recipe] = {
    BASE: Natural(),
    "gaussian": GaussianAugmentation(sigma=0.3),
    # The budget that defences of MNIST are published for, and half of it.
    "adversarial .15": Adversarial(epsilon=0.15, steps=4),
    "adversarial .3": Adversarial(epsilon=0.3, steps=7),
}


def compare(study: Study) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...]]:
    """Train, measure all 15 corruptions, judge: verdicts, tables, facts.

    Raises:
        UsageError: Data of another number of channels than 1.
    """
    require(study.shape[0] == 1, f"mnist-c takes grey digits, got images of {study.shape[0]} channels", UsageError)
    asked = MNIST_C.conditions(study.shape)
    shifts = {one.info.title: one.definition for one in asked if isinstance(one.definition, Shift)}
    study.train(RECIPES)
    study.measure({"clean": None, **shifts})
    defences = [name for name in RECIPES if name != BASE]
    facts = ("the mean is over the 15 corruptions at the published setting; shifted images are not rounded to 8 bits",)
    return (
        judge(study, directions(study, defences, tuple(shifts))),
        (_means(study, tuple(shifts)), against_clean(study, BASE, [*shifts])),
        facts,
    )


def directions(study: Study, defences: Sequence[str], versions: tuple[str, ...]) -> list[Direction]:
    """The paper's claim for each recipe, on the mean over corruptions."""
    return [
        Direction(
            claim=f"{name.capitalize()} training makes models more sensitive to MNIST-C as a whole",
            claimed="several defences have a higher mean corruption error than a plain CNN (no figure)",
            sign=-1,
            changes=_mean_changes(study, name, versions),
        )
        for name in defences
    ]


def _mean_changes(study: Study, recipe: str, versions: tuple[str, ...]) -> Callable[[Part], list[Change]]:
    shifted = tuple(_mean_right(study, m, versions) for m in (recipe, BASE))
    clean = tuple(study.right[m, "clean"].astype(np.float64) for m in (recipe, BASE))
    return partial(change, (shifted[0], shifted[1]), (clean[0], clean[1]), study.chance)


def _mean_right(study: Study, model: str, versions: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """(seeds, images) shares of the versions that are answered rightly."""
    right = np.stack([study.right[model, version] for version in versions])
    return np.asarray(right.mean(axis=0), np.float64)


def _means(study: Study, versions: tuple[str, ...]) -> Table:
    """Mean corruption error of each recipe, over all seeds, and relative to the plain CNN's as a published mCE is."""
    plain = {v: 1 - float(study.right[BASE, v].mean()) for v in versions}
    rows = []
    for name in study.files:
        errors = {v: 1 - float(study.right[name, v].mean()) for v in versions}
        clean = 1 - float(study.right[name, "clean"].mean())
        mean = float(np.mean(list(errors.values())))
        ratios = [errors[v] / plain[v] for v in versions if plain[v] > 0]
        shown = f"{100 * float(np.mean(ratios)):.1f}" if len(ratios) == len(versions) else "undefined"
        rows.append((name, f"{100 * clean:.1f}", f"{100 * mean:.1f}", shown))
    header = ("trained", "clean error (%)", "mean corruption error (%)", f"mCE over {BASE} (%)")
    return "Errors, means over seeds; their intervals stand in the tables below", header, tuple(rows)

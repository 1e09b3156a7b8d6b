"""What training on one degradation is worth under another: every recipe on every degradation (Geirhos et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from brittlestar.measures.effects import Part
from brittlestar.reproduce.claims import Change, Direction, against_clean, between, judge
from brittlestar.reproduce.study import ClaimVerdict, Study, Table
from brittlestar.shifts import (
    Grey,
    GreyContrast,
    GreyHighPass,
    GreyLowPass,
    GreySaltAndPepper,
    GreyUniformNoise,
    PhaseNoise,
    QuarterTurn,
    Shift,
)
from brittlestar.training import DEGRADATIONS, Degraded, Natural, Recipe

BASE = "colour"
NOISES = {"salt_and_pepper": "salt-and-pepper noise", "uniform": "uniform noise"}
"""The two that look alike to people."""

COLUMNS = ("colour", "grey", "c 5 %", "lp 7", "hp .7", "phase 90", "turn 90", "s&p .2", "unif .35")

PUBLISHED: dict[str, tuple[float, ...]] = {
    "colour": (96.7, 87.8, 13.1, 18.9, 21.1, 23.3, 36.5, 6.1, 6.2),
    "grey": (90.6, 95.6, 14.2, 16.1, 24.7, 28.3, 43.3, 6.4, 7.3),
    "contrast": (50.0, 94.1, 89.4, 16.4, 29.9, 31.2, 39.9, 5.8, 6.9),
    "low_pass": (83.1, 86.2, 19.6, 78.4, 11.7, 27.0, 31.8, 7.9, 9.0),
    "high_pass": (86.1, 93.2, 39.8, 11.9, 92.6, 46.6, 40.4, 6.2, 7.3),
    "phase": (84.2, 87.8, 17.1, 16.0, 27.7, 81.4, 37.7, 6.2, 6.2),
    "rotation": (90.8, 90.5, 10.2, 9.8, 8.3, 24.4, 89.0, 6.4, 6.0),
    "salt_and_pepper": (10.4, 10.3, 28.6, 6.9, 10.4, 7.4, 8.5, 79.4, 10.2),
    "uniform": (8.1, 9.8, 29.0, 6.6, 20.6, 8.9, 8.0, 6.2, 80.3),
    "all but salt_and_pepper": (95.9, 95.1, 88.2, 74.9, 90.7, 82.6, 80.5, 13.6, 71.5),
    "all but uniform": (95.5, 94.8, 90.9, 74.7, 91.4, 82.9, 80.1, 78.6, 11.0),
}
"""Accuracy in percent of ResNet-50 on 16-class ImageNet, recomputed from the authors' raw data; in ``COLUMNS``."""


def compare(study: Study) -> tuple[list[ClaimVerdict], tuple[Table, ...], tuple[str, ...]]:
    """Train one recipe a degradation and two on all but a noise, measure each under all; verdicts, tables, facts."""
    study.train(_recipes())
    tested = _versions(study)
    study.measure(tested)
    shifted = [name for name in tested if name != "clean"]
    facts = (
        "every training image under a published level drawn anew; lengths of filters are scaled to the images' size",
        "the published matrix is of other images, another architecture and 16 classes: compare patterns, not numbers",
    )
    published = tuple((name, *(f"{value:.1f}" for value in row)) for name, row in PUBLISHED.items())
    tables: tuple[Table, ...] = (
        ("Published: accuracy (%) of ResNet-50 on 16-class ImageNet", ("trained on / tested on", *COLUMNS), published),
        against_clean(study, BASE, shifted),
    )
    return judge(study, directions(study)), tables, facts


def directions(study: Study) -> list[Direction]:
    """A noise helps against itself, and less than half as much against the other, alone and among all others."""
    found = []
    for trained, (own, other) in {"salt_and_pepper": (0, 1), "uniform": (1, 0)}.items():
        names = [*NOISES.items()]
        (_, here), (away, there) = names[own], names[other]
        gained, abroad = between(study, trained, BASE, trained), between(study, trained, BASE, away)
        among = between(study, f"all but {away}", BASE, away)
        specialised = between(study, away, BASE, away)
        found += [
            Direction(
                claim=f"Training on {here} makes models less sensitive to it",
                claimed=f"from 6 % to {PUBLISHED[trained][COLUMNS.index('s&p .2') + own]:.0f} %",
                sign=1,
                changes=gained,
            ),
            Direction(
                claim=f"... and helps less than half as much against {there} (the gain there, less half of that here)",
                claimed="chance, and the other way round",
                sign=-1,
                changes=partial(_less_half, abroad, gained),
                follows=True,
            ),
            Direction(
                claim=f"Training on everything but {there} helps less than half as much against it as training on it",
                claimed=f"{PUBLISHED[f'all but {away}'][COLUMNS.index('s&p .2') + other]:.0f} % against "
                f"{PUBLISHED[away][COLUMNS.index('s&p .2') + other]:.0f} %",
                sign=-1,
                changes=partial(_less_half, among, specialised),
            ),
        ]
    return found


def _less_half(other: Callable[[Part], list[Change]], own: Callable[[Part], list[Change]], part: Part) -> list[Change]:
    return [a.less(b, 0.5) for a, b in zip(other(part), own(part), strict=True)]


def _recipes() -> dict[str, Recipe]:
    single: dict[str, Recipe] = {name: Degraded(members=name) for name in DEGRADATIONS if name != BASE}
    among = {
        f"all but {noise}": Degraded(members=",".join(name for name in DEGRADATIONS if name != noise))
        for noise in NOISES
    }
    return {BASE: Natural(), **single, **among}


def _versions(study: Study) -> dict[str, Shift | None]:
    """The published columns: the unchanged images under ``clean``, each degradation under its recipe's name."""
    scale = min(study.shape[1:]) / 224
    return {
        "clean": None,
        "grey": Grey(),
        "contrast": GreyContrast(level=0.05),
        "low_pass": GreyLowPass(sigma=7 * scale),
        "high_pass": GreyHighPass(sigma=max(0.7 * scale, 0.125)),
        "phase": PhaseNoise(width=90.0),
        "rotation": QuarterTurn(turns=1),
        "salt_and_pepper": GreySaltAndPepper(amount=0.2),
        "uniform": GreyUniformNoise(half_width=0.35),
    }

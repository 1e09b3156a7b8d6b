"""Coverage of what is said of one model against another, beyond clean: cases of ``interval_coverage``."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from brittlestar.measures.sensitivity import Sensitivity, sensitivity

CHANCE = 0.1
Pair = tuple[float, float]
Cover = Callable[[int], tuple[int, int]]

WORLDS: dict[str, tuple[Pair, Pair]] = {
    "alike": ((0.6, 0.3), (0.6, 0.3)),
    "near 1": ((0.98, 0.97), (0.98, 0.97)),
    "near chance": ((0.5, 0.13), (0.6, 0.2)),
    "unlike": ((0.42, 0.21), (0.61, 0.25)),
}
"""(clean, shifted) accuracies of two models."""


def answered(rng: np.random.Generator, n: int, clean: float, shifted: float) -> tuple[np.ndarray, np.ndarray]:
    """One model's outcomes, clean and shifted, correlated by the sample."""
    hard = rng.random(n)
    return hard < clean, np.where(rng.random(n) < 0.7, hard, rng.random(n)) < shifted


def drawn(rng: np.random.Generator, n: int, world: tuple[Pair, Pair]) -> Sensitivity:
    """Two models on n samples."""
    (a_clean, a), (b_clean, b) = (answered(rng, n, *accuracies) for accuracies in world)
    return sensitivity((a, b), (a_clean, b_clean), CHANCE)


def covers(measure: str, n: int, world: tuple[Pair, Pair], repetitions: int) -> tuple[int, int]:
    """How often the interval of a measure holds its true value, of those that are defined."""
    (a_clean, a), (b_clean, b) = world
    truth = {
        "additive": (a - a_clean) - (b - b_clean),
        "ratio": (a - CHANCE) / (a_clean - CHANCE) - (b - CHANCE) / (b_clean - CHANCE),
    }[measure]
    rng = np.random.default_rng([n, len(measure)])
    found = [getattr(drawn(rng, n, world), measure) for _ in range(repetitions)]
    shown = [e for e in found if e is not None]
    return sum(e.low <= truth <= e.high for e in shown), len(shown)


def silent(n: int, share: float, raw: bool, repetitions: int) -> tuple[int, int]:
    """How often a model, a share of whose answers are guesses, is called neither more nor less sensitive.

    With ``raw`` by the plain difference, which is what was told before.
    """
    rng, quiet = np.random.default_rng([n, 7]), 0
    for _ in range(repetitions):
        clean, shifted = answered(rng, n, 0.8, 0.4)
        chosen, guess = rng.random(n) < share, rng.random(n) < CHANCE
        weaker = [np.where(chosen, guess, x) for x in (shifted, clean)]
        found = sensitivity((weaker[0], shifted), (weaker[1], clean), CHANCE)
        called = found.raw.high < 0 or found.raw.low > 0 if raw else found.state in ("more sensitive", "less sensitive")
        quiet += not called
    return quiet, repetitions


CASES: list[tuple[str, float, Cover | None, Cover]] = [
    *(
        (f"{words}, {name}, n = {n}", 0.94, None, functools.partial(covers, measure, n, world))
        for words, measure in (("beyond clean", "additive"), ("kept above chance", "ratio"))
        for name, world in WORLDS.items()
        for n in (60, 1000)
    ),
    *(
        (
            f"a model diluted by {share:.0%} is not called sensitive, n = {n}",
            0.95,
            functools.partial(silent, n, share, True),
            functools.partial(silent, n, share, False),
        )
        for share in (0.1, 0.4)
        for n in (250, 1000)
    ),
]

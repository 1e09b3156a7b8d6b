"""Coverage of the share of accuracy kept, and of overconfidence, near their ends: cases of ``interval_coverage``."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures.accuracy import accuracy
from brittlestar.measures.kept import accuracy_kept, measurable, overconfidence

CHANCE = 0.1
Cover = Callable[[int], tuple[int, int]]

WORLDS: dict[str, tuple[float, float, int, bool]] = {
    "collapse to guessing": (0.95, 0.0, 1, False),
    "collapse of five conditions": (0.95, 0.0, 5, False),
    "hardly above guessing": (0.6, 0.02, 5, False),
    "half is kept": (0.8, 0.5, 5, False),
    "all is kept": (0.95, 1.0, 5, False),
    "all but one in 300 is kept": (0.98, 0.9966, 1, True),
    "all but one in 50 is kept": (0.98, 0.98, 5, True),
    "nothing is right any more": (0.98, -CHANCE / (0.98 - CHANCE), 1, True),
    "a weak model": (0.3, 0.5, 5, False),
}
"""Clean accuracy, the share kept, the number of conditions, and whether a shift only ever breaks right answers."""


def rows_of(correct: np.ndarray, confidence: np.ndarray | float = 0.5, group: np.ndarray | None = None) -> Rows:
    """Rows with given outcomes and confidences."""
    n = len(correct)
    zeros = np.zeros(n, np.int32)
    logit = np.broadcast_to(np.log(confidence), (n,)).astype(np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=zeros.astype(np.int16),
        label=zeros,
        prediction=np.where(correct, 0, 1).astype(np.int32),
        label_logit=logit,
        top_logit=logit,
        log_sum_exp=np.zeros(n, np.float32),
        group=group,
    )


def drawn(rng: np.random.Generator, n: int, world: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Outcomes of each condition, and clean, correlated by the sample."""
    clean, kept, conditions, breaks = WORLDS[world]
    shifted, hard = CHANCE + kept * (clean - CHANCE), rng.random(n)
    right = hard < clean
    if breaks:
        return [right & (rng.random(n) < shifted / clean) for _ in range(conditions)], right
    return [np.where(rng.random(n) < 0.8, hard, rng.random(n)) < shifted for _ in range(conditions)], right


def covers(world: str, n: int, copies: int, repetitions: int) -> tuple[int, int]:
    """How often the interval holds the true share, where the scale is used; ``copies`` of each image are one group."""
    rng, hits, shown = np.random.default_rng([n, copies, len(world)]), 0, 0
    group = np.repeat(np.arange(n), copies) if copies > 1 else None
    for _ in range(repetitions):
        conditions, clean = drawn(rng, n, world)
        parts = [rows_of(np.repeat(c, copies), group=group) for c in conditions]
        whole = rows_of(np.repeat(clean, copies), group=group)
        found = accuracy_kept([parts], whole, CHANCE)
        if found is not None and measurable(accuracy(whole), CHANCE):
            hits, shown = hits + (found.low <= WORLDS[world][1] <= found.high), shown + 1
    return hits, shown


SURE: dict[str, tuple[float, float, float]] = {
    "calibrated": (0.8, 0.8, 0.1),
    "sure and right": (0.99, 0.995, 0.004),
    "sure and wrong": (0.1, 0.98, 0.02),
}
"""Accuracy, mean confidence, and how far confidences lie from it."""


def sure(world: str, n: int, repetitions: int) -> tuple[int, int]:
    """How often the interval of overconfidence holds its true value."""
    right, mean, spread = SURE[world]
    rng, hits = np.random.default_rng([n, len(world)]), 0
    for _ in range(repetitions):
        rows = rows_of(rng.random(n) < right, mean + spread * rng.uniform(-1, 1, n))
        found = overconfidence(rows)
        hits += found.low <= mean - right <= found.high
    return hits, repetitions


CASES: list[tuple[str, float, Cover | None, Cover]] = [
    *(
        (f"accuracy kept, {world}, n = {n}", 0.94, None, functools.partial(covers, world, n, 1))
        for world in WORLDS
        for n in (50, 200, 1000)
    ),
    *(
        (f"accuracy kept, {world}, 100 images four times", 0.93, None, functools.partial(covers, world, 100, 4))
        for world in ("collapse of five conditions", "all but one in 50 is kept")
    ),
    *(
        (f"overconfidence, {world}, n = {n}", 0.94, None, functools.partial(sure, world, n))
        for world in SURE
        for n in (50, 1000)
    ),
]

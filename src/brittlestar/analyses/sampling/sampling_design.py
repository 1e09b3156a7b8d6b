"""How to look: a pilot, a main stage where the guesses are unsure, and more where intervals are still too wide."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

import numpy as np

from brittlestar.analyses.sampling.auxiliary import Auxiliary, Seen
from brittlestar.analyses.sampling.estimate import (
    Array,
    Floats,
    Rates,
    Stage,
    rates,
    samples_for,
    stand_ins,
    variance_for,
)
from brittlestar.analyses.sampling.predictor import guessed
from brittlestar.measures.effective import normal_tail

PILOT = 30.0
"""One part in so many of a fixed design's samples is what the guesses are first fitted with; 15 to 40 a condition."""

# A cell enters with one over its probability: the floor bounds what a guess that was wrongly sure can do.
LEAST_CHANCE = 0.4
"""No cell's probability falls below this share of its condition's mean."""

SHARE = 0.6
"""Of the cells that seem necessary, what the main stage looks at; the rest is chosen with guesses fitted to these."""

STAGES = 12
LEAST = 2.0
"""Cells that a stage looks at of every condition whose interval is still too wide."""

REFIT = 0.05
"""Guesses are fitted anew when this share of the cells that were looked at is new."""


class Field(ABC):
    """What can be looked at. Stages are kept, so that an estimate that was interrupted goes on with the same draws."""

    @abstractmethod
    def margins(self, name: str, stage: Stage) -> Floats:
        """(n,) of the stage's cells: the label's logit minus the highest other one."""

    def kept(self, name: str) -> Stage | None:
        """A stage that an earlier attempt at the same estimate drew."""
        return None

    def keep(self, name: str, stage: Stage) -> None:
        """Remember a stage before its cells are looked at."""
        return


@dataclasses.dataclass(frozen=True)
class ActiveEstimate:
    """What was estimated, from how much.

    Fields:
        rates: With their variances.
        stand_ins: (conditions, samples) see ``estimate.stand_ins``.
        passes: Cells of each stage.
    """

    rates: Rates
    stand_ins: Floats
    passes: tuple[int, ...]


def fixed_samples(half_width: float, rate: Array | float, conditions: int, level: float = 0.95) -> float:
    """Samples a condition that make all exact simultaneous intervals as narrow, at the worst of the rates."""
    tail = (1 - level) / conditions / 2
    return float(samples_for(half_width, np.atleast_1d(np.asarray(rate, np.float64)), tail).max())


def fixed_passes(rates_: Array, half_width: float, level: float = 0.95) -> int:
    """Passes of a design with one number of samples for all conditions, and the same widest simultaneous interval."""
    return round(fixed_samples(half_width, rates_, len(rates_), level) * len(rates_))


def active_estimate(
    auxiliary: Auxiliary, field: Field, half_width: float, *, level: float = 0.95, seed: int = 0
) -> ActiveEstimate:
    """Rates of all conditions whose simultaneous intervals are no wider than asked for, with few passes.

    Args:
        auxiliary: What is known beforehand.
        field: Gives margins.
        half_width: Of every interval; where the samples are too few for it, all of them are looked at.
        level: That all intervals hold.
        seed: Of every draw.
    """
    count, samples = auxiliary.pattern.shape
    sampling = _Sampling(auxiliary, field, seed)
    each = 1 - (1 - level) / count
    # Nothing is known of the rates yet, and 0.5 needs the most samples.
    sampling.uniform(float(np.clip(fixed_samples(half_width, 0.5, count, level) / PILOT, 15, 40)))
    guess = guessed(auxiliary, sampling.seen, seed)
    rate = guess.mean(1, dtype=np.float64)
    sampling.towards(guess, _room(half_width, rate, (1 - each) / 2, samples))
    while True:
        if sampling.grown > REFIT:
            guess = guessed(auxiliary, sampling.seen, seed + len(sampling.stages))
            sampling.grown = 0.0
        estimate = rates(sampling.stages, sampling.outcomes, guess)
        wide = estimate.half_width(level) > half_width
        if not wide.any() or len(sampling.stages) >= STAGES:
            break
        tail = normal_tail(estimate.freedom, each)
        room = np.where(wide, _room(half_width, estimate.typical, tail, samples), np.inf)
        if not sampling.more(guess, estimate, room):
            break
    passes = tuple(len(stage.condition) for stage in sampling.stages)
    return ActiveEstimate(estimate, stand_ins(sampling.stages, sampling.outcomes, guess), passes)


def _room(half_width: float, rate: Array, tail: Array | float, samples: int) -> Array:
    """The variance that sampling cells may have beside that of the samples themselves."""
    return np.maximum(variance_for(half_width, rate, tail) - rate * (1 - rate) / samples, 1e-9)


class _Sampling:
    """Stages so far, and what they showed."""

    def __init__(self, auxiliary: Auxiliary, field: Field, seed: int) -> None:
        self.auxiliary, self.field, self.seed = auxiliary, field, seed
        shape = auxiliary.pattern.shape
        self.seen = Seen(np.zeros(shape, np.bool_), np.zeros(shape, np.float32))
        self.stages: list[Stage] = []
        self.outcomes: list[Array] = []
        self.grown = 0.0

    def uniform(self, each: float) -> None:
        """About ``each`` samples a condition."""
        count, samples = self.auxiliary.pattern.shape
        chance = np.full((count, samples), min(each / samples, 1.0))
        # With no guess yet: the variance of outcomes whose rate is 0.2.
        self._draw(chance, np.full((count, samples), 0.16))

    def towards(self, guess: Floats, room: Array) -> None:
        """Most of what, with the stages before, brings the variance of sampling cells down to ``room``."""
        # The variance of the stages so far, averaged with weights in inverse proportion to theirs.
        before = 1 / np.sum([1 / np.maximum(stage.expected, 1e-12) for stage in self.stages], axis=0)
        self._sized(guess, before, room, np.full(len(guess), SHARE))

    def more(self, guess: Floats, estimate: Rates, room: Array) -> bool:
        """The same from a variance that was estimated; whether there was anything left to look at."""
        # More cells than the guesses ask for where they promised too little variance so far, fewer where too much.
        share = np.clip(0.95 * estimate.surprise, 0.75, 1.2)
        # Cells are drawn at random: where few are due, none may come up, and more are tried.
        return any(
            self._sized(guess, estimate.sampling, room, share, least) for least in (LEAST, 4 * LEAST, 16 * LEAST)
        )

    def _sized(self, guess: Floats, before: Array, room: Array, share: Array, least: float = 0.0) -> bool:
        """Look with probabilities in proportion to the guesses' standard deviations (Neyman), bounded from below."""
        samples = guess.shape[1]
        open_ = ~self.seen.asked
        spread = np.where(open_, guess * (1 - guess), 0).astype(np.float64)
        size = np.sqrt(spread)
        floor = LEAST_CHANCE * size.sum(1, keepdims=True) / open_.sum(1, keepdims=True).clip(1)
        size = np.where(open_, np.maximum(size, floor), 0)
        need = 1 / np.maximum(1 / room - 1 / before, 1e-12)  # variance that this stage may have by itself
        # Solves sum((1 / p - 1) * spread) / samples^2 = need for the number, where p = number * size / sum(size).
        wanted = size.sum(1) * (spread / np.where(size > 0, size, 1)).sum(1) / samples**2
        number = np.where(room < before, wanted / (need + spread.sum(1) / samples**2) * share, 0)
        number = np.where(np.isfinite(room), number + least, 0)
        return self._draw(_chances(size, number), spread)

    def _draw(self, chance: Array, spread: Array) -> bool:
        name = f"stage-{len(self.stages) + 1}"
        stage = self.field.kept(name)
        if stage is None:
            stage = self._drawn(chance, spread)
            if not len(stage.condition):
                return False
            self.field.keep(name, stage)
        f, i = stage.condition, stage.sample
        margin = self.field.margins(name, stage)
        self.stages.append(stage)
        self.outcomes.append((margin < 0).astype(np.float64))
        self.grown += len(f) / (self.seen.asked.sum() + len(f))
        asked, margins = self.seen.asked.copy(), self.seen.margin.copy()
        asked[f, i] = True
        margins[f, i] = margin
        self.seen = Seen(asked, margins)
        return True

    def _drawn(self, chance: Array, spread: Array) -> Stage:
        samples = chance.shape[1]
        # A generator a stage: after a kill, stages that were kept are not drawn again, and later draws stay the same.
        generator = np.random.default_rng([self.seed, len(self.stages)])
        open_ = (chance > 0) & ~self.seen.asked
        f, i = np.nonzero((generator.random(chance.shape) < chance) & open_)
        rest = np.where(open_, (1 / np.maximum(chance, 1e-12) - 1) * spread, 0).sum(1)
        # Infinite where nothing is left to look at, so that the stage has no weight there.
        expected = np.where(open_.any(1), np.maximum(rest / samples**2, 1e-12), np.inf)
        return Stage(f.astype(np.int64), i.astype(np.int64), chance[f, i], expected)


def _chances(size: Array, number: Array) -> Array:
    """(conditions, samples) probabilities that sum to ``number`` and go with ``size``; none above 1."""
    chance = np.minimum(number[:, None] * size / np.maximum(size.sum(1, keepdims=True), 1e-12), 1.0)
    for _ in range(5):  # what the bound of 1 cuts off goes to the others
        free = np.where(chance < 1, size, 0).sum(1, keepdims=True)
        left = number[:, None] - (chance >= 1).sum(1, keepdims=True)
        chance = np.where(chance < 1, np.clip(left * size / np.maximum(free, 1e-12), 0, 1), 1.0)
    return np.asarray(chance)

"""Cases of interval coverage: ratios, calibration, Fourier maps and stability on groups and unequal classes.

An image has a difficulty; whether a model errs on it is drawn once for every condition. Groups of a size are copies, or
share the difficulty alone. Classes of unequal size: the first n of the seeded order, for the whole set's mix.

Each case is (place, asked coverage, old, new). ``old`` is the interval of independent samples that count alike, on the
same seeded draws.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy import special

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate
from coverage_shares import MIXED, Case, held, plain, shuffled

ASKED = 0.93
Probabilities = npt.NDArray[np.float64]
LEVELS = (-1.5, -0.5, 0.5)
TABLE = ("gaussian_noise", "fog", "jpeg_compression")
_NODES, _MASS = np.polynomial.hermite_e.hermegauss(41)
_MASS = _MASS / _MASS.sum()


def chance_of(level: npt.ArrayLike, difficulty: npt.ArrayLike) -> Probabilities:
    """Probability of an error."""
    return np.asarray(1 / (1 + np.exp(-(np.asarray(level) + 1.5 * np.asarray(difficulty)))))


def sure_of(p: Probabilities, drawn: Probabilities) -> Probabilities:
    """The confidence where the probability of an error is p: too high for hard images, too low for easy ones."""
    return 0.1 + 0.7 * (1 - p) + 0.15 * drawn


@dataclasses.dataclass(frozen=True)
class World:
    """How samples are drawn.

    Fields:
        units, size: So many groups of a size; with ``size`` 1 there are no groups.
        copies: Whether a group's images are one image; otherwise they are alike in difficulty alone.
        classes: Whether there are ten classes of unequal size, of which ``units`` samples are a part.
    """

    units: int
    size: int = 1
    copies: bool = True
    classes: bool = False

    @property
    def name(self) -> str:
        """In words."""
        if self.classes:
            return f"unequal classes, n = {self.units}" + (f", in copies of {self.size}" if self.size > 1 else "")
        return f"{self.units} groups of {self.size} {'copies' if self.copies else 'dependent samples'}"

    def ease(self, labels: npt.NDArray[np.int32]) -> Probabilities:
        """Small classes are harder."""
        return 1.5 - 0.3 * labels if self.classes else np.zeros(len(labels))

    def truth(self, of: Callable[[Probabilities, Probabilities], Probabilities]) -> Probabilities:
        """The mean over the population of a function of (difficulty, ease of the class)."""
        sizes = np.array([size for size, _ in MIXED]) if self.classes else np.ones(1)
        ease = self.ease(np.arange(len(sizes), dtype=np.int32))
        return np.asarray(
            sum(m * s * of(u, e) for u, m in zip(_NODES, _MASS, strict=True) for s, e in zip(sizes, ease, strict=True))
            / sizes.sum()
        )

    def draw(self, generator: np.random.Generator, levels: npt.ArrayLike, confidence: bool = False) -> list[Rows]:
        """Rows under conditions of these levels, one of each."""
        shown = np.asarray(levels, float)
        if self.classes:
            design = shuffled(MIXED, int(generator.integers(8)))
            labels = design.labels[: self.units]
        else:
            labels = np.zeros(self.units, np.int32)
        difficulty = generator.standard_normal(self.units)
        times = self.size if not self.classes else 1
        if self.classes and self.size > 1:  # images of a class that stand there several times
            every = np.lexsort((np.arange(self.units), labels))
            group = np.empty(self.units, np.int64)
            group[every] = np.arange(self.units) // self.size + 1000 * labels[every]
            _, first, place = np.unique(group, return_index=True, return_inverse=True)
            which = first[place]
        else:
            group, which = np.repeat(np.arange(self.units), times), np.repeat(np.arange(self.units), times)
        labels_of = labels if self.classes else labels[which]
        hard, own = difficulty[which], np.arange(len(which)) if not self.copies else which
        found = []
        for level in shown:
            p = chance_of(level - self.ease(labels_of), hard)
            wrong = generator.random(len(which))[own] < p
            sure = sure_of(p, generator.random(len(which))[own]) if confidence else p
            top = np.log(sure).astype(np.float32)
            rows = Rows(
                position=np.arange(len(which), dtype=np.int32),
                frame=np.zeros(len(which), np.int16),
                label=labels_of,
                prediction=np.where(wrong, -1, labels_of).astype(np.int32),
                label_logit=top,
                top_logit=top,
                log_sum_exp=np.zeros(len(which), np.float32),
            )
            rows = design.attached(rows) if self.classes else rows
            found.append(dataclasses.replace(rows, group=group) if self.size > 1 else rows)
        return found


Measure = Callable[[list[Rows]], Estimate | None]


def case(what: str, world: World, levels: npt.ArrayLike, truth: float, measure: Measure, **how: bool) -> Case:
    """How often a measure of the conditions holds the truth; where it is undefined nothing was tried."""

    def cover(strip: Callable[[Rows], Rows], repetitions: int) -> tuple[int, int]:
        generator, hits, tried = np.random.default_rng([world.units, world.size]), 0, 0
        for _ in range(max(repetitions // 4, 1)):
            estimate = measure([strip(rows) for rows in world.draw(generator, levels, **how)])
            if estimate is not None:
                hits, tried = hits + held(estimate, truth), tried + 1
        return hits, tried

    place = f"{what}, {world.name}"
    return place, ASKED, functools.partial(cover, plain), functools.partial(cover, lambda rows: rows)


# ------------------------------------------------------------------ ratios


def by_key(rows: list[Rows]) -> Mapping[tuple[str, int | None], Rows]:
    """One severity of each corruption."""
    return {(name, 1): own for name, own in zip(TABLE, rows, strict=False)}


def errors_of(world: World, levels: npt.ArrayLike) -> Probabilities:
    """True error under each level."""
    return world.truth(lambda u, e: chance_of(np.asarray(levels, float) - e, u))


def mean_ce(world: World, rule: str = "fixed") -> Case:
    """Mean CE over a run on the same samples."""
    own, other = np.array(LEVELS), np.array(LEVELS) + 0.4

    def measure(rows: list[Rows]) -> Estimate | None:
        normaliser = measures.RunErrors(name="a run", conditions=by_key(rows[3:]))
        return measures.corruption_errors(by_key(rows[:3]), normaliser, rule=rule).mean.estimate

    truth = float(np.mean(errors_of(world, own) / errors_of(world, other)))
    return case(f"mean CE over a run, {rule}", world, [*own, *other], truth, measure)


def mean_relative_ce(world: World) -> Case:
    """Mean relative CE over a run."""
    own, other = np.array(LEVELS), np.array(LEVELS) + 0.4

    def measure(rows: list[Rows]) -> Estimate | None:
        normaliser = measures.RunErrors(name="a run", conditions=by_key(rows[4:7]), clean=rows[7])
        return measures.relative_corruption_errors(by_key(rows[:3]), rows[3], normaliser).mean.estimate

    above = errors_of(world, own) - errors_of(world, [-3.0])
    below = errors_of(world, other) - errors_of(world, [-3.0])
    levels = [*own, -3.0, *other, -3.0]
    return case("mean relative CE over a run", world, levels, float(np.mean(above / below)), measure)


def mean_ce_of_table(world: World) -> Case:
    """Mean CE over AlexNet's published errors."""

    def measure(rows: list[Rows]) -> Estimate | None:
        return measures.corruption_errors(by_key(rows), measures.ALEXNET).mean.estimate

    below = np.array([measures.ALEXNET.errors[name][0] for name in TABLE])
    return case("mean CE over a table", world, LEVELS, float(np.mean(errors_of(world, LEVELS) / below)), measure)


# ------------------------------------------------------------------ calibration


def gaps_of(world: World, level: float, bins: int = 15) -> tuple[Probabilities, Probabilities]:
    """(bins,) true mean of confidence less accuracy in each bin, and how much of the population is in it."""
    sizes = np.array([size for size, _ in MIXED]) if world.classes else np.ones(1)
    u = special.ndtri((np.arange(4000) + 0.5) / 4000)
    drawn = (np.arange(50) + 0.5) / 50
    gap, mass = np.zeros(bins), np.zeros(bins)
    for size, ease in zip(sizes, world.ease(np.arange(len(sizes), dtype=np.int32)), strict=True):
        p = chance_of(level - ease, u)[:, None]
        sure = sure_of(p, drawn[None])
        place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1).ravel()
        gap += size * np.bincount(place, (sure - 1 + p).ravel(), bins) / sure.size / sizes.sum()
        mass += size * np.bincount(place, minlength=bins) / sure.size / sizes.sum()
    return gap / np.where(mass > 0, mass, 1), mass


def true_ece(world: World, level: float) -> float:
    """With endless samples."""
    gap, mass = gaps_of(world, level)
    return float(mass @ np.abs(gap))


def expected_calibration(world: World) -> Case:
    """ECE under one condition."""
    return case("ECE", world, [0.0], true_ece(world, 0.0), lambda rows: measures.ece(rows[0]), confidence=True)


def mean_calibration(world: World) -> Case:
    """The mean ECE of three conditions."""
    truth = float(np.mean([true_ece(world, level) for level in LEVELS]))
    return case("mean ECE of 3 conditions", world, LEVELS, truth, measures.mean_ece, confidence=True)


def calibration_increase(world: World) -> Case:
    """The mean ECE of two conditions less that of a third."""
    truth = float(np.mean([true_ece(world, level) for level in LEVELS[1:]])) - true_ece(world, LEVELS[0])

    def measure(rows: list[Rows]) -> Estimate:
        return measures.mean_ece_increase(rows[1:], rows[0])

    return case("increase of the mean ECE", world, LEVELS, truth, measure, confidence=True)


def rms_calibration(world: World) -> Case:
    """RMS calibration error in ten bins, about as many as these have samples."""
    fine, mass = gaps_of(world, 0.0, 2000)
    edge = np.minimum((np.cumsum(mass) - mass / 2) * 10, 9.999).astype(int)
    gap = np.bincount(edge, fine * mass, 10) / np.bincount(edge, mass, 10)
    truth = float(np.sqrt(np.bincount(edge, mass, 10) @ np.square(gap)))

    def measure(rows: list[Rows]) -> Estimate:
        return measures.rms_calibration(rows[0], bins=10)

    return case("RMS calibration error", world, [0.0], truth, measure, confidence=True)


# ------------------------------------------------------------------ Fourier maps

WAVES = tuple((row, column) for row in range(-3, 5) for column in range(4) if column > 0 or row > 0)
"""Frequencies of 8 x 8 images, one of each conjugate pair."""


def level_of(frequency: tuple[int, int], model: float = 0.0) -> float:
    """High frequencies do more harm."""
    return -2.5 + 0.5 * float(np.hypot(*frequency)) + model


def map_of(rows: list[Rows]) -> measures.FourierMap:
    """The map of rows under ``WAVES``."""
    return measures.fourier_map(dict(zip(WAVES, rows, strict=True)), 8, 8)


def true_error(world: World, low: float, high: float, model: float = 0.0) -> float:
    """Of a band."""
    plane = map_of(World(2).draw(np.random.default_rng(0), [0.0] * len(WAVES)))
    level = [level_of(f, model) for f in plane.frequencies]
    inside = plane.multiplicity * ((plane.radius > low) & (plane.radius <= high))
    return float(inside @ errors_of(world, level) / inside.sum())


def band(world: World, rule: str = "fixed") -> Case:
    """Error of the high band."""

    def measure(rows: list[Rows]) -> Estimate:
        return measures.band_error(map_of(rows), 0.5, 9.0, rule=rule)

    truth = true_error(world, 0.5, 9.0)
    return case(f"band error, {rule}", world, [level_of(f) for f in WAVES], truth, measure)


def band_between(world: World) -> Case:
    """Difference of two models in the high band."""
    levels = [level_of(f, model) for model in (0.0, 0.5) for f in WAVES]

    def measure(rows: list[Rows]) -> Estimate:
        return measures.band_difference(map_of(rows[: len(WAVES)]), map_of(rows[len(WAVES) :]), 0.5, 9.0)

    truth = true_error(world, 0.5, 9.0) - true_error(world, 0.5, 9.0, 0.5)
    return case("band difference", world, levels, truth, measure)


def ratio(world: World) -> Case:
    """High over low increase, where it is defined."""

    def measure(rows: list[Rows]) -> Estimate | None:
        found = measures.high_low_ratio(map_of(rows[1:]), rows[0])
        if not found.defined:
            return None
        return Estimate(value=found.value, low=found.low, high=found.high, n=found.n, method=found.method)

    clean = float(errors_of(world, [-4.0])[0])
    truth = (true_error(world, 0.5, 9.0) - clean) / (true_error(world, 0.0, 0.25) - clean)
    return case("high over low", world, [-4.0, *(level_of(f) for f in WAVES)], truth, measure)


def whole_map(world: World) -> Case:
    """All frequencies of the map at once."""
    levels = [level_of(f) for f in WAVES]

    def measure(rows: list[Rows]) -> Estimate:
        found = map_of(rows)
        low, high = found.limits(simultaneous=True)
        truth = errors_of(world, [level_of(f) for f in found.frequencies])
        held_all = bool(np.all((low <= truth) & (truth <= high)))
        return Estimate(value=0.0, low=0.0 if held_all else 1.0, high=1.0, n=found.samples, method="")

    return case("all limits of a map", world, levels, 0.0, measure)


FEW, SOME, MORE, LOOSE = World(30, 5), World(200, 5), World(800, 5), World(80, 5, copies=False)
PART, PART_COPIES = World(400, classes=True), World(600, 3, classes=True)

CASES: list[Case] = [
    *(mean_ce(world) for world in (FEW, SOME, LOOSE, PART, PART_COPIES)),
    mean_ce(SOME, "anytime"),
    *(mean_relative_ce(world) for world in (SOME, PART, PART_COPIES)),
    *(mean_ce_of_table(world) for world in (FEW, SOME, PART)),
    *(expected_calibration(world) for world in (FEW, SOME, MORE, LOOSE, PART, PART_COPIES)),
    *(mean_calibration(world) for world in (FEW, SOME, PART, PART_COPIES)),
    *(calibration_increase(world) for world in (SOME, PART)),
    *(rms_calibration(world) for world in (FEW, SOME, MORE, LOOSE, PART, PART_COPIES)),
    *(band(world) for world in (FEW, SOME, LOOSE, PART, PART_COPIES)),
    band(FEW, "anytime"),
    *(band_between(world) for world in (FEW, SOME, PART, PART_COPIES)),
    *(ratio(world) for world in (SOME, PART, PART_COPIES)),
    *(whole_map(world) for world in (FEW, SOME, LOOSE, PART, PART_COPIES)),
]

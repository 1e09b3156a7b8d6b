"""How much of its accuracy a model keeps, by condition, by curve and by family: what the first screen is drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brittlestar import measures
from brittlestar.measures import Estimate
from brittlestar.report.gather import Gathered
from brittlestar.report.numbers import Numbers
from brittlestar.report.series import Series, series_of
from brittlestar.report.subjects import CLEAN, Subject


@dataclass(frozen=True)
class KeptScale:
    """The one quantity of the first screen.

    Fields:
        numbers: Estimates with the runs' interval rule.
        kept: Whether it is accuracy kept; where a model is so near guessing that this means nothing, or has no clean
            images, it is plain accuracy for all.
    """

    numbers: Numbers
    kept: bool

    def of(self, subject: Subject, curves: Sequence[Sequence[str]], level: float | None = None) -> Estimate | None:
        """The mean over curves of the mean over their conditions, at a level of its own where it is one of many."""
        at = self.numbers.level if level is None else level
        rows = [[subject.rows[c] for c in curve] for curve in curves]
        if not self.kept or subject.clean is None:
            return measures.mean_accuracy(rows, self.numbers.rule, at)
        return measures.accuracy_kept(rows, subject.clean, subject.chance, self.numbers.rule, at)

    def at(self, subject: Subject, condition: str, level: float | None = None) -> Estimate | None:
        """Of one condition."""
        return self.of(subject, [[condition]], level)


def value_at(scale: KeptScale, subject: Subject, condition: str) -> float | None:
    """The value of ``KeptScale.at`` without its interval, where many are drawn."""
    rows, clean = subject.rows[condition], subject.clean
    if not scale.kept or clean is None:
        return scale.numbers.accuracy(subject, condition).value
    if len(rows) != len(clean):  # the share is of the images that both have
        found = scale.at(subject, condition)
        return None if found is None else found.value
    # Never 0: ``kept`` says that every model is measurably above guessing.
    above = scale.numbers.accuracy(subject, CLEAN).value - subject.chance
    return (scale.numbers.accuracy(subject, condition).value - subject.chance) / above


def scale_of(gathered: Gathered) -> KeptScale:
    """The scale that suits all models of a report."""
    numbers = gathered.numbers
    # One scale for all models: with two, marks of one row could not be compared.
    kept = all(
        s.clean is not None and measures.measurable(numbers.accuracy(s, CLEAN), s.chance)
        for s in gathered.subjects
        # Models with sequences alone have no accuracy on single images.
        if s.rows
    )
    return KeptScale(numbers, kept)


def answered(series: Iterable[Series], subject: Subject) -> list[list[str]]:
    """Ids of each curve's conditions that a model has answers to, without empty curves."""
    found = [[i.id for i in s.infos if i.id in subject.rows] for s in series]
    return [curve for curve in found if curve]


def shared(series: Iterable[Series], subjects: Sequence[Subject]) -> list[list[str]]:
    """Ids of each curve's conditions that all of some models have answers to, without empty curves."""
    found = [[i.id for i in s.infos if all(i.id in subject.rows for subject in subjects)] for s in series]
    return [curve for curve in found if curve]


FAMILIES = {
    "noise": "Noise",
    "blur": "Blur",
    "weather": "Weather",
    "digital": "Digital",
    "colour": "Colour, light",
    "geometric": "Geometry",
    "overlay": "Drawn over",
    "frequencies": "Frequencies",
    "attack": "Attack",
}
"""Families of tests, and what a row of the profile calls them."""

NEVER_ASKED = ("Natural shifts", "Video", "People", "Black-box attack", "Unusual scenes")
"""What no suite asks: rows that stay empty, so that the gap is seen."""

APART = ("frequencies", "attack")
"""No part of "all shifts": filters destroy information on purpose, and the budget of an attack is a choice."""

MNIST = {
    "mnist_glass_blur": "blur",
    "mnist_motion_blur": "blur",
    "mnist_gaussian_blur": "blur",
    "mnist_saturate": "colour",
    "mnist_elastic_transform": "digital",
    "mnist_quantize": "digital",
    "mnist_released_shear": "geometric",
}
"""MNIST-C's own definitions join the families of their kind; its stripes and lines are drawn over the image."""


def families_of(gathered: Gathered) -> dict[str, list[Series]]:
    """The severity curves of each family that was asked, attacks and single frequencies included, in suite order."""
    found: dict[str, list[Series]] = {}
    for series in series_of(gathered, "shift", "attack", "fourier") if gathered.subjects else ():
        found.setdefault(family_of(series), []).append(series)
    return found


def family_of(series: Series) -> str:
    """The row of the profile that a curve belongs to."""
    if series.kind == "attack":
        return "attack"
    if series.kind == "fourier" or series.family == "spectral":
        return "frequencies"
    if series.family == "mnist":
        return MNIST.get(series.shift, "overlay")
    return series.family

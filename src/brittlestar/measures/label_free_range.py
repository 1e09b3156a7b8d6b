"""Whether images are like any that a run has measured: what an estimate without labels must not go beyond.

Quantities of images and of answers are compared with those of every measured condition: each with its range, and all
together by the distance to the nearest condition, which may be no larger than from one family of shifts to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.label_free import ModelAnswers

Floats = npt.NDArray[np.float64]

QUANTITIES: dict[str, str] = {
    "brightness": "brightness (mean level, 0 to 1)",
    "contrast": "contrast (standard deviation of an image's levels)",
    "colour": "colour (mean distance of the channels from grey)",
    "coarse": "energy of coarse structure (log10, below 1/8 of the highest frequency)",
    "middle": "energy of middle frequencies (log10, 1/8 to 1/2 of the highest)",
    "fine": "energy of fine detail (log10, above 1/2 of the highest frequency)",
    "confidence": "mean confidence",
    "spread": "spread of the confidences (standard deviation)",
    "entropy": "mean entropy of the answers (nats)",
    "classes": "distance of the predicted classes' shares from those on clean images",
}
"""Quantities by name, in words."""

OF_IMAGES = ("brightness", "contrast", "colour", "coarse", "middle", "fine")

SLACK = 0.1
"""A range is widened by so much of itself at either end, as between two conditions nothing was measured either."""

ERRORS = 3.0
"""And by so many standard errors of the new value."""

REST = 0.1
"""Share of the conditions that are too far from any other family to tell how far one may go: negatives, filters that
leave next to nothing."""

TOGETHER = "together"
"""The name of the distance to the nearest condition, in standard deviations over conditions, over all quantities."""

_FLOOR = 1e-8


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A mean over images (or answers), with its standard error."""

    value: float
    error: float


Described = Mapping[str, Quantity]


def image_values(images: npt.NDArray[np.float32]) -> dict[str, Floats]:
    """What images look like, one number an image; ``colour`` only of images with channels.

    Args:
        images: (n, channel, height, width) in [0, 1].
    """
    x = images.astype(np.float64)
    grey = x.mean(1)
    values = {"brightness": grey.mean((1, 2)), "contrast": grey.std((1, 2))}
    if x.shape[1] > 1:
        values["colour"] = np.abs(x - grey[:, None]).mean((1, 2, 3))
    power = np.abs(np.fft.fft2(grey)) ** 2 / grey[0].size ** 2
    rows, columns = (np.fft.fftfreq(size) * 2 for size in grey.shape[1:])
    radius = np.hypot(rows[:, None], columns[None, :])
    bands = {"coarse": (radius > 0) & (radius <= 1 / 8), "middle": (radius > 1 / 8) & (radius <= 1 / 2)}
    bands["fine"] = radius > 1 / 2
    for name, band in bands.items():
        # The floor is far below one 8-bit level: a filter may leave exactly nothing.
        values[name] = np.log10(power[:, band].sum(1) + _FLOOR)
    return values


def described(values: Mapping[str, Floats]) -> dict[str, Quantity]:
    """Means with their standard errors."""
    return {
        name: Quantity(value=float(v.mean()), error=float(v.std(ddof=1) / np.sqrt(len(v))) if len(v) > 1 else 0.0)
        for name, v in values.items()
    }


def answered(clean: ModelAnswers, answers: ModelAnswers, classes: int) -> dict[str, Quantity]:
    """What answers look like: how sure they are, and which classes they give."""
    spread = float(answers.confidence.std())
    found = described({"confidence": answers.confidence})
    found["spread"] = Quantity(value=spread, error=spread / np.sqrt(2 * max(len(answers) - 1, 1)))
    if answers.entropy is not None:
        found |= described({"entropy": answers.entropy})
    shares = [np.bincount(a.prediction, minlength=classes) / len(a) for a in (clean, answers)]
    apart = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    # Two draws from the same classes are apart as well: only what goes beyond that counts.
    both = (shares[0] * len(clean) + shares[1] * len(answers)) / (len(clean) + len(answers))
    variance = both * (1 - both) * (1 / len(clean) + 1 / len(answers))
    by_chance = 0.5 * float(np.sqrt(2 / np.pi * variance).sum())
    found["classes"] = Quantity(value=max(apart - by_chance, 0.0), error=0.5 * float(np.sqrt(variance.sum())))
    return found


@dataclass(frozen=True, kw_only=True)
class BeyondRange:
    """A quantity of new images beyond what was measured.

    Fields:
        name: Of ``QUANTITIES``; ``TOGETHER`` for the distance to the nearest condition.
        value: Of the new images.
        low, high: What was measured.
        nearest: For ``TOGETHER``, the id of the nearest condition; else empty.
    """

    name: str
    value: float
    low: float
    high: float
    nearest: str = ""


@dataclass(frozen=True, kw_only=True)
class MeasuredRange:
    """What a run has measured, clean images included.

    Fields:
        conditions, families: (m,) ids, and the families of their shifts.
        names: (k,) the quantities.
        values: (m, k).
        errors: (k,) standard errors of a condition's values, the middle one of all.
    """

    conditions: tuple[str, ...]
    families: tuple[str, ...]
    names: tuple[str, ...]
    values: Floats
    errors: Floats

    @classmethod
    def of(cls, every: Sequence[tuple[str, str, Described]]) -> MeasuredRange:
        """From (condition, family, quantities) of each; quantities that one of them lacks are left out.

        Raises:
            UsageError: There are none.
        """
        require(len(every) > 0, "no measured condition to compare with", UsageError)
        names = tuple(n for n in QUANTITIES if all(n in d for _, _, d in every))
        values = np.array([[d[n].value for n in names] for _, _, d in every], np.float64)
        errors = np.array([[d[n].error for n in names] for _, _, d in every], np.float64)
        return cls(
            conditions=tuple(c for c, _, _ in every),
            families=tuple(f for _, f, _ in every),
            names=names,
            values=values,
            errors=np.median(errors, axis=0),
        )

    @property
    def scale(self) -> Floats:
        """(k,) by which quantities are made comparable: their standard deviations over conditions."""
        return np.asarray(np.maximum(self.values.std(0), 1e-9))

    @property
    def farthest(self) -> float:
        """So near is all but ``REST`` of the conditions to one of another family."""
        z = self.values / self.scale
        distance = np.sqrt(((z[:, None] - z[None]) ** 2).mean(2))
        family = np.array(self.families)
        distance[family[:, None] == family[None]] = np.inf
        nearest = distance.min(1)
        known = nearest[np.isfinite(nearest)]
        return float(np.quantile(known, 1 - REST)) if len(known) else 0.0

    def outside(self, new: Described) -> tuple[BeyondRange, ...]:
        """What of new images lies beyond all that was measured; empty where nothing does."""
        value = np.array([new[name].value for name in self.names])
        error = np.hypot(self.errors, [new[name].error for name in self.names])
        found = []
        for place, name in enumerate(self.names):
            low, high = float(self.values[:, place].min()), float(self.values[:, place].max())
            room = SLACK * (high - low) + ERRORS * error[place]
            if not low - room <= value[place] <= high + room:
                found.append(BeyondRange(name=name, value=float(value[place]), low=low, high=high))
        distance = np.sqrt((((self.values - value) / self.scale) ** 2).mean(1))
        nearest = int(distance.argmin())
        # Sampling alone sets two draws of the same images apart.
        if distance[nearest] > np.hypot(self.farthest, ERRORS * np.sqrt(((error / self.scale) ** 2).mean())):
            found.append(
                BeyondRange(
                    name=TOGETHER,
                    value=float(distance[nearest]),
                    low=0.0,
                    high=self.farthest,
                    nearest=self.conditions[nearest],
                )
            )
        return tuple(found)

"""What pasted objects do to a classifier: five measures over hosts and places, each host one draw.

A host is an image that an object was pasted into, a placement is a host with a place. Means are over hosts, each the
mean of its placements, so that intervals are those of independent hosts (or of their groups); hosts that got no object
count nowhere. A placement is *clear* where nothing that was pasted, soft edge included, comes near the host's own
object.

Reference:
    Rosenfeld, Zemel and Tsotsos 2018, https://arxiv.org/abs/1808.03305
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores
from brittlestar.measures.means import bounded_difference, bounded_mean
from brittlestar.measures.samples import Samples

Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Placements:
    """What one model answered to hosts with pasted objects.

    Fields:
        samples: The hosts and how they were drawn.
        label: (n,) the hosts' classes.
        donor: (n,) the classes of the objects; -1 for one that the data do not have.
        clean: (n,) answers to the bare hosts.
        clean_confidence: (n,) probabilities of the hosts' classes there.
        answer: (n, places) answers.
        confidence: (n, places) probabilities of the hosts' classes.
        clear: (n, places); all true where nobody knows where the hosts' own objects lie (``masked`` is false).
        masked: Whether that is known.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("label", "donor", "clean", "clean_confidence", "answer", "confidence", "clear")

    samples: Samples
    label: Ints
    donor: Ints
    clean: Ints
    clean_confidence: Scores
    answer: Ints
    confidence: Scores
    clear: Flags
    masked: bool

    @classmethod
    def of(cls, rows: Rows, clean: Rows, given: Flags, donor: Ints, clear: Flags | None) -> Placements:
        """From rows of a condition (several frames a sample) and of the clean images.

        Args:
            rows: One frame a place.
            clean: One row a sample.
            given: (all positions,) whether the sample got an object.
            donor: (all positions,) class of it.
            clear: (all positions, places) or ``None`` where it is not known.

        Raises:
            NoSamplesError: No host with an object is in both.
            UsageError: Rows of other places than ``clear`` has.
        """
        rows = rows.sorted()
        position, first, frames = np.unique(rows.position, return_index=True, return_counts=True)
        places = int(frames.max()) if len(frames) else 0
        require(len({*frames.tolist()}) <= 1, "some hosts have answers to fewer places than others", UsageError)
        require(clear is None or clear.shape[1] == places, "rows have other places than were recorded", UsageError)
        held = position[(position < len(given)) & np.isin(position, clean.position)]
        held = held[given[held]]
        if len(held) == 0:
            raise NoSamplesError("no host got an object and has an answer without it")
        index = first[np.searchsorted(position, held)][:, None] + np.arange(places)
        before = np.argsort(clean.position)[np.searchsorted(np.sort(clean.position), held)]
        whole = Samples.of(clean)
        return cls(
            samples=whole if len(held) == len(clean) and np.array_equal(whole.position, held) else whole.cut(before),
            label=clean.label[before],
            donor=donor[held],
            clean=clean.prediction[before],
            clean_confidence=_probability(clean)[before],
            answer=rows.prediction[index],
            confidence=_probability(rows)[index],
            clear=np.ones(index.shape, bool) if clear is None else clear[held],
            masked=clear is not None,
        )

    def cut(self, chosen: Flags) -> Placements:
        """Some of the hosts."""
        samples = self.samples if chosen.all() else self.samples.cut(np.flatnonzero(chosen))
        fields = {name: getattr(self, name)[chosen] for name in self.FIELDS}
        return Placements(samples=samples, masked=self.masked, **fields)

    @property
    def flippable(self) -> Flags:
        """(n,) hosts that are right without an object and have a clear place."""
        return np.asarray((self.clean == self.label) & self.clear.any(axis=1))

    @property
    def entropy_limit(self) -> float:
        """Bits that answers over these places can have at most."""
        return float(np.log2(max(self.answer.shape[1], 2)))


def _probability(rows: Rows) -> Scores:
    """Of the label's class, in [0, 1]."""
    return np.exp(np.minimum(rows.label_logit.astype(np.float64) - rows.log_sum_exp, 0.0))


FLIPS = ("flip", "explicable", "ghost")
"""Kinds of flips: all, to the object's own class, to a third one."""


def flipped(placements: Placements, kind: str = "flip") -> Flags:
    """(n, places) whether the answer is no longer the host's class: ``flip``, or of which kind."""
    away = placements.answer != placements.label[:, None]
    to_donor = placements.answer == placements.donor[:, None]
    return np.asarray({"flip": away, "explicable": away & to_donor, "ghost": away & ~to_donor}[kind])


def flip_scores(placements: Placements, kind: str = "flip") -> Scores:
    """(n,) share of each host's clear places that flip it; of ``flippable`` hosts."""
    counted = placements.clear
    return np.asarray((flipped(placements, kind) & counted).sum(axis=1) / counted.sum(axis=1), np.float64)


def flip_rate(placements: Placements, kind: str = "flip", rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of clear placements that change a right answer, ``kind`` of ``FLIPS``; in [0, 1].

    Raises:
        NoSamplesError: No host is right without an object and has a clear place.
    """
    some = placements.cut(placements.flippable)
    return bounded_mean(some.samples, flip_scores(some, kind), 0, 1, rule, level)


def flip_difference(
    first: Placements, second: Placements, kind: str = "flip", rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Flip rate of the first less that of the second, on the hosts of both; in [-1, 1].

    Both must be of one model and of the same objects, sizes and edges: then clear places are the same.

    Raises:
        NoSamplesError: No host of both counts.
    """
    one, other = (p.samples.position[p.flippable] for p in (first, second))
    shared = np.intersect1d(one, other)
    if len(shared) == 0:
        raise NoSamplesError("no host counts under both treatments")
    a, b = (p.cut(np.isin(p.samples.position, shared)) for p in (first, second))
    return bounded_difference(a.samples, flip_scores(a, kind) - flip_scores(b, kind), 1, rule, level)


def host_accuracy(
    placements: Placements, place: int | None = None, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Share of placements whose answer is the host's class, over all places or at one; in [0, 1]."""
    right = placements.answer == placements.label[:, None]
    scores = right.mean(axis=1) if place is None else right[:, place].astype(np.float64)
    return bounded_mean(placements.samples, scores, 0, 1, rule, level)


def consistency(placements: Placements, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Share of its places at which a host gets its commonest answer; in (0, 1], 1 where the place never matters."""
    scores = _counts(placements).max(axis=1) / placements.answer.shape[1]
    return bounded_mean(placements.samples, scores, 0, 1, rule, level)


def answer_entropy(placements: Placements, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Entropy of a host's answers over its places, in bits; 0 where the place never matters."""
    shares = _counts(placements) / placements.answer.shape[1]
    bits = -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    limit = placements.entropy_limit
    return bounded_mean(placements.samples, bits.clip(0, limit), 0, limit, rule, level)


def confidence_change(placements: Placements, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """Probability of the host's class with the object less that without it; in [-1, 1]."""
    change = placements.confidence.mean(axis=1) - placements.clean_confidence
    return bounded_difference(placements.samples, change, 1, rule, level)


def _counts(placements: Placements) -> Scores:
    """(n, places) how often each answer of a host occurs; at the first place where it stands, 0 at others."""
    ordered = np.sort(placements.answer, axis=1)
    begins = np.ones(ordered.shape, bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    n, places = ordered.shape
    run = begins.cumsum(axis=1) - 1
    counts = np.zeros((n, places))
    np.add.at(counts, (np.repeat(np.arange(n), places), run.ravel()), 1.0)
    return counts

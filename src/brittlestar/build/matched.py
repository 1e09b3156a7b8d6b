"""New test sets drawn from candidates so that a score is distributed as in a reference: a faithful replication.

ImageNetV2 was drawn from candidates of Flickr by the *selection frequency* of annotators: the share of them who found
the class in the picture. Of its three variants, the ten points of accuracy between them are all in that draw. Any
score that both sets have will do.

Reference:
    Recht et al., ICML 2019, https://arxiv.org/abs/1902.10811
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, UsageError, require
from brittlestar.core.options import option
from brittlestar.measures.histograms import apportioned, earth_mover, total_variation

Variant = Literal["matched", "threshold", "top"]
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of ImageNetV2, for scores that are shares."""

THRESHOLD = 0.7
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MatchedSet:
    """How a set is drawn.

    Fields:
        variant: ``matched``: each class's histogram is the reference's; ``threshold``: uniformly among candidates of
            at least ``threshold``; ``top``: the highest.
        each: Items a class.
        edges: Of the histogram's bins, rising; the last bin holds its upper end.
        threshold: For the variant of that name.
        upward: A bin that lacks candidates takes them from the next higher bin that has some to spare.
        seed: Of the draw.
    """

    variant: Variant = "matched"
    each: int = 10
    edges: tuple[float, ...] = EDGES
    threshold: float = THRESHOLD
    upward: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        known = get_args(Variant)
        require(self.variant in known, f"a variant is {', '.join(known)}, got {self.variant!r}", UsageError)
        require(self.each >= 1, f"a class has at least 1 item, got {self.each}", UsageError)
        rising = len(self.edges) >= 2 and all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        require(rising, f"{option('bins')}: edges rise, at least two of them, got {self.edges}", UsageError)
        require(bool(np.isfinite(self.threshold)), f"the threshold is a number, got {self.threshold}", UsageError)


@dataclass(frozen=True, kw_only=True)
class MatchedClass:
    """What was drawn of a class.

    Fields:
        name: Of the class.
        wanted, drawn: Items by bin.
        reference: The reference's items by bin.
        variation: Total variation between the drawn and the reference's histogram, in [0, 1]; ``None`` without one.
        distance: Earth mover's distance of the scores themselves, in their unit; ``None`` without a reference.
        moved: Items taken from a higher bin than wanted.
    """

    name: str
    wanted: tuple[int, ...]
    drawn: tuple[int, ...]
    reference: tuple[int, ...]
    variation: float | None
    distance: float | None
    moved: int


@dataclass(frozen=True, kw_only=True)
class MatchedDraw:
    """A new set: ``chosen`` are places among the candidates, class by class; ``classes`` say what was drawn of each."""

    chosen: tuple[int, ...]
    classes: tuple[MatchedClass, ...]


def draw_matched(
    what: MatchedSet,
    labels: Sequence[str],
    scores: npt.ArrayLike,
    reference_labels: Sequence[str] = (),
    reference_scores: npt.ArrayLike = (),
) -> MatchedDraw:
    """Draw a set of candidates.

    Args:
        what: How.
        labels, scores: Of the candidates, one each.
        reference_labels, reference_scores: Of the reference; needed to match, else for the distances alone.

    Raises:
        DataError: A class of the reference without candidates or too few of them (in a bin), or a score outside the
            bins.
    """
    own, theirs = np.asarray(scores, dtype=np.float64), np.asarray(reference_scores, dtype=np.float64)
    by, other = np.asarray(labels, dtype=object), np.asarray(reference_labels, dtype=object)
    require(
        what.variant != "matched" or len(theirs) > 0, "a matched set needs a reference with the same score", UsageError
    )
    names = list(dict.fromkeys(map(str, other))) or list(dict.fromkeys(map(str, by)))
    lacking = [n for n in names if n not in set(by)]
    require(
        not lacking,
        f"{len(lacking)} of {len(names)} classes have no candidates ({', '.join(lacking[:3])}): add some, or leave the "
        "classes out of the reference",
        DataError,
    )
    edges = np.asarray(what.edges)
    for values, of in ((own, "candidates"), (theirs, "the reference")):
        outside = ~((values >= edges[0]) & (values <= edges[-1]))
        require(
            not outside.any(),
            f"{int(outside.sum())} scores of {of} lie outside the bins from {edges[0]:g} to {edges[-1]:g} (such as "
            f"{', '.join(f'{v:g}' for v in values[outside][:1])}): give edges that hold all with {option('bins')}",
            DataError,
        )
    chosen: list[int] = []
    classes, short = [], []
    for name in sorted(names):
        places, known = np.flatnonzero(by == name), theirs[other == name]
        # A class's draw depends on its own candidates alone, not on what other classes there are.
        chance = np.random.default_rng([what.seed, *name.encode()])
        try:
            taken, told = _of_class(what, name, own[places], known, edges, chance)
        except DataError as error:
            short.append(str(error))
            continue
        chosen += [int(places[i]) for i in taken]
        classes.append(told)
    require(
        not short,
        f"{len(short)} of {len(names)} classes lack candidates: {'; '.join(short[:3])}; add candidates, ask for fewer "
        f"({option('each')}), or take them from higher bins ({option('upward', True)})",
        DataError,
    )
    return MatchedDraw(chosen=tuple(chosen), classes=tuple(classes))


def _of_class(
    what: MatchedSet, name: str, scores: Floats, known: Floats, edges: Floats, chance: np.random.Generator
) -> tuple[list[int], MatchedClass]:
    bins = _bin(scores, edges)
    theirs = np.bincount(_bin(known, edges), minlength=len(edges) - 1)
    wanted, moved = np.zeros(len(edges) - 1, dtype=np.int64), 0
    if what.variant == "matched":
        wanted = apportioned(theirs, what.each)
        taken, moved = _matched(what, name, bins, wanted, edges, chance)
    elif what.variant == "threshold":
        good = np.flatnonzero(scores >= what.threshold)
        require(
            len(good) >= what.each,
            f"{name} has {len(good)} candidates of at least {what.threshold:g}, {what.each} are due",
            DataError,
        )
        taken = [int(i) for i in chance.permutation(good)[: what.each]]
    else:
        require(len(scores) >= what.each, f"{name} has {len(scores)} candidates, {what.each} are due", DataError)
        # Equal scores are drawn, not taken in the order of the file.
        order = chance.permutation(len(scores))
        taken = [int(i) for i in order[np.argsort(-scores[order], kind="stable")][: what.each]]
    drawn = np.bincount(bins[taken], minlength=len(edges) - 1)
    return taken, MatchedClass(
        name=name,
        wanted=tuple(map(int, wanted if what.variant == "matched" else drawn)),
        drawn=tuple(map(int, drawn)),
        reference=tuple(map(int, theirs)),
        variation=total_variation(drawn, theirs) if len(known) else None,
        distance=earth_mover(scores[taken], known) if len(known) else None,
        moved=moved,
    )


def _bin(scores: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    """Which bin each score falls into; a score on an edge belongs to the bin above, on the last to the last."""
    return np.minimum(np.searchsorted(edges, scores, side="right") - 1, len(edges) - 2)


def _matched(
    what: MatchedSet,
    name: str,
    bins: npt.NDArray[np.int64],
    wanted: npt.NDArray[np.int64],
    edges: Floats,
    chance: np.random.Generator,
) -> tuple[list[int], int]:
    free = [list(map(int, chance.permutation(np.flatnonzero(bins == b)))) for b in range(len(wanted))]
    taken: list[int] = []
    lacks = []
    for place, count in enumerate(wanted):
        taken += free[place][:count]
        free[place] = free[place][count:]
        lacks.append(int(count) - min(int(count), int((bins == place).sum())))
    moved = 0
    for place, missing in enumerate(lacks):
        need = missing
        # What a bin has beyond its own quota goes to the nearest bin below that lacks: never an item twice.
        for higher in range(place + 1, len(wanted)) if what.upward else ():
            more = free[higher][:need]
            free[higher] = free[higher][len(more) :]
            taken += more
            need -= len(more)
            moved += len(more)
        require(
            need == 0,
            f"{name} has {int((bins == place).sum())} candidates from {edges[place]:g} to {edges[place + 1]:g}, "
            f"{int(wanted[place])} are due",
            DataError,
        )
    return taken, moved

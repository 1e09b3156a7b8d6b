"""Answers to the frames around a frame: pm-k, random neighbours, what is kept of right answers, how steady answers are,
how fast they change, and how far natural change goes in pixels.

An *anchor* is a sample; its *neighbours* are the frames around it, told apart by their offset in frames. Rows hold the
anchor as frame 0 and a neighbour under its offset. Anchors of one clip depend on each other: they are a group, and
intervals are those of groups. Shares of frames are pooled over anchors, so that every frame counts alike; shares of
anchors count every anchor alike.

* pm-k: anchors that are right together with **every** neighbour at most k frames away. pm-0 is the accuracy.
* random neighbour: accuracy at a neighbour that is drawn at random, the mean over anchors of the mean over theirs.
* conditional: of the neighbours of right anchors, those that are right (pooled).
* kept: of the right anchors, those whose every neighbour is right, pm-k / pm-0.
* steady: the same two without labels: the answer of a neighbour, or of every neighbour, is that of its anchor.

Shankar et al. define pm-k and the random neighbour; the others are our reading of Gu et al., whose definitions we know
from their abstract alone.

References:
    Shankar et al., ICCV 2021, https://arxiv.org/abs/1906.02168
    Gu et al., 2019, https://arxiv.org/abs/1904.10076
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, NotAvailableError, Outcomes, Scores, check_rule
from brittlestar.measures.effects import Effect
from brittlestar.measures.means import bounded_mean, share
from brittlestar.measures.samples import Samples, mean_of

BALL = 16 / 255
"""Radius of the L-inf ball that attacks on photographs usually stay in; the natural change is held against it."""

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbourhoods:
    """Rows of the frames around samples, anchors and neighbours apart.

    Fields:
        anchors: (n,) rows, by position.
        around: (m,) rows of the neighbours, by position and offset.
        owner: (m,) which anchor each belongs to, ascending.
        rule, level: Of the intervals.
    """

    anchors: Rows
    around: Rows
    owner: Whole
    rule: str = "fixed"
    level: float = LEVEL

    @classmethod
    def of(cls, rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Neighbourhoods:
        """From the rows of one model.

        Raises:
            NoSamplesError: No rows.
            UsageError: A sample without its own frame, or a frame that stands there twice.
        """
        check_rule(rule)
        if len(rows) == 0:
            raise NoSamplesError("no samples: there is nothing around them")
        rows = rows.sorted()
        anchors, around = rows.take(rows.frame == 0), rows.take(rows.frame != 0)
        whole = np.array_equal(anchors.position, np.unique(rows.position))
        key = (rows.position.astype(np.int64) << 16) + rows.frame
        require(
            whole and bool((np.diff(key) > 0).all()),
            "every sample has its own frame, number 0, once, and each other frame once",
            UsageError,
        )
        return cls(anchors, around, np.searchsorted(anchors.position, around.position), rule, level)

    @functools.cached_property
    def samples(self) -> Samples:
        """The anchors and how they were drawn."""
        return Samples.of(self.anchors)

    @property
    def reach(self) -> int:
        """How many frames the farthest neighbour is away."""
        return int(np.abs(self.around.frame.astype(np.int64)).max(initial=0))

    @functools.cached_property
    def same(self) -> Outcomes:
        """(m,) whether a neighbour's answer is that of its anchor."""
        return np.asarray(self.around.prediction == self.anchors.prediction[self.owner])

    def within(self, k: int) -> Outcomes:
        """(m,) whether a neighbour is at most k frames away."""
        require(k >= 0, f"neighbours are 0 frames away or more, got {k}", UsageError)
        return np.asarray(np.abs(self.around.frame.astype(np.int64)) <= k)

    def _every(self, good: Outcomes, k: int) -> Outcomes:
        """(n,) whether all neighbours of an anchor at most k frames away are good."""
        bad = np.bincount(self.owner[self.within(k) & ~good], minlength=len(self.anchors))
        return np.asarray(bad == 0)

    def accuracy_within(self, k: int) -> Estimate:
        """pm-k: anchors right with every neighbour at most k frames away; in [0, 1]."""
        return share(self.samples, self._right_within(k), self.rule, self.level)

    def _right_within(self, k: int) -> Outcomes:
        return np.asarray(self.anchors.correct & self._every(self.around.correct, k))

    def drop(self, k: int) -> Estimate:
        """pm-0 less pm-k: anchors that are right, but not with every neighbour at most k frames away; in [0, 1]."""
        return share(self.samples, self.anchors.correct & ~self._right_within(k), self.rule, self.level)

    def kept(self, k: int) -> Estimate:
        """Of the right anchors, those whose every neighbour at most k frames away is right, pm-k / pm-0.

        Raises:
            NoSamplesError: No anchor is right.
        """
        return self._ratio(self._right_within(k), self.anchors.correct)

    def random_neighbour(self, k: int) -> Estimate:
        """Accuracy at a neighbour drawn at random, over the anchors that have one at most k frames away.

        Raises:
            NoSamplesError: None has one.
        """
        return self._mean_within(self.around.correct, k)

    def conditional(self, k: int) -> Estimate:
        """Of the neighbours of right anchors, those that are right, pooled over anchors.

        Raises:
            NoSamplesError: No right anchor has a neighbour.
        """
        of = self.within(k) & self.anchors.correct[self.owner]
        return self._pooled(of & self.around.correct, of)

    def steady_neighbour(self, k: int) -> Estimate:
        """The answer at a neighbour drawn at random is that of its anchor; needs no labels (errors: conditional)."""
        return self._mean_within(self.same, k)

    def steady_within(self, k: int) -> Estimate:
        """Anchors whose every neighbour at most k frames away gets the same answer; needs no labels."""
        return share(self.samples, self._every(self.same, k), self.rule, self.level)

    def accuracy_at(self, offset: int) -> Estimate:
        """Accuracy so many frames after the anchors (negative: before).

        Raises:
            NoSamplesError: No anchor has such a neighbour.
        """
        if offset == 0:
            return share(self.samples, self.anchors.correct, self.rule, self.level)
        return self._at(offset, self.around.correct)

    def conditional_at(self, offset: int) -> Estimate:
        """The same over the anchors that are right."""
        return self._at(offset, self.around.correct, self.anchors.correct)

    def steady_at(self, offset: int) -> Estimate:
        """Share of the neighbours so many frames after their anchors that get the same answer; needs no labels."""
        return self._at(offset, self.same)

    def drift_at(self, offset: int) -> Estimate:
        """How much the confidence differs so many frames after the anchors: mean absolute difference, in [0, 1]."""
        chosen = self.around.frame == offset
        self._some(chosen)
        apart = np.abs(self.around.confidence[chosen] - self.anchors.confidence[self.owner[chosen]])
        return bounded_mean(Samples.of(self.around, chosen), apart, 0.0, 1.0, self.rule, self.level)

    def flips(self) -> Estimate:
        """Share of pairs of frames next to each other, the anchors among them, whose answers differ, pooled.

        Raises:
            NoSamplesError: No anchor has two such frames.
        """
        changed, pairs = self._pairs()
        return self._ratio(changed, pairs)

    def flips_a_second(self, rates: Scores) -> Estimate:
        """How often the answer changes in a second of film, over the anchors of which the rate is known.

        Args:
            rates: (n,) frames a second of the anchors' clips; NaN where not known.

        Raises:
            NoSamplesError: Of no anchor with two frames next to each other the rate is known.
        """
        changed, pairs = self._pairs()
        chosen = np.flatnonzero((pairs > 0) & np.isfinite(rates))
        if len(chosen) == 0:
            raise NoSamplesError("the frames a second are not known of any clip")
        scores = changed[chosen] / pairs[chosen] * rates[chosen]
        highest = float(rates[chosen].max())
        return bounded_mean(self.samples.cut(chosen), scores, 0.0, highest, self.rule, self.level)

    def _pairs(self) -> tuple[Scores, Scores]:
        """(n,) changed and all pairs of frames next to each other, of each anchor."""
        owner = np.concatenate([np.arange(len(self.anchors)), self.owner])
        frame = np.concatenate([self.anchors.frame, self.around.frame]).astype(np.int64)
        answer = np.concatenate([self.anchors.prediction, self.around.prediction])
        order = np.lexsort((frame, owner))
        owner, frame, answer = owner[order], frame[order], answer[order]
        next_to = (owner[1:] == owner[:-1]) & (frame[1:] == frame[:-1] + 1)
        changed = next_to & (answer[1:] != answer[:-1])
        count = len(self.anchors)
        return _counted(owner[1:], changed, count), _counted(owner[1:], next_to, count)

    def outside(self, offset: int | None = None, *, flipped: bool = False, pixels: int | None = None) -> Estimate:
        """Share of natural change that no attack within ``BALL`` could make: neighbours outside of the ball around
        their anchors, pooled.

        Args:
            offset: Only neighbours so many frames away, before or after; ``None`` for all.
            flipped: Only those that get another answer than their anchor.
            pixels: Values of an image: the ball is then the L2 ball that encloses the L-inf ball, of radius ``BALL``
                times the root of this number; ``None`` for the L-inf ball itself.

        Raises:
            NoSamplesError: There are no such neighbours.
            NotAvailableError: The rows do not hold distances.
        """
        of = ~self.same if flipped else np.ones(len(self.around), bool)
        of &= self._away(offset)
        # Distances are float32 of whole levels: half a level decides nothing.
        if pixels is None:
            beyond = self._change[:, 0] > BALL + 0.5 / 255
        else:
            beyond = self._change[:, 1] > BALL * np.sqrt(pixels) * (1 + 1e-6)
        return self._pooled(of & beyond, of)

    def median_change(self, offset: int | None = None) -> tuple[float, float]:
        """Medians over neighbours of the distances from their anchors in L-inf and L2, pixels in [0, 1]."""
        chosen = self._change[self._away(offset)]
        if len(chosen) == 0:
            raise NoSamplesError("no neighbour lies so far away")
        return float(np.median(chosen[:, 0])), float(np.median(chosen[:, 1]))

    @property
    def _change(self) -> npt.NDArray[np.float32]:
        if self.around.change is None:
            raise NotAvailableError("these rows do not say how far frames are apart")
        return self.around.change

    def _away(self, offset: int | None) -> Outcomes:
        frames = np.abs(self.around.frame.astype(np.int64))
        return np.asarray(frames > 0 if offset is None else frames == abs(offset))

    def _some(self, chosen: Outcomes) -> None:
        if not chosen.any():
            raise NoSamplesError("no neighbour lies there")

    def _at(self, offset: int, good: Outcomes, among: Outcomes | None = None) -> Estimate:
        chosen = self.around.frame == offset
        if among is not None:
            chosen = chosen & among[self.owner]
        self._some(chosen)
        return share(Samples.of(self.around, chosen), good[chosen], self.rule, self.level)

    def _mean_within(self, good: Outcomes, k: int) -> Estimate:
        within = self.within(k)
        counts = np.bincount(self.owner[within], minlength=len(self.anchors))
        having = np.flatnonzero(counts)
        if len(having) == 0:
            raise NoSamplesError("no anchor has a neighbour")
        hits = np.bincount(self.owner[within], good[within], len(self.anchors))
        cap = float(counts[having].max())
        return mean_of(self.samples.cut(having), hits[having] / counts[having], self.rule, self.level, cap)

    def _pooled(self, above: Outcomes, below: Outcomes) -> Estimate:
        count = len(self.anchors)
        return self._ratio(_counted(self.owner, above, count), _counted(self.owner, below, count))

    def _ratio(self, above: Scores | Outcomes, below: Scores | Outcomes) -> Estimate:
        """The sum of the one over that of the other, over anchors; ``n`` is what the denominator counts."""
        a, b = np.asarray(above, np.float64), np.asarray(below, np.float64)
        weight = np.ones(len(a)) if self.samples.weight is None else self.samples.weight
        total = float(weight @ b)
        if total <= 0:
            raise NoSamplesError("a share of nothing is undefined")
        value = float(weight @ a) / total
        scale = len(a) / total
        effect = Effect(value, weight * (a - value * b) * scale, float((weight * b).max()) * scale)
        found = effect.estimate(self.level, self.rule, self.samples.group)
        method = self.samples.words(found.method.removesuffix(", clustered"))
        low, high = max(found.low, 0.0), min(found.high, 1.0)
        return dataclasses.replace(found, low=min(low, value), high=max(high, value), n=int(b.sum()), method=method)


def _counted(owner: Whole, hits: Outcomes, count: int) -> Scores:
    """(count,) hits of each owner."""
    return np.bincount(owner, hits, count).astype(np.float64)

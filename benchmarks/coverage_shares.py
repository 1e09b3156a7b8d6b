"""Cases: shares near 0 and 1, copies and groups, classes of unequal size, looking several times.

Each case is (place, asked coverage, old, new). ``old`` is what was shown before: Wilson's interval (or Bonett and
Price's) for independent samples that count alike. Both are simulated on the same seeded draws.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from brittlestar import measures
from brittlestar.core.rows import Rows
from brittlestar.data.order import balanced_order
from brittlestar.measures import Estimate
from brittlestar.store.design import Design
from brittlestar.store.looks import stopping_rule
from brittlestar.store.manifest import SessionRecord

Cover = Callable[[int], tuple[int, int]]
Case = tuple[str, float, Cover | None, Cover]
Draws = npt.NDArray[np.bool_]
ASKED = 0.94


def rows_of(correct: Draws, labels: npt.NDArray[np.int32] | None = None) -> Rows:
    """Rows with given outcomes, positions 0, 1, 2 ..."""
    n = len(correct)
    label = np.zeros(n, np.int32) if labels is None else labels
    nothing = np.zeros(n, np.float32)
    return Rows(
        position=np.arange(n, dtype=np.int32),
        frame=np.zeros(n, np.int16),
        label=label,
        prediction=np.where(correct, label, -1).astype(np.int32),
        label_logit=nothing,
        top_logit=nothing,
        log_sum_exp=nothing,
    )


def held(estimate: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth."""
    return estimate.low <= truth <= estimate.high


def plain(rows: Rows) -> Rows:
    """Without the design."""
    return dataclasses.replace(rows, group=None, weight=None, unseen=0.0)


def both(
    seed: int, truth: float, draw: Callable[[np.random.Generator], Rows], rule: str = "fixed"
) -> tuple[Cover, Cover]:
    """The share of right answers: as it was, and as it is."""

    def old(repetitions: int) -> tuple[int, int]:
        generator = np.random.default_rng(seed)
        found = [plain(draw(generator)).correct for _ in range(repetitions)]
        if rule == "anytime":
            return sum(held(measures.rate(int(c.sum()), len(c), rule), truth) for c in found), repetitions
        return sum(held(measures.wilson(int(c.sum()), len(c)), truth) for c in found), repetitions

    def new(repetitions: int) -> tuple[int, int]:
        generator = np.random.default_rng(seed)
        return sum(held(measures.accuracy(draw(generator), rule), truth) for _ in range(repetitions)), repetitions

    return old, new


def both_differences(
    seed: int, truth: float, draw: Callable[[np.random.Generator], tuple[Rows, Rows]]
) -> tuple[Cover, Cover]:
    """A paired difference of error: as it was, and as it is."""

    def cover(strip: Callable[[Rows], Rows], repetitions: int) -> tuple[int, int]:
        generator = np.random.default_rng(seed)
        pairs = (draw(generator) for _ in range(repetitions))
        return sum(held(measures.paired_difference(strip(a), strip(b)), truth) for a, b in pairs), repetitions

    return functools.partial(cover, plain), functools.partial(cover, lambda rows: rows)


# ------------------------------------------------------------------ near 0 and 1


def near(n: int, mean: float) -> Case:
    """A share of mean / n, and of 1 - mean / n, half of the repetitions each."""

    def cover(interval: Callable[[float, float], Estimate], repetitions: int) -> tuple[int, int]:
        counts = np.random.default_rng([n, 1]).binomial(n, mean / n, repetitions)
        known = {
            k: (held(interval(k, n), mean / n), held(interval(n - k, n), 1 - mean / n)) for k in set(counts.tolist())
        }
        return sum(known[k][i % 2] for i, k in enumerate(counts.tolist())), repetitions

    def score(k: float, n_: float) -> Estimate:
        return measures.mean_interval(np.repeat([1.0, 0.0], [int(k), int(n_ - k)]))

    place = f"rates near 0 and 1, np = {mean:g}, n = {n:,}"
    return place, ASKED, functools.partial(cover, measures.wilson), functools.partial(cover, score)


def near_means(n: int, p: float, outcomes: int) -> Case:
    """A mean over conditions near 0: few samples are wrong, in all conditions or in some."""

    def cover(repetitions: int) -> tuple[int, int]:
        generator, hits = np.random.default_rng([n, outcomes, 2]), 0
        for _ in range(repetitions):
            share = np.where(generator.random(n) < 2 * p, generator.random(n), 0.0)
            scores = generator.binomial(outcomes, share) / outcomes
            hits += held(measures.mean_interval(scores, cap=outcomes), p)
        return hits, repetitions

    return f"means over {outcomes} conditions near 0, mean {p:g}, n = {n:,}", ASKED, None, cover


# ------------------------------------------------------------------ groups


def grouped(groups: int, size: int, p: float, alike: float = 1.0, rule: str = "fixed") -> Case:
    """Groups of a size whose members agree (copies: always) with a probability, else are drawn anew."""

    def draw(generator: np.random.Generator) -> Rows:
        first = np.repeat(generator.random(groups) < p, size)
        own = generator.random(groups * size) < p
        right = np.where(np.repeat(generator.random(groups) < alike, size), first, own)
        return dataclasses.replace(rows_of(right), group=np.repeat(np.arange(groups), size))

    what = "copies" if alike == 1 else "dependent samples"
    old, new = both(100 * groups + size, p, draw, rule)
    how = "" if rule == "fixed" else f", {rule}"
    return f"{what}, {groups:,} groups of {size}, share {p:g}{how}", ASKED, old, new


def some_copied(n: int, copied: int, size: int, p: float) -> Case:
    """A set in which some images stand several times: the rest once."""
    group = np.concatenate([np.repeat(np.arange(copied), size), np.arange(copied, copied + n)])

    def draw(generator: np.random.Generator) -> Rows:
        return dataclasses.replace(rows_of((generator.random(copied + n) < p)[group]), group=group)

    old, new = both(n + copied, p, draw)
    return f"{n} single images and {copied} that stand {size} times, share {p:g}", ASKED, old, new


def grouped_difference(groups: int, size: int) -> Case:
    """Two models on copies: the second is wrong where the first is, and a little oftener."""

    def draw(generator: np.random.Generator) -> tuple[Rows, Rows]:
        u = generator.random(groups)
        parts = [
            dataclasses.replace(rows_of(np.repeat(right, size)), group=np.repeat(np.arange(groups), size))
            for right in (u < 0.8, (u < 0.7) | (u > 0.95))
        ]
        return parts[0], parts[1]

    old, new = both_differences(groups * size, -0.05, draw)
    return f"difference of two models, copies, {groups} groups of {size}", ASKED, old, new


# ------------------------------------------------------------------ unequal classes

Sizes = tuple[tuple[int, float], ...]
"""(size, accuracy) of each class."""

HEAVY: Sizes = ((9400, 0.97), *(((70, 0.45),) * 9))
"""One class is 94 % of the set and easy: a plain count over a balanced part says less than 60 %."""

MIXED: Sizes = tuple((60 + 60 * k, 0.6 + 0.035 * k) for k in range(10))
MANY: Sizes = tuple((20 + (k * 37) % 180, 0.5 + (k % 10) / 20) for k in range(100))


def whole(sizes: Sizes) -> float:
    """Accuracy on the whole set's mix of classes."""
    size, accuracy = np.array(sizes).T
    return float(size @ accuracy / size.sum())


@functools.cache
def shuffled(sizes: Sizes, seed: int) -> Design:
    """A seeded order: the classes take turns, each round in an order of its own."""
    labels = np.repeat(np.arange(len(sizes)), [size for size, _ in sizes]).astype(np.int32)
    ids = np.array([f"{i:016x}" for i in range(len(labels))])
    return Design(labels[balanced_order(ids, labels, seed)])


def part(sizes: Sizes, n: int) -> Callable[[np.random.Generator], Rows]:
    """Draws of the first n samples, in one of eight orders."""
    accuracy = np.array([a for _, a in sizes])

    def draw(generator: np.random.Generator) -> Rows:
        design = shuffled(sizes, int(generator.integers(8)))
        labels = design.labels[:n]
        return design.attached(rows_of(generator.random(n) < accuracy[labels], labels))

    return draw


def unequal(name: str, sizes: Sizes, n: int, rule: str = "fixed") -> Case:
    """The first n of the order, for the accuracy on the whole set."""
    old, new = both(n, whole(sizes), part(sizes, n), rule)
    return f"unequal classes ({name}), the first {n:,} of {sum(s for s, _ in sizes):,}, {rule}", ASKED, old, new


def unequal_copies(name: str, sizes: Sizes, n: int, size: int) -> Case:
    """As ``unequal``, and every image stands there several times: whole groups within a class agree."""

    def draw(generator: np.random.Generator) -> Rows:
        rows = part(sizes, n)(generator)
        every = np.lexsort((np.arange(n), rows.label))
        number = np.empty(n, np.int64)
        number[every] = np.arange(n) // size
        first = np.unique(number, return_index=True)[1]
        right = np.where(rows.label == rows.label[first][number], rows.correct[first][number], rows.correct)
        return dataclasses.replace(
            rows, prediction=np.where(right, rows.label, -1).astype(np.int32), group=number + 1000 * rows.label
        )

    old, new = both(n + size, whole(sizes), draw)
    return f"unequal classes ({name}) in copies, groups of {size}, n = {n:,}", ASKED, old, new


def unequal_difference(name: str, sizes: Sizes, n: int) -> Case:
    """Two models on the first n: the second errs twice as often on the small classes."""
    size, accuracy = np.array(sizes).T
    worse = np.where(size < np.median(size) + 1, 2 * accuracy - 1, accuracy).clip(0.05)

    def draw(generator: np.random.Generator) -> tuple[Rows, Rows]:
        a = part(sizes, n)(generator)
        right = a.correct & (generator.random(n) < (worse / accuracy)[a.label])
        return a, dataclasses.replace(a, prediction=np.where(right, a.label, -1).astype(np.int32))

    old, new = both_differences(n, float(size @ (worse - accuracy) / size.sum()), draw)
    return f"difference of two models, unequal classes ({name}), n = {n:,}", ASKED, old, new


# ------------------------------------------------------------------ looking several times


def looks(p: float, ends: tuple[int, ...] = (200, 400, 600, 800, 1000)) -> Case:
    """A folder to which samples are added after each look: all intervals shown on the way hold."""
    sessions = [SessionRecord(started="", samples=n, suite="broad", stop="complete") for n in ends]
    rules = [stopping_rule(sessions[: k + 1]).rule for k in range(len(ends))]

    def cover(how: list[str], old: bool, repetitions: int) -> tuple[int, int]:
        generator, hits = np.random.default_rng(int(1000 * p)), 0
        for _ in range(repetitions):
            count = np.cumsum(generator.random(ends[-1]) < p)[np.array(ends) - 1]
            hits += all(
                held(measures.wilson(int(k), n) if old else measures.rate(int(k), n, rule), p)
                for k, n, rule in zip(count, ends, how, strict=True)
            )
        return hits, repetitions

    place = f"{len(ends)} looks at a growing run, share {p:g}: all intervals hold"
    return place, ASKED, functools.partial(cover, rules, True), functools.partial(cover, rules, False)


def precision(name: str, sizes: Sizes, half_width: float) -> Case:
    """A run that stops at a precision, looking after every block: the interval that is shown at the end."""
    ends = (50, 100, *range(250, sum(size for size, _ in sizes) + 1, 250))
    accuracy = np.array([a for _, a in sizes])

    def cover(old: bool, repetitions: int) -> tuple[int, int]:
        generator, hits = np.random.default_rng(len(ends)), 0
        repetitions = max(repetitions // 5, 1)  # each looks many times
        for _ in range(repetitions):
            design = shuffled(sizes, int(generator.integers(8)))
            rows = rows_of(generator.random(len(design.labels)) < accuracy[design.labels], design.labels)
            for n in ends:
                part_ = rows.take(slice(n)) if old else design.attached(rows.take(slice(n)))
                found = measures.accuracy(part_, "anytime")
                if (found.high - found.low) / 2 <= half_width:
                    break
            hits += held(found, whole(sizes))
        return hits, repetitions

    place = f"--precision {half_width:g}, unequal classes ({name}): the interval at the stop"
    return place, ASKED, functools.partial(cover, True), functools.partial(cover, False)


CASES: list[Case] = [
    *(near(n, 0.176) for n in (20, 100, 1000, 5000)),
    near(1000, 0.5),
    near(200, 3.0),
    near_means(300, 0.004, 20),
    near_means(2000, 0.001, 75),
    *(grouped(groups, size, p) for size in (2, 5) for groups, p in ((10, 0.7), (40, 0.9), (500, 0.8), (500, 0.995))),
    grouped(40, 5, 0.9, rule="anytime"),
    grouped(20, 5, 0.7, 0.5),
    grouped(200, 5, 0.9, 0.5),
    some_copied(500, 60, 5, 0.9),
    some_copied(50, 3, 20, 0.8),
    grouped_difference(300, 2),
    grouped_difference(60, 5),
    *(unequal("one of 94 %", HEAVY, n) for n in (50, 500, 2000)),
    unequal("1 to 10", MIXED, 250, "anytime"),
    *(unequal("1 to 10", MIXED, n) for n in (55, 250, 1000)),
    *(unequal("100 classes", MANY, n) for n in (50, 250, 2000)),
    unequal_copies("1 to 10", MIXED, 500, 2),
    unequal_copies("1 to 10", MIXED, 500, 5),
    unequal_difference("1 to 10", MIXED, 500),
    unequal_difference("one of 94 %", HEAVY, 500),
    looks(0.05),
    looks(0.8),
    precision("1 to 10", MIXED, 0.06),
    precision("one of 94 %", HEAVY, 0.08),
]

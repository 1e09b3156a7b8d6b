"""Stability along sequences of frames: flip probability, flip rate, mFR, top-5 distance, Zipf distance.

Noise sequences compare every frame with frame 0 (the clean one), the others every frame with the one before. A
sequence is one sample: intervals are over samples, comparisons within a sequence are averaged first.

* FP: share of comparisons in which the prediction changes; in [0, 1].
* T5D: mean distance of the five likeliest classes: 0 where they stay, 15 where all five leave, 18 at most.
* Zipf distance: the same over all classes, early ranks weighing most.
* FR: FP over a normaliser's FP on the same sequence; mFR the mean over the set's ten sequences. Above 1 is possible.

Reference:
    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import Rows
from brittlestar.measures.alexnet import SEQUENCE_SETS, PublishedFlips, members
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_rule
from brittlestar.measures.rankings import DEPTH, MOST, Ranking, largest_distance, top5_between, zipf_between
from brittlestar.measures.ratios import (
    Divided,
    Normalised,
    NormalisedSet,
    mean_score,
    over_constants,
    over_scores,
)
from brittlestar.measures.samples import Samples

Sequences = Mapping[str, Rows]
"""Rows by the sequence's name."""

COMPARES = ("first", "previous")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSequences:
    """Another run as normaliser, on the same samples; the sequences that both have are used."""

    name: str
    sequences: Sequences


def compare_of(sequence: str) -> str:
    """What frames of a published sequence are compared with: ``first`` for noise, else ``previous``."""
    # By the name, as the reference evaluation does.
    return "first" if "noise" in sequence else "previous"


def flip_probability(
    rows: Rows, compare: str = "previous", difficulty: int = 1, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Share of comparisons in which the prediction changes; in [0, 1].

    Args:
        rows: Every sample with the frames 0, 1, ... up to one common last frame.
        compare: ``first`` or ``previous``.
        difficulty: d compares frames d apart (every start offset, every d-th frame, all comparisons pooled). Only with
            ``previous``: harder noise sequences are sequences of their own.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.

    Raises:
        NoSamplesError: No rows, or fewer frames than one comparison needs.
        UsageError: Missing or repeated frames, an unknown comparison or difficulty.
    """
    return _estimate(rows, *_flips(rows, compare, difficulty), 1.0, rule, level)


def top5_distance(
    rows: Rows, compare: str = "previous", difficulty: int = 1, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Mean distance of the five likeliest classes; 0 to 18 (less with fewer than 10 classes). Not normalised.

    Arguments and errors as ``flip_probability``; rows must hold the top classes or all logits.
    """
    # Rows are stored without logits only above 20 classes, and from ten on the largest distance is the same.
    classes = 2 * DEPTH if rows.logits is None else rows.logits.shape[1]
    return _estimate(rows, *_distances(rows, compare, difficulty), largest_distance(classes), rule, level)


def zipf_distance(
    rows: Rows, compare: str = "previous", difficulty: int = 1, rule: str = "fixed", level: float = LEVEL
) -> Estimate:
    """Mean Zipf distance of the rankings of all classes. Not normalised.

    Arguments and errors as ``flip_probability``; rows must hold all logits (stored up to 20 classes). For more classes
    give rankings to ``zipf_of``.
    """
    require(
        rows.logits is not None,
        "the Zipf distance needs the logits of all classes, which these rows do not hold; run again with all logits "
        "stored, or give rankings to zipf_of",
        UsageError,
    )
    assert rows.logits is not None
    ranking = np.argsort(-rows.logits, axis=1, kind="stable")
    scores, comparisons = _scores(rows, ranking, zipf_between, compare, difficulty)
    classes = ranking.shape[1]
    # A bound for the range, never reached: each |1 / i - 1 / rank| is under 1.
    return _estimate(rows, scores, comparisons, 2 * float(np.sum(1 / np.arange(1, classes + 1))), rule, level)


def zipf_of(ranking: Ranking, compare: str = "previous", difficulty: int = 1) -> float:
    """Mean Zipf distance along one sequence, from (frames, classes) rankings of all classes.

    Raises:
        NoSamplesError: Fewer frames than one comparison needs.
        UsageError: A row that does not name every class once, an unknown comparison or difficulty.
    """
    ranking = np.asarray(ranking)
    require(
        ranking.ndim == 2 and bool(np.all(np.sort(ranking, axis=1) == np.arange(ranking.shape[1]))),
        f"a ranking names every class once in each frame: (frames, classes), got shape {ranking.shape}",
        UsageError,
    )
    first, second = _pairs(len(ranking), compare, difficulty)
    return float(zipf_between(ranking[first], ranking[second]).mean())


def mean_flip_probability(
    sequences: Sequences,
    table: str,
    rule: str = "fixed",
    level: float = LEVEL,
    compare: Mapping[str, str] | None = None,
) -> Normalised:
    """Mean FP over the set's sequences, each with equal weight (CIFAR-10-P's summary); not normalised.

    Raises:
        NoSamplesError: No sequence of the set, or no sample in common.
        UsageError: An unknown set, or what ``flip_probability`` refuses.
    """
    return _mean(sequences, table, _flips, 1.0, "FP", rule, level, compare)


def mean_top5_distance(
    sequences: Sequences,
    table: str,
    rule: str = "fixed",
    level: float = LEVEL,
    compare: Mapping[str, str] | None = None,
) -> Normalised:
    """Mean T5D over the set's sequences; not normalised (AlexNet's are not known)."""
    return _mean(sequences, table, _distances, MOST, "T5D", rule, level, compare)


def flip_rates(
    sequences: Sequences,
    normaliser: PublishedFlips | RunSequences,
    *,
    table: str = "imagenet-p",
    rule: str = "fixed",
    level: float = LEVEL,
    compare: Mapping[str, str] | None = None,
) -> NormalisedSet:
    """FR of every sequence and their mean: mFR where all ten are there.

    Args:
        sequences: Rows by sequence.
        normaliser: Another run, or ``ALEXNET_FLIPS``, whose name says that it is not verified.
        table: The published set.
        rule: ``fixed`` or ``anytime``.
        level: Confidence level.
        compare: ``first`` or ``previous`` by sequence; the published choice by default.

    Raises:
        NoSamplesError: No sequence of the set, or no sample in common.
        UsageError: An unknown set, one that the normaliser was not measured on, or what ``flip_probability`` refuses.
    """
    if isinstance(normaliser, PublishedFlips):
        require(
            table == normaliser.table,
            f"{normaliser.name} are for {normaliser.table}, not for {table}; give a run on the same images",
            UsageError,
        )
        chosen = _chosen(sequences, table, normaliser.flips)
        samples, scores, caps = _matrix([sequences], chosen, _flips, compare)
        below = [normaliser.flips[name] for name in chosen]
        divided = over_constants(scores[0], below, caps, 0.0, 1.0, rule, level, samples)
        return _set(chosen, table, normaliser.name, divided, "FR")
    return _over_run(sequences, normaliser, table, _flips, 1.0, "FR", rule, level, compare)


def top5_rates(
    sequences: Sequences,
    normaliser: RunSequences,
    *,
    table: str = "imagenet-p",
    rule: str = "fixed",
    level: float = LEVEL,
    compare: Mapping[str, str] | None = None,
) -> NormalisedSet:
    """T5D over another run's, by sequence, and their mean (mT5D where all ten are there). As ``flip_rates``."""
    return _over_run(sequences, normaliser, table, _distances, MOST, "T5D ratio", rule, level, compare)


def mean_rate_of(values: Mapping[str, float], denominators: Mapping[str, float]) -> float:
    """The mean of published FPs (or T5Ds) over those of a normaliser, without an interval.

    Raises:
        NoSamplesError: No sequence in common.
        UsageError: A denominator that is not above 0.
    """
    both = [name for name in values if name in denominators]
    if not both:
        raise NoSamplesError("the two have no sequence in common")
    none = [name for name in both if denominators[name] <= 0]
    require(not none, f"there is nothing to divide by under {', '.join(none)}", UsageError)
    return float(np.mean([values[name] / denominators[name] for name in both]))


Answer = Callable[[Rows, str, int], tuple[Scores, int]]


def _estimate(rows: Rows, scores: Scores, comparisons: int, highest: float, rule: str, level: float) -> Estimate:
    samples = Samples.first_frames(rows, np.unique(rows.position))
    return mean_score(scores, 0.0, highest, float(comparisons), rule, level, samples)


def _flips(rows: Rows, compare: str, difficulty: int) -> tuple[Scores, int]:
    """Mean over comparisons of each sample, in order of position, and how many comparisons."""
    return _scores(rows, rows.prediction[:, None], lambda a, b: (a != b)[..., 0] * 1.0, compare, difficulty)


def _distances(rows: Rows, compare: str, difficulty: int) -> tuple[Scores, int]:
    return _scores(rows, _top(rows), top5_between, compare, difficulty)


def _top(rows: Rows) -> Ranking:
    if rows.logits is not None:
        # Stable, so that equal logits rank by class index, as for the prediction.
        return np.argsort(-rows.logits, axis=1, kind="stable")[:, :DEPTH]
    require(
        rows.top_classes is not None and rows.top_classes.shape[1] >= DEPTH,
        "the top-5 distance needs the five likeliest classes of every frame, which these rows do not hold; run again "
        "with the top classes stored",
        UsageError,
    )
    assert rows.top_classes is not None
    return rows.top_classes[:, :DEPTH]


def _pairs(frames: int, compare: str, difficulty: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices of the first and second frames of all comparisons."""
    require(compare in COMPARES, f"frames are compared with the 'first' or the 'previous', got {compare!r}", UsageError)
    require(difficulty >= 1, f"a difficulty is at least 1, got {difficulty}", UsageError)
    require(
        compare == "previous" or difficulty == 1,
        "noise sequences of higher difficulty are sequences of their own (noisier frames), not every d-th frame",
        UsageError,
    )
    second = np.arange(difficulty, frames)
    if len(second) == 0:
        raise NoSamplesError(f"a sequence of {frames} frames has no two that are {difficulty} apart")
    return (np.zeros_like(second) if compare == "first" else second - difficulty), second


def _scores(
    rows: Rows, answers: npt.NDArray[Any], between: Callable[..., Scores], compare: str, difficulty: int
) -> tuple[Scores, int]:
    _, frames, order = _frames(rows)
    by_sample = answers[order].reshape(-1, frames, answers.shape[1])
    first, second = _pairs(frames, compare, difficulty)
    total = np.zeros(len(by_sample))
    for a, b in zip(first, second, strict=True):
        total += between(by_sample[:, a], by_sample[:, b])
    return total / len(first), len(first)


def _frames(rows: Rows) -> tuple[npt.NDArray[np.int32], int, npt.NDArray[np.intp]]:
    """Positions (ascending), the number of frames, and the order of rows by (position, frame)."""
    if len(rows) == 0:
        raise NoSamplesError("no samples: stability is undefined")
    order = np.lexsort((rows.frame, rows.position))
    positions = np.unique(rows.position)
    # Sequences of one length: the mean of their means is then the mean of all comparisons, as published.
    frames = len(rows) // len(positions)
    require(
        len(rows) == frames * len(positions)
        and bool(np.all(rows.position[order] == np.repeat(positions, frames)))
        and bool(np.all(rows.frame[order] == np.tile(np.arange(frames), len(positions)))),
        "a sequence needs the same frames 0, 1, 2 ... of every sample, each once; finish the run or leave out samples "
        "whose frames are missing",
        UsageError,
    )
    return positions, frames, order


def _chosen(sequences: Sequences, table: str, other: Mapping[str, Any] | None = None) -> list[str]:
    found = [name for name in members(table, SEQUENCE_SETS) if name in sequences and (other is None or name in other)]
    if not found:
        raise NoSamplesError(f"no sequence is one of {table}")
    return found


def _matrix(
    runs: Sequence[Sequences], chosen: Sequence[str], answer: Answer, compare: Mapping[str, str] | None
) -> tuple[Samples, list[Scores], list[float]]:
    """The samples that all sequences of all runs share, and each run's (samples, sequences) scores of them."""
    parts = [(run[name], (compare or {}).get(name, compare_of(name))) for run in runs for name in chosen]
    positions = [np.unique(rows.position) for rows, _ in parts]
    shared = positions[0]
    for own in positions[1:]:
        shared = shared if np.array_equal(shared, own) else np.intersect1d(shared, own)
    if len(shared) == 0:
        raise NoSamplesError("the sequences share no samples")
    columns, caps = [], []
    for (rows, how), own in zip(parts, positions, strict=True):
        scores, comparisons = answer(rows, how, 1)
        columns.append(scores[np.searchsorted(own, shared)])
        caps.append(float(comparisons))
    size = len(chosen)
    stacked = [np.stack(columns[first : first + size], axis=1) for first in range(0, len(columns), size)]
    fewest = min(range(len(parts)), key=lambda place: len(positions[place]))
    samples = Samples.first_frames(parts[fewest][0], shared)
    unseen = max(samples.unseen, *(rows.unseen for rows, _ in parts))
    return dataclasses.replace(samples, unseen=unseen), stacked, caps[:size]


def _mean(
    sequences: Sequences,
    table: str,
    answer: Answer,
    highest: float,
    name: str,
    rule: str,
    level: float,
    compare: Mapping[str, str] | None,
) -> Normalised:
    check_rule(rule)
    chosen = _chosen(sequences, table)
    samples, (scores,), caps = _matrix([sequences], chosen, answer, compare)
    divided = over_constants(scores, [1.0] * len(chosen), caps, 0.0, highest, rule, level, samples)
    return _described(chosen, table, "", divided.mean, f"mean {name}", f"mean {name}")


def _over_run(
    sequences: Sequences,
    normaliser: RunSequences,
    table: str,
    answer: Answer,
    highest: float,
    name: str,
    rule: str,
    level: float,
    compare: Mapping[str, str] | None,
) -> NormalisedSet:
    check_rule(rule)
    chosen = _chosen(sequences, table, normaliser.sequences)
    samples, (above, below), _ = _matrix([sequences, normaliser.sequences], chosen, answer, compare)
    divided = over_scores(above, below, 0.0, highest, rule, level, samples)
    return _set(chosen, table, normaliser.name, divided, name)


def _set(chosen: Sequence[str], table: str, normaliser: str, divided: Divided, name: str) -> NormalisedSet:
    parts = {
        sequence: dataclasses.replace(_described([sequence], table, normaliser, estimate, name, name, why), name=name)
        for sequence, estimate, why in zip(chosen, divided.parts, divided.why, strict=True)
    }
    whole = "mFR" if name == "FR" else "mT5D"
    mean = _described(chosen, table, normaliser, divided.mean, whole, f"mean {name}", divided.why_mean)
    without = [sequence for sequence, part in parts.items() if part.estimate is None]
    if without:
        mean = dataclasses.replace(mean, undefined=f"{parts[without[0]].undefined} under {', '.join(without)}")
    return NormalisedSet(parts=parts, mean=mean)


def _described(
    chosen: Sequence[str], table: str, normaliser: str, estimate: Estimate | None, whole: str, part: str, why: str = ""
) -> Normalised:
    every = members(table, SEQUENCE_SETS)
    return Normalised(
        name=whole if len(chosen) == len(every) else f"{part} over {len(chosen)} of {len(every)}",
        estimate=estimate,
        undefined="" if estimate is not None else f"{normaliser} {why}",
        table=table,
        normaliser=normaliser,
        parts=tuple(chosen),
        severities=(),
        conditions=len(chosen),
    )

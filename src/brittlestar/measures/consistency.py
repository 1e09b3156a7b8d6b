"""How alike two observers err: observed and error consistency (kappa), response entropy, shape bias.

People and models are observers: each is right or wrong on the same images. Two that are often right agree often by that
alone; kappa is what they agree beyond it: 0 for independent errors, 1 for the same ones, below 0 for opposite ones.

Intervals are percentiles of a bootstrap over images: an image's answers, of all observers, stay together. Observers are
not drawn again: the intervals are about these people. Each draw also gets two made-up images, on which observers of
these accuracies err independently, so that a small sample in which all agree does not claim to be sure.

Reference:
    Geirhos et al., NeurIPS 2018, https://arxiv.org/abs/1808.08750 (entropy)
    Geirhos, Meding and Wichmann, NeurIPS 2020, https://arxiv.org/abs/2006.16736 (consistency)
    Geirhos et al., ICLR 2019, https://arxiv.org/abs/1811.12231 (shape bias)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import UsageError, require
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, Scores, check_level, enclosing

DRAWS = 1000
"""Bootstrap draws."""

MADE_UP = 2
"""Images that each draw gets beside those that were seen."""

BOOTSTRAP = "bootstrap over images"
_NEGLIGIBLE = 1e-5
"""Shares below this count nothing in an entropy, as in the published code."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """A number with what it was in every draw of a bootstrap.

    Fields:
        value: On the images as they are.
        draws: (draws,); NaN where nothing was drawn that it can be told from.
        n: Images.
    """

    value: float
    draws: Scores
    n: int

    def estimate(self, level: float = LEVEL) -> Estimate:
        """With the interval between percentiles."""
        check_level(level)
        low, high = np.nanquantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return enclosing(self.value, float(low), float(high), self.n, level, BOOTSTRAP)


def mean_resampled(parts: Sequence[Resampled]) -> Resampled:
    """The plain mean of parts whose images were drawn apart.

    Raises:
        NoSamplesError: There are none.
    """
    if not parts:
        raise NoSamplesError("no parts: a mean of nothing is undefined")
    value = float(np.mean([part.value for part in parts]))
    return Resampled(value, np.mean([part.draws for part in parts], 0), sum(part.n for part in parts))


def over_images(
    counts: npt.ArrayLike,
    statistic: Callable[[Scores], Scores],
    *,
    made_up: Scores | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Resampled:
    """A statistic of sums of counts, its images drawn again and again.

    Args:
        counts: (images, pairs, outcomes): how often each outcome came about.
        statistic: From (draws, pairs, outcomes) sums to (draws,) numbers.
        made_up: (pairs, outcomes) probabilities of what ``MADE_UP`` further images of each draw bring.
        draws: How many.
        seed: Of the draws.

    Raises:
        NoSamplesError: No images.
    """
    table = np.asarray(counts, np.float64)
    require(table.ndim == 3, f"counts are (images, pairs, outcomes), got shape {table.shape}", UsageError)
    if len(table) == 0 or not table.any():
        raise NoSamplesError("no images: consistency on nothing is undefined")
    images, pairs, outcomes = table.shape
    generator = np.random.default_rng(seed)
    value = float(statistic(table.sum(0)[None])[0])
    weights = generator.multinomial(images, np.full(images, 1 / images), draws).astype(np.float64)
    sums = (weights @ table.reshape(images, -1)).reshape(draws, pairs, outcomes)
    if made_up is not None:
        # A pair that saw nothing together is no pair in any draw either.
        sums += generator.multinomial(MADE_UP, made_up, (draws, pairs)) * (table.sum((0, 2)) > 0)[:, None]
    return Resampled(value, statistic(sums), images)


def outcomes(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Scores:
    """(images, 4): both right, only the first, only the second, neither, of (images,) each."""
    return np.stack([first & second, first & ~second, ~first & second, ~first & ~second], -1).astype(np.float64)


def expected_consistency(first: npt.ArrayLike, second: npt.ArrayLike) -> Scores:
    """How often observers of these accuracies agree if their errors are independent; in [0, 1]."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return np.asarray(one * two + (1 - one) * (1 - two))


def kappa(observed: npt.ArrayLike, expected: npt.ArrayLike) -> Scores:
    """Error consistency: ``(observed - expected) / (1 - expected)``; 1 where all is observed alike; at most 1."""
    seen, chance = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    return np.where(seen >= 1, 1.0, (seen - chance) / np.where(chance < 1, 1 - chance, 1.0))


def _shares(sums: Scores) -> Scores:
    with np.errstate(invalid="ignore"):  # A pair none of whose images was drawn is undefined, and left out.
        return np.asarray(sums / sums.sum(-1, keepdims=True))


def _observed(sums: Scores) -> Scores:
    share = _shares(sums)
    return np.asarray(np.nanmean(share[..., 0] + share[..., 3], -1))


def _kappa(sums: Scores) -> Scores:
    share = _shares(sums)
    seen = share[..., 0] + share[..., 3]
    # 1 - (only one right): exact where all agree, which a sum of rounded shares need not be.
    seen = np.where(sums[..., 1] + sums[..., 2] == 0, np.where(np.isnan(seen), np.nan, 1.0), seen)
    chance = expected_consistency(share[..., 0] + share[..., 1], share[..., 0] + share[..., 2])
    return np.asarray(np.nanmean(kappa(seen, chance), -1))


@dataclass(frozen=True, eq=False)
class Consistency:
    """Of pairs of observers on the same images, the mean over pairs: how often they agree, and kappa."""

    observed: Resampled
    kappa: Resampled


def consistency(tables: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Consistency:
    """Observed and error consistency.

    Args:
        tables: (images, pairs, 4) of ``outcomes``; zeros where a pair did not both see an image.
        draws, seed: Of the bootstrap.

    Raises:
        NoSamplesError: No images.
    """
    table = np.asarray(tables, np.float64)
    require(table.ndim == 3 and table.shape[2] == 4, f"outcomes are (images, pairs, 4), got {table.shape}", UsageError)
    # Half a right and half a wrong answer more: no accuracy is taken for 0 or 1.
    first, second = ((table[:, :, [0, other]].sum((0, 2)) + 0.5) / (table.sum((0, 2)) + 1) for other in (1, 2))
    made_up = np.stack([first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)], -1)
    return Consistency(
        over_images(table, _observed, made_up=made_up, draws=draws, seed=seed),
        over_images(table, _kappa, made_up=made_up, draws=draws, seed=seed),
    )


def share_over_images(hits: npt.ArrayLike, asked: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Resampled:
    """The share of hits, (images,), among what was asked, (images,); several observers of an image stay together.

    Raises:
        NoSamplesError: Nothing was asked.
    """
    right, all_of = np.asarray(hits, np.float64), np.asarray(asked, np.float64)
    require(bool((right <= all_of).all()), "more hits than were asked for", UsageError)
    table = np.stack([right, all_of - right], -1)[:, None]
    likely = (right.sum() + 0.5) / (all_of.sum() + 1)
    made_up = np.array([[likely, 1 - likely]])
    return over_images(table, lambda sums: _shares(sums)[:, 0, 0], made_up=made_up, draws=draws, seed=seed)


def accuracy_difference(model: Sequence[float], people: Sequence[Sequence[float]]) -> float:
    """The mean over conditions and people of the squared difference of accuracies; in [0, 1].

    Args:
        model: Its accuracy by condition.
        people: Theirs, by condition and person.
    """
    require(len(model) == len(people) > 0, "one accuracy of the model for each condition of the people", UsageError)
    return float(np.mean([np.mean((np.asarray(each) - own) ** 2) for own, each in zip(model, people, strict=True)]))


def response_entropy(responses: Sequence[str], classes: Sequence[str]) -> float:
    """Entropy, in bits, of how often each class is answered; answers that are none count as asked but as no class.

    Raises:
        NoSamplesError: No answers.
    """
    if len(responses) == 0:
        raise NoSamplesError("no answers: their entropy is undefined")
    shares = np.array([sum(answer == name for answer in responses) for name in classes]) / len(responses)
    told = shares[shares > _NEGLIGIBLE]
    return float(-(told * np.log2(told)).sum()) + 0.0


def shape_bias(shape: npt.ArrayLike, texture: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Resampled:
    """Share of answers by shape among those by shape or texture, on images whose shape and texture disagree.

    Args:
        shape, texture: (images,) how many observers answered the class of its shape, of its texture.
        draws, seed: Of the bootstrap.

    Raises:
        NoSamplesError: No such answers.
    """
    by_shape = np.asarray(shape, np.float64)
    return share_over_images(by_shape, by_shape + np.asarray(texture, np.float64), draws=draws, seed=seed)

"""How well confidence ranks right answers before wrong ones: AURRA and soft F1 (Hendrycks et al.)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures.base import LEVEL, Estimate, NoSamplesError, NotAvailableError, Scores
from brittlestar.measures.effects import Effect
from brittlestar.measures.measure import Measure
from brittlestar.measures.samples import Samples, repeated


@final
@dataclass(frozen=True, kw_only=True)
class Aurra(Measure):
    """Area under the response rate accuracy curve: the mean of the accuracies of the k surest answers, k = 1 .. n.

    In [0, 1]. Equal confidences are one step, whose accuracy counts once for each: the reference code takes them in the
    order of its sort. Interval of the linearised number.

    Reference:
        Hendrycks et al., CVPR 2021, https://arxiv.org/abs/1907.07174
    """

    name: ClassVar = "aurra"
    better: ClassVar = "higher"
    text: ClassVar = "mean accuracy of the k surest answers over all k (area under the response rate accuracy curve)"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction", "top_logit", "log_sum_exp")
    kinds: ClassVar = ("clean",)

    def compute(self, rows: Rows, rule: str, level: float) -> Estimate:
        """The number with its interval."""
        return aurra(rows, rule, level)


@final
@dataclass(frozen=True, kw_only=True)
class SoftF1(Measure):
    """F1 of doubt (one minus confidence) as a soft detector of errors: ``2 sum(d w) / sum(d + w)``, w = 1 if wrong.

    In [0, 1]; undefined where a model is wholly sure of nothing but right answers. Interval of the linearised ratio.

    Reference:
        Hendrycks et al., CVPR 2021, https://arxiv.org/abs/1907.07174
    """

    name: ClassVar = "soft_f1"
    better: ClassVar = "higher"
    text: ClassVar = "F1 of one minus confidence as a soft detector of errors"
    unit: ClassVar = "share"
    needs: ClassVar = ("label", "prediction", "top_logit", "log_sum_exp")
    kinds: ClassVar = ("clean",)

    def compute(self, rows: Rows, rule: str, level: float) -> Estimate:
        """The number with its interval."""
        return soft_f1(rows, rule, level)


def aurra(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """See ``Aurra``.

    Raises:
        NoSamplesError: No rows.
    """
    if len(rows) == 0:
        raise NoSamplesError("no samples: an area of nothing is undefined")
    weight: Scores = np.ones(len(rows)) if rows.weight is None else rows.weight / rows.weight.mean()
    right = rows.correct.astype(np.float64)
    # From sure to unsure; equal confidences are one step, so that no order among them is needed.
    _, step = np.unique(-rows.confidence, return_inverse=True)
    mass = np.bincount(step, weight)
    held = np.cumsum(mass)
    running = np.cumsum(np.bincount(step, weight * right)) / held
    value = float(np.average(running, weights=mass))
    # A sample moves the accuracies from its own step on, and adds one more of its step's.
    part = mass / held
    own, theirs = (np.cumsum(x[::-1])[::-1] for x in (part, part * running))
    influence = weight * (right * own[step] - theirs[step] + running[step] - value)
    # The surest answer stands in every accuracy. Made-up samples as heavy as it are too many, those of the root
    # mean square, sqrt(2), or fewer near 0 and 1, leave 9 to 13 in 100 out (coverage: docs/measures.md).
    found = Effect(value, *_by_sample(rows, influence), reach=float(own[0]) / math.sqrt(2))
    room = rows.unseen * (1 - np.log(rows.unseen)) if rows.unseen else 0.0
    return _bounded(found, rows, rule, level, float(room))


def soft_f1(rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
    """See ``SoftF1``.

    Raises:
        NoSamplesError: No rows.
        NotAvailableError: No doubt and no error: nothing to be detected.
    """
    if len(rows) == 0:
        raise NoSamplesError("no samples: a ratio of nothing is undefined")
    weight: Scores = np.ones(len(rows)) if rows.weight is None else rows.weight / rows.weight.mean()
    doubt, wrong = 1 - rows.confidence, (~rows.correct).astype(np.float64)
    hit, both = 2 * doubt * wrong, doubt + wrong
    base = float(np.average(both, weights=weight))
    if base <= 0:
        raise NotAvailableError("soft_f1 is undefined: every answer is right and wholly sure")
    value = float(np.average(hit, weights=weight)) / base
    found = Effect(value, *_by_sample(rows, weight * (hit - value * both) / base), reach=1 / base)
    # What was not seen may be wrong or doubted all of it.
    room = 2 * rows.unseen / (base * (1 - rows.unseen) + 2 * rows.unseen)
    return _bounded(found, rows, rule, level, float(room))


def _by_sample(rows: Rows, influence: Scores) -> tuple[Scores]:
    """Contributions of samples; several rows of one are put together."""
    if not repeated(rows.position):
        return (influence,)
    _, place = np.unique(rows.position, return_inverse=True)
    total = np.bincount(place, influence)
    return (np.asarray(total * len(total) / len(influence), np.float64),)


def _bounded(effect: Effect, rows: Rows, rule: str, level: float, room: float) -> Estimate:
    """In [0, 1], with room for what was not seen."""
    samples = Samples.of(rows)
    group = samples.group
    if group is not None and repeated(rows.position):
        group = group[np.unique(rows.position, return_index=True)[1]]
    if group is not None:
        # Made-up groups, not made-up samples of one.
        effect = dataclasses.replace(effect, reach=effect.reach * len(group) / len(np.unique(group)))
    found = effect.estimate(level, rule, group)
    method = found.method + ("" if samples.weight is None else ", weighted by class")
    low, high = max(found.low - room, 0.0), min(found.high + room, 1.0)
    value = min(max(found.value, 0.0), 1.0)
    return dataclasses.replace(found, value=value, low=min(low, value), high=max(high, value), method=method)

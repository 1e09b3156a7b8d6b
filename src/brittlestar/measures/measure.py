"""What a measure is: a frozen class that declares itself and says what each sample scores.

The mathematics of intervals stands in pure functions (``means``, ``calibration`` ...); a class names a quantity, says
what it needs and which way is better. Being listed (``catalogue``) is all it takes to stand in ``results.csv``,
``summary.json``, ``results.md`` and ``brittlestar list measures``, and to be held to the contract tests.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final, get_args

import numpy as np

from brittlestar.core.definition import Definition
from brittlestar.core.errors import UsageError, require
from brittlestar.core.rows import FULL_LOGITS_UP_TO, Rows
from brittlestar.measures.base import (
    LEVEL,
    Estimate,
    NoSamplesError,
    NotAvailableError,
    Scores,
    check_level,
    check_rule,
)
from brittlestar.measures.means import (
    bounded_difference,
    bounded_mean,
    share,
    share_difference,
    unbounded_mean,
)
from brittlestar.measures.samples import Samples, shared

Better = Literal["higher", "lower", "neither"]

Parts = Mapping[int, Estimate]
"""Estimates by class."""

SINGLE_IMAGES = ("clean", "shift", "attack")
"""Kinds of conditions that a measure is listed for unless it says otherwise. Single Fourier frequencies are not among
them: there are hundreds, and of each only outcomes are stored."""

_LOGITS = {"label_logit", "top_logit", "log_sum_exp", "top_logits", "logits"}

_SLACK = 1e-5
"""How far a score may lie outside its range: logits are float32, and so are differences of theirs."""


@dataclass(frozen=True, kw_only=True)
class Measure(Definition):
    """A number, or one a class, that is made of one condition's rows.

    Class attributes:
        name: What people type and read.
        better: Which way is better: ``higher``, ``lower`` or ``neither``.
        text: What it is, in one line.
        unit: Of its value: ``share``, ``nats`` ...
        needs: The columns of ``Rows`` that it reads; ``a or b`` where either will do.
        kinds: Kinds of conditions that it is listed for.
        lowest, highest: The range of its value.
        by_class: Whether it is a number for each class.
        anytime: Whether its interval heeds the rule ``anytime``; else it is one for a fixed number of samples, always.
    """

    better: ClassVar[Better]
    text: ClassVar[str]
    unit: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    kinds: ClassVar[tuple[str, ...]] = SINGLE_IMAGES
    lowest: ClassVar[float] = 0.0
    highest: ClassVar[float] = 1.0
    by_class: ClassVar[bool] = False
    anytime: ClassVar[bool] = True

    @classmethod
    def check_class(cls) -> None:
        """Hold the class to what every measure declares."""
        super().check_class()
        better = ", ".join(get_args(Better))
        cls.must(getattr(cls, "better", "") in get_args(Better), f"say which way is `better: ClassVar`: {better}")
        for name, example in (("text", '"share of answers that are right"'), ("unit", '"share"')):
            cls.must(getattr(cls, name, ""), f"give it a `{name}: ClassVar`, like {example}")
        columns = [field.name for field in dataclasses.fields(Rows)]
        needs = getattr(cls, "needs", ())
        cls.must(
            needs and isinstance(needs, tuple) and {*cls.columns()} <= {*columns},
            f"its `needs` are {needs!r}, and should be a tuple of columns of Rows: {', '.join(columns)}",
        )

    @classmethod
    def summary(cls) -> str:
        """One line."""
        return cls.text

    @property
    def key(self) -> str:
        """Its name in ``results.csv``."""
        return self.name

    @abstractmethod
    def compute(self, rows: Rows, rule: str, level: float) -> Estimate | Parts:
        """The number, or one a class; of at least one row with the columns that are needed."""

    @final
    def estimate(self, rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """The number with its interval.

        Args:
            rows: Of one model under one condition.
            rule: How the number of samples came about: ``fixed`` or ``anytime`` (see the head of ``accuracy``).
            level: Confidence level.

        Raises:
            NoSamplesError: No rows.
            NotAvailableError: The rows lack a column.
            UsageError: A measure of several numbers (see ``estimates``), an unknown rule or level.
        """
        require(not self.by_class, f"{self.key} is a number for each class: ask for its estimates", UsageError)
        found = self._computed(rows, rule, level)
        assert isinstance(found, Estimate)
        return found

    @final
    def estimates(self, rows: Rows, rule: str = "fixed", level: float = LEVEL) -> Mapping[int | None, Estimate]:
        """The number under ``None``, or one a class of which there are samples. Arguments and errors as ``estimate``.

        Each interval holds by itself, not all of them together.
        """
        found = self._computed(rows, rule, level)
        if isinstance(found, Estimate):
            return {None: found}
        return dict[int | None, Estimate](found.items())

    def _computed(self, rows: Rows, rule: str, level: float) -> Estimate | Parts:
        check_rule(rule)
        check_level(level)
        self._check(rows)
        return self.compute(rows, rule, level)

    def _check(self, rows: Rows) -> None:
        if len(rows) == 0:
            raise NoSamplesError(f"no samples: {self.key} is undefined")
        if rows.labels_only and _LOGITS & {*self.columns()}:
            raise NotAvailableError(f"{self.key} needs confidences, and of this model only labels were given")
        for need in self.needs:
            if getattr(rows, need, None) is None and all(getattr(rows, c) is None for c in need.split(" or ")):
                raise NotAvailableError(f"{self.key} needs {_explained(need)}")

    @classmethod
    def columns(cls) -> Iterator[str]:
        """The columns that it may read."""
        for need in cls.needs:
            yield from need.split(" or ")


def _explained(need: str) -> str:
    if need == "logits":
        return (
            f"the logits of all classes, which are stored for models with up to {FULL_LOGITS_UP_TO} classes, and not "
            "for single Fourier frequencies"
        )
    return f"{need}, which these rows do not hold"


@dataclass(frozen=True)
class Scored:
    """Rows with (n,) scores, and how far from their mean a sample may lie that is not among them."""

    rows: Rows
    scores: Scores
    reach: float


@dataclass(frozen=True, kw_only=True)
class MeanMeasure(Measure):
    """A mean over samples, each of which has a score: comparisons that are paired by sample come with it.

    Class attributes:
        outcome: Whether a score is 0 or 1, nothing between.

    A subclass whose ``highest`` is infinite also says how far a sample may lie (``reach``).
    """

    outcome: ClassVar[bool] = False

    @abstractmethod
    def scores(self, rows: Rows) -> Scores:
        """(n,) finite scores in [lowest, highest], one a row."""

    def reach(self, rows: Rows) -> float:
        """How far from the mean a sample may plausibly lie that is not among these; at least 0."""
        require(math.isfinite(self.highest), f"{self.key} has no highest value and must say its reach", UsageError)
        return self.highest - self.lowest

    @property
    def paired_as(self) -> str:
        """What ``difference`` is listed as (``NAME_increase``, ``NAME_minus_MODEL``); empty: another measure has it."""
        return self.key

    @final
    def compute(self, rows: Rows, rule: str, level: float) -> Estimate:
        """The mean over the set with its interval."""
        return self.mean(self.scored(rows), rule, level)

    @final
    def difference(self, first: Rows, second: Rows, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """The first's mean less the second's on the samples (position, frame) that both hold.

        Raises:
            NoSamplesError: They share none.
            NotAvailableError: One of them lacks a column.
            UsageError: A sample appears twice in one of them, an unknown rule or level.
        """
        check_rule(rule)
        check_level(level)
        a, b = shared([first, second])
        return self.apart(self.scored(a), self.scored(b), rule, level)

    @final
    def scored(self, rows: Rows) -> Scored:
        """The scores of rows, for whoever needs them more than once.

        Raises:
            NoSamplesError: No rows.
            NotAvailableError: The rows lack a column, or a score is not finite.
        """
        self._check(rows)
        scores = np.asarray(self.scores(rows), np.float64)
        require(scores.shape == (len(rows),), f"{self.key}: one score a row, got shape {scores.shape}", UsageError)
        # False for NaN and infinity too, so that in the usual case two comparisons are all.
        if self.lowest <= scores.min() and scores.max() <= min(self.highest, sys.float_info.max):
            return Scored(rows, scores, self.reach(rows))
        missing = int(np.count_nonzero(~np.isfinite(scores)))
        if missing:
            raise NotAvailableError(f"{self.key} of {missing:,} of {len(rows):,} samples is not a finite number")
        inside = np.clip(scores, self.lowest, self.highest)
        require(
            bool(np.abs(scores - inside).max() <= _SLACK),
            f"{self.key}: scores lie in [{self.lowest:g}, {self.highest:g}], got {scores.min():g} to {scores.max():g}",
            UsageError,
        )
        return Scored(rows, inside, self.reach(rows))

    @final
    def mean(self, scored: Scored, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """``estimate`` of rows whose scores are known."""
        samples, scores = Samples.of(scored.rows), scored.scores
        if self.outcome:
            return share(samples, scores > 0, rule, level)
        if math.isfinite(self.highest):
            return bounded_mean(samples, scores, self.lowest, self.highest, rule, level)
        return unbounded_mean(samples, scores, scored.reach, rule, level, self.lowest)

    @final
    def apart(self, first: Scored, second: Scored, rule: str = "fixed", level: float = LEVEL) -> Estimate:
        """``difference`` of rows whose scores are known and that hold the same samples in one order."""
        unseen = max(first.rows.unseen, second.rows.unseen)
        samples = dataclasses.replace(Samples.of(first.rows), unseen=unseen)
        one, other = first.scores, second.scores
        if self.outcome:
            return share_difference(samples, one > 0, other > 0, rule, level)
        if math.isfinite(self.highest):
            return bounded_difference(samples, one - other, self.highest - self.lowest, rule, level)
        return unbounded_mean(samples, one - other, max(first.reach, second.reach), rule, level)

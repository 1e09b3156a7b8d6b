"""The five settings of NICO as samplers over any table of classes and contexts: by how much may contexts shift?

* ``minimum``: contexts as they come, the same in training and test.
* ``proportional``: every context in both; in each class one is dominant, ``ratio`` times as frequent as each other one
  in training, ``test_ratio`` times in test.
* ``compositional``: ``contexts`` of each class's contexts in training, all of them in test.
* ``combined``: ``contexts`` in training with a dominant one (``ratio``), the others alone in test.
* ``adversarial``: each class has a confounding context of its own: in training it appears with all other classes and
  never with this one, in test with this class alone.

Numbers are exact: within a class all contexts that are no dominant one have the same number of samples, and all classes
are alike. Samples that depend on each other (copies, films) are in neither part more than once.

Reference:
    He, Shen and Cui, Pattern Recognition 2021, https://arxiv.org/abs/1906.02899. How the adversarial setting extends to
    many classes at once is our reading: each class is its own positive one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.build.context_table import (
    ContextTable,
    Counts,
    Drawn,
    Places,
    largest,
    refuse,
    require_equal,
    table_of,
)
from brittlestar.core.errors import DataError, UsageError, require, unknown
from brittlestar.core.text import readable

SETTINGS = ("minimum", "proportional", "compositional", "combined", "adversarial")


@dataclass(frozen=True, kw_only=True)
class NicoSetting:
    """What is asked for.

    Fields:
        setting: Of ``SETTINGS``.
        train, test: Images a class at most; ``None`` for as many as the table gives.
        ratio: Of the dominant context to each other one in training, above 0 (proportional, combined).
        test_ratio: The same in test (proportional).
        contexts: How many of each class's contexts are in training (compositional, combined).
        seed: Of every draw.
    """

    setting: str
    train: int | None = None
    test: int | None = None
    ratio: float = 5.0
    test_ratio: float = 1.0
    contexts: int = 7
    seed: int = 0

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise unknown("setting", self.setting, SETTINGS)
        for name, value in (("ratio", self.ratio), ("test ratio", self.test_ratio)):
            require(0.01 <= value <= 100, f"a {name} lies between 0.01 and 100, got {value}", UsageError)
        require(self.contexts >= 1, f"contexts in training are at least 1, got {self.contexts}", UsageError)
        for name, number in (("train", self.train), ("test", self.test)):
            require(number is None or number >= 1, f"{name} is at least 1 image a class, got {number}", UsageError)


@dataclass(frozen=True)
class Split:
    """Places of the training and the test samples in the listing, sorted, and what is known of them.

    Fields:
        train, test: Places; they share none.
        facts: Setting, dominant and confounding contexts by class, counts by class and context of both parts.
    """

    train: Places
    test: Places
    facts: dict[str, Any]


def sampled(
    what: NicoSetting,
    labels: npt.NDArray[np.int32],
    contexts: npt.NDArray[np.str_],
    classes: tuple[str, ...],
    groups: npt.NDArray[np.int64] | None = None,
) -> Split:
    """Draw a training and a test part.

    Args:
        what: The setting and its sizes.
        labels: (n,) of all samples.
        contexts: (n,) of the same; samples without one (an empty text) are left out.
        classes: Names of the classes.
        groups: (n,) samples with an equal number depend on each other: the first drawn stands for all.

    Raises:
        DataError: The table cannot give this; the text says which class lacks how many in which context.
    """
    table = table_of(what.seed, labels, contexts, classes, groups)
    require(len(table.labels) >= 2, "samples of two classes at least need a context, and there are fewer", DataError)
    chance = np.random.Generator(np.random.PCG64([what.seed % 2**32, 13]))
    if what.setting == "minimum":
        train, test, facts = _minimum(what, table)
    else:
        make = {"proportional": _proportional, "compositional": _compositional, "combined": _combined}
        plan = make[what.setting](what, table, chance) if what.setting in make else _adversarial(what, table, chance)
        train, test, facts = plan
    return _split(what, table, train, test, facts)


def _minimum(what: NicoSetting, table: ContextTable) -> Drawn:
    """Numbers by class alone, dealt to contexts as these come: the table's own mix, in both parts."""
    size = {k: sum(table.have(k, c) for c in table.contexts(k)) for k in table.labels}
    least = min(size.values())
    test = what.test or max(1, least // 5 if what.train is None else least - what.train)
    train = what.train or least - test
    short = [f"{table.name(k)} has {n:,} (lacks {train + test - n:,})" for k, n in size.items() if n < train + test]
    refuse(short, f"{train:,} for training and {test:,} for test of every class are more than there are")
    require(train >= 1 and test >= 1, "the classes are too small to be divided", DataError)
    parts: list[Counts] = [{}, {}]
    for k in table.labels:
        for part, number in zip(parts, (train, test), strict=True):
            for c, n in _dealt({c: table.have(k, c) for c in table.contexts(k)}, number, size[k]).items():
                part[k, c] = n
    # Rounded up in both parts, a context may be asked for one more than it has; another one then gives it.
    for k in table.labels:
        for c in table.contexts(k):
            over = parts[0].get((k, c), 0) + parts[1].get((k, c), 0) - table.have(k, c)
            for other in table.contexts(k) if over > 0 else ():
                free = table.have(k, other) - parts[0].get((k, other), 0) - parts[1].get((k, other), 0)
                moved = min(max(free, 0), over, parts[1].get((k, c), 0))
                parts[1][k, c] -= moved
                parts[1][k, other] = parts[1].get((k, other), 0) + moved
                over -= moved
    return parts[0], parts[1], {}


def _dealt(have: Mapping[str, int], number: int, total: int) -> dict[str, int]:
    """A number of samples over contexts in proportion to what they have: largest remainders."""
    exact = {c: number * n / total for c, n in have.items()}
    found = {c: int(e) for c, e in exact.items()}
    for c in sorted(have, key=lambda c: (found[c] - exact[c], c))[: number - sum(found.values())]:
        found[c] += 1
    return found


def _proportional(what: NicoSetting, table: ContextTable, chance: np.random.Generator) -> Drawn:
    ratio, other = _fraction(what.ratio), _fraction(what.test_ratio)
    number = _alike(table)

    def plan(q: int, t: int, dominant: Mapping[int, str]) -> tuple[Counts, Counts]:
        return (
            {(k, c): _of(ratio, q, c == dominant[k]) for k in table.labels for c in table.contexts(k)},
            {(k, c): _of(other, t, c == dominant[k]) for k in table.labels for c in table.contexts(k)},
        )

    return largest(
        what.setting,
        (what.train, what.test),
        table,
        chance,
        plan,
        (ratio, number),
        (other, number),
        lambda k: table.contexts(k),
    )


def _compositional(what: NicoSetting, table: ContextTable, chance: np.random.Generator) -> Drawn:
    number = _alike(table)
    require(
        what.contexts < number,
        f"compositional: {what.contexts} contexts in training of {number} leave none that is new in test",
        DataError,
    )
    seen = {k: _drawn(table, k, what.contexts, chance) for k in table.labels}

    def plan(q: int, t: int, dominant: Mapping[int, str]) -> tuple[Counts, Counts]:
        train = {(k, c): q for k in table.labels for c in seen[k]}
        return train, {(k, c): t for k in table.labels for c in table.contexts(k)}

    one = Fraction(1)
    found = largest(
        what.setting,
        (what.train, what.test),
        table,
        chance,
        plan,
        (one, what.contexts),
        (one, number),
        lambda k: seen[k],
    )
    found[2].pop("dominant")
    return found[0], found[1], found[2] | {"contexts in training": {table.name(k): seen[k] for k in table.labels}}


def _combined(what: NicoSetting, table: ContextTable, chance: np.random.Generator) -> Drawn:
    number, ratio = _alike(table), _fraction(what.ratio)
    require(
        2 <= what.contexts < number,
        f"combined: training needs 2 contexts or more (a dominant one and others), and test those that are left of "
        f"{number}; got {what.contexts}",
        DataError,
    )
    seen = {k: _drawn(table, k, what.contexts, chance) for k in table.labels}

    def plan(q: int, t: int, dominant: Mapping[int, str]) -> tuple[Counts, Counts]:
        return (
            {(k, c): _of(ratio, q, c == dominant[k]) for k in table.labels for c in seen[k]},
            {(k, c): t for k in table.labels for c in table.contexts(k) if c not in seen[k]},
        )

    left = number - what.contexts
    found = largest(
        what.setting,
        (what.train, what.test),
        table,
        chance,
        plan,
        (ratio, what.contexts),
        (Fraction(1), left),
        lambda k: seen[k],
    )
    return found[0], found[1], found[2] | {"contexts in training": {table.name(k): seen[k] for k in table.labels}}


def _adversarial(what: NicoSetting, table: ContextTable, chance: np.random.Generator) -> Drawn:
    confounding = _matched(table, chance)
    others = {k: [c for c in table.contexts(k) if c != confounding[k]] for k in table.labels}
    lonely = [
        table.name(k) for k in table.labels if not any(confounding[k] in others[o] for o in table.labels if o != k)
    ]
    refuse(lonely, "adversarial: in training the confounding context appears with other classes, and no other has it")
    number = min(len(own) for own in others.values())
    require(number >= 1, "adversarial: every class needs a context besides the confounding one", DataError)

    def plan(q: int, t: int, dominant: Mapping[int, str]) -> tuple[Counts, Counts]:
        train = {(k, c): q for k in table.labels for c in others[k]}
        return train, {(k, confounding[k]): t for k in table.labels}

    one = Fraction(1)
    require_equal({k: len(own) for k, own in others.items()}, table)
    found = largest(
        what.setting, (what.train, what.test), table, chance, plan, (one, number), (one, 1), lambda k: others[k]
    )
    found[2].pop("dominant")
    return found[0], found[1], found[2] | {"confounding": {table.name(k): confounding[k] for k in table.labels}}


def _matched(table: ContextTable, chance: np.random.Generator) -> dict[int, str]:
    """A context of its own for every class, those with more samples first.

    Raises:
        DataError: There are too few.
    """
    from scipy.optimize import linear_sum_assignment

    contexts = sorted({c for _, c in table.cells})
    chance.shuffle(contexts)
    have = np.array([[table.have(k, c) for c in contexts] for k in table.labels])
    missing = max(0, len(table.labels) - len(contexts))
    require(
        not missing,
        f"adversarial: every class needs a confounding context of its own; {len(table.labels)} classes have "
        f"{len(contexts)} contexts, {missing} too few",
        DataError,
    )
    # A cell with none is not chosen while another assignment does without; ties go by the shuffled order.
    rows, columns = linear_sum_assignment(np.where(have > 0, -np.minimum(have, np.median(have[have > 0])), 10**9))
    chosen = {table.labels[r]: contexts[c] for r, c in zip(rows, columns, strict=True)}
    none = [f"{table.name(k)}: {readable(c)}" for k, c in chosen.items() if table.have(k, c) == 0]
    refuse(none, "adversarial: no assignment gives every class a confounding context of its own that it has")
    return chosen


def _alike(table: ContextTable) -> int:
    """How many contexts a class has, which must be equal for all."""
    numbers = {k: len(table.contexts(k)) for k in table.labels}
    require_equal(numbers, table)
    return next(iter(numbers.values()))


def _drawn(table: ContextTable, label: int, number: int, chance: np.random.Generator) -> list[str]:
    """Contexts of a class for training, drawn anew for every class."""
    own = table.contexts(label)
    return sorted(own[place] for place in chance.permutation(len(own))[:number])


def _fraction(ratio: float) -> Fraction:
    return Fraction(ratio).limit_denominator(20)


def _of(ratio: Fraction, minor: int, dominant: bool) -> int:
    return int(ratio * minor) if dominant else minor


def _split(what: NicoSetting, table: ContextTable, train: Counts, test: Counts, facts: dict[str, Any]) -> Split:
    parts = []
    for counts, after in ((train, {}), (test, train)):
        taken = [table.cells[cell][after.get(cell, 0) :][:n] for cell, n in sorted(counts.items())]
        parts.append(np.sort(np.concatenate(taken)) if taken else np.zeros(0, np.int64))
    told = {
        "setting": what.setting,
        "seed": what.seed,
        "ratio": what.ratio if what.setting in ("proportional", "combined") else None,
        "test_ratio": what.test_ratio if what.setting == "proportional" else None,
        "train": {f"{table.classes[k]}/{c}": n for (k, c), n in sorted(train.items()) if n},
        "test": {f"{table.classes[k]}/{c}": n for (k, c), n in sorted(test.items()) if n},
    }
    return Split(parts[0], parts[1], {k: v for k, v in told.items() if v is not None} | facts)

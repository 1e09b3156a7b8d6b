"""Tables of classes and contexts: which samples there are, and the largest numbers of a setting that they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from brittlestar.core.errors import DataError, require
from brittlestar.core.text import readable

Places = npt.NDArray[np.int64]
Cell = tuple[int, str]
Counts = dict[Cell, int]


Drawn = tuple[Counts, Counts, dict[str, Any]]


@dataclass(frozen=True)
class ContextTable:
    """Which samples each class has in each context, in the order in which they are taken."""

    cells: Mapping[Cell, Places]
    classes: tuple[str, ...]

    def have(self, label: int, context: str) -> int:
        """How many samples of a class have a context."""
        return len(self.cells.get((label, context), ()))

    def contexts(self, label: int) -> list[str]:
        """Those of a class, in the order of their names."""
        return sorted(c for k, c in self.cells if k == label)

    @property
    def labels(self) -> list[int]:
        """The classes that have samples."""
        return sorted({k for k, _ in self.cells})

    def name(self, label: int) -> str:
        """What a class is called, as it may be shown."""
        return readable(self.classes[label])


def table_of(
    seed: int,
    labels: npt.NDArray[np.int32],
    contexts: npt.NDArray[np.str_],
    classes: tuple[str, ...],
    groups: npt.NDArray[np.int64] | None,
) -> ContextTable:
    """The table of some samples, each cell in a seeded order; arguments as of ``sampled``."""
    order = np.random.Generator(np.random.PCG64([seed % 2**32, 12])).permutation(len(labels))
    order = order[contexts[order] != ""]
    if groups is not None:
        # Whatever is a copy, or of one film, could stand on both sides.
        _, first = np.unique(groups[order], return_index=True)
        order = order[np.sort(first)]
    cells: dict[Cell, list[int]] = {}
    for place in order.tolist():
        cells.setdefault((int(labels[place]), str(contexts[place])), []).append(place)
    return ContextTable({cell: np.array(own, np.int64) for cell, own in cells.items()}, classes)


def require_equal(numbers: Mapping[int, int], table: ContextTable) -> None:
    """Refuse classes with unequal numbers of contexts; the text says which contexts one lacks."""
    most, every = max(numbers.values()), sorted({c for _, c in table.cells})
    for k, number in numbers.items():
        lacks = [c for c in every if table.have(k, c) == 0]
        require(
            number == most,
            f"classes have unequal numbers of contexts: {table.name(k)} has {number} of {most} and none of "
            f"{', '.join(map(readable, lacks[:3]))}: give it images there, or leave these contexts out",
            DataError,
        )


Plan = Callable[[int, int, Mapping[int, str]], tuple[Counts, Counts]]


def largest(
    setting: str,
    sizes: tuple[int | None, int | None],
    table: ContextTable,
    chance: np.random.Generator,
    plan: Plan,
    train: tuple[Fraction, int],
    test: tuple[Fraction, int],
    of: Callable[[int], list[str]],
) -> Drawn:
    """The numbers that the table gives, as large as was asked for, or as they may be.

    Args:
        setting: What it is called, for messages.
        sizes: Images a class in training and in test; ``None`` for as many as there may be.
        table: What there is.
        chance: For the order in which dominant contexts are tried.
        plan: Counts of both parts, from those of a context that is no dominant one and the dominant contexts.
        train, test: Ratio of the dominant context and number of contexts a class.
        of: The contexts of a class of which one may be dominant.
    """
    candidates = {k: [of(k)[p] for p in chance.permutation(len(of(k)))] for k in table.labels}
    units = [_units(size, *shape) for size, shape in zip(sizes, (train, test), strict=True)]
    most = max(len(own) for own in table.cells.values())
    steps = [ratio.denominator for ratio, _ in (train, test)]
    if sizes == (None, None):
        # A test part of a quarter of the training part at the least, as in the paper.
        options = [(q, max(steps[1], q // 4 // steps[1] * steps[1])) for q in range(steps[0], most + 1, steps[0])]
    elif sizes[0] is None:
        options = [(q, units[1]) for q in range(steps[0], most + 1, steps[0])]
    elif sizes[1] is None:
        options = [(units[0], t) for t in range(steps[1], most + 1, steps[1])]
    else:
        options = [(units[0], units[1])]
    for q, t in reversed(options):
        dominant = _dominant(table, plan, q, t, candidates)
        if dominant is not None:
            # What training leaves is the test part's, where no size was asked for.
            for larger in range(t + steps[1], most + 1 if sizes[1] is None else 0, steps[1]):
                more = _dominant(table, plan, q, larger, candidates)
                if more is None:
                    break
                t, dominant = larger, more
            counts = plan(q, t, dominant)
            return *counts, {"dominant": {table.name(k): c for k, c in dominant.items()}}
    q, t = options[0] if options else (units[0], units[1])
    first = {k: max(own, key=lambda c, k=k: table.have(k, c)) for k, own in candidates.items()}  # type: ignore[misc]
    parts = plan(q, t, first)
    need = {cell: parts[0].get(cell, 0) + parts[1].get(cell, 0) for cell in {**parts[0], **parts[1]}}
    short = [
        f"{table.name(k)} has {table.have(k, c):,} with {readable(c)} and needs {n:,} (lacks {n - table.have(k, c):,})"
        for (k, c), n in sorted(need.items())
        if n > table.have(k, c)
    ]
    raise DataError(
        f"{setting}: the table of classes and contexts cannot give "
        f"{_each(parts[0], table):,} for training and {_each(parts[1], table):,} "
        f"for test of every class: {'; '.join(short[:5])}{'; ...' if len(short) > 5 else ''}"
    )


def _units(size: int | None, ratio: Fraction, contexts: int) -> int:
    """Samples of a context that is no dominant one for about so many a class: the most that keep the ratio exact."""
    step = ratio.denominator
    if size is None:
        return step
    whole = size / float(contexts - 1 + ratio)
    units = int(whole // step) * step
    least = int(step * (contexts - 1) + ratio * step)
    require(
        units >= step,
        f"{size:,} images a class are too few for {contexts} contexts at a ratio of {ratio}: {least:,} at the least",
        DataError,
    )
    return units


def _dominant(
    table: ContextTable, plan: Plan, q: int, t: int, candidates: Mapping[int, list[str]]
) -> dict[int, str] | None:
    """A dominant context for each class that has enough of it; ``None`` where a class has none."""
    chosen: dict[int, str] = {}
    for k in table.labels:
        for context in candidates[k]:
            parts = plan(q, t, {**{other: candidates[other][0] for other in table.labels}, k: context})
            cells = {c for part in parts for j, c in part if j == k}
            if all(parts[0].get((k, c), 0) + parts[1].get((k, c), 0) <= table.have(k, c) for c in cells):
                chosen[k] = context
                break
        else:
            return None
    return chosen


def _each(counts: Counts, table: ContextTable) -> int:
    return sum(counts.values()) // len(table.labels)


def refuse(which: list[str], why: str) -> None:
    """Refuse what lacks something; nothing where nothing does."""
    require(not which, f"{why}: {'; '.join(which[:5])}{'; ...' if len(which) > 5 else ''}", DataError)

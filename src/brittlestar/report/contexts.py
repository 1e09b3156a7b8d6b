"""Contexts one by one: accuracy by shift, what sets each apart from the rest, the worst, the gap; as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate, NoSamplesError
from brittlestar.measures.contexts import (
    AgainstRest,
    Grouped,
    against_rest,
    corrected,
    gap,
    lowest_cell,
    lowest_context,
)
from brittlestar.report.gather import Gathered
from brittlestar.report.series import series_of
from brittlestar.report.subjects import CLEAN, ModelEntry, Subject
from brittlestar.report.words import family_title

MOST_CELLS = 600
"""Of more cells the rows are families and not single shifts, of still more the mean of all shifts alone."""

SHIFTS = "shifts"
"""The key of the row for the mean over all shifts."""


@dataclass(frozen=True, kw_only=True)
class ContextCell:
    """A context under a shift: accuracy, against the rest, and what the shift adds to that (``None`` when clean)."""

    accuracy: Estimate
    apart: AgainstRest
    added: AgainstRest | None = None


@dataclass(frozen=True, kw_only=True)
class ContextRow:
    """Clean, all shifts, one shift averaged over its strengths, or a family; cells in the order of the contexts."""

    key: str
    title: str
    conditions: tuple[str, ...]
    cells: tuple[ContextCell, ...]


@dataclass(frozen=True, kw_only=True)
class ModelContexts:
    """One model's accuracy by the values of one context.

    Fields:
        model, data, classes: Which, and the readable names of its classes.
        name: Of the context.
        values: Those with enough images, in order.
        counts: Images and independent ones of each of these.
        few: Values with too few images to be told apart, with their number.
        unknown: Images whose context is not known.
        rows: Clean first, where it was asked.
        over: Key of the row that ``worst``, ``cell`` and ``gap`` are of.
        overall: Accuracy of all these images in that row.
        worst: The value with the lowest accuracy, in an interval for the lowest of all.
        cell: (class, value), of how many, accuracy in an interval for the lowest of all of them.
        gap: Best, worst, and the difference between them.
    """

    model: ModelEntry
    data: str
    classes: tuple[str, ...]
    name: str
    values: tuple[str, ...]
    counts: tuple[tuple[int, int], ...]
    few: tuple[tuple[str, int], ...]
    unknown: int
    rows: tuple[ContextRow, ...]
    over: str
    overall: Estimate
    worst: tuple[str, Estimate]
    cell: tuple[tuple[int, str], int, Estimate] | None
    gap: tuple[str, str, Estimate]

    def row(self, key: str) -> ContextRow | None:
        """A row by its key."""
        return next((row for row in self.rows if row.key == key), None)

    @property
    def claims(self) -> list[tuple[ContextRow, ContextCell, AgainstRest]]:
        """What is shown of contexts that fare worse: under each row, the largest difference first."""
        found = [
            (row, cell, apart)
            for row in self.rows
            for cell in row.cells
            for apart in (cell.apart, cell.added)
            if apart is not None and apart.state == "below"
        ]
        return sorted(found, key=lambda one: one[2].raw.value)


def contexts_of(gathered: Gathered) -> tuple[ModelContexts, ...]:
    """Every model and context of which two values or more have enough images; claims corrected for all of them."""
    made = [m for s in gathered.subjects for name in s.data.contexts if (m := _of(gathered, s, name)) is not None]
    places = [(m, r, c) for m, of in enumerate(made) for r, row in enumerate(of.rows) for c in range(len(row.cells))]
    cells = [made[m].rows[r].cells[c] for m, r, c in places]
    asked = [apart for cell in cells for apart in (cell.apart, cell.added) if apart is not None]
    judged = iter(corrected(asked, gathered.numbers.level))
    fresh = {
        place: dataclasses.replace(cell, apart=next(judged), added=None if cell.added is None else next(judged))
        for place, cell in zip(places, cells, strict=True)
    }
    return tuple(
        dataclasses.replace(
            of,
            rows=tuple(
                dataclasses.replace(row, cells=tuple(fresh[m, r, c] for c in range(len(row.cells))))
                for r, row in enumerate(of.rows)
            ),
        )
        for m, of in enumerate(made)
    )


def _of(gathered: Gathered, subject: Subject, name: str) -> ModelContexts | None:
    rule, level = gathered.rule, gathered.numbers.level
    column = subject.data.contexts[name]
    shifts = [info.id for info in subject.of_kind("shift")]
    asked = shifts or [c for c in (CLEAN,) if c in subject.rows]
    if not asked:
        return None
    try:
        found = Grouped.of([subject.rows[c] for c in asked], column)
    except NoSamplesError:
        return None
    # Until every class had its turn, what a context's images stand for is not known.
    if found.samples.unseen > 0 or len(found.told) < 2:
        return None
    values = tuple(found.told)
    rows = tuple(_rows(gathered, subject, column, values))
    best_to_worst = gap(found, rule, level)
    if not rows or best_to_worst is None:
        return None
    return ModelContexts(
        model=subject.entry,
        data=subject.data.name,
        classes=subject.data.classes,
        name=name,
        values=values,
        counts=tuple(found.counts[v] for v in values),
        few=tuple((v, n) for v, (n, _) in found.counts.items() if v not in values),
        unknown=found.unknown,
        rows=rows,
        # A single shift is its own mean, and comes after the clean images.
        over=next((row.key for row in rows if row.key == SHIFTS), rows[-1].key if shifts else CLEAN),
        overall=found.overall(rule, level),
        worst=lowest_context(found, rule, level),
        cell=lowest_cell(found, rule, level),
        gap=best_to_worst,
    )


def _rows(
    gathered: Gathered, subject: Subject, column: np.ndarray[tuple[int], np.dtype[np.str_]], values: Sequence[str]
) -> Iterator[ContextRow]:
    for key, title, conditions in _listed(gathered, subject, len(values)):
        have = [subject.rows[c] for c in conditions if c in subject.rows]
        with_clean = key != CLEAN and CLEAN in subject.rows
        try:
            cells = _cells(have, subject.rows[CLEAN] if with_clean else None, column, values, gathered)
        except NoSamplesError:
            continue
        yield ContextRow(key=key, title=title, conditions=tuple(conditions), cells=cells)


def _listed(gathered: Gathered, subject: Subject, values: int) -> list[tuple[str, str, list[str]]]:
    """(key, title, conditions) of the rows: as many as there is room for."""
    clean = [(CLEAN, "Clean", [CLEAN])] if CLEAN in subject.rows else []
    shifts = [info.id for info in subject.of_kind("shift")]
    mean = [(SHIFTS, "All shifts, mean", shifts)] if shifts else []
    own = [s for s in series_of(gathered, "shift", "attack") if any(i.id in subject.rows for i in s.infos)]
    single = [(s.key, s.title, [i.id for i in s.infos]) for s in own]
    families: dict[str, list[str]] = {}
    for series in own:
        families.setdefault(series.family, []).extend(i.id for i in series.infos)
    coarse = [(family, family_title(family), ids) for family, ids in families.items()]
    # A single shift is its own mean.
    mean = [] if len(single) == 1 else mean
    room = MOST_CELLS // max(values * len(gathered.subjects), 1) - 2
    return [*clean, *mean, *(single if len(single) <= room else coarse if len(coarse) <= room else [])]


def _cells(
    have: Sequence[Rows],
    clean: Rows | None,
    column: np.ndarray[tuple[int], np.dtype[np.str_]],
    values: Sequence[str],
    gathered: Gathered,
) -> tuple[ContextCell, ...]:
    """The contexts' cells of one row.

    Raises:
        NoSamplesError: A context has too few images there.
    """
    rule, level = gathered.rule, gathered.numbers.level
    found, before = Grouped.of(have, column), None
    # Of an unfinished run a row may have fewer images than the mean over all.
    if found.samples.unseen > 0 or not set(values) <= set(found.told):
        raise NoSamplesError("too few images of a context")
    if clean is not None:
        # Clean last, on the samples that all share.
        both = Grouped.of([*have, clean], column)
        if set(values) <= set(both.told):
            found, before = dataclasses.replace(both, right=both.right[:, :-1]), both.right[:, -1]
    return tuple(
        ContextCell(
            accuracy=found.accuracy(value, rule, level),
            apart=against_rest(found, value, rule, level),
            added=None if before is None else against_rest(found, value, rule, level, clean=before),
        )
        for value in values
    )

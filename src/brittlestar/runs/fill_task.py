"""The task of filling cells: whole conditions of one block, for one or several models."""

from __future__ import annotations

import time
from dataclasses import dataclass

from brittlestar.runs.bench import Bench
from brittlestar.runs.skipped import Unread
from brittlestar.runs.task import Done


@dataclass(frozen=True)
class FillTask:
    """Cells of one block that are computed together; those of each model are stored in one file.

    Fields:
        start, stop: The block, places in the seeded order.
        groups: For each model (by place in the run's list) the conditions (places in the plan's list) it lacks.
        cost: Forward passes a sample, summed over models.
    """

    start: int
    stop: int
    groups: tuple[tuple[int, tuple[int, ...]], ...]
    cost: float

    @property
    def work(self) -> float:
        """Forward passes in all."""
        return self.cost * (self.stop - self.start)

    def run(self, bench: Bench) -> Done:
        """Fill the cells, store them, report the tallies."""
        began, spec = time.perf_counter(), bench.spec
        try:
            cells = bench.rows(self.start, self.stop, self.groups)
        except Unread as unread:
            return Done(self, (), time.perf_counter() - began, unread.samples)
        if not cells:
            return Done(self, (), time.perf_counter() - began)
        tallies = []
        for model, conditions in self.groups:
            written = [(spec.conditions[c].fingerprint, cells[model, c]) for c in conditions]
            # Written here and not by the parent: rows never travel between processes, only the few numbers of Done.
            bench.store.write_cells(spec.fingerprints[model], self.start, self.stop, written)
            tallies += [(model, c, len(cells[model, c]), int((~cells[model, c].correct).sum())) for c in conditions]
        return Done(self, tuple(tallies), time.perf_counter() - began)

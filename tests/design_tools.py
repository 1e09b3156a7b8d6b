"""What tests of the sampling design share: made-up rows of copies and of unequal classes, and checks of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmark_tools import benchmark
from brittlestar.core.rows import Rows
from brittlestar.measures import Estimate

coverage_shares = benchmark("coverage_shares")
coverage_design = benchmark("coverage_design")
World, by_key, LEVELS = coverage_design.World, coverage_design.by_key, coverage_design.LEVELS

ALL = [*LEVELS, -3.0, *(np.array(LEVELS) + 0.4), -3.0]


def drawn(world: object, levels: list[float], seed: int = 0, **how: bool) -> list[Rows]:
    return list(world.draw(np.random.default_rng(seed), levels, **how))  # type: ignore[attr-defined]


def once(rows: Rows, size: int) -> Rows:
    """One of each group of copies, without the groups."""
    return dataclasses.replace(rows.take(slice(None, None, size)), group=None)


def check_copies(twice: Estimate, without: Estimate, alone: Estimate, size: int, rel: float = 0.12) -> None:
    """The value stays, the interval is that of the images without copies."""
    assert twice.value == pytest.approx(without.value, abs=1e-12) and twice.n == without.n == size * alone.n
    assert "clustered" in twice.method and "clustered" not in without.method
    assert twice.high - twice.low == pytest.approx(alone.high - alone.low, rel=rel)
    assert without.high - without.low < 0.75 * (twice.high - twice.low)


def check_covers(words: str, repetitions: int) -> None:
    """No case of the benchmark that holds these words is below what is asked by more than chance explains."""
    chosen = [case for case in coverage_design.CASES if words in case[0]]
    assert chosen, words
    for place, asked, old, new in chosen:
        hits, total = new(repetitions)
        assert stats.binomtest(hits, max(total, 1), asked, "less").pvalue > 1e-3, (place, hits, total)
        if "copies" in place and "anytime" not in place and "classes" not in place:
            before, of = old(repetitions)
            assert before / of < 0.88, (place, before, of)

"""How often intervals hold where they are used: as they were made before, as they are, and what is asked.

    python benchmarks/interval_coverage.py [--repetitions 1000] [--only WORDS]

Prints ``place | old | new | asked`` for every case of the modules beside it and leaves with 1 if a new figure is below
what is asked by more than the simulation's error explains (one in 10,000, over all cases together). All draws are
seeded. A whole run of 1,000 repetitions takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator

from scipy import stats

MODULES = (
    "coverage_shares",
    "coverage_shapes",
    "coverage_sensitivity",
    "coverage_kept",
    "coverage_design",
    "coverage_losses",
)
CHANCE = 1e-4

Cover = Callable[[int], tuple[int, int]]


def cases() -> Iterator[tuple[str, float, Cover | None, Cover]]:
    """Those of every module that is there."""
    for name in MODULES:
        if importlib.util.find_spec(name) is None:
            print(f"{name}.py is not there: its cases are left out", file=sys.stderr)
            continue
        yield from importlib.import_module(name).CASES


def share(hits: int, total: int) -> str:
    """``0.947``; a dash where nothing was tried."""
    return f"{hits / total:.3f}" if total else "–"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000, help="of every case (default 1,000)")
    parser.add_argument("--only", default="", help="cases whose place holds these words")
    chosen = parser.parse_args()
    listed = [case for case in cases() if chosen.only in case[0]]
    began, short = time.perf_counter(), []
    print("| place | old | new | asked |\n|---|---|---|---|")
    for place, asked, old, new in listed:
        before = "–" if old is None else share(*old(chosen.repetitions))
        hits, total = new(chosen.repetitions)
        if stats.binomtest(hits, max(total, 1), asked, "less").pvalue < CHANCE / len(listed):
            short.append(place)
        print(f"| {place} | {before} | {share(hits, total)} | {asked:g} |", flush=True)
    seconds = time.perf_counter() - began
    print(f"\n{len(listed)} cases of {chosen.repetitions:,} repetitions in {seconds:.0f} s", file=sys.stderr)
    for place in short:
        print(f"below what is asked: {place}", file=sys.stderr)
    return 1 if short or not listed else 0


if __name__ == "__main__":
    sys.exit(main())

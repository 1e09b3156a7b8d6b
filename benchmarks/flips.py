"""Random bits of a run folder turned over, one at a time: is it seen?

Every flip is made in a fresh copy of the folder. ``store verify`` must name the file. What a report reads must besides
not change its numbers in silence: ``results.csv`` and ``summary.json`` come out the same, or the report names the file
(in a status line or an error). A flip of which either is not so counts as unseen, and the exit code is then 1.

    python benchmarks/flips.py --flips 2000 --seed 0

Flips are dealt to the kinds of files in turn, then to the files of a kind and to their bits at random. Without
``--run FOLDER`` a small run folder with every kind of file is made from the models and images in ``tests/golden``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brittlestar.core.errors import BrittlestarError
from brittlestar.report import report_of
from brittlestar.report.export import csv_text, summary_json
from brittlestar.store import RunStore, verify

KINDS: Mapping[str, str] = {
    "manifest": "manifest.json",
    "its copy": "manifest-copy.json",
    "samples": "samples.parquet",
    "groups": "groups/*.json",
    "rows": "rows/*/*.parquet",
    "list of examples": "examples/examples.json",
    "example pictures": "examples/*.png",
    "explanation": "explain.json",
    "stages of a sampled map": "surveys/*/*/stage*.npz",
    "answers of a sampled map": "surveys/*/*/*.npy",
    "sampled maps": "surveys/*/*/map.npz",
    "first answers of models": "identities/*.npz",
    "report": "report/*",
}
UNREAD = ("its copy", "report", "first answers of models", "stages of a sampled map", "answers of a sampled map")
"""What no report reads."""


@dataclass(frozen=True)
class Flip:
    """One bit that was turned over, and what was said.

    Fields:
        kind, path, bit: Where: a key of ``KINDS``, the path inside the run folder, and the bit's number in the file.
        verified: Whether ``verify`` names the file.
        reported: ``named`` by the report, the ``same`` numbers, ``changed`` numbers, or ``not read``.
    """

    kind: str
    path: str
    bit: int
    verified: bool
    reported: str

    @property
    def seen(self) -> bool:
        """Whether it is named, and no number changed in silence."""
        return self.verified and self.reported != "changed"


def kinds_of(run: Path) -> dict[str, list[Path]]:
    """The files of a run folder by kind, each kind's in order."""
    found = {kind: sorted(p for p in run.glob(pattern) if p.is_file()) for kind, pattern in KINDS.items()}
    return {kind: paths for kind, paths in found.items() if paths}


def told(run: Path) -> tuple[str, str]:
    """What a report of a run folder says: its numbers, and what is wrong (an error's text where there is none)."""
    try:
        report = report_of([run])
        wrong = " ".join(s.text for s in report.header.statuses)
        summary = json.loads(summary_json(report))
    except BrittlestarError as error:
        return "", str(error)
    for changing in ("statuses", "created"):
        summary.pop(changing)
    return csv_text(report) + json.dumps(summary), wrong


def flips(run: Path, count: int, seed: int) -> Iterator[Flip]:
    """Flip, look, and put back, ``count`` times."""
    chance = random.Random(seed)
    before, _ = told(run)
    kinds = kinds_of(run)
    names = list(kinds)
    for turn in range(count):
        kind = names[turn % len(names)]
        path = chance.choice(kinds[kind]).relative_to(run)
        with tempfile.TemporaryDirectory() as folder:
            # Links cost nothing; the file that is flipped is written anew.
            copied = Path(shutil.copytree(run, Path(folder) / run.name, copy_function=os.link))
            content = bytearray((copied / path).read_bytes())
            bit = chance.randrange(8 * len(content))
            content[bit // 8] ^= 1 << bit % 8
            (copied / path).unlink()
            (copied / path).write_bytes(content)
            yield _seen(copied, path, kind, bit, before)


def _seen(run: Path, path: Path, kind: str, bit: int, before: str) -> Flip:
    try:
        problems = verify(RunStore.open(run))
    except BrittlestarError as error:
        problems = [str(error)]
    verified = any(str(path) in problem for problem in problems)
    reported = "not read"
    if kind not in UNREAD:
        after, wrong = told(run)
        # More than a few files are counted, and not named; here there is one.
        reported = "named" if str(path) in wrong else "same" if after == before else "changed"
    return Flip(kind, str(path), bit, verified, reported)


def table(made: Sequence[Flip]) -> str:
    """By kind: flips, named by ``verify``, what the report did, unseen."""
    lines = [
        "| file | flips | named by `verify` | named by the report | same report | unseen |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    kinds = [kind for kind in KINDS if any(f.kind == kind for f in made)]
    for kind in [*kinds, "all"]:
        own = [f for f in made if kind in (f.kind, "all")]
        read = [f for f in own if f.reported != "not read"]
        named, same = (str(sum(f.reported == how for f in read)) if read else "not read" for how in ("named", "same"))
        verified, unseen = sum(f.verified for f in own), sum(not f.seen for f in own)
        lines.append(f"| {kind} | {len(own):,} | {verified:,} | {named} | {same} | {unseen:,} |")
    return "\n".join(lines)


def make_run(folder: Path) -> Path:
    """A run folder with every kind of file."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    with contextlib.redirect_stdout(sys.stderr):
        from golden_tools import make_whole_run

        return make_whole_run(folder)


def main() -> None:
    """Print the table, and every unseen flip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or make_run(Path(folder))
        began, made = time.monotonic(), []
        for flip in flips(run, options.flips, options.seed):
            made.append(flip)
            if not flip.seen:
                print(f"unseen: {flip}", file=sys.stderr, flush=True)
            if len(made) % 100 == 0:
                print(f"{len(made):,} flips, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(made))
    sys.exit(any(not flip.seen for flip in made))


if __name__ == "__main__":
    main()
